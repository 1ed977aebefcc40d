"""Steps that open photographs: render them, cut out crops; and what of them a plugin may see."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..data.letterbox import letterbox
from ..records import Photomicrograph
from ..suite import CropSettings
from ..synth import Recipe
from . import inputs, samples
from .graph import Folders, Node
from .proposals import read_boxes


def pictures(node: Node, folders: Folders, out: Path) -> None:
    """Render a shard of generated photographs."""
    del folders
    spec = node.spec
    inputs.render_shard(Recipe(**node.local["recipe"]), spec["start"], spec["stop"], spec.get("condition", ""), out)


def variants(node: Node, folders: Folders, out: Path) -> None:
    """Render photographs again with one thing changed."""
    spec = node.spec
    known = inputs.open_photographs({}, folders, spec["recipe"])
    photographs = [known[image_id] for image_id in spec["ids"]]
    inputs.render_variants(Recipe(**node.local["recipe"]), photographs, spec["change"], spec["at_most"], out)


def photographs_of(node: Node, folders: Folders, ids: list[str]) -> list[Photomicrograph]:
    """Open the photographs of a node, in the order of the ids."""
    known = inputs.open_photographs(node.local["source"], folders, node.spec["data"])
    return [known[image_id] for image_id in ids]


@dataclass(frozen=True, slots=True, repr=False)
class Blinded:
    """Pixels whose file name does not show."""

    pixels: Callable[[], NDArray[np.uint8]]

    def __call__(self) -> NDArray[np.uint8]:
        """Return the pixels."""
        return self.pixels()


def blinded(photographs: Sequence[Photomicrograph]) -> list[Photomicrograph]:
    """Strip all that tells the answer: clasts, labels, attributes, and names, since folders are named by class."""
    return [
        Photomicrograph(
            id=f"{number:06d}",
            pixels=Blinded(photo.pixels),
            sha256="",
            truth=None,
            present=False,
            group=f"{number:06d}",
            um_per_px=photo.um_per_px,
        )
        for number, photo in enumerate(photographs)
    ]


def crops(node: Node, folders: Folders, out: Path) -> None:
    """Choose samples and write `samples.json`; letterbox them to `images.npy` uint8[N, H, W, 3] if they are kept."""
    if node.spec.get("on_demand"):
        _write_samples(_samples(node, folders, []), out)
        return
    photographs = photographs_of(node, folders, node.spec["ids"])
    chosen = _samples(node, folders, photographs)
    height, width = node.spec["size"]
    images = np.lib.format.open_memmap(
        out / "images.npy", mode="w+", dtype=np.uint8, shape=(len(chosen), height, width, 3)
    )
    by_id = {photo.id: photo for photo in photographs}
    loaded: tuple[str, NDArray[np.uint8]] | None = None
    for row, sample in enumerate(chosen):
        if loaded is None or loaded[0] != sample.image_id:
            loaded = (sample.image_id, by_id[sample.image_id].load())
        images[row], _ = letterbox(loaded[1], (height, width), sample.box)
    images.flush()
    _write_samples(chosen, out)


def _write_samples(chosen: list[samples.Sample], out: Path) -> None:
    (out / "samples.json").write_text(json.dumps([asdict(sample) for sample in chosen]), encoding="utf-8")


def _samples(node: Node, folders: Folders, photographs: list[Photomicrograph]) -> list[samples.Sample]:
    settings = CropSettings(**node.spec["crops"])
    match node.spec["samples"]:
        case "whole":
            return samples.whole(photographs)
        case "training":
            return samples.training_boxes(photographs, settings)
        case "detected":
            return samples.detected(read_boxes(folders["detect"]), settings)
    raise AssertionError(node.spec["samples"])
