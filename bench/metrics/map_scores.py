"""Scores of a system's saliency maps, from their stored values: means with intervals, and ranks."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

import numpy as np

from ..errors import UnknownNameError
from ..records import MapScores, Score
from .faithfulness import ROUNDING
from .group_sums import Summed, mean_of, ratio_of, score_of
from .map_catalogue import MAP_METRICS, MapMetric
from .ranking import Comparison, agreed_groups, compare_rows
from .statistics import N_RESAMPLES

LEAST_DEFINED = 0.5
"""Share of the tested maps that must have a CPF: it has none where map or answer are constant."""


def score_maps(
    tables: Sequence[MapScores],
    *,
    names: Collection[str] | None = None,
    n_resamples: int = N_RESAMPLES,
    seed: int = 0,
) -> tuple[Score, ...]:
    """Return each metric that the tables hold, or those of them with these `names`, in the order of MAP_METRICS.

    The value is the mean over maps; that of `srg` is a ratio of sums, and held where both of its parts are. The tables
    are those of one method and target: one a fold, or several a fold with other metrics of the same or of fewer maps.
    Intervals are two-sided at 95 %, by the bootstrap of groups (`statistics.interval`); those of a proportion are
    Wilson's where each group enters with one map, or all agree. Same groups are resampled alike, whatever the system.
    `n_images` and `n_groups` count photographs and groups with a defined value. A value without any is None with its
    reason; so is `srg` where the interval of its control contains 0, since nothing can be measured on such a scale.
    Raises ValueError for tables of several methods or targets or that contradict themselves, UnknownNameError for a
    metric that is not in MAP_METRICS.
    """
    for name in {name for table in tables for name in table.values} | set(names or ()):
        metric_named(name)
    wanted = [metric for name, metric in MAP_METRICS.items() if names is None or name in names]
    return tuple(_score(metric, tables, n_resamples, seed) for metric in wanted if _is_held(metric, tables))


def compare_maps(
    tables_by_system: Mapping[str, Sequence[MapScores]],
    metric: str,
    n_resamples: int = N_RESAMPLES,
    seed: int = 0,
    alpha: float = 0.05,
) -> Comparison:
    """Return the ranks of all systems under one of MAP_METRICS, tests paired by image and clustered by group.

    As `compare_all`: two systems are compared on the photographs where both have a defined value. Only maps with a
    defined value take part; a system without any, or whose `srg` is undefined, ranks last, and so does one whose `cpf`
    is defined on less than half of the maps that were tested, even though `score_maps` shows it. Raises ValueError when
    systems disagree about an image's group, UnknownNameError for a metric that is not in MAP_METRICS.
    """
    found = metric_named(metric)
    pooled = {system: rows_of(found, tables) for system, tables in tables_by_system.items()}
    groups = agreed_groups({system: own.told() for system, own in pooled.items()}, "(group,)")
    rows = {system: own.subset(own.defined) for system, own in pooled.items()}
    for system, tables in tables_by_system.items():
        if too_few(found, tables) or no_scale(found, tables, n_resamples=n_resamples, seed=seed):
            rows[system] = rows[system].subset(np.zeros(len(rows[system].image_id), dtype=np.bool_))
    return compare_rows(
        rows, metric, groups,
        higher_is_better=found.higher_is_better, n_resamples=n_resamples, seed=seed, alpha=alpha,
    )  # fmt: skip


def metric_named(name: str) -> MapMetric:
    """Return one of MAP_METRICS; raise UnknownNameError for another name."""
    if name not in MAP_METRICS:
        raise UnknownNameError("map metric", name, MAP_METRICS)
    return MAP_METRICS[name]


def rows_of(metric: MapMetric, tables: Sequence[MapScores]) -> Summed:
    """Return what decides one metric, a row a map of a table; those that lack it take no part."""
    if metric.parts is None:
        pooled = pool(tables, metric.name)
        return mean_of(pooled.image_id, pooled.group, pooled.columns[:, 0])
    above, below = (pool(tables, part) for part in metric.parts)
    return ratio_of(above.image_id, above.group, above.columns[:, 0], below.columns[:, 0])


def pool(tables: Sequence[MapScores], metric: str) -> Summed:
    """Return one held value over all tables, in the first column, as rows of their mean; NaN where one lacks it.

    Raises ValueError where the tables contradict each other, or are not of one method and target.
    """
    kinds = {(table.method, table.target) for table in tables}
    if len(kinds) > 1:
        msg = f"maps are scored together only for one method and target, got {sorted(kinds)}"
        raise ValueError(msg)
    image_id = tuple(name for table in tables for name in table.image_id)
    group = tuple(name for table in tables for name in table.group)
    numbers = [value for table in tables for value in table.values.get(metric, (None,) * len(table.image_id))]
    if not len(image_id) == len(group) == len(numbers):
        msg = f"{metric} needs one group and one value a map, got {len(group)} and {len(numbers)} for {len(image_id)}"
        raise ValueError(msg)
    pooled = mean_of(image_id, group, np.array([np.nan if v is None else v for v in numbers], dtype=np.float64))
    for table in tables[:1]:
        agreed_groups({table.method: pooled.told()}, "(group,)")
    return pooled


def no_scale(
    metric: MapMetric, tables: Sequence[MapScores], *, n_resamples: int = N_RESAMPLES, seed: int = 0
) -> str | None:
    """Return why a ratio of sums has no scale: its control's interval contains 0, or lies below; None where it has.

    Bounds within ROUNDING of 0, in units of f, are 0: a constant model's float32 answers make no scale.
    """
    if metric.parts is None:
        return None
    rows = rows_of(metric, tables)
    control = mean_of(rows.image_id, rows.group, rows.columns[:, 1])
    found = score_of(MAP_METRICS[metric.parts[1]], control, n_resamples=n_resamples, seed=seed)
    if found.value is None or (found.low is not None and found.low > ROUNDING):
        return None
    if found.low is None or found.high is None:
        return f"the control order has no interval that could exclude 0 ({found.reason})"
    side = "contains 0" if found.high >= -ROUNDING else "lies below 0"
    return f"no scale: the interval of the control order's LeRF - MoRF, {found.low:.3g} to {found.high:.3g}, {side}"


def too_few(metric: MapMetric, tables: Sequence[MapScores]) -> str | None:
    """Say why the maps that have a CPF do not stand for the system: a model that answers few inputs is no better."""
    if metric.name != "cpf":
        return None
    tested = sum(len(table.image_id) for table in tables if metric.name in table.values)
    defined = int(np.count_nonzero(rows_of(metric, tables).defined))
    if defined >= LEAST_DEFINED * tested:
        return None
    return f"CPF is undefined on {tested - defined} of {tested} maps; what is left does not stand for the system"


def reason_of(metric: MapMetric, tables: Sequence[MapScores]) -> str | None:
    """Return why a metric is lacking, as the first table says that failed; None where one has it, if undefined."""
    if any(table.image_id and table.holds(metric.stored) for table in tables):
        return None
    said = next((table.reason for table in tables if table.fails(metric.stored)), None)
    return said or (None if any(table.image_id for table in tables) else "there are no maps")


def _is_held(metric: MapMetric, tables: Sequence[MapScores]) -> bool:
    held = {name for table in tables for name in table.values}
    return set(metric.stored) <= held


def _score(metric: MapMetric, tables: Sequence[MapScores], n_resamples: int, seed: int) -> Score:
    found = score_of(
        metric, rows_of(metric, tables), n_resamples=n_resamples, seed=seed, reason=reason_of(metric, tables)
    )
    unscaled = no_scale(metric, tables, n_resamples=n_resamples, seed=seed)
    return replace(found, value=None, low=None, high=None, reason=unscaled) if unscaled else found
