"""The order of systems under one metric: every pair compared on the same images and the same resamples."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import combinations
from math import ceil
from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from ..errors import UnknownNameError
from .catalogue import Metric, metrics_for
from .comparison import holm, paired_difference, ranks
from .observations import Observations
from .statistics import N_RESAMPLES, Index, Statistic, Values, Weights, group_weights


@dataclass(frozen=True, eq=False)
class Comparison:
    """Ranks of S systems under one metric, in the order they were given."""

    metric: str
    higher_is_better: bool
    systems: tuple[str, ...]
    values: tuple[float | None, ...]
    """Each system on all its own images; None where undefined."""
    ranks: tuple[int, ...]
    """1 + number of systems significantly better."""
    differences: NDArray[np.float64]
    """float64[S, S], row minus column on the images both have; NaN where undefined."""
    p: NDArray[np.float64]
    """Unadjusted two-sided p-values, float64[S, S]; NaN where there is no test."""
    adjusted: NDArray[np.float64]
    """Holm's adjustment of `p` over all pairs."""
    n_common: NDArray[np.int64]
    """Images that both systems have, int64[S, S]."""


class Rows(Protocol):
    """What one system came to under one metric: one row a prediction, or a map, of a photograph."""

    @property
    def image_id(self) -> tuple[str, ...]:
        """Photograph of each row."""

    @property
    def group(self) -> tuple[str, ...]:
        """Sampling unit of each row's photograph."""

    def subset(self, rows: NDArray[np.bool_]) -> Self:
        """Return the rows of a mask bool[n]."""

    def statistic(self, unit: Index) -> Statistic:
        """Return the metric as a function of weights, whose columns `unit` intp[n] names row by row."""


def compare_all(
    observations_by_system: Mapping[str, Observations],
    metric: str,
    n_resamples: int = N_RESAMPLES,
    seed: int = 0,
    alpha: float = 0.05,
) -> Comparison:
    """Return the ranks of all systems under `metric`, tests paired by image and clustered by group.

    Two systems that lack different images (a failed cell) are compared on the images both have. With more than 22
    systems more than 9,999 resamples are drawn: Holm's least p-value, the number of pairs over R + 1, has to stay well
    below alpha for any system to win. Raises ValueError when systems disagree about classes or about an image's group,
    truth or presence, and UnknownNameError for a metric that these classes do not have.
    """
    told = {
        system: zip(own.image_id, zip(own.group, own.truth.tolist(), own.present.tolist(), strict=True), strict=True)
        for system, own in observations_by_system.items()
    }
    groups = agreed_groups(told, "(group, truth, present)")
    found = _metric_named(metric, tuple(observations_by_system.values()))
    rows = {system: _Judged(found, own) for system, own in observations_by_system.items()}
    return compare_rows(
        rows, metric, groups,
        higher_is_better=found.higher_is_better, n_resamples=n_resamples, seed=seed, alpha=alpha,
    )  # fmt: skip


def compare_rows(
    rows_by_system: Mapping[str, Rows],
    metric: str,
    groups: tuple[str, ...],
    *,
    higher_is_better: bool,
    n_resamples: int,
    seed: int,
    alpha: float,
) -> Comparison:
    """Return the ranks of all systems; `groups` are the sorted names of `agreed_groups`. See `compare_all`."""
    everyone = tuple(rows_by_system.values())
    n_pairs = len(everyone) * (len(everyone) - 1) // 2
    draws = group_weights(groups, max(n_resamples, ceil(2 * n_pairs / alpha)), seed)
    arena = _Arena(everyone, {name: i for i, name in enumerate(groups)}, draws)
    differences, p, n_common = _all_pairs(arena)
    adjusted = adjusted_over_pairs(p)
    values = tuple(arena.value(system) for system in range(len(everyone)))
    return Comparison(
        metric=metric,
        higher_is_better=higher_is_better,
        systems=tuple(rows_by_system),
        values=values,
        ranks=ranks(values, adjusted, higher_is_better, alpha, differences),
        differences=differences,
        p=p,
        adjusted=adjusted,
        n_common=n_common,
    )


