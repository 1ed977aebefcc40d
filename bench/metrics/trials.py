"""What a model says of changed pictures: scores of trials, each against the same inputs as they are."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..records import CLASSES, MIRRORED, SENSES, STATES, Score, Trial
from .group_sums import Summed, mean_of, ratio_of, score_of
from .statistics import N_RESAMPLES, Values, ratio
from .trial_catalogue import ERASED, PART_CHANGES, trial_metric, word

NONE, CW, CCW = (CLASSES.index(name) for name in ("none", "CW", "CCW"))
AGREES, _, REVERSED = STATES
_SWAP = [CLASSES.index(MIRRORED[name]) for name in CLASSES]


@dataclass(frozen=True, eq=False)
class Said:
    """What a model said under one change, all folds together, a row an input."""

    image_id: tuple[str, ...]
    group: tuple[str, ...]
    sign: Values
    """1 where the sense before the change is CW, -1 where it is CCW, float64[n]."""
    logits: NDArray[np.float64]
    """float64[n, K]."""
    reason: str | None = None
    """Why a fold has nothing to say."""

    @property
    def predicted(self) -> NDArray[np.intp]:
        """Class of the largest logit, intp[n]; among equals the first in the order of CLASSES."""
        return np.asarray(np.argmax(self.logits, axis=1), dtype=np.intp)

    @property
    def centred(self) -> NDArray[np.float64]:
        """Logits less their mean over the classes, float64[n, K]: what the softmax sees."""
        return np.asarray(self.logits - self.logits.mean(axis=1, keepdims=True))

    @property
    def sense(self) -> Values:
        """f_sense: z of the true sense less z of the other, float64[n]."""
        return np.asarray((self.logits[:, CW] - self.logits[:, CCW]) * self.sign)

    @property
    def presence(self) -> Values:
        """f_presence: logsumexp of CW and CCW less z of none, float64[n]."""
        return np.asarray(np.logaddexp(self.logits[:, CW], self.logits[:, CCW]) - self.logits[:, NONE])

    @property
    def forced(self) -> Values:
        """1 where the larger of the senses' logits is the true one, a tie one half, float64[n]."""
        return np.asarray((1.0 + np.sign(self.sense)) / 2.0)

    def rows(self, chosen: Sequence[int]) -> Said:
        """Return some of the inputs, in this order."""
        where = np.asarray(chosen, dtype=np.intp)
        return Said(
            tuple(self.image_id[i] for i in chosen), tuple(self.group[i] for i in chosen),
            self.sign[where], self.logits[where], self.reason,
        )  # fmt: skip


def score_trials(trials: Sequence[Trial], *, n_resamples: int = N_RESAMPLES, seed: int = 0) -> tuple[Score, ...]:
    """Return the scores of all changes that were tried, in the order of TRIAL_METRICS, planted cues as they are met.

    Trials of one change, one a fold, are pooled. An input after a change is compared with the same input before it, or
    with the cue the other way round: the same photograph, and the same place among that photograph's inputs; inputs
    that have no partner take no part. Names and meanings are those of `trial_metric`. Intervals are two-sided at 95 %,
    by the bootstrap of groups, or Wilson's for shares whose groups are single inputs or all agree. A value that is
    undefined is None with its reason.

    Raises ValueError when two changes contradict each other about an input's group or sense, or when two trials of one
    change hold the same photograph.
    """
    said = pool_trials(trials)
    return tuple(
        score_of(trial_metric(name), rows, n_resamples=n_resamples, seed=seed, reason=reason)
        for name, rows, reason in _all_rows(said)
    )


def pool_trials(trials: Sequence[Trial]) -> dict[str, Said]:
    """Return what was said under each change, folds together, in the order in which changes are met."""
    by_change: dict[str, list[Trial]] = defaultdict(list)
    for trial in trials:
        by_change[trial.change].append(trial)
    pooled = {change: _joined(change, own) for change, own in by_change.items()}
    _check_facts(pooled)
    return pooled


def partly_tried(trials: Sequence[Trial]) -> frozenset[str]:
    """Return the changes that some folds hold inputs of, while others had no photograph that could be changed."""
    held = {trial.change for trial in trials if trial.image_id}
    return frozenset(trial.change for trial in trials if not trial.image_id and not trial.reason) & held


def cues_of(changes: Iterable[str]) -> tuple[str, ...]:
    """Return the cues that were planted to agree with the label or to contradict it, in the order they are met."""
    parted = (change.partition("=") for change in changes)
    return tuple(dict.fromkeys(cue for cue, _, state in parted if state in (AGREES, REVERSED)))


def fall_of_cue(said: Mapping[str, Said], cue: str) -> tuple[Summed, str | None]:
    """Return the rows of a cue's fall, aligned and reversed side by side, and why there may be none."""
    aligned, against, reason = paired(said, f"{cue}={AGREES}", f"{cue}={REVERSED}")
    return balanced(aligned, aligned.forced - against.forced), reason


def forced_of(one: Said) -> Summed:
    """Return the rows of the forced balanced accuracy."""
    return balanced(one, one.forced)


