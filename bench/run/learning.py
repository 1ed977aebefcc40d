"""Steps that learn: frozen features, fits, and the logits of trained backbones."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import plugins
from ..data.crops import Crops
from ..errors import ClastbenchError, PluginError
from ..records import CLASSES
from ..suite import Training
from . import samples
from .graph import Folders, Node


def _plugin(node: Node) -> plugins.Plugin:
    """Load the node's backbone anew."""
    return plugins.load_planned(plugins.BACKBONES, node.local["backbone"], node.spec["plugin"])


def read_samples(folder: Path) -> list[samples.Sample]:
    """Read the samples that `crops` or `classify` wrote."""
    return [samples.Sample(**record) for record in json.loads((folder / "samples.json").read_text(encoding="utf-8"))]


def read_crops(folder: Path) -> Crops:
    """Read what `crops` wrote; pixels stay on disk."""
    read = read_samples(folder)
    return Crops(
        images=np.load(folder / "images.npy", mmap_mode="r"),
        labels=np.asarray([sample.label for sample in read], np.int64),
        image_ids=tuple(sample.image_id for sample in read),
    )


def _rows(crops_: Crops, ids: list[str], *, labelled: bool) -> NDArray[np.int64]:
    wanted = set(ids)
    return np.asarray(
        [
            row
            for row, image_id in enumerate(crops_.image_ids)
            if image_id in wanted and (not labelled or crops_.labels[row] != samples.NO_LABEL)
        ],
        np.int64,
    )


def features(node: Node, folders: Folders, out: Path) -> None:
    """Run a frozen network once over crops, and over the mirror images of those it may train on."""
    import torch  # noqa: PLC0415

    from ..train.networks import build, features_of  # noqa: PLC0415

    made = _plugin(node).made
    crops_ = read_crops(folders["crops"])
    torch.manual_seed(0)
    network = build(made, "imagenet", crops_.size, node.local["device"])
    np.save(out / "features.npy", features_of(network, crops_.images))
    rows = _rows(crops_, node.spec["mirror_ids"], labelled=True)
    np.save(out / "mirror_rows.npy", rows)
    np.save(out / "mirrored.npy", features_of(network, crops_.images[rows], mirror=True))


@dataclass(frozen=True, slots=True)
class Fitting:
    """What a fit has to work with: the rows of `crops` it may learn from, and those it may only watch."""

    node: Node
    folders: Folders
    crops: Crops
    train: NDArray[np.int64]
    validation: NDArray[np.int64]
    out: Path


def fit(node: Node, folders: Folders, out: Path) -> None:
    """Train a backbone on one fold; write all that inference needs, and `log.json` for networks."""
    crops_ = read_crops(folders["crops"])
    train = _rows(crops_, node.spec["train"], labelled=True)
    validation = _rows(crops_, node.spec["validation"], labelled=True)
    if not len(train):
        raise PluginError("Nothing to train on: no labelled crop in the training photographs of this fold.")
    fitting = {"frozen": _fit_head, "finetune": _fit_network, "scratch": _fit_network, None: _fit_classifier}
    fitting[node.spec["mode"]](Fitting(node, folders, crops_, train, validation, out))


def _fit_classifier(work: Fitting) -> None:
    plugin = _plugin(work.node)
    with _blaming(plugin.name, "fit"):
        plugin.made.fit(
            work.crops.take(work.train),
            work.crops.take(work.validation),
            seed=work.node.spec["seed"],
            device=work.node.local["device"],
            out=work.out,
        )


def _fit_head(work: Fitting) -> None:
    from safetensors.torch import save_file  # noqa: PLC0415

    from ..train.heads import fit_head, twins  # noqa: PLC0415

    recipe = Training(**work.node.spec["recipe"])
    plain = np.load(work.folders["features"] / "features.npy")
    inputs, labels = plain[work.train], work.crops.labels[work.train]
    if recipe.mirror:
        inputs = np.concatenate([inputs, _mirrored_features(work)])
        labels = np.concatenate([labels, twins(labels)])
    watched = (plain[work.validation], work.crops.labels[work.validation])
    head, log = fit_head(
        inputs, labels, watched, recipe=recipe, seed=work.node.spec["seed"], device=work.node.local["device"]
    )
    save_file(head.cpu().state_dict(), work.out / "head.safetensors")
    _write_log(log, work.out)


def _mirrored_features(work: Fitting) -> NDArray[np.float32]:
    """Features of the mirror images of the training rows, in their order."""
    mirrored = np.load(work.folders["features"] / "mirrored.npy")
    rows = np.load(work.folders["features"] / "mirror_rows.npy").tolist()
    position = {row: at for at, row in enumerate(rows)}
    found: NDArray[np.float32] = mirrored[[position[row] for row in work.train.tolist()]]
    return found


