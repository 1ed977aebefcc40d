"""The five gates: what a system has to pass before its explanations are trusted."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

import numpy as np

from ..errors import UnknownNameError
from ..records import MapScores, Score, Trial
from .catalogue import metrics_for
from .comparison import sign_test
from .group_sums import Measure, Summed, mean_of, score_of
from .map_catalogue import MAP_METRICS
from .map_scores import pool, reason_of
from .observations import Observations
from .statistics import N_RESAMPLES, Values, group_index
from .sums import forced_right
from .trial_catalogue import ERASED, TRIAL_METRICS, trial_metric, word
from .trials import AGREES, REVERSED, cues_of, fall_of_cue, forced_of, partly_tried, pool_trials

ROUNDED_TO = 6
"""Decimals of a difference of lifts: differences below are rounding errors of float32 maps, and count as none."""

ALLOWED_FALL = 0.05
"""What a planted cue may cost."""

ERROR = 0.05
"""Chance at which exact tests err: of the fall that is left possible where no answer falls, and of the sign test."""

CHANCE = 0.5
"""Forced balanced accuracy of a guess."""

AT_CHANCE = 0.65
"""Greatest upper bound that still is at chance: what is left above chance may be .15 at most."""

NOT_ALL_FOLDS = "not all folds have photographs that could be changed"

Verdict = Callable[[float, float | None, float | None], bool | None]
"""From value, low and high of a score to whether it passes; None where they do not say."""


@dataclass(frozen=True, kw_only=True)
class Gate(Measure):
    """One gate: a score, and the rule by which it is passed."""

    asks: str
    """What a reader wants to know."""
    rule: str
    """When it is passed, in words."""
    passed: Verdict


def gate_passed(score: Score) -> bool | None:
    """Return whether a gate is passed, by the rule of GATES; None where value or interval do not say.

    A value on the wrong side fails even without an interval, since every interval encloses its value. Raises
    UnknownNameError for a score that is no gate's.
    """
    if score.metric not in GATES:
        raise UnknownNameError("gate", score.metric, GATES)
    return None if score.value is None else GATES[score.metric].passed(score.value, score.low, score.high)


def gate_randomisation(
    trained: Sequence[MapScores], randomised: Sequence[MapScores], *, n_resamples: int = N_RESAMPLES, seed: int = 0
) -> Score:
    """Return how much lift the maps lose with the network's weights: mean of lift(trained) - lift(randomised).

    Both hold the same maps in the same order; the lift of several randomised networks is averaged per map before. The
    interval is that of `score_maps`, over maps whose lift is defined in both. Range -1/(1-rho)..1/(1-rho), rho being
    the mask's share of the area. Random map, and one that ignores the weights as an edge detector's does: 0; oracle: 1
    less the lift of the randomised map. Adebayo et al. 2018, model parameter randomisation. Raises ValueError when maps
    do not pair.
    """
    ours, theirs = pool(trained, "lift"), pool(randomised, "lift")
    _check_pairs(ours, theirs)
    lost = np.round(ours.columns[:, 0] - theirs.columns[:, 0], ROUNDED_TO)
    return score_of(
        GATES["gate_randomisation"], mean_of(ours.image_id, ours.group, lost),
        n_resamples=n_resamples, seed=seed, reason=reason_of(MAP_METRICS["lift"], [*trained, *randomised]),
    )  # fmt: skip


def gate_cue(trials: Sequence[Trial], *, n_resamples: int = N_RESAMPLES, seed: int = 0) -> Score:
    """Return the worst fall of the forced balanced accuracy from where a planted cue agrees to where it contradicts.

    The score is that of the cue which decides: one that fails before one that is undecided before one that passes, and
    of several the one with the greatest fall. Every cue has to pass by itself, so their number calls for no correction
    (Berger 1982, intersection-union test); one that says nothing, or not in all folds, leaves the gate undecided unless
    another fails it; folds of which no trials are given do not count. `low` is the bootstrap's. `high` is never below
    1 - .05^(1/n), n being twice the number of groups with CW or of those with CCW, whichever are fewer, and all groups
    at most: the greatest fall under which that many answers without a fall come up once in twenty, an exact bound,
    one-sided at 95 %. With 30 groups of each sense it is just below .05; with fewer the gate cannot be passed. Random
    network: 0; oracle, which does not look at cues: 0. None without cues.
    """
    said, partly = pool_trials(trials), partly_tried(trials)
    scores = []
    for cue in cues_of(said):
        rows, reason = fall_of_cue(said, cue)
        measure = trial_metric(f"cue_{word(cue)}_fall")
        score = score_of(measure, rows, n_resamples=n_resamples, seed=seed, reason=reason)
        whole = not partly & {f"{cue}={AGREES}", f"{cue}={REVERSED}"}
        scores.append(_bounded(score, rows) if whole else _without_value(score, NOT_ALL_FOLDS))
    return _decisive(scores, _reason_of(trials))


def gate_mirror(tables: Sequence[MapScores], *, n_resamples: int = N_RESAMPLES, seed: int = 0) -> Score:
    """Return the mean, over maps, of `equivariance` - `equivariance_null`, -2..2, with its interval.

    The tables are those of one method and target. Random map, and one that is the same for every picture: 0; oracle: 1
    less the null. None where no map has both.
    """
    own, null = (pool(tables, name) for name in ("equivariance", "equivariance_null"))
    lead = np.round(own.columns[:, 0] - null.columns[:, 0], ROUNDED_TO)
    return score_of(
        GATES["gate_mirror"], mean_of(own.image_id, own.group, lead),
        n_resamples=n_resamples, seed=seed, reason=reason_of(MAP_METRICS["equivariance"], tables),
    )  # fmt: skip


def gate_reads(sense_forced: Score, observations: Observations | None = None) -> Score:
    """Return the forced balanced accuracy of a system, its Score `sense_forced`, as the gate. Chance: .5; oracle: 1.

    With the `observations` that it was scored on, its interval encloses .5 unless an exact sign test excludes that.
    """
    score = replace(sense_forced, metric="gate_reads")
    if observations is None:
        return score
    asked = metrics_for(observations.classes)["sense_forced"].enters(observations)
    lead = np.where(asked, forced_right(observations).sum(axis=1) - CHANCE, 0.0)
    return _unless_by_chance(score, observations.group, lead)


def gate_matrix(trials: Sequence[Trial], *, n_resamples: int = N_RESAMPLES, seed: int = 0) -> Score:
    """Return the forced balanced accuracy with whole clasts erased, as in `score_trials`, with its interval.

    The interval encloses .5 unless an exact sign test excludes that. Random network: .5; oracle: .5. None where nothing
    was erased, or not in all folds.
    """
    said = pool_trials(trials)
    if ERASED not in said:
        reason = _reason_of(trials) or "no scene was drawn with its clasts erased"
        return Score("gate_matrix", None, higher_is_better=False, reason=reason)
    erased = said[ERASED]
    score = score_of(
        TRIAL_METRICS["erased_forced"], forced_of(erased),
        n_resamples=n_resamples, seed=seed, reason=erased.reason,
    )  # fmt: skip
    score = replace(score, metric="gate_matrix")
    if ERASED in partly_tried(trials):
        return _without_value(score, NOT_ALL_FOLDS)
    return _unless_by_chance(score, erased.group, erased.forced - CHANCE)


def _unless_by_chance(score: Score, group: Sequence[str], lead: Values) -> Score:
    """Return a forced balanced accuracy whose interval encloses .5 unless a sign test over groups excludes that.

    `lead` float64[n] is what each answer lies above .5. Where most answers tie, the bootstrap knows the few others only
    and is far too narrow; the test is exact, two-sided at 95 %, over the groups that do not tie.
    """
    if score.low is None or score.high is None:
        return score
    unit, names = group_index(group)
    leads = np.bincount(unit, weights=lead, minlength=len(names))
    above, below = int(np.count_nonzero(leads > 0)), int(np.count_nonzero(leads < 0))
    if sign_test(above, below) <= ERROR:
        return score
    return replace(score, low=min(score.low, CHANCE), high=max(score.high, CHANCE))


def _bounded(score: Score, rows: Summed) -> Score:
    """Return a cue's score whose upper bound is no smaller than the exact one for answers of which none falls."""
    if score.high is None:
        return score
    fallen, is_cw, is_ccw = rows.columns[:, [0, 2]].max(axis=1) > 0.0, rows.columns[:, 1], rows.columns[:, 3]
    of_cw, of_ccw = (len({rows.group[at] for at in np.flatnonzero(one)}) for one in (is_cw, is_ccw))
    possible = 1.0 - ERROR ** (1.0 / min(score.n_groups, 2 * min(of_cw, of_ccw)))
    bounded = replace(score, high=max(score.high, possible))
    if possible <= ALLOWED_FALL or fallen.any():
        return bounded
    few = f"{of_cw} groups with CW and {of_ccw} with CCW"
    return replace(bounded, reason=f"no answer falls, but {few} cannot exclude a fall of {ALLOWED_FALL}")


