"""Which boxes of a detector are explained: what it found, what it missed, and where it raised a false alarm."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from ..metrics import box_iou, finds
from ..metrics.matching import NOTHING, match
from ..records import BOX_TARGETS, Box, Boxes, Photomicrograph
from .detections import MEETS, unread
from .samples import blind

FOUND, MISSED, FALSE_ALARM = BOX_TARGETS
EACH = 3
"""Boxes of each kind on one photograph, at most."""


@dataclass(frozen=True, slots=True)
class BoxRegard:
    """One box that is explained."""

    image_id: str
    target: str
    """One of BOX_TARGETS."""
    box: Box
    """What was proposed; of a missed clast its true box."""
    label: int
    """Position in CLASSES of the sense that a detector with a head of its own read there; 0 where none was read."""
    score: float | None
    """Of the proposal; None for a missed clast."""
    clast: int | None
    """Which of the photograph's clasts was found or missed."""


def asked_photographs(ids: Iterable[str], budget: int) -> list[str]:
    """Return at most `budget` photographs, the same for every detector: the first by the sha256 of their ids."""
    return sorted(ids, key=blind)[:budget]


def box_regards(photo: Photomicrograph, boxes: Boxes, threshold: float) -> list[BoxRegard]:
    """Choose the boxes of one photograph, at most EACH a kind: the surest proposals, the largest missed clasts.

    Proposals with a score at or above the threshold choose their clasts as in every score (`metrics.matching.match`,
    IoU of a half). One that matches an ignored region is of no kind. Nor is one that repeats a clast that a surer one
    has found: there is a clast where it points.
    """
    seen = finds([unread([photo], [boxes], threshold)])
    told = match(
        seen, seen.score, proposals=seen.score >= threshold, clasts=~seen.true_ignore, ignored=seen.true_ignore
    )
    taken = dict(zip(told.proposal.tolist(), told.clast[0].tolist(), strict=True))
    overlap = box_iou(seen.xyxy, seen.true_xyxy, seen.true_ignore)
    found = [row for row, clast in taken.items() if clast != NOTHING and not seen.true_ignore[clast]]
    alarms = [row for row, clast in taken.items() if clast == NOTHING and not (overlap[row] >= MEETS).any()]
    missed = [at for at in np.flatnonzero(~seen.true_ignore).tolist() if at not in taken.values()]
    return [
        *(_proposal(photo, boxes, row, FOUND, taken[row]) for row in found[:EACH]),
        *(_missed(photo, at) for at in _largest(photo, missed)[:EACH]),
        *(_proposal(photo, boxes, row, FALSE_ALARM, None) for row in alarms[:EACH]),
    ]


def _proposal(photo: Photomicrograph, boxes: Boxes, row: int, target: str, clast: int | None) -> BoxRegard:
    x0, y0, x1, y1 = (float(value) for value in boxes.xyxy[row])
    label = 0 if boxes.label is None else int(boxes.label[row])
    return BoxRegard(photo.id, target, (x0, y0, x1, y1), label, float(boxes.score[row]), clast)


def _missed(photo: Photomicrograph, clast: int) -> BoxRegard:
    return BoxRegard(photo.id, MISSED, photo.clasts[clast].box_xyxy, 0, None, clast)


def _largest(photo: Photomicrograph, clasts: Sequence[int]) -> list[int]:
    def area(at: int) -> float:
        x0, y0, x1, y1 = photo.clasts[at].box_xyxy
        return (x1 - x0) * (y1 - y0)

    return sorted(clasts, key=lambda at: (-area(at), at))
