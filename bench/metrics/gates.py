"""The five gates: what a system has to pass before its explanations are trusted."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

import numpy as np

from ..errors import UnknownNameError
from ..records import MapScores, Score, Trial
from .group_sums import Measure, Summed, mean_of, score_of
from .map_scores import pool, reason_of
from .statistics import N_RESAMPLES
from .trial_catalogue import ERASED, TRIAL_METRICS, trial_metric, word
from .trials import cues_of, fall_of_cue, forced_of, pool_trials

ROUNDED_TO = 6
"""Decimals of a difference of lifts: differences below are rounding errors of float32 maps, and count as none."""

ALLOWED_FALL = 0.05
"""What a planted cue may cost."""

ERROR = 0.05
"""Chance that a network which loses more than that passes, where no pair of pictures disagrees."""


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
        n_resamples=n_resamples, seed=seed, reason=reason_of([*trained, *randomised]),
    )  # fmt: skip


def gate_cue(trials: Sequence[Trial], *, n_resamples: int = N_RESAMPLES, seed: int = 0) -> Score:
    """Return the worst fall of the forced balanced accuracy from where a planted cue agrees to where it contradicts.

    `value` and `low` are those of the cue with the greatest fall, `high` is the greatest upper bound of all cues at
    hand: every cue has to pass by itself, so their number calls for no correction (Berger 1982, intersection-union
    test). One that says nothing leaves the gate undecided, unless another fails it. Where no pair of pictures disagrees
    the bootstrap sees no spread; the bounds are then those of the share of groups that may still fall, 1 - .05^(1/n),
    exact and one-sided for n groups: 59 are needed to exclude a fall of .05, with fewer there is no interval. Random
    network: 0; oracle, which does not look at cues: 0. None without cues.
    """
    said = pool_trials(trials)
    scores = []
    for cue in cues_of(said):
        rows, reason = fall_of_cue(said, cue)
        measure = trial_metric(f"cue_{word(cue)}_fall")
        score = score_of(measure, rows, n_resamples=n_resamples, seed=seed, reason=reason)
        scores.append(_bounded(score) if score.value is not None and not rows.columns[:, [0, 2]].any() else score)
    return _worst(scores)


def gate_mirror(tables: Sequence[MapScores], *, n_resamples: int = N_RESAMPLES, seed: int = 0) -> Score:
    """Return the mean, over maps, of `equivariance` - `equivariance_null`, -2..2, with its interval.

    The tables are those of one method and target. Random map, and one that is the same for every picture: 0; oracle: 1
    less the null. None where no map has both.
    """
    own, null = (pool(tables, name) for name in ("equivariance", "equivariance_null"))
    lead = np.round(own.columns[:, 0] - null.columns[:, 0], ROUNDED_TO)
    return score_of(
        GATES["gate_mirror"], mean_of(own.image_id, own.group, lead),
        n_resamples=n_resamples, seed=seed, reason=reason_of(tables),
    )  # fmt: skip


def gate_reads(sense_forced: Score) -> Score:
    """Return the forced balanced accuracy of a system, its Score `sense_forced`, as the gate. Chance: .5; oracle: 1."""
    return replace(sense_forced, metric="gate_reads")


def gate_matrix(trials: Sequence[Trial], *, n_resamples: int = N_RESAMPLES, seed: int = 0) -> Score:
    """Return the forced balanced accuracy with whole clasts erased, as in `score_trials`, with its interval.

    Random network: .5; oracle: .5. None where nothing was erased.
    """
    said = pool_trials(trials)
    if ERASED not in said:
        return Score("gate_matrix", None, higher_is_better=False, reason="no scene was drawn with its clasts erased")
    score = score_of(
        TRIAL_METRICS["erased_forced"], forced_of(said[ERASED]),
        n_resamples=n_resamples, seed=seed, reason=said[ERASED].reason,
    )  # fmt: skip
    return replace(score, metric="gate_matrix")


def _bounded(score: Score) -> Score:
    """Return a cue's score where every pair agrees."""
    fall = 1.0 - ERROR ** (1.0 / score.n_groups)
    if fall <= ALLOWED_FALL:
        return replace(score, low=-fall, high=fall, reason=None)
    reason = f"no pair of pictures disagrees, but {score.n_groups} groups cannot exclude a fall of {ALLOWED_FALL}"
    return replace(score, low=None, high=None, reason=reason)


def _worst(scores: Sequence[Score]) -> Score:
    """Return the score of the gate over all cues."""
    gate = GATES["gate_cue"]
    known = [score for score in scores if score.value is not None]
    if not known:
        reason = next((score.reason for score in scores if score.reason), gate.undefined)
        return Score(gate.name, None, higher_is_better=False, reason=reason)
    worst = max(known, key=lambda score: (score.value or 0.0, score.high or 0.0))
    highest = max((score.high for score in known if score.high is not None), default=0.0)
    unsure = next((score.reason for score in scores if score.high is None), None)
    if unsure is not None and highest <= ALLOWED_FALL:
        return replace(worst, metric=gate.name, low=None, high=None, reason=unsure)
    return replace(worst, metric=gate.name, high=highest, reason=None)


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


def _at_most(threshold: float) -> Verdict:
    def passed(value: float, _low: float | None, high: float | None) -> bool | None:
        if high is None:
            return None if value <= threshold else False
        return high <= threshold

    return passed


def _at_chance(_value: float, low: float | None, high: float | None) -> bool | None:
    return None if low is None or high is None else low <= 0.5 <= high


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
        rule=f"passed when the upper bound of every cue's fall is at most {ALLOWED_FALL}",
        passed=_at_most(ALLOWED_FALL),
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
        "Forced balanced accuracy, CW against CCW alone. Random network: .5; oracle: 1.",
        "the shear sense was not scored",
        asks="Does the network read the sense at all?",
        rule="passed when the lower bound lies above .5", passed=_above(0.5),
    ),
    Gate(
        "gate_matrix", "Not the matrix",
        "Forced balanced accuracy with whole clasts and their flow field erased. Random network: .5; oracle: .5.",
        "needs scenes of CW and scenes of CCW with their clasts erased", higher_is_better=False,
        asks="Does the network read the sense where there is none?",
        rule="passed when the interval contains .5", passed=_at_chance,
    ),
)  # fmt: skip

GATES: Mapping[str, Gate] = MappingProxyType({gate.name: gate for gate in _ALL})
"""The gates in the order of their numbers, by name."""