def balanced(one: Said, values: Values) -> Summed:
    """Return rows whose score is the mean over CW and CCW of the mean of `values`, float64[n], within each."""
    is_cw = one.sign > 0
    columns = np.stack([values * is_cw, is_cw, values * ~is_cw, ~is_cw], axis=1).astype(np.float64)
    return Summed(one.image_id, one.group, columns, _mean_of_senses)


def paired(said: Mapping[str, Said], first: str, second: str) -> tuple[Said, Said, str | None]:
    """Return the inputs that both changes hold, in the same order, and why some may be missing."""
    one, other = (said.get(change, _NOTHING) for change in (first, second))
    places = {key: row for row, key in enumerate(_keys(other.image_id))}
    rows = [(row, places[key]) for row, key in enumerate(_keys(one.image_id)) if key in places]
    absent = next((f"nothing was tried {_shown(change)}" for change in (first, second) if change not in said), None)
    reason = absent or one.reason or other.reason
    return one.rows([row for row, _ in rows]), other.rows([row for _, row in rows]), reason


def _all_rows(said: Mapping[str, Said]) -> Iterator[tuple[str, Summed, str | None]]:
    if "mirrored" in said:
        before, after, reason = _predicted_senses(said, "mirrored")
        flipped = after.predicted == np.take(_SWAP, before.predicted)
        yield "label_antisymmetry", mean_of(before.image_id, before.group, flipped.astype(np.float64)), reason
        yield "logit_antisymmetry_error", _antisymmetry_error(before, after), reason
    if "turned" in said:
        before, after, reason = _predicted_senses(said, "turned")
        kept = after.predicted == before.predicted
        yield "rotation_consistency", mean_of(before.image_id, before.group, kept.astype(np.float64)), reason
    for part, change in PART_CHANGES.items():
        if change in said:
            before, after, reason = paired(said, "", change)
            for name in ("sense", "presence"):
                fall = getattr(before, name) - getattr(after, name)
                yield f"effect_{word(part)}_{name}", mean_of(before.image_id, before.group, fall), reason
    if ERASED in said:
        yield "erased_forced", forced_of(said[ERASED]), said[ERASED].reason
    for cue in cues_of(said):
        yield f"cue_{word(cue)}_fall", *fall_of_cue(said, cue)


def _predicted_senses(said: Mapping[str, Said], change: str) -> tuple[Said, Said, str | None]:
    before, after, reason = paired(said, "", change)
    rows = np.flatnonzero(before.predicted != NONE).tolist()
    return before.rows(rows), after.rows(rows), reason


def _antisymmetry_error(before: Said, after: Said) -> Summed:
    expected, found = before.centred[:, _SWAP], after.centred
    error = np.abs(found - expected).sum(axis=1)
    size = (np.abs(found).sum(axis=1) + np.abs(expected).sum(axis=1)) / 2.0
    return ratio_of(before.image_id, before.group, error, size)


def _mean_of_senses(summed: NDArray[np.float64]) -> Values:
    """Return the mean of the first column over the second and of the third over the fourth, NaN where one has none."""
    return np.asarray((ratio(summed[:, 0], summed[:, 1]) + ratio(summed[:, 2], summed[:, 3])) / 2.0)


def _joined(change: str, trials: Sequence[Trial]) -> Said:
    owner: dict[str, int] = {}
    for at, trial in enumerate(trials):
        if not len(trial.image_id) == len(trial.group) == len(trial.truth) == len(trial.logits):
            msg = f"the trial {_shown(change)} needs one group, truth and row of logits an input"
            raise ValueError(msg)
        if wrong := set(trial.truth) - set(SENSES):
            msg = f"the trial {_shown(change)} has truth {sorted(wrong)}, expected one of {list(SENSES)}"
            raise ValueError(msg)
        for image_id in trial.image_id:
            if owner.setdefault(image_id, at) != at:
                msg = f"photograph {image_id!r} is in two trials {_shown(change)}; give one repeat of each fold"
                raise ValueError(msg)
    return Said(
        image_id=tuple(name for trial in trials for name in trial.image_id),
        group=tuple(name for trial in trials for name in trial.group),
        sign=np.array([1.0 if truth == "CW" else -1.0 for trial in trials for truth in trial.truth]),
        logits=np.array([row for trial in trials for row in trial.logits], dtype=np.float64).reshape(-1, len(CLASSES)),
        reason=next((trial.reason for trial in trials if trial.reason), None),
    )


def _check_facts(pooled: Mapping[str, Said]) -> None:
    """Refuse changes that contradict each other about what an input is."""
    facts: dict[tuple[str, int], tuple[str, float]] = {}
    for change, one in pooled.items():
        for key, fact in zip(_keys(one.image_id), zip(one.group, one.sign.tolist(), strict=True), strict=True):
            if facts.setdefault(key, fact) != fact:
                msg = f"input {key[1]} of {key[0]!r} has group and sense {fact} {_shown(change)}, before {facts[key]}"
                raise ValueError(msg)


def _keys(image_id: Sequence[str]) -> list[tuple[str, int]]:
    """Return each input's photograph and its place among that photograph's inputs."""
    met: dict[str, int] = defaultdict(int)
    keys = []
    for name in image_id:
        keys.append((name, met[name]))
        met[name] += 1
    return keys


def _shown(change: str) -> str:
    return f"under {change!r}" if change else "without a change"


_NOTHING = Said((), (), np.empty(0), np.empty((0, len(CLASSES))))
