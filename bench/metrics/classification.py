"""All classification scores of one system, each with its interval."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..records import Score
from .catalogue import METRICS, Binding, Metric, metrics_for
from .observations import Observations, confusion
from .statistics import (
    N_RESAMPLES,
    Interval,
    Values,
    Weights,
    group_weights,
    leave_one_out,
    score_interval,
)

__all__ = ["METRICS", "Metric", "Observations", "confusion", "metrics_for", "score_all"]


def score_all(
    observations: Observations,
    *,
    names: Collection[str] | None = None,
    n_resamples: int = N_RESAMPLES,
    seed: int = 0,
    n_seeds: int = 1,
) -> tuple[Score, ...]:
    """Return every metric of the observations' classes, or those of these `names`, in the order of `metrics_for`.

    Intervals are two-sided at 95 %: Wilson's for proportions when each group enters with one row, else the group
    bootstrap (`statistics.interval`). `n_images` and `n_groups` count what the value rests on. An undefined value is
    None with its reason; so is the interval of a defined value when it has none.
    """
    known = metrics_for(observations.classes)
    metrics = tuple(metric for name, metric in known.items() if names is None or name in names)
    unit, groups = observations.columns
    draws = group_weights(observations.group, n_resamples, seed)
    exact = np.vstack([np.ones((1, len(groups))), leave_one_out(len(groups))])
    values = _evaluate(metrics, observations, unit, (exact, draws))
    return tuple(_score(metric, observations, unit, values[metric.name], n_seeds) for metric in metrics)


def _evaluate(
    metrics: Iterable[Metric], observations: Observations, unit: NDArray[np.intp], tables: tuple[Weights, ...]
) -> dict[str, list[Values]]:
    """Return, by metric, the values over each table of weights; what metrics share is computed once."""
    shared: dict[Binding, list[Any]] = {}
    for metric in metrics:
        if metric.bind not in shared:
            bound = metric.bind(observations, unit)
            shared[metric.bind] = [bound(weights) for weights in tables]
    return {metric.name: [metric.rule(table) for table in shared[metric.bind]] for metric in metrics}


def _score(
    metric: Metric, observations: Observations, unit: NDArray[np.intp], values: list[Values], n_seeds: int
) -> Score:
    exact, resampled = values
    point, jackknife = exact[0], exact[1:]
    rows = metric.enters(observations)
    n_groups = len(np.unique(unit[rows]))
    value = float(point)
    defined = not np.isnan(value)
    if defined:
        bounds = score_interval(
            value, resampled, jackknife, proportion=metric.proportion, n_rows=int(rows.sum()), n_groups=n_groups
        )
    else:
        bounds = Interval(None, None, metric.undefined if len(observations) else "there are no observations")
    return Score(
        metric=metric.name,
        value=value if defined else None,
        low=bounds.low,
        high=bounds.high,
        n_images=len({observations.image_id[i] for i in np.flatnonzero(rows)}),
        n_groups=n_groups,
        n_seeds=n_seeds,
        higher_is_better=metric.higher_is_better,
        reason=bounds.reason,
    )
