"""The step that asks a trained backbone about changed pictures: mirrored, turned, or rendered again."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..data.letterbox import letterbox
from ..records import Photomicrograph, Trial
from .asking import Ask, trained
from .graph import Folders, Node
from .learning import read_crops, read_samples
from .localising import rounded
from .regards import Regard, truth_regards
from .seeing import photographs_of

VARIANTS = "variants/"
"""The inputs that hold photographs rendered again are named so, and after the change."""


def trials(node: Node, folders: Folders, out: Path) -> None:
    """Ask about every input whose true sense is known; write `trials.json`."""
    crops_ = read_crops(node, folders)
    photographs = {photo.id: photo for photo in photographs_of(node, folders, node.spec["ids"])}
    regards = truth_regards(list(photographs.values()), read_samples(folders["crops"]), outlined=False)
    ask = trained(node, folders, crops_.size)
    seen = crops_.images[np.asarray([regard.row for regard in regards], np.int64)]
    found = [
        _trial("", regards, ask(seen), photographs),
        _trial("mirrored", regards, ask(seen[:, :, ::-1]), photographs),
        _trial("turned", regards, ask(seen[:, ::-1, ::-1]), photographs),
    ]
    for name, folder in folders.items():
        if name.startswith(VARIANTS):
            change = name.removeprefix(VARIANTS)
            found.append(_variant(change, folder, regards, size=crops_.size, ask=ask, photographs=photographs))
    (out / "trials.json").write_text(json.dumps([asdict(one) for one in found]), encoding="utf-8")


def _variant(
    change: str,
    folder: Path,
    regards: Sequence[Regard],
    *,
    size: tuple[int, int],
    ask: Ask,
    photographs: Mapping[str, Photomicrograph],
) -> Trial:
    """Cut the same inputs out of photographs that were rendered again."""
    images = np.load(folder / "images.npy", mmap_mode="r")
    own: dict[str, list[Regard]] = defaultdict(list)
    for regard in regards:
        own[regard.image_id].append(regard)
    chosen: list[Regard] = []
    cut: list[NDArray[np.uint8]] = []
    for image_id, image in zip(json.loads((folder / "ids.json").read_text(encoding="utf-8")), images, strict=True):
        for regard in own.get(image_id, ()):
            chosen.append(regard)
            cut.append(letterbox(np.array(image), size, regard.box)[0])
    logits = ask(np.stack(cut) if cut else np.zeros((0, *size, 3), np.uint8))
    return _trial(change, chosen, logits, photographs)


def _trial(
    change: str,
    regards: Sequence[Regard],
    logits: NDArray[np.float64],
    photographs: Mapping[str, Photomicrograph],
) -> Trial:
    return Trial(
        change=change,
        image_id=tuple(regard.image_id for regard in regards),
        group=tuple(photographs[regard.image_id].group for regard in regards),
        truth=tuple(regard.sense for regard in regards),
        logits=tuple(tuple(rounded(value) for value in row) for row in logits.tolist()),
    )
