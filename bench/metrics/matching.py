"""Which proposal finds which clast: greedy matching by score, with the rules of COCO's evaluation."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .finds import Finds
from .statistics import Index, Values

NOTHING = -1
"""Stands for the clast of a proposal that matches none."""
HALF: Values = np.array([0.5])
"""The one threshold on IoU at which a clast counts as found."""
_LOOSEST = 1.0 - 1e-10  # pycocotools' guard: boxes that coincide but for rounding match at any threshold


@dataclass(frozen=True, eq=False)
class Matches:
    """K proposals, photograph by photograph, the surest first, with the clast that each finds at T thresholds."""

    proposal: Index
    """Position in the finds, intp[K]; proposals that take no part are missing."""
    clast: Index
    """Position in the finds, intp[T, K]; NOTHING where a proposal finds none."""


def box_iou(boxes: Values, truth: Values, ignored: NDArray[np.bool_]) -> Values:
    """Return the IoU of D boxes with G outlines, float64[D, G], from their corners float64[D, 4] and float64[G, 4].

    That with an ignored outline, bool[G], is the share of the *box* that lies in it: a box inside a crowd may be one
    grain of it (pycocotools' `iscrowd`). Boxes that do not overlap: 0; equal boxes: 1.
    """
    low = np.maximum(boxes[:, None, :2], truth[None, :, :2])
    high = np.minimum(boxes[:, None, 2:], truth[None, :, 2:])
    both = np.maximum(high - low, 0.0).prod(axis=2)
    area, true_area = (np.prod(corners[:, 2:] - corners[:, :2], axis=1) for corners in (boxes, truth))
    union = np.where(ignored, area[:, None], area[:, None] + true_area - both)
    out: Values = np.zeros(both.shape)
    np.divide(both, union, out=out, where=both > 0)
    return out


def match(
    finds: Finds,
    score: Values,
    *,
    proposals: NDArray[np.bool_],
    clasts: NDArray[np.bool_],
    ignored: NDArray[np.bool_],
    thresholds: Values = HALF,
    limit: int | None = None,
) -> Matches:
    """Match the proposals of a mask, bool[N], to clasts, bool[M], and to ignore regions, bool[M]; others do not exist.

    On each photograph the surest proposals, by `score` float64[N], at most `limit` of them, choose one after the other:
    of the clasts that nobody has taken, the one with the highest IoU at or above the threshold, else of the ignore
    regions, which are never used up. Proposals with equal scores choose in the order given; of clasts with equal IoU
    the last is taken. Thresholds are float64[T] in 0..1. Lin et al. 2014; pycocotools, `COCOeval.evaluateImg`.
    """
    surest = surest_first(finds, score, proposals, limit)
    outlines = np.flatnonzero(clasts | ignored)
    outlines = outlines[np.argsort(finds.true_photo[outlines], kind="stable")]
    found = np.full((len(thresholds), len(surest)), NOTHING, np.intp)
    for here, place in meetings(finds.photo[surest], finds.true_photo[outlines]):
        there = outlines[place]
        iou = box_iou(finds.xyxy[surest[here]], finds.true_xyxy[there], ignored[there])
        taken = _greedy(iou, ignored[there], thresholds)
        found[:, here] = np.where(taken == NOTHING, NOTHING, there[taken])
    return Matches(surest, found)


def meetings(photo: Index, true_photo: Index) -> Iterator[tuple[slice, slice]]:
    """Yield, for each photograph that has both, where it stands in two columns that are sorted by photograph."""
    for one in np.intersect1d(photo, true_photo):
        yield slice(*np.searchsorted(photo, [one, one + 1])), slice(*np.searchsorted(true_photo, [one, one + 1]))


def surest_first(finds: Finds, score: Values, proposals: NDArray[np.bool_], limit: int | None = None) -> Index:
    """Return the proposals of a mask, bool[N], by photograph and falling score, not more than `limit` a photograph.

    Proposals of a photograph with equal scores keep the order given.
    """
    chosen = np.flatnonzero(proposals)
    order = chosen[np.lexsort((-score[chosen], finds.photo[chosen]))]
    if limit is None:
        return order
    photo = finds.photo[order]
    place = np.arange(len(order)) - np.searchsorted(photo, photo)
    return order[place < limit]


def pooled_order(finds: Finds, score: Values, proposals: Index) -> Index:
    """Return what sorts proposals of all photographs, intp[K], by falling score, float64[N]: places in `proposals`.

    Of equal scores those of one photograph keep the order given, and photographs come in their `turn`: were it the
    order of their names, a folder whose name tells the class would change the average precision.
    """
    return np.lexsort((finds.turn[finds.photo[proposals]], -score[proposals]))


def _greedy(iou: Values, ignored: NDArray[np.bool_], thresholds: Values) -> Index:
    """Return the column of `iou` float64[D, G] that each row, the surest first, takes: intp[T, D], or NOTHING."""
    levels = np.minimum(thresholds, _LOOSEST)[:, None]
    taken = np.full((len(thresholds), len(iou)), NOTHING, np.intp)
    free = np.ones((len(thresholds), len(ignored)), np.bool_)
    rows = np.arange(len(thresholds))
    preference = np.empty(len(ignored), np.intp)
    for one in np.flatnonzero(iou.max(axis=1) >= levels.min()):
        preference[np.lexsort((iou[one], ~ignored))] = np.arange(len(ignored))
        allowed = (iou[one] >= levels) & (free | ignored)
        best = np.where(allowed, preference, NOTHING).argmax(axis=1)
        has = allowed[rows, best]
        taken[has, one] = best[has]
        free[rows[has], best[has]] = False
    return taken
