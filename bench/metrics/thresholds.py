"""The choice of thresholds on validation photographs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..records import CLASSES, SENSES
from .finds import Finds
from .matching import NOTHING, match
from .statistics import Index, Values, ratio

_TIE = 1e-12


@dataclass(frozen=True, slots=True)
class Chosen:
    """A threshold, or the reason why there is none. What has a score at or above it counts."""

    value: float | None
    reason: str | None = None


def choose_detector_threshold(finds: Finds) -> Chosen:
    """Return the threshold on the detector's score that tells clast photographs from clast-free ones best.

    It maximises the mean of two shares, that is Youden's J: of the clast photographs with a proposal that counts, and
    of the clast-free photographs without one. Without clast-free photographs it maximises the F1 of clasts at an IoU of
    .5 instead. Proposals that match an ignore region do not enter. Candidates lie midway between neighbouring scores,
    0 and 1 included; of several best ones, the middle of the longest run. Scores without information: any;
    perfect ones: midway between the lowest score on a clast photograph and the highest on a clast-free one.
    """
    if finds.true_ignore.all():
        return Chosen(None, "no validation photograph has a clast")
    found = match(
        finds, finds.score,
        proposals=np.ones(len(finds.photo), np.bool_), clasts=~finds.true_ignore, ignored=finds.true_ignore,
    )  # fmt: skip
    clast = found.clast[0]
    enters = (clast == NOTHING) | ~np.append(finds.true_ignore, False)[clast]
    if not enters.any():
        return Chosen(None, "the detector found nothing on validation photographs")
    photo, score = finds.photo[found.proposal[enters]], finds.score[found.proposal[enters]]
    n_clasts = np.bincount(finds.true_photo[~finds.true_ignore], minlength=len(finds))
    if n_clasts.all():
        ladder = _ladder(score)
        hits = ladder.counted(clast[enters] != NOTHING)
        return _best(ladder, 2.0 * hits / (ladder.counted(np.ones(len(score), np.bool_)) + n_clasts.sum()))
    best = np.full(len(finds), np.nan)
    np.fmax.at(best, photo, score)
    ladder = _ladder(best)
    shown, clean = n_clasts > 0, n_clasts == 0
    alarmed = ladder.counted(clean) / clean.sum()
    return _best(ladder, (ladder.counted(shown) / shown.sum() + 1.0 - alarmed) / 2.0)


def choose_threshold(scores: Sequence[float], senses: Sequence[int], truth: Sequence[int]) -> Chosen:
    """Return the threshold that maximises macro-F1 over the validation photographs that have a truth.

    One entry a photograph: the best score times probability of the likelier sense, NaN where nothing is found; that
    sense; the true class, -1 where there is none; both as positions in CLASSES. A photograph is of that sense when the
    score is at or above the threshold, else `none`. Candidates and ties as in `choose_detector_threshold`.
    """
    best, sense, true = np.asarray(scores, np.float64), np.asarray(senses, np.intp), np.asarray(truth, np.intp)
    best = np.where(np.isin(sense, [CLASSES.index(name) for name in SENSES]), best, np.nan)
    known = true >= 0
    best, sense, true = best[known], sense[known], true[known]
    if not len(true):
        return Chosen(None, "no validation photograph has an image-level truth")
    if np.isnan(best).all():
        return Chosen(None, "nothing was found on validation photographs with an image-level truth")
    ladder = _ladder(best)
    f1 = []
    for one, name in enumerate(CLASSES):
        if name in SENSES:
            hits, called = ladder.counted((sense == one) & (true == one)), ladder.counted(sense == one)
        else:
            hits = (true == one).sum() - ladder.counted(true == one)
            called = len(true) - ladder.counted(np.ones(len(true), np.bool_))
        f1.append(ratio(2.0 * hits, called + (true == one).sum()))
    defined = ~np.isnan(f1)
    return _best(ladder, np.where(defined, f1, 0.0).sum(axis=0) / defined.sum(axis=0))


@dataclass(frozen=True, eq=False)
class _Ladder:
    """The C candidates for a threshold on n scores: each lets the scores from one step upwards count."""

    candidates: Values
    """float64[C], rising."""
    step: Index
    """How many candidates let each score count, intp[n]; 0 for a score that is NaN."""

    def counted(self, which: NDArray[np.bool_]) -> Values:
        """Return how many scores of a mask bool[n] count at each candidate, float64[C]."""
        steps = np.bincount(self.step[which], minlength=len(self.candidates) + 1)
        return np.cumsum(steps[::-1])[::-1][1:].astype(np.float64)


def _ladder(scores: Values) -> _Ladder:
    """Return the candidates between neighbouring scores, below them down to 0 and above them up to 1."""
    steps = np.unique(scores[~np.isnan(scores)])
    below, above = np.append(0.0, steps), np.append(steps, 1.0)
    middle = (below + above) / 2.0
    middle = np.where(middle > below, middle, above)  # neighbours may have no number between them
    return _Ladder(
        candidates=middle if steps[-1] < 1.0 else middle[:-1],
        step=np.where(np.isnan(scores), 0, np.searchsorted(steps, scores) + 1),
    )


def _best(ladder: _Ladder, value: Values) -> Chosen:
    """Return the candidate in the middle of the longest run of best values; of equal runs the first."""
    best = np.concatenate([[False], value >= value.max() - _TIE, [False]])
    starts, ends = np.flatnonzero(best[1:] & ~best[:-1]), np.flatnonzero(~best[1:] & best[:-1])
    longest = int(np.argmax(ends - starts))
    return Chosen(float(ladder.candidates[(starts[longest] + ends[longest] - 1) // 2]))
