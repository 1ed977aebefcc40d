"""TIDE's six kinds of error of sense-aware detections, each with the AP50 that it costs.

One proposal is one detection: its class is the likelier sense, its score that of the detector times the probability of
that sense. Clasts judged to show no sense are clasts of another class, but no positives: nobody misses them. Overlap
is intersection over union (IoU). Bolya, Foley, Hays, Hoffman 2020, "TIDE: A General Toolbox for Identifying Object
Detection Errors", sections 2.2 and 2.3; order of the kinds as in its code, tidecv 1.0.1.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..records import CLASSES, SENSES, Box, Mistake
from .average_precision import Outcomes, Precision
from .finds import NOT_JUDGED, Finds
from .matching import NOTHING, box_iou, match, meetings, pooled_order, surest_first
from .statistics import Index, Values

FOREGROUND = 0.5
"""IoU from which on a proposal is well placed on a clast; share of a proposal in an ignore region, likewise."""
BACKGROUND = 0.1
"""IoU below which a proposal has nothing to do with a clast."""

RIGHT = "right"
"""Outcome of a proposal that is well placed on a clast of its class, which no surer one has matched."""
IGNORED = "ignored"
"""Outcome of a proposal that matches no clast, half or more of it in an ignore region or on a clast nobody judged."""
UNCOUNTED = "uncounted"
"""Outcome of a proposal that does not pass the threshold, or that an oracle dropped."""

NOBODY = NOTHING
"""Position of no clast."""

Mask = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Verdicts:
    """What became of N proposals and M clasts."""

    outcome: NDArray[np.str_]
    """RIGHT, IGNORED, UNCOUNTED or the name of a kind, str[N]."""
    clast: Index
    """The clast that is matched or meant, intp[N]; NOBODY for the background and for what does not count."""
    iou: Values
    """With that clast, float64[N]; 0 without one."""
    sense: NDArray[np.int8]
    """Class of each proposal as a position in CLASSES, int8[N]."""
    score: Values
    """Of each proposal, sense included, float64[N]."""
    order: Index
    """The proposals of all photographs, the surest first, intp[N] (`pooled_order`)."""
    true_class: NDArray[np.int8]
    """int8[M], as in `Finds`."""
    positive: Mask
    """Clasts that are there to be found: judged CW or CCW, and not in an ignore region, bool[M]."""
    missed: Mask
    """Those of them that no proposal matched, and no `cls` or `loc` error explains, bool[M]."""

    @property
    def ap50(self) -> float | None:
        """AP at IoU .5, 0..1: the mean over CW and CCW, as far as there are positives; None without any."""
        precision = Precision([self._outcomes(CLASSES.index(sense)) for sense in SENSES], np.array([0]))
        value = float(precision.statistic(np.zeros(1, np.intp))(np.ones((1, 1)))[0])
        return None if np.isnan(value) else value

    def count(self, kind: str) -> int:
        """Return how many errors of a kind there are."""
        return int(self.missed.sum() if kind == "miss" else (self.outcome == kind).sum())

    def _outcomes(self, sense: int) -> Outcomes:
        """Return what became of the proposals of one sense at an IoU of .5, as if all were of one photograph."""
        counts = (self.sense == sense) & ~np.isin(self.outcome, (IGNORED, UNCOUNTED))
        rows = self.order[counts[self.order]]
        hit = (self.outcome[rows] == RIGHT)[None]
        n_positive = (self.positive & (self.true_class == sense)).sum(dtype=np.float64)
        return Outcomes(photo=np.zeros(len(rows), np.intp), hit=hit, alarm=~hit, positives=np.array([n_positive]))


Rule = Callable[[NDArray[Any], NDArray[Any]], Mask]
Fix = Callable[[Verdicts], Verdicts]


@dataclass(frozen=True, slots=True)
class ErrorKind:
    """One way in which proposals and clasts disagree."""

    name: str
    title: str
    description: str
    rule: Rule
    """Whether it is this kind. For a proposal that matches no clast, from its largest IoU with a clast of its class,
    and with one of another class; for a clast, from whether it is matched, and whether a `cls` or `loc` error means it.
    """
    fix: Fix
    """What there would be if an oracle corrected all errors of this kind, and no other."""


def _drop(name: str) -> Fix:
    """Return the fix that takes all proposals of a kind away."""

    def fix(verdicts: Verdicts) -> Verdicts:
        return replace(verdicts, outcome=np.where(verdicts.outcome == name, UNCOUNTED, verdicts.outcome))

    return fix


def _correct(name: str) -> Fix:
    """Return the fix that makes all proposals of a kind match the clast they mean.

    Of several that then match one clast, the surest stays, and the others are dropped. What matches a clast without a
    sense is of class none, and so out of the AP of the senses.
    """

    def fix(verdicts: Verdicts) -> Verdicts:
        wrong = verdicts.outcome == name
        sense = verdicts.sense.copy()
        sense[wrong] = verdicts.true_class[verdicts.clast[wrong]]
        outcome = np.where(wrong, RIGHT, verdicts.outcome)
        right = verdicts.order[outcome[verdicts.order] == RIGHT]
        _, surest = np.unique(verdicts.clast[right], return_index=True)
        outcome[np.delete(right, surest)] = UNCOUNTED
        return replace(verdicts, outcome=outcome, sense=sense)

    return fix


def _forgive(verdicts: Verdicts) -> Verdicts:
    """Take the missed clasts from the positives; a sense of which none is left leaves the mean of AP50."""
    return replace(verdicts, positive=verdicts.positive & ~verdicts.missed, missed=np.zeros_like(verdicts.missed))


def _near(iou: NDArray[Any]) -> Mask:
    return np.asarray((iou >= BACKGROUND) & (iou < FOREGROUND))


_LISTED = (
    ErrorKind(
        "cls",
        "Wrong class",
        "Well placed (IoU >= .5) on a clast of another class: the opposite sense, or a sense for a clast without one.",
        lambda same, other: (other >= FOREGROUND) & ~_near(same),
        _correct("cls"),
    ),
    ErrorKind(
        "loc",
        "Badly placed",
        "The right sense, but the box only touches the clast (.1 <= IoU < .5).",
        lambda same, _other: _near(same),
        _correct("loc"),
    ),
    ErrorKind(
        "both",
        "Wrong class, badly placed",
        "The box only touches a clast (.1 <= IoU < .5), and that is of another class.",
        lambda same, other: (same < BACKGROUND) & _near(other),
        _drop("both"),
    ),
    ErrorKind(
        "dupe",
        "Duplicate",
        "Right and well placed (IoU >= .5), but a surer proposal has matched the clast already.",
        lambda same, other: (same >= FOREGROUND) & (other < FOREGROUND),
        _drop("dupe"),
    ),
    ErrorKind(
        "bkg",
        "Background",
        "A sense where there is no clast (IoU < .1 with all).",
        lambda same, other: (same < BACKGROUND) & (other < BACKGROUND),
        _drop("bkg"),
    ),
    ErrorKind(
        "miss",
        "Missed",
        "A clast with a sense that nothing was matched with, not even with the wrong sense or a bad box.",
        lambda matched, meant: ~matched & ~meant,
        _forgive,
    ),
)
KINDS: Mapping[str, ErrorKind] = MappingProxyType({kind.name: kind for kind in _LISTED})
"""By name. Every proposal that counts, matches no clast and is not ignored is of exactly one of the first five."""


@dataclass(frozen=True, slots=True)
class Located:
    """A mistake and where it was made; a photograph that two models were asked about has one position for each."""

    photo: int
    """Position of the photograph in `Finds`."""
    mistake: Mistake


@dataclass(frozen=True, slots=True)
class Impact:
    """How often one kind of error was made, and what it costs."""

    count: int
    """At the thresholds of the photographs."""
    ap50_back: float | None
    """AP50 that fixing all errors of this kind would give back, 0..1, over all proposals whatever their score."""
    reason: str | None = None
    """Why that is undefined."""


def judge(finds: Finds, *, at_threshold: bool = True) -> Verdicts:
    """Say what became of each proposal and each clast.

    Proposals match clasts of their class as in COCO (`match`): the surest first (equals in the order of `Finds`), each
    the free one of largest IoU from .5 on. At the threshold, only those count whose score reaches that of their
    photograph, or, where it has none, whose most probable class is a sense.
    """
    score = finds.sense_score
    counted = _counted(finds, score) if at_threshold else np.ones(len(score), np.bool_)
    ordinary = ~finds.true_ignore & (finds.true_class != NOT_JUDGED)
    matched = _matched(finds, counted, ordinary)
    iou, whose = _nearest(finds, matched, counted, ordinary)
    met, same, other = iou
    outcome = np.select([~counted, met > 0, matched != NOBODY], [UNCOUNTED, RIGHT, IGNORED], "")
    undecided = outcome == ""
    for kind in _LISTED[:-1]:
        outcome[undecided & kind.rule(same, other)] = kind.name
    by_outcome = [outcome == RIGHT, np.isin(outcome, ("loc", "dupe")), np.isin(outcome, ("cls", "both"))]
    clast = np.select(by_outcome, list(whose), NOBODY)
    positive = ordinary & (finds.true_class != CLASSES.index("none"))
    hit, meant = (_pointed_at(clast[np.isin(outcome, by)], len(positive)) for by in ((RIGHT,), ("cls", "loc")))
    return Verdicts(
        outcome=outcome,
        clast=clast,
        iou=np.select(by_outcome, list(iou), 0.0),
        sense=finds.sense,
        score=score,
        order=pooled_order(finds, score, np.arange(len(score))),
        true_class=finds.true_class,
        positive=positive,
        missed=positive & KINDS["miss"].rule(hit, meant),
    )


def find_mistakes(finds: Finds, *, at_threshold: bool = True) -> tuple[Located, ...]:
    """Return all mistakes: by photograph, proposals before missed clasts, the surest first.

    Galleries and counts take those at the threshold, AP takes all. See `judge`.
    """
    verdicts = judge(finds, at_threshold=at_threshold)
    wrong = np.isin(verdicts.outcome, tuple(KINDS))
    proposals = [_of_proposal(finds, verdicts, at) for at in surest_first(finds, verdicts.score, wrong).tolist()]
    missed = [_of_clast(finds, at) for at in np.flatnonzero(verdicts.missed).tolist()]
    return tuple(sorted([*proposals, *missed], key=lambda one: one.photo))


def error_impacts(finds: Finds) -> Mapping[str, Impact]:
    """Return, for each of KINDS, its count at the threshold, and the AP50 that an oracle would give back.

    AP50 counts all proposals, whatever the threshold, as TIDE does: a kind may cost AP and not occur at the threshold.
    What it gives back is AP50 with that kind alone fixed, less AP50 as it is: from 0 (an oracle has nothing to fix; a
    random detector's is all in `bkg`, `both` and `miss`) to 1. The parts do not sum to 1 - AP50. Where two would claim
    a clast the surest is kept, as the paper says; tidecv always keeps the one that matches already.
    """
    shown, everything = judge(finds), judge(finds, at_threshold=False)
    return MappingProxyType({name: _impact(kind, shown.count(name), everything) for name, kind in KINDS.items()})


def _counted(finds: Finds, score: Values) -> Mask:
    threshold = finds.threshold[finds.photo]
    sensed = finds.probabilities.argmax(axis=1) != CLASSES.index("none")
    return np.where(np.isnan(threshold), sensed, score >= threshold)


def _matched(finds: Finds, counted: Mask, ordinary: Mask) -> Index:
    """Return the clast of its class that each proposal matches, else an ignore region, intp[N]; NOBODY without."""
    matched = np.full(len(counted), NOBODY)
    for sense in map(CLASSES.index, SENSES):
        own = ordinary & (finds.true_class == sense)
        found = match(
            finds, finds.sense_score, proposals=counted & (finds.sense == sense), clasts=own, ignored=~ordinary
        )
        matched[found.proposal] = found.clast[0]
    return matched


def _nearest(finds: Finds, matched: Index, counted: Mask, ordinary: Mask) -> tuple[Values, Index]:
    """Return the largest IoU of each proposal that counts, float64[3, N], and whose it is, intp[3, N]: 0 and NOBODY.

    Of the clast it matches; of all of its class; and of all of another class.
    """
    found, true = np.flatnonzero(counted), np.flatnonzero(ordinary)
    found = found[np.argsort(finds.photo[found], kind="stable")]
    true = true[np.argsort(finds.true_photo[true], kind="stable")]
    iou, whose = np.zeros((3, len(counted))), np.full((3, len(counted)), NOBODY)
    for here, there in meetings(finds.photo[found], finds.true_photo[true]):
        own, clasts = found[here], true[there]
        overlaps = box_iou(finds.xyxy[own], finds.true_xyxy[clasts], np.zeros(len(clasts), np.bool_))
        said = finds.sense[own, None] == finds.true_class[clasts]
        among = np.where([matched[own, None] == clasts, said, ~said], overlaps, 0.0)
        iou[:, own] = among.max(axis=2)
        whose[:, own] = np.where(iou[:, own] > 0, clasts[among.argmax(axis=2)], NOBODY)
    return iou, whose


def _pointed_at(clasts: Index, n_clasts: int) -> Mask:
    pointed_at = np.zeros(n_clasts, np.bool_)
    pointed_at[clasts] = True
    return pointed_at


def _impact(kind: ErrorKind, count: int, verdicts: Verdicts) -> Impact:
    before, after = verdicts.ap50, kind.fix(verdicts).ap50
    if before is None:
        return Impact(count, None, "no clast has a sense")
    if after is None:
        return Impact(count, None, "every clast was missed: none is left to be found")
    return Impact(count, after - before)


def _of_proposal(finds: Finds, verdicts: Verdicts, at: int) -> Located:
    photo, clast = int(finds.photo[at]), int(verdicts.clast[at])
    mistake = Mistake(
        kind=str(verdicts.outcome[at]),
        image_id=finds.image_id[photo],
        prediction=CLASSES[verdicts.sense[at]],
        truth=None if clast == NOBODY else CLASSES[finds.true_class[clast]],
        iou=float(verdicts.iou[at]),
        score=float(verdicts.score[at]),
        box_xyxy=_box(finds.xyxy[at]),
    )
    return Located(photo, mistake)


def _of_clast(finds: Finds, at: int) -> Located:
    photo = int(finds.true_photo[at])
    mistake = Mistake(
        kind="miss",
        image_id=finds.image_id[photo],
        prediction=None,
        truth=CLASSES[finds.true_class[at]],
        iou=0.0,
        score=None,
        box_xyxy=_box(finds.true_xyxy[at]),
    )
    return Located(photo, mistake)


def _box(xyxy: Values) -> Box:
    x0, y0, x1, y1 = xyxy.tolist()
    return x0, y0, x1, y1