def _fit_network(work: Fitting) -> None:
    import torch  # noqa: PLC0415
    from safetensors.torch import save_model  # noqa: PLC0415

    from ..train.networks import build  # noqa: PLC0415
    from ..train.whole import fit_network  # noqa: PLC0415

    spec = work.node.spec
    plugin = _plugin(work.node)
    torch.manual_seed(spec["seed"])
    weights = "none" if spec["mode"] == "scratch" else "imagenet"
    network = build(plugin.made, weights, work.crops.size, work.node.local["device"])
    log = fit_network(
        network,
        work.crops.take(work.train),
        work.crops.take(work.validation),
        recipe=Training(**spec["recipe"]),
        seed=spec["seed"],
    )
    save_model(network.module.cpu(), str(work.out / "model.safetensors"))
    _write_log(log, work.out)


def _write_log(log: list[Any], out: Path) -> None:
    (out / "log.json").write_text(json.dumps([asdict(epoch) for epoch in log], indent=1), encoding="utf-8")


def classify(node: Node, folders: Folders, out: Path) -> None:
    """Run a trained backbone over the crops of a fold's test photographs; write `logits.npy` and `samples.json`."""
    crops_ = read_crops(folders["crops"])
    rows = _rows(crops_, node.spec["test"], labelled=False)
    predicting = {"frozen": _head_logits, "finetune": _network_logits, "scratch": _network_logits, None: _ask}
    logits = predicting[node.spec["mode"]](node, folders, crops_, rows)
    _check_logits(node.spec["plugin"]["name"], logits, len(rows))
    np.save(out / "logits.npy", logits.astype(np.float64))
    read = read_samples(folders["crops"])
    (out / "samples.json").write_text(json.dumps([asdict(read[row]) for row in rows]), encoding="utf-8")


def _head_logits(node: Node, folders: Folders, crops_: Crops, rows: NDArray[np.int64]) -> NDArray[np.float32]:
    del crops_
    from safetensors.torch import load_file  # noqa: PLC0415

    from ..train.heads import Head, head_logits  # noqa: PLC0415

    inputs = np.load(folders["features"] / "features.npy")[rows]
    head = Head(inputs.shape[1], node.spec["recipe"]["hidden"])
    head.load_state_dict(load_file(folders["fit"] / "head.safetensors"))
    return head_logits(head.to(node.local["device"]), inputs, node.local["device"])


def _network_logits(node: Node, folders: Folders, crops_: Crops, rows: NDArray[np.int64]) -> NDArray[np.float32]:
    from safetensors.torch import load_model  # noqa: PLC0415

    from ..train.networks import build, logits_of  # noqa: PLC0415

    plugin = _plugin(node)
    network = build(plugin.made, "none", crops_.size, node.local["device"])
    load_model(network.module, str(folders["fit"] / "model.safetensors"), device=node.local["device"])
    return logits_of(network, crops_.images[rows])


def _ask(node: Node, folders: Folders, crops_: Crops, rows: NDArray[np.int64]) -> NDArray[np.float32]:
    plugin = _plugin(node)
    with _blaming(plugin.name, "load"):
        plugin.made.load(folders["fit"], device=node.local["device"])
    parts = []
    for start in range(0, len(rows), 256):
        with _blaming(plugin.name, "predict"):
            parts.append(np.asarray(plugin.made.predict(crops_.batch(rows[start : start + 256]))))
        _check_logits(plugin.name, parts[-1], len(rows[start : start + 256]))
    return np.concatenate(parts) if parts else np.zeros((0, len(CLASSES)), np.float32)


def _check_logits(name: str, logits: NDArray[np.float32], n: int) -> None:
    if logits.shape != (n, len(CLASSES)):
        raise PluginError(f"Backbone {name!r} returned logits of shape {logits.shape}; expected {(n, len(CLASSES))}.")
    if not np.isfinite(logits).all():
        raise PluginError(f"Backbone {name!r} returned logits that are not finite (NaN or infinite).")


@contextlib.contextmanager
def _blaming(name: str, method: str) -> Iterator[None]:
    """Turn whatever a plugin raises into a PluginError that names it."""
    try:
        yield
    except ClastbenchError:
        raise
    except Exception as error:
        text = " ".join(str(error).split())
        raise PluginError(f"Backbone {name!r}: {method} raised {type(error).__name__}: {text}") from error
