"""Scores that follow from sums over rows, each row of a photograph, with the bootstrap of the photographs' groups."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..records import Score
from .statistics import (
    N_RESAMPLES,
    Index,
    Interval,
    Statistic,
    Values,
    Weights,
    group_index,
    group_weights,
    leave_one_out,
    ratio,
    score_interval,
)

Rule = Callable[[NDArray[np.float64]], Values]
"""From weighted sums by column, float64[R, k], to one value a row of weights, float64[R]; NaN is undefined."""


@dataclass(frozen=True)
class Measure:
    """What a score is called and means."""

    name: str
    title: str
    description: str
    """Definition, value of a random map or network, value of an oracle, source."""
    undefined: str
    """When there is no value, as a reason for the reader."""
    higher_is_better: bool = True
    proportion: bool = False
    """Whether a row either has it or not (ties aside), so that Wilson's interval applies."""


@dataclass(frozen=True, eq=False)
class Summed:
    """Rows whose weighted sums decide a score, as `ranking.Rows`."""

    image_id: tuple[str, ...]
    group: tuple[str, ...]
    columns: NDArray[np.float64]
    """float64[n, k]; a row with a NaN takes no part."""
    rule: Rule

    @property
    def defined(self) -> NDArray[np.bool_]:
        """Rows that take part, bool[n]."""
        return np.asarray(~np.isnan(self.columns).any(axis=1))

    def told(self) -> Iterable[tuple[str, tuple[str]]]:
        """Yield each row's photograph and, as a tuple, its group."""
        return zip(self.image_id, zip(self.group, strict=True), strict=True)

    def subset(self, rows: NDArray[np.bool_]) -> Summed:
        """Return the rows of a mask bool[n]."""
        kept = np.flatnonzero(rows).tolist()
        return Summed(
            tuple(self.image_id[i] for i in kept), tuple(self.group[i] for i in kept), self.columns[rows], self.rule
        )

    def statistic(self, unit: Index) -> Statistic:
        """Return the score as a function of weights, whose columns `unit` intp[n] names row by row."""
        per_unit = np.zeros((int(unit.max()) + 1 if len(unit) else 0, self.columns.shape[1]))
        np.add.at(per_unit, unit, np.where(self.defined[:, None], self.columns, 0.0))

        def value(weights: Weights) -> Values:
            summed = weights[:, : len(per_unit)] @ per_unit.astype(weights.dtype)
            return self.rule(summed.astype(np.float64))

        return value


def mean_of(image_id: tuple[str, ...], group: tuple[str, ...], values: Values) -> Summed:
    """Return rows whose score is the mean of `values`, float64[n], where they are not NaN."""
    return ratio_of(image_id, group, values, np.where(np.isnan(values), np.nan, 1.0))


def ratio_of(image_id: tuple[str, ...], group: tuple[str, ...], above: Values, below: Values) -> Summed:
    """Return rows whose score is the sum of `above` over that of `below`, float64[n] each; NaN unless that is > 0."""
    return Summed(image_id, group, np.stack([above, below], axis=1), quotient)


def quotient(summed: NDArray[np.float64]) -> Values:
    """Return the first column over the second, NaN unless that is positive."""
    return ratio(summed[:, 0], summed[:, 1])


def score_of(
    measure: Measure, rows: Summed, *, n_resamples: int = N_RESAMPLES, seed: int = 0, reason: str | None = None
) -> Score:
    """Return the score of rows with its interval, two-sided at 95 %; `reason` says why there may be none.

    `n_images` and `n_groups` count photographs and groups of the rows that take part. Same groups are resampled alike.
    """
    unit, groups = group_index(rows.group)
    defined = rows.defined
    n_groups = len(np.unique(unit[defined]))
    statistic = rows.statistic(unit)
    point = float(statistic(np.ones((1, len(groups))))[0]) if n_groups else float("nan")
    bounds = Interval(None, None, reason or measure.undefined)
    if not np.isnan(point):
        resampled, jackknife = (
            statistic(group_weights(groups, n_resamples, seed)),
            statistic(leave_one_out(len(groups))),
        )
        bounds = score_interval(
            point, resampled, jackknife, proportion=measure.proportion, n_rows=int(defined.sum()), n_groups=n_groups
        )
    return Score(
        metric=measure.name,
        value=None if np.isnan(point) else point,
        low=bounds.low,
        high=bounds.high,
        n_images=len({rows.image_id[i] for i in np.flatnonzero(defined)}),
        n_groups=n_groups,
        higher_is_better=measure.higher_is_better,
        reason=bounds.reason,
    )