def _decisive(scores: Sequence[Score], failure: str | None) -> Score:
    """Return the score of the gate over all cues; `failure` says why there may be none."""
    gate = GATES["gate_cue"]
    known = [(score.value, score) for score in scores if score.value is not None]
    lacking = next((score.reason for score in scores if score.value is None), None)
    if not known:
        return Score(gate.name, None, higher_is_better=False, reason=lacking or failure or gate.undefined)

    def order(one: tuple[float, Score]) -> tuple[int, float, float]:
        value, score = one
        return _WORST_LAST.index(gate.passed(value, score.low, score.high)), value, score.high or 0.0

    worst = replace(max(known, key=order)[1], metric=gate.name)
    passed = gate_passed(worst) is True
    return replace(worst, low=None, high=None, reason=lacking) if passed and lacking is not None else worst


def _without_value(score: Score, reason: str) -> Score:
    return replace(score, value=None, low=None, high=None, reason=reason)


def _reason_of(trials: Sequence[Trial]) -> str | None:
    """Return why nothing was tried, as the first trial that failed says."""
    return next((trial.reason for trial in trials if trial.reason), None)


def _check_pairs(ours: Summed, theirs: Summed) -> None:
    if len(ours.image_id) != len(theirs.image_id):
        msg = f"trained and randomised maps must pair, got {len(ours.image_id)} and {len(theirs.image_id)} maps"
        raise ValueError(msg)
    for row, (one, other) in enumerate(zip(ours.told(), theirs.told(), strict=True)):
        if one != other:
            msg = f"trained and randomised maps must pair, but map {row} is of {one} and of {other}"
            raise ValueError(msg)