def agreed_groups(told_by_system: Mapping[str, Iterable[tuple[str, tuple[Any, ...]]]], names: str) -> tuple[str, ...]:
    """Return the sorted names of all groups; raise ValueError where two systems contradict each other.

    What a system tells is image id and facts, row by row; the first fact is the group, `names` names them all.
    """
    facts: dict[str, tuple[Any, ...]] = {}
    for system, told in told_by_system.items():
        for image_id, fact in told:
            if facts.setdefault(image_id, fact) != fact:
                msg = f"{system!r} has {names} {fact} for image {image_id!r}, others {facts[image_id]}"
                raise ValueError(msg)
    return tuple(sorted({fact[0] for fact in facts.values()}))


@dataclass(frozen=True, eq=False)
class _Judged:
    """Predictions under one metric of classification, as `Rows`."""

    metric: Metric
    observations: Observations

    @property
    def image_id(self) -> tuple[str, ...]:
        return self.observations.image_id

    @property
    def group(self) -> tuple[str, ...]:
        return self.observations.group

    def subset(self, rows: NDArray[np.bool_]) -> _Judged:
        return _Judged(self.metric, self.observations.subset(rows))

    def statistic(self, unit: Index) -> Statistic:
        return self.metric.statistic(self.observations, unit)


@dataclass(frozen=True, eq=False)
class _Arena:
    """Where systems meet: one set of resamples; what a system scores on a set of images is kept."""

    everyone: tuple[Rows, ...]
    column: Mapping[str, int]
    draws: Weights
    _kept: dict[tuple[int, frozenset[str]], tuple[float, Values]] = field(default_factory=dict)

    def images(self, system: int) -> frozenset[str]:
        return frozenset(self.everyone[system].image_id)

    def value(self, system: int) -> float | None:
        point, _ = self.judge(system, self.images(system))
        return None if np.isnan(point) else point

    def judge(self, system: int, images: frozenset[str]) -> tuple[float, Values]:
        """Return the point value and the resampled values, float64[R], of a system on some of its images."""
        if (system, images) not in self._kept:
            own = self.everyone[system]
            own = own.subset(np.fromiter((name in images for name in own.image_id), np.bool_, len(own.image_id)))
            unit = np.fromiter((self.column[name] for name in own.group), np.intp, len(own.group))
            statistic = own.statistic(unit)
            point = float(statistic(np.ones((1, len(self.column))))[0])
            self._kept[system, images] = point, statistic(self.draws)
        return self._kept[system, images]


def _all_pairs(arena: _Arena) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int64]]:
    """Return the differences, the p-values and the numbers of common images, [S, S] each."""
    n = len(arena.everyone)
    images = [arena.images(system) for system in range(n)]
    differences, p = np.full((n, n), np.nan), np.full((n, n), np.nan)
    n_common = np.diag([len(own) for own in images]).astype(np.int64)
    for i, j in combinations(range(n), 2):
        common = images[i] & images[j]
        (a, resampled_a), (b, resampled_b) = arena.judge(i, common), arena.judge(j, common)
        differences[i, j], differences[j, i] = a - b, b - a
        p[i, j] = p[j, i] = paired_difference(resampled_a, resampled_b, a - b)
        n_common[i, j] = n_common[j, i] = len(common)
    return differences, p, n_common


def adjusted_over_pairs(p: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return Holm's adjustment over the pairs of a symmetric matrix, NaN on its diagonal."""
    adjusted = np.full_like(p, np.nan)
    upper = np.triu_indices(len(p), 1)
    adjusted[upper] = holm(p[upper])
    adjusted.T[upper] = adjusted[upper]
    return adjusted


def _metric_named(name: str, everyone: tuple[Observations, ...]) -> Metric:
    class_lists = {own.classes for own in everyone}
    if len(class_lists) != 1:
        msg = f"systems can be compared only over one list of classes, got {sorted(class_lists)}"
        raise ValueError(msg)
    available = metrics_for(class_lists.pop())
    if name not in available:
        raise UnknownNameError("metric", name, available)
    return available[name]
