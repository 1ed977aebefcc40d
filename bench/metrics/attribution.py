"""Points of image-level macro-F1 that a system loses in detection, in cropping and in classification.

Truth is substituted one stage at a time (shared notes on metrics, section 3): first the true boxes for the boxes of
proposals that meet a clast, then the true boxes for all proposals. What a substitution gains, its stage had lost.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ..records import Score
from .catalogue import metrics_for
from .observations import Observations
from .statistics import (
    N_RESAMPLES,
    Interval,
    Statistic,
    Values,
    Weights,
    group_weights,
    interval,
    resample,
)

LOSSES: tuple[str, ...] = ("lost_detection", "lost_crop", "lost_classification")
"""The scores by name; together they are 1 - macro-F1."""
NOT_ASKED = "the system was not asked again with true boxes in place of proposals"


def attribute(
    said: Observations,
    snapped: NDArray[np.float64] | None,
    at_truth: NDArray[np.float64] | None,
    n_seeds: int = 1,
    *,
    reason: str = NOT_ASKED,
    n_resamples: int = N_RESAMPLES,
    seed: int = 0,
) -> tuple[Score, ...]:
    """Return the points of macro-F1 lost in detection, crop and classification, in the order of LOSSES.

    `snapped` and `at_truth`, float64[n, K] in the rows of `said`, are the probabilities of each image when proposals
    that meet a clast are cropped at its true box, and with the true boxes in place of all proposals:

    lost_detection = F1(at_truth) - F1(snapped); lost_crop = F1(snapped) - F1(said);
    lost_classification = 1 - F1(at_truth).

    They sum to 1 - F1(said); F1 is the metric `macro_f1`. Each lies in -1..1, below 0 where the truth does harm, and
    lower is better. Oracle: 0, 0, 0. Uniform guesses on equal shares, whatever the boxes: 0, 0 and about 1 - 1 / K.
    Intervals are two-sided at 95 % by the bootstrap of groups, the same resamples on both sides of a difference.
    Without `snapped` or without `at_truth` all three are None with the `reason` given; likewise where macro-F1 is
    undefined. Raises ValueError, naming the photograph, for rows that are no probabilities.
    """
    if snapped is None or at_truth is None:
        return tuple(_score(name, said, None, Interval(None, None, reason), n_seeds) for name in LOSSES)
    stages = [said, replace(said, probabilities=snapped), replace(said, probabilities=at_truth)]
    unit, groups = said.columns
    metric = metrics_for(said.classes)["macro_f1"]
    f1_said, f1_snapped, f1_at_truth = (metric.statistic(stage, unit) for stage in stages)
    losses = (_gain(f1_snapped, f1_at_truth), _gain(f1_said, f1_snapped), _gain(f1_at_truth, _perfect))
    draws = group_weights(said.group, n_resamples, seed)
    undefined = metric.undefined if len(said) else "there are no observations"
    scores = []
    for name, loss in zip(LOSSES, losses, strict=True):
        point, resampled, jackknife = resample(loss, np.arange(len(groups)), draws)
        defined = not np.isnan(point)
        bounds = interval(point, resampled, jackknife) if defined else Interval(None, None, undefined)
        scores.append(_score(name, said, point if defined else None, bounds, n_seeds))
    return tuple(scores)


def _gain(before: Statistic, after: Statistic) -> Statistic:
    return lambda weights: after(weights) - before(weights)


def _perfect(weights: Weights) -> Values:
    return np.ones(len(weights))


def _score(name: str, said: Observations, value: float | None, bounds: Interval, n_seeds: int) -> Score:
    rows = np.flatnonzero(said.known).tolist()
    return Score(
        metric=name,
        value=value,
        low=bounds.low,
        high=bounds.high,
        n_images=len({said.image_id[at] for at in rows}),
        n_groups=len({said.group[at] for at in rows}),
        n_seeds=n_seeds,
        higher_is_better=False,
        reason=bounds.reason,
    )
