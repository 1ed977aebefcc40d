"""Average precision as a statistic of weights of photographs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..records import CLASSES, SENSES
from .finds import NOT_JUDGED, Finds
from .matching import NOTHING, match, pooled_order
from .statistics import Index, Statistic, Values, Weights, by_column, ratio
from .tallies import Shares

IOU_THRESHOLDS: Values = np.linspace(0.5, 0.95, 10)
"""COCO's, .50:.05:.95."""
RECALLS: Values = np.linspace(0.0, 1.0, 101)
"""The points of recall at which COCO reads the precision."""
MAX_PROPOSALS = 100
"""Proposals that a photograph and class may have; COCO's maxDets."""
CELLS_AT_ONCE = 1 << 17
"""Hits times resamples in one piece of work, which then stays in the processor's cache."""
HITS_AT_ONCE = 16
"""Hits whose alarms are summed by one product."""


@dataclass(frozen=True, eq=False)
class Outcomes:
    """What became of the K proposals for one class, over all P photographs, the surest first (`pooled_order`)."""

    photo: Index
    """intp[K]."""
    hit: NDArray[np.bool_]
    """bool[T, K] at IOU_THRESHOLDS: the proposal finds a clast."""
    alarm: NDArray[np.bool_]
    """bool[T, K]: it finds neither a clast nor an ignore region."""
    positives: Values
    """Clasts that each photograph has, float64[P]."""

    def recall(self) -> Shares:
        """Return average recall: clasts found, averaged over the thresholds, of clasts there are."""
        found = np.zeros((len(self.positives), 1))
        np.add.at(found[:, 0], self.photo, self.hit.mean(axis=0))
        return Shares(found, self.positives[:, None])


@dataclass(frozen=True, eq=False)
class Precision:
    """Average precision: mean over some of IOU_THRESHOLDS of the mean over the classes that occur in the truth.

    Lin et al. 2014; equals pycocotools' COCOeval with area "all" and 100 detections. Boxes at random: about 0; oracle:
    1. Weights that are whole numbers equal that many copies of the photographs, scores being distinct.
    """

    classes: Sequence[Outcomes]
    at: Index
    """Positions in IOU_THRESHOLDS."""

    @property
    def rows(self) -> Values:
        """Every photograph is one row, float64[P]: those without clasts have false alarms."""
        return np.ones(len(self.classes[0].positives))

    def statistic(self, unit: Index) -> Statistic:
        """Return the function from weights, whose columns `unit` intp[P] names, to values float64[R]."""
        curves = [[_curve(own, at, unit) for at in self.at] for own in self.classes]

        def value(weights: Weights) -> Values:
            of_classes = np.array([np.mean([curve(weights) for curve in own], axis=0) for own in curves])
            defined = ~np.isnan(of_classes)
            return ratio(np.where(defined, of_classes, 0.0).sum(axis=0), defined.sum(axis=0))

        return value


def agnostic_outcomes(finds: Finds) -> Outcomes:
    """Return what became of the proposals by the detector's score, when every clast is of one class."""
    every = np.ones(len(finds.photo), np.bool_)
    return _outcomes(finds, finds.score, every, ~finds.true_ignore, finds.true_ignore)


def sense_outcomes(finds: Finds) -> tuple[Outcomes, ...]:
    """Return what became of the proposals of each of SENSES: a proposal is of its likelier sense, by `sense_score`.

    Clasts that nobody has judged are ignore regions; those judged symmetric do not exist, so that a proposal there is
    an alarm.
    """
    ignored = finds.true_ignore | (finds.true_class == NOT_JUDGED)
    sense, score = finds.sense, finds.sense_score
    numbers = [CLASSES.index(name) for name in SENSES]
    return tuple(
        _outcomes(finds, score, sense == one, ~ignored & (finds.true_class == one), ignored) for one in numbers
    )


