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
    box_iou,
    choose_detector_threshold,
    choose_threshold,
    finds,
    score_all,
    score_detections,
    score_senses,
)
from ..records import CLASSES, Box, Boxes, Detections, Photomicrograph, Prediction, Score, TrueClasts
from ..results import scores_from
from . import samples
from .answers import Rows, deciding, of_photographs, predictions, sense_scores, softmax
from .graph import Folders, Node
from .learning import read_samples
from .proposals import read_boxes, read_dropped
from .regards import true_boxes
from .samples import Sample
from .seeing import photographs_of

UNTOLD = 0.5
"""The threshold where validation photographs tell nothing."""
LEAST = 1e-6
"""The lowest threshold: beside 0, a clast whose senses weigh nothing would be of no class at all."""
NO_SENSE = "its detections carry no sense"
"""Why a detector of clasts from elsewhere has no score that asks for the sense."""
LEFT_OPEN = (0.0, 0.5, 0.5)
"""What is said of a clast whose sense is not told: one of the two, nobody knows which."""
MEETS = 0.5
"""Intersection over union from which a proposal is one of a clast."""


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
    chosen = choose_detector_threshold(finds([_unread(tuned, boxes, None)])).value if tuned else None
    return chosen, score_detections(finds([_unread(tested, boxes, chosen)]))


def _unread(
    photographs: Sequence[Photomicrograph], boxes: Sequence[Boxes], threshold: float | None
) -> tuple[list[Prediction], Detections]:
    """Put boxes beside the clasts as if nothing had been read in them."""
    nothing = np.tile(np.eye(len(CLASSES))[0], (len(photographs), 1))
    known = {photo.id for photo in photographs}
    own = samples.detected([one for one in boxes if one.image_id in known], samples.AS_THEY_ARE)
    blank = np.tile(np.eye(len(CLASSES))[0], (len(own), 1))
    return predictions(photographs, nothing), _detections(photographs, own, blank, detector_threshold=threshold)


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
        snapped = of_photographs(photographs, inputs, _snapped(photographs, own, read, known, at_truth), threshold)
        found = replace(
            found, snapped=_tuples(snapped), at_truth=_tuples(of_photographs(photographs, known, at_truth, None))
        )
    return told, found, (*scores_from(rated["scores"]), *score_read([(told, found)]), *lost([(told, found)]))


def on(
    photographs: Sequence[Photomicrograph], boxes: Sequence[Boxes], inputs: Sequence[Sample], read: Rows
) -> tuple[list[Sample], list[Sample], Rows]:
    """Keep what is of these photographs: the boxes as they are, the inputs made of them, and what was read there."""
    ids = {photo.id for photo in photographs}
    own = samples.detected([one for one in boxes if one.image_id in ids], samples.AS_THEY_ARE)
    rows = [row for row, one in enumerate(inputs) if one.image_id in ids]
    return own, [inputs[row] for row in rows], read[rows]


def combine(
    photographs: Sequence[Photomicrograph],
    own: Sequence[Sample],
    inputs: Sequence[Sample],
    read: Rows,
    *,
    detector_threshold: float | None,
    threshold: float | None,
    n_dropped: int,
) -> tuple[list[Prediction], Detections]:
    """Say what proposals mean for their photographs, and put them beside the clasts.

    `own` are the boxes, `inputs` what was cropped for them, `read` what was read there: one entry a proposal.
    """
    told = predictions(photographs, of_photographs(photographs, inputs, read, threshold))
    found = _detections(
        photographs, own, read, detector_threshold=detector_threshold, threshold=threshold, n_dropped=n_dropped
    )
    return told, found


def score_read(cells: Sequence[tuple[Sequence[Prediction], Detections]], n_seeds: int = 1) -> tuple[Score, ...]:
    """Score what one cell, or several models together, have read in proposals; None where every sense is left open."""
    own = finds(cells)
    scores = score_senses(own, n_seeds)
    if not own.senses_left_open:
        return scores
    return tuple(replace(one, value=None, low=None, high=None, reason=NO_SENSE) for one in scores)


def _tuples(rows: Rows) -> tuple[tuple[float, ...], ...]:
    return tuple(tuple(row) for row in rows.tolist())


def _detections(
    photographs: Sequence[Photomicrograph],
    own: Sequence[Sample],
    read: Rows,
    *,
    detector_threshold: float | None = None,
    threshold: float | None = None,
    n_dropped: int = 0,
) -> Detections:
    """Put proposals beside the clasts; figures are rounded as results keep them, so that all scores are of these."""
    clasts = [(photo.id, clast) for photo in photographs for clast in photo.clasts]
    truth = TrueClasts(
        image_id=tuple(image_id for image_id, _ in clasts),
        xyxy=tuple(_rounded(clast.box_xyxy) for _, clast in clasts),
        sense=tuple((clast.sense or "none") if clast.judged else None for _, clast in clasts),
        ignore=tuple(clast.ignore for _, clast in clasts),
    )
    return Detections(
        image_id=tuple(one.image_id for one in own),
        xyxy=tuple(_rounded(one.box) for one in own if one.box is not None),
        score=tuple(round(one.score, 6) for one in own),
        probabilities=tuple(tuple(round(value, 6) for value in row) for row in read.tolist()),
        truth=truth,
        detector_threshold=detector_threshold,
        threshold=threshold,
        n_dropped=n_dropped,
    )


def _rounded(box: Box) -> Box:
    x0, y0, x1, y1 = (round(value, 2) for value in box)
    return x0, y0, x1, y1


def system_threshold(
    photographs: Sequence[Photomicrograph], inputs: Sequence[Sample], read: Rows, *, untold: float = UNTOLD
) -> float:
    """Choose the score from which a clast counts, for macro-F1 on validation photographs; `untold` if they say none."""
    best, scores = deciding(inputs, read, proposes=True), sense_scores(inputs, read)
    rows = [best.get(photo.id) for photo in photographs]
    chosen = choose_threshold(
        [0.0 if row is None else float(scores[row]) for row in rows],
        [0 if row is None else 1 + int(read[row, 2] > read[row, 1]) for row in rows],
        [samples.NO_LABEL if photo.truth is None else CLASSES.index(photo.truth) for photo in photographs],
    )
    return untold if chosen.value is None else max(chosen.value, LEAST)


def _snapped(
    photographs: Sequence[Photomicrograph], own: Sequence[Sample], read: Rows, known: Sequence[Sample], at_truth: Rows
) -> Rows:
    """Return what would have been read had each proposal that meets a clast been cropped at its true box."""
    rows_of: dict[str, list[int]] = {}
    for row, one in enumerate(known):
        rows_of.setdefault(one.image_id, []).append(row)
    boxes = {photo.id: [photo.clasts[at].box_xyxy for at in true_boxes(photo)] for photo in photographs}
    changed = read.copy()
    for row, one in enumerate(own):
        true = boxes[one.image_id]
        if not true:
            continue
        iou = box_iou(np.asarray([one.box]), np.asarray(true), np.zeros(len(true), bool))[0]
        nearest = int(np.argmax(iou))
        if iou[nearest] >= MEETS:
            changed[row] = at_truth[rows_of[one.image_id][nearest]]
    return changed


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
