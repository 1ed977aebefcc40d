"""The step that scores a cell: from boxes and logits to photographs, from photographs to scores."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..metrics import Observations, score_all
from ..records import CLASSES, Photomicrograph, Prediction
from . import samples
from .graph import Folders, Node
from .learning import read_samples
from .seeing import photographs_of


def score(node: Node, folders: Folders, out: Path) -> None:
    """Combine boxes to photographs and compute every score of a cell; write `cell.json`."""
    photographs = photographs_of(node, folders, node.spec["test"])
    logits = np.load(folders["classify"] / "logits.npy")
    said = predictions(photographs, read_samples(folders["classify"]), logits)
    scores = score_all(observe(said))
    record = {"predictions": [asdict(p) for p in said], "scores": [asdict(s) for s in scores]}
    (out / "cell.json").write_text(json.dumps(record), encoding="utf-8")


def predictions(
    photographs: list[Photomicrograph], boxes: list[samples.Sample], logits: NDArray[np.float64]
) -> list[Prediction]:
    """A photograph's probabilities are those of its best-scored clast; `none` for sure when nothing was found.

    A clast's score is the detector's score times the probability that the backbone gives to a sense; what the detector
    doubts goes to `none`.
    """
    best = {photo.id: np.eye(len(CLASSES))[0] for photo in photographs}
    for image_id, (_, seen) in best_boxes(boxes, logits).items():
        best[image_id] = seen
    return [
        Prediction(photo.id, photo.group, photo.truth, photo.present, tuple(float(p) for p in best[photo.id]))
        for photo in photographs
    ]


def best_boxes(
    boxes: Sequence[samples.Sample], logits: NDArray[np.float64]
) -> dict[str, tuple[int, NDArray[np.float64]]]:
    """Return, by photograph, which of its boxes decides (counted from 0), and what it says."""
    shifted = np.exp(logits - logits.max(axis=1, keepdims=True)) if len(logits) else logits
    softmax = shifted / shifted.sum(axis=1, keepdims=True) if len(logits) else logits
    found: dict[str, tuple[int, NDArray[np.float64]]] = {}
    counts: dict[str, int] = {}
    for sample, probability in zip(boxes, softmax, strict=True):
        nth = counts[sample.image_id] = counts.get(sample.image_id, -1) + 1
        seen = probability * sample.score
        seen[0] += 1 - sample.score
        if sample.image_id not in found or seen[1:].sum() > found[sample.image_id][1][1:].sum():
            found[sample.image_id] = nth, seen
    return found


def preferred(said: Prediction) -> str:
    """The sense a system prefers, whatever it thinks of `none`."""
    _, clockwise, counter = said.probabilities
    return "CW" if clockwise >= counter else "CCW"


def observe(said: Sequence[Prediction]) -> Observations:
    """Turn predictions into what `clastbench.metrics` scores."""
    return Observations(
        image_id=tuple(p.image_id for p in said),
        group=tuple(p.group for p in said),
        truth=np.asarray([samples.NO_LABEL if p.truth is None else CLASSES.index(p.truth) for p in said], np.int8),
        present=np.asarray([p.present for p in said], bool),
        probabilities=np.asarray([p.probabilities for p in said], np.float64).reshape(-1, len(CLASSES)),
    )