def _outcomes(
    finds: Finds, score: Values, proposals: NDArray[np.bool_], clasts: NDArray[np.bool_], ignored: NDArray[np.bool_]
) -> Outcomes:
    found = match(
        finds, score,
        proposals=proposals, clasts=clasts, ignored=ignored, thresholds=IOU_THRESHOLDS, limit=MAX_PROPOSALS,
    )  # fmt: skip
    order = pooled_order(finds, score, found.proposal)
    clast = found.clast[:, order]
    matched = clast != NOTHING
    hit = np.zeros_like(matched)
    hit[matched] = clasts[clast[matched]]
    return Outcomes(
        photo=finds.photo[found.proposal[order]],
        hit=hit,
        alarm=~matched,
        positives=np.bincount(finds.true_photo[clasts], minlength=len(finds)).astype(np.float64),
    )


def _curve(own: Outcomes, at: int, unit: Index) -> Callable[[Weights], Values]:
    """Return the average precision at one threshold as a function of weights; NaN where no clast has weight.

    Precision is highest at a hit, so that hits alone need looking at: matching does not depend on the weights, and
    the alarms of each unit between two hits are counted beforehand.
    """
    n_units = int(unit.max()) + 1 if len(unit) else 0
    hits = np.flatnonzero(own.hit[at])
    unit_of_hit = unit[own.photo[hits]]
    blocks = _alarms_ahead(hits, np.flatnonzero(own.alarm[at]), unit[own.photo])
    positives = np.bincount(unit, own.positives, minlength=n_units)

    def value(weights: Weights) -> Values:
        counts = [(units, table.astype(weights.dtype)) for units, table in blocks]
        area = np.empty(len(weights))
        step = max(1, CELLS_AT_ONCE // max(1, len(hits)))
        for start in range(0, len(weights), step):
            columns = by_column(weights[start : start + step, :n_units])
            area[start : start + step] = _area(columns[unit_of_hit], _summed(counts, columns), positives @ columns)
        return area

    return value


def _alarms_ahead(hits: Index, alarms: Index, unit: Index) -> list[tuple[Index, Values]]:
    """Return the alarms ahead of each hit since the start of its block, by units that have any in the block.

    `hits` and `alarms` are positions in `unit` intp[K]. A block of HITS_AT_ONCE hits holds U units, intp[U], and counts
    float64[hits, U]: few of the units have an alarm in it, so that sums by blocks cost far less than one large product.
    """
    blocks = []
    for first in range(0, len(hits), HITS_AT_ONCE):
        own = hits[first : first + HITS_AT_ONCE]
        between = alarms[slice(*np.searchsorted(alarms, [hits[first - 1] if first else 0, own[-1]]))]
        units, column = np.unique(unit[between], return_inverse=True)
        counts = np.zeros((len(own), len(units)))
        np.add.at(counts, (np.searchsorted(own, between), column), 1.0)
        blocks.append((units, np.cumsum(counts, axis=0)))
    return blocks


def _summed(blocks: Sequence[tuple[Index, Weights]], columns: Weights) -> Weights:
    """Return the weight of the alarms ahead of each hit, [n, R], from that of each unit, [U, R]."""
    out = np.empty((sum(len(counts) for _, counts in blocks), columns.shape[1]), columns.dtype)
    done = 0
    for units, counts in blocks:
        rows = out[done : done + len(counts)]
        np.matmul(counts, columns[units], out=rows)
        if done:
            rows += out[done - 1]
        done += len(counts)
    return out


def _area(weight: Weights, false: Weights, positives: Values) -> Values:
    """Return the mean precision over RECALLS, float64[R], from what each hit weighs and has false before it, [n, R]."""
    out = np.full(len(positives), np.nan)
    kept = positives > 0
    if not kept.all():
        out[kept] = _area(weight[:, kept], false[:, kept], positives[kept])
        return out
    true = np.cumsum(weight, axis=0)
    recall = true / positives
    nearest = np.rint(recall * (len(RECALLS) - 1)).astype(np.intp)
    read = nearest + (RECALLS[nearest] <= recall)  # points up to each recall, rounded as COCO's search rounds
    read[1:] -= read[:-1].copy()
    false += true
    np.maximum(false, np.finfo(false.dtype).tiny, out=false)  # 0 of 0, where nothing yet has weight, is 0
    precision = np.divide(true, false, out=false)
    np.maximum.accumulate(precision[::-1], axis=0, out=precision[::-1])
    np.einsum("nr,nr->r", precision, read, out=out, dtype=np.float64, casting="unsafe")
    return out / len(RECALLS)
