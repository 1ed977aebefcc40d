"""What a classifier's confidence is worth: expected calibration error, and error against coverage.

Both go down the photographs by the probability of their most probable class; equally confident ones form one block.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .observations import Observations
from .statistics import Index, Values, Weights, by_column, joint_weight, ratio

N_BINS = 15


class ConfidenceScores(NamedTuple):
    """Both scores, one value a row of weights: float64[R] each, NaN where no photograph has weight."""

    ece: Values
    aurc: Values


class Block(NamedTuple):
    """Photographs of one confidence: the units of all of them, and of those predicted wrongly."""

    confidence: float
    units: Index
    wrong: Index


def bind_confidence(observations: Observations, unit: Index) -> Callable[[Weights], ConfidenceScores]:
    """Return the function from weights, one column for each distinct value of `unit` intp[n], to both scores.

    *Area under the risk-coverage curve*: the mean, over photographs, of the error among those at least as confident.
    Without ties it is the mean over coverages k / n of the error among the k most confident (Geifman et al. 2019,
    eq. 3); ties enter together, so that no order among equals matters, nor does doubling the data: the plug-in value of
    the population's area. Chance: the error rate; oracle: 0. *Calibration error*: see `_Bins`.
    """
    blocks = _blocks(observations, unit)
    members = np.bincount(unit[observations.known])

    def scores(weights: Weights) -> ConfidenceScores:
        columns = by_column(weights)
        mass, errors, area, gap = np.zeros((4, len(weights)), dtype=weights.dtype)
        tiny = np.finfo(weights.dtype).tiny
        bins = _Bins(members.astype(weights.dtype) @ columns[: len(members)])
        for block in blocks:
            weight = joint_weight(columns, block.units)
            step = weight * (block.confidence - 1.0)
            if len(block.wrong):
                wrong = joint_weight(columns, block.wrong)
                step += wrong
                errors += wrong
            mass += weight
            gap += step
            area += weight * errors / np.maximum(mass, tiny)
            bins.close(mass, gap, weight, step)
        bins.finish(gap)
        return ConfidenceScores(ratio(bins.error, mass), ratio(area, mass))

    return scores


class _Bins:
    """Sums |confidence - correct| over N_BINS bins of exactly equal mass while photographs pass in order.

    A block that straddles an edge is shared between both bins (equal-mass bins: Nixon et al. 2019, adaptive calibration
    error; sum over bins: Naeini et al. 2015, eq. 3). Calibrated chance: 0 plus a bias
    that falls with n; oracle: 0; sure and always wrong: 1.
    """

    def __init__(self, total: NDArray[Any]) -> None:
        self.error = np.zeros(len(total))
        self._width = np.where(total > 0, total / N_BINS, np.inf)
        self._closed = np.zeros(len(total), dtype=np.intp)
        self._edge = self._width.copy()
        self._gap_at_edge = np.zeros(len(total))

    def close(self, mass: NDArray[Any], gap: NDArray[Any], weight: NDArray[Any], step: NDArray[Any]) -> None:
        """Close the bins whose upper edges lie in the block just added: `weight`, `step` led to `mass`, `gap`."""
        rows = np.flatnonzero(mass >= self._edge)
        while len(rows):
            excess = (mass[rows] - self._edge[rows]) / weight[rows]
            gap_at_edge = gap[rows] - excess * step[rows]
            self.error[rows] += np.abs(gap_at_edge - self._gap_at_edge[rows])
            self._gap_at_edge[rows] = gap_at_edge
            self._closed[rows] += 1
            closed = self._closed[rows]
            self._edge[rows] = np.where(closed < N_BINS - 1, self._width[rows] * (closed + 1), np.inf)
            rows = rows[mass[rows] >= self._edge[rows]]

    def finish(self, gap: NDArray[Any]) -> None:
        """Close the last bin."""
        self.error += np.abs(gap - self._gap_at_edge)


def _blocks(observations: Observations, unit: Index) -> list[Block]:
    """Return the photographs with a truth from the most to the least confident."""
    rows = np.flatnonzero(observations.known)
    confidence = observations.probabilities[rows].max(axis=1)
    rows, confidence = (values[np.argsort(-confidence, kind="stable")] for values in (rows, confidence))
    wrong = observations.predicted[rows] != observations.truth[rows]
    starts = np.flatnonzero(np.diff(confidence, prepend=np.inf))
    ends = [*starts[1:].tolist(), len(rows)]
    return [
        Block(float(confidence[i]), unit[rows[i:j]], unit[rows[i:j][wrong[i:j]]])
        for i, j in zip(starts.tolist(), ends, strict=False)
    ]
