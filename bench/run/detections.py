"""Proposals beside the clasts of their photographs: what a system that was asked for boxes is scored on."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..metrics import box_iou, choose_threshold
from ..records import CLASSES, Box, Boxes, Detections, Photomicrograph, Prediction, TrueClasts
from . import samples
from .answers import Rows, deciding, of_photographs, predictions, sense_scores
from .regards import true_boxes
from .samples import Sample

UNTOLD = 0.5
"""The threshold where validation photographs tell nothing."""
LEAST = 1e-6
"""The lowest threshold: beside 0, a clast whose senses weigh nothing would be of no class at all."""
MEETS = 0.5
"""Intersection over union from which a proposal is one of a clast."""


def unread(
    photographs: Sequence[Photomicrograph], boxes: Sequence[Boxes], threshold: float | None
) -> tuple[list[Prediction], Detections]:
    """Put boxes beside the clasts as if nothing had been read in them."""
    nothing = np.tile(np.eye(len(CLASSES))[0], (len(photographs), 1))
    known = {photo.id for photo in photographs}
    own = samples.detected([one for one in boxes if one.image_id in known], samples.AS_THEY_ARE)
    blank = np.tile(np.eye(len(CLASSES))[0], (len(own), 1))
    return predictions(photographs, nothing), _detections(photographs, own, blank, detector_threshold=threshold)


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


def at_true_boxes(
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