def _above(threshold: float) -> Verdict:
    def passed(value: float, low: float | None, _high: float | None) -> bool | None:
        if low is None:
            return None if value > threshold else False
        return low > threshold

    return passed


def _falls_little(value: float, low: float | None, high: float | None) -> bool | None:
    if high is not None and high <= ALLOWED_FALL:
        return True
    return False if value > ALLOWED_FALL or (low is not None and low > 0.0) else None


def _at_chance(_value: float, low: float | None, high: float | None) -> bool | None:
    if low is None or high is None:
        return None
    if not low <= CHANCE <= high:
        return False
    return True if high <= AT_CHANCE else None


_WORST_LAST = (True, None, False)

_ALL = (
    Gate(
        "gate_randomisation", "Weight randomisation",
        "Mean lift that maps lose when the network's weights are drawn anew. Random map, and one that ignores the "
        "weights: 0; oracle: 1 less the lift left over. Adebayo et al. 2018.",
        "no map has a defined lift in both networks",
        asks="Do the maps depend on what the network has learned?",
        rule="passed when the whole interval lies above 0", passed=_above(0.0),
    ),
    Gate(
        "gate_cue", "Planted cue",
        "Greatest fall of the forced balanced accuracy from pictures where a planted cue agrees with the sense to the "
        "same where it contradicts. Random network: 0; oracle, which does not look at cues: 0. Geirhos et al. 2020.",
        "no cue was planted both ways in scenes of both senses", higher_is_better=False,
        asks="Does the network take a scale bar, a frame or the like for the sense?",
        rule=f"passed when the upper bound of every cue's fall (one-sided where no answer falls) is at most "
        f"{ALLOWED_FALL}; failed when that of one is not and its value lies above {ALLOWED_FALL}, or its whole "
        "interval above 0",
        passed=_falls_little,
    ),
    Gate(
        "gate_mirror", "Mirror",
        "Mean cosine of the mirrored picture's map with the mirrored map, less that with the maps of other pictures. "
        "Random map, and one that is the same for every picture: 0; oracle: 1 less the latter.",
        "no map has both an equivariance and its shuffled null",
        asks="Do the maps turn with the picture when it is mirrored?",
        rule="passed when the whole interval lies above 0", passed=_above(0.0),
    ),
    Gate(
        "gate_reads", "Reads the sense",
        "Forced balanced accuracy, CW against CCW alone; its interval encloses .5 unless an exact sign test over "
        "groups excludes that. Random network: .5; oracle: 1.",
        "the shear sense was not scored",
        asks="Does the network read the sense at all?",
        rule="passed when the lower bound lies above .5", passed=_above(CHANCE),
    ),
    Gate(
        "gate_matrix", "Not the matrix",
        "Forced balanced accuracy with whole clasts and their flow field erased; its interval encloses .5 unless an "
        "exact sign test over groups excludes that. Random network: .5; oracle: .5.",
        "needs scenes of CW and scenes of CCW with their clasts erased", higher_is_better=False,
        asks="Does the network read the sense where there is none?",
        rule=f"passed when the interval contains .5 and its upper bound is at most {AT_CHANCE}; failed when it does "
        "not contain .5", passed=_at_chance,
    ),
)  # fmt: skip

GATES: Mapping[str, Gate] = MappingProxyType({gate.name: gate for gate in _ALL})
"""The gates in the order of their numbers, by name."""
