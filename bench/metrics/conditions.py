"""Scores by condition: what a system is worth when one thing about a generated photograph is changed.

The id of a generated photograph says its condition after a tilde: `00012` is a scene as the recipe draws it,
`00012~blur=2.5` the same scene with the factor `blur` at `2.5`, `00012~turned` one that is changed without a value.
"""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ..records import STATES, Score
from .classification import score_all
from .observations import Observations
from .statistics import N_RESAMPLES

SCORED = ("sense_forced", "accuracy", "macro_f1")
"""What is scored in every condition, as `METRICS` defines it."""
_ID = re.compile(r"\d{5,}(?:~(?P<factor>[a-z-]+)(?:=(?P<value>[^~]+))?)?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Condition:
    """What was changed, and to what; both are empty for the base condition, `value` for a factor that has none."""

    factor: str = ""
    value: str = ""

    @property
    def number(self) -> float | None:
        """The value as a finite number, None for a state."""
        try:
            number = float(self.value)
        except ValueError:
            return None
        return number if math.isfinite(number) else None

    @property
    def label(self) -> str:
        """What stands above its column: `base`, `blur = 2.5`, `turned`."""
        named = self.factor.replace("-", " ")
        return f"{named} = {self.value}" if self.value else named or "base"


BASE = Condition()
"""Photographs as the recipe draws them."""


@dataclass(frozen=True, slots=True)
class ConditionScores:
    """What one system came to in one condition."""

    condition: Condition
    scores: Mapping[str, Score]
    """By name, of SCORED."""
    n_images: int
    """Photographs that it predicted there."""


def condition_of(image_id: str) -> Condition:
    """Return the condition of a generated photograph.

    Raises:
        ValueError: the id is none that the generator gives.
    """
    found = _ID.fullmatch(image_id)
    if found is None:
        msg = f"{image_id!r} is no id of a generated photograph: five digits, then nothing, ~FACTOR or ~FACTOR=VALUE"
        raise ValueError(msg)
    return Condition(found["factor"] or "", found["value"] or "")


def find_conditions(image_ids: Iterable[str]) -> tuple[Condition, ...]:
    """Return the conditions of a suite's photographs, the base first; none where no photograph stands under one.

    Factors come in the order in which the ids meet them, numbers ascending, states as in STATES and then as they come.
    Names of files may hold tildes, too: where a single id is none that the generator gives, there are no conditions.
    """
    ids = list(image_ids)
    if not all(_ID.fullmatch(one) for one in ids):
        return ()
    by_factor: dict[str, dict[Condition, None]] = defaultdict(dict)
    for one in ids:
        condition = condition_of(one)
        by_factor[condition.factor][condition] = None
    if not set(by_factor) - {BASE.factor}:
        return ()
    factors = sorted(by_factor, key=lambda factor: factor != BASE.factor)
    return tuple(condition for factor in factors for condition in _in_order(list(by_factor[factor])))


def _in_order(conditions: Sequence[Condition]) -> list[Condition]:
    numbers = {condition: condition.number for condition in conditions}
    if all(number is not None for number in numbers.values()):
        return sorted(conditions, key=lambda one: numbers[one] or 0.0)
    return sorted(conditions, key=lambda one: STATES.index(one.value) if one.value in STATES else len(STATES))


def by_condition(observations: Observations) -> dict[Condition, Observations]:
    """Return the observations of each condition, folds and seeds together, in the order in which they are met.

    Raises:
        ValueError: a photograph is no generated one.
    """
    rows: dict[Condition, list[int]] = defaultdict(list)
    for row, image_id in enumerate(observations.image_id):
        rows[condition_of(image_id)].append(row)
    return {condition: observations.subset(np.asarray(own, np.intp)) for condition, own in rows.items()}


def score_by_condition(
    observations: Observations,
    conditions: Sequence[Condition],
    *,
    n_resamples: int = N_RESAMPLES,
    n_seeds: int = 1,
) -> tuple[ConditionScores, ...]:
    """Return SCORED in each of the conditions, as `score_all` computes it, with its interval.

    Sense, forced: chance, and a system blind to mirroring, .5; an oracle 1. It is undefined, with the reason, where a
    condition has photographs of one sense only, or the system predicted none of them.
    """
    found = by_condition(observations)
    nothing = observations.subset(np.asarray([], np.intp))
    scored = []
    for condition in conditions:
        own = found.get(condition, nothing)
        scores = score_all(own, names=SCORED, n_resamples=n_resamples, n_seeds=n_seeds)
        scored.append(ConditionScores(condition, {one.metric: one for one in scores}, len(set(own.image_id))))
    return tuple(scored)
