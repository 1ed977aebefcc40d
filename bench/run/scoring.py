"""The steps that score: the boxes of a detector, and a cell from its boxes and logits to photographs and scores."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np

from ..metrics import (
    Observations,
    attribute,
    choose_detector_threshold,
    finds,
    score_all,
    score_detections,
    score_senses,
)
from ..records import CLASSES, Boxes, Detections, Photomicrograph, Prediction, Score
from ..results import scores_from
from . import samples
from .answers import Rows, of_photographs, predictions, softmax
from .detections import at_true_boxes, combine, on, system_threshold, unread
from .graph import Folders, Node
from .learning import read_samples
from .proposals import read_boxes, read_dropped
from .samples import Sample
from .seeing import photographs_of

NO_SENSE = "its detections carry no sense"
"""Why a detector of clasts from elsewhere has no score that asks for the sense."""
LEFT_OPEN = (0.0, 0.5, 0.5)
"""What is said of a clast whose sense is not told: one of the two, nobody knows which."""


def score_detector(node: Node, folders: Folders, out: Path) -> None:
    """Score the boxes of a detector, whoever reads them; write `detector.json`: its threshold, and its scores."""
    threshold, scores = rate(
        photographs_of(node, folders, node.spec["validation"]),
        photographs_of(node, folders, node.spec["test"]),
        read_boxes(folders["detect"]),
    )
    said = {"threshold": threshold, "scores": [asdict(one) for one in scores]}
    (out / "detector.json").write_text(json.dumps(said), encoding="utf-8")


def rate(
    tuned: Sequence[Photomicrograph], tested: Sequence[Photomicrograph], boxes: Sequence[Boxes]
) -> tuple[float | None, tuple[Score, ...]]:
    """Choose a detector's threshold on some photographs, None without any; score its boxes on others."""
    chosen = choose_detector_threshold(finds([unread(tuned, boxes, None)])).value if tuned else None
    return chosen, score_detections(finds([unread(tested, boxes, chosen)]))


def score(node: Node, folders: Folders, out: Path) -> None:
    """Combine inputs to photographs and compute every score of a cell; write `cell.json`."""
    photographs = photographs_of(node, folders, node.spec["test"])
    inputs, logits = read_samples(folders["classify"]), np.load(folders["classify"] / "logits.npy")
    if "detect" in folders:
        read = np.round(softmax(logits), 6)  # as results keep them, so that all scores are of the same figures
        said, found, scores = _with_boxes(node, folders, photographs, inputs, read)
    else:
        said, found, scores = (
            predictions(photographs, of_photographs(photographs, inputs, softmax(logits), None)),
            None,
            (),
        )
    record = {
        "predictions": [asdict(one) for one in said],
        "detections": None if found is None else asdict(found),
        "scores": [asdict(one) for one in (*score_all(observe(said)), *scores)],
    }
    (out / "cell.json").write_text(json.dumps(record), encoding="utf-8")


def _with_boxes(
    node: Node, folders: Folders, photographs: list[Photomicrograph], inputs: list[Sample], read: Rows
) -> tuple[list[Prediction], Detections, tuple[Score, ...]]:
    rated = json.loads((folders["rated"] / "detector.json").read_text(encoding="utf-8"))
    tuned = photographs_of(node, folders, node.spec["validation"])
    threshold = system_threshold(tuned, inputs, read) if "max_boxes" in node.inputs["detect"].spec else None
    dropped = read_dropped(folders["detect"])
    own, inputs, read = on(photographs, read_boxes(folders["detect"]), inputs, read)
    told, found = combine(
        photographs,
        own,
        inputs,
        read,
        detector_threshold=rated["threshold"],
        threshold=threshold,
        n_dropped=sum(dropped[photo.id] for photo in photographs),
    )
    if "truth" in folders:
        known, at_truth = read_samples(folders["truth"]), softmax(np.load(folders["truth"] / "logits.npy"))
        snapped = of_photographs(photographs, inputs, at_true_boxes(photographs, own, read, known, at_truth), threshold)
        found = replace(
            found, snapped=_tuples(snapped), at_truth=_tuples(of_photographs(photographs, known, at_truth, None))
        )
    return told, found, (*scores_from(rated["scores"]), *score_read([(told, found)]), *lost([(told, found)]))


def score_read(cells: Sequence[tuple[Sequence[Prediction], Detections]], n_seeds: int = 1) -> tuple[Score, ...]:
    """Score what one cell, or several models together, have read in proposals; None where every sense is left open."""
    own = finds(cells)
    scores = score_senses(own, n_seeds)
    if not own.senses_left_open:
        return scores
    return tuple(replace(one, value=None, low=None, high=None, reason=NO_SENSE) for one in scores)


def _tuples(rows: Rows) -> tuple[tuple[float, ...], ...]:
    return tuple(tuple(row) for row in rows.tolist())


def lost(cells: Sequence[tuple[Sequence[Prediction], Detections]], n_seeds: int = 1) -> tuple[Score, ...]:
    """Attribute the macro-F1 that one cell, or several models together, have lost."""
    said = observe([one for told, _ in cells for one in told])
    if any(found.snapped is None or found.at_truth is None for _, found in cells):
        return attribute(said, None, None, n_seeds=n_seeds, reason="no stage can be replaced by the truth")
    snapped = np.concatenate([np.asarray(found.snapped) for _, found in cells])
    at_truth = np.concatenate([np.asarray(found.at_truth) for _, found in cells])
    return attribute(said, snapped, at_truth, n_seeds=n_seeds)


def observe(said: Sequence[Prediction]) -> Observations:
    """Turn predictions into what `clastbench.metrics` scores."""
    return Observations(
        image_id=tuple(p.image_id for p in said),
        group=tuple(p.group for p in said),
        truth=np.asarray([samples.NO_LABEL if p.truth is None else CLASSES.index(p.truth) for p in said], np.int8),
        present=np.asarray([p.present for p in said], bool),
        probabilities=np.asarray([p.probabilities for p in said], np.float64).reshape(-1, len(CLASSES)),
    )
