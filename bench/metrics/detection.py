"""All detection scores of one system, each with its interval, and the ranks of several systems."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import UnknownNameError
from ..records import Score
from .detection_metrics import DETECTION_METRICS, DetectionMetric, Judged
from .finds import Finds
from .ranking import Comparison, agreed_groups, compare_rows
from .statistics import (
    N_RESAMPLES,
    Index,
    Interval,
    Statistic,
    group_index,
    group_weights,
    leave_one_out,
    score_interval,
)


def score_detections(
    finds: Finds, n_seeds: int = 1, *, n_resamples: int = N_RESAMPLES, seed: int = 0
) -> tuple[Score, ...]:
    """Return the scores that take every clast for one class, in the order of DETECTION_METRICS.

    Intervals are two-sided at 95 %: Wilson's for proportions when each group enters with one row, else the group
    bootstrap (`statistics.interval`). `n_images` and `n_groups` count what the value rests on: all photographs for
    average precision. An undefined value is None with its reason; so is the interval of a defined value without one.
    """
    return _scores((one for one in DETECTION_METRICS.values() if not one.of_senses), finds, n_seeds, n_resamples, seed)


def score_senses(finds: Finds, n_seeds: int = 1, *, n_resamples: int = N_RESAMPLES, seed: int = 0) -> tuple[Score, ...]:
    """Return the scores that ask for the sense of each clast as well; otherwise as `score_detections`."""
    return _scores((one for one in DETECTION_METRICS.values() if one.of_senses), finds, n_seeds, n_resamples, seed)


def compare_detections(
    finds_by_system: Mapping[str, Finds],
    metric: str,
    n_resamples: int = N_RESAMPLES,
    seed: int = 0,
    alpha: float = 0.05,
) -> Comparison:
    """Return the ranks of all systems under one of DETECTION_METRICS, tests paired by image and clustered by group.

    As `compare_all`. Raises ValueError when systems disagree about an image's group or clasts, UnknownNameError for a
    metric that is not in DETECTION_METRICS.
    """
    if metric not in DETECTION_METRICS:
        raise UnknownNameError("detection metric", metric, DETECTION_METRICS)
    found = DETECTION_METRICS[metric]
    groups = agreed_groups({system: _told(own) for system, own in finds_by_system.items()}, "(group, clasts)")
    rows = {system: _Found(found, own) for system, own in finds_by_system.items()}
    return compare_rows(
        rows, metric, groups,
        higher_is_better=found.higher_is_better, n_resamples=n_resamples, seed=seed, alpha=alpha,
    )  # fmt: skip


@dataclass(frozen=True, eq=False)
class _Found:
    """Finds under one metric, as `ranking.Rows`: one row a photograph."""

    metric: DetectionMetric
    finds: Finds

    @property
    def image_id(self) -> tuple[str, ...]:
        return self.finds.image_id

    @property
    def group(self) -> tuple[str, ...]:
        return self.finds.group

    def subset(self, rows: NDArray[np.bool_]) -> _Found:
        return _Found(self.metric, self.finds.subset(rows))

    def statistic(self, unit: Index) -> Statistic:
        return self.metric.read(Judged(self.finds)).statistic(unit)


def _told(finds: Finds) -> Iterable[tuple[str, tuple[Any, ...]]]:
    """Return the facts of each photograph: its group and its clasts, in whatever order they came."""
    clasts: list[list[tuple[Any, ...]]] = [[] for _ in finds.image_id]
    columns = zip(
        finds.true_photo.tolist(), finds.true_xyxy.tolist(), finds.true_class.tolist(), finds.true_ignore.tolist(),
        strict=True,
    )  # fmt: skip
    for photo, box, name, ignored in columns:
        clasts[photo].append((tuple(box), name, ignored))
    facts = zip(finds.group, (tuple(sorted(own)) for own in clasts), strict=True)
    return zip(finds.image_id, facts, strict=True)


def _scores(
    metrics: Iterable[DetectionMetric], finds: Finds, n_seeds: int, n_resamples: int, seed: int
) -> tuple[Score, ...]:
    judged, unit, names = Judged(finds), *group_index(finds.group)
    draws = group_weights(names, n_resamples, seed)
    return tuple(_score(metric, judged, unit, draws, n_seeds) for metric in metrics)


def _score(metric: DetectionMetric, judged: Judged, unit: Index, draws: NDArray[np.float32], n_seeds: int) -> Score:
    tally = metric.read(judged)
    rows, statistic = tally.rows, tally.statistic(unit)
    n_groups = len(np.unique(unit[rows > 0]))
    value = float(statistic(np.ones((1, draws.shape[1])))[0])
    defined = not np.isnan(value)
    bounds = Interval(None, None, _reason(metric, judged.finds))
    if defined:
        bounds = score_interval(
            value, statistic(draws), statistic(leave_one_out(draws.shape[1])),
            proportion=metric.proportion, n_rows=round(rows.sum()), n_groups=n_groups,
        )  # fmt: skip
    return Score(
        metric=metric.name,
        value=value if defined else None,
        low=bounds.low,
        high=bounds.high,
        n_images=len({judged.finds.image_id[at] for at in np.flatnonzero(rows)}),
        n_groups=n_groups,
        n_seeds=n_seeds,
        higher_is_better=metric.higher_is_better,
        reason=bounds.reason,
    )


def _reason(metric: DetectionMetric, finds: Finds) -> str:
    if not len(finds):
        return "there are no photographs"
    if metric.at_threshold and np.isnan(finds.detector_threshold).any():
        return "no threshold was chosen on validation photographs"
    return metric.undefined
