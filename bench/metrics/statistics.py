"""Intervals of weighted statistics, by resampling groups.

A *statistic* maps non-negative weights of observations, `float[R, n]`, to one value a row, `float64[R]`, NaN where it
is undefined. Ones give the point value, multiplicities of resampled groups the bootstrap, ones without one group the
jackknife. Groups are resampled whole, because photographs of one thin section are not independent.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from statistics import NormalDist
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]
"""One value a row of weights, float64[R]; NaN is undefined."""
Weights = NDArray[np.floating[Any]]
"""Non-negative weights, one row a resample: float32 or float64 [R, n]."""
Index = NDArray[np.intp]
Statistic = Callable[[Weights], Values]

N_RESAMPLES = 9999
MAX_UNDEFINED = 0.05
"""Share of resamples that may be undefined before the interval is."""
ROWS_AT_ONCE = 1024

_NORMAL = NormalDist()
_TIE = 1e-6


class Interval(NamedTuple):
    """Bounds of a value, or the reason why there are none."""

    low: float | None
    high: float | None
    reason: str | None = None


def group_index(groups: Sequence[str]) -> tuple[Index, tuple[str, ...]]:
    """Return the position of each observation's group, intp[n], among the sorted names of the G groups."""
    names = tuple(sorted(set(groups)))
    position = {name: i for i, name in enumerate(names)}
    return np.fromiter((position[name] for name in groups), np.intp, len(groups)), names


def group_weights(groups: Sequence[str], n_resamples: int = N_RESAMPLES, seed: int = 0) -> NDArray[np.float32]:
    """Return how often each group is drawn in each resample, float32[R, G], columns in the order of sorted names.

    Rows are multinomial and sum to G. The same call gives the same (read-only) array: every system and every metric is
    judged on the same resamples, which is what pairs them. Columns are contiguous in memory, as `by_column` wants them.
    """
    return _multiplicities(len(set(groups)), n_resamples, seed)


@lru_cache(maxsize=4)
def _multiplicities(n_groups: int, n_resamples: int, seed: int) -> NDArray[np.float32]:
    rng = np.random.default_rng(seed)
    drawn = np.empty((n_groups, n_resamples), dtype=np.float32).T
    for start in range(0, n_resamples, ROWS_AT_ONCE):
        rows = min(ROWS_AT_ONCE, n_resamples - start)
        cells = rng.integers(0, max(n_groups, 1), size=(rows, n_groups)) + n_groups * np.arange(rows)[:, None]
        counts = np.bincount(cells.ravel(), minlength=rows * n_groups)
        drawn[start : start + rows] = counts.reshape(rows, n_groups)
    drawn.setflags(write=False)
    return drawn


def leave_one_out(n_groups: int) -> Values:
    """Return the jackknife's weights, float64[G, G]: ones without one group."""
    return 1.0 - np.eye(n_groups)


def spread(weights: Weights, index: Index) -> Weights:
    """Return weights of observations, [R, n], from weights of groups, [R, G]."""
    return by_column(weights)[index].T


def by_column(weights: Weights) -> Weights:
    """Return the weights transposed, [n, R], each observation's in one piece of memory.

    What goes through observations one by one is then a sequence of operations on vectors of length R.
    """
    return np.ascontiguousarray(weights.T)


def ratio(above: NDArray[Any], below: NDArray[Any]) -> Values:
    """Return above / below, float64, NaN where below is not positive."""
    out = np.full(np.broadcast(above, below).shape, np.nan)
    np.divide(above, below, out=out, where=below > 0)
    return out


def joint_weight(columns: Weights, units: Index) -> Weights:
    """Return the summed weights, [R], of some observations of `by_column`'s result; a view when it is just one."""
    one: Weights = columns[units[0]] if len(units) == 1 else columns[units].sum(axis=0)
    return one


def bootstrap_interval(
    stat: Statistic, index: Index, weights: Weights, level: float = 0.95
) -> tuple[float | None, float | None]:
    """Return the group-bootstrap bounds of `stat`; both None where `interval` gives a reason.

    `index` intp[n] names the column of `weights` float[R, G] that each observation's group has.
    """
    low, high, _ = interval(*resample(stat, index, weights), level)
    return low, high


def resample(stat: Statistic, index: Index, weights: Weights) -> tuple[float, Values, Values]:
    """Return the point value, the resampled values float64[R] and the jackknife float64[G] of `stat`."""

    def over(rows: Weights) -> Values:
        starts = range(0, len(rows), ROWS_AT_ONCE)
        return np.concatenate([np.empty(0), *(stat(spread(rows[i : i + ROWS_AT_ONCE], index)) for i in starts)])

    point = stat(np.ones((1, len(index))))[0]
    return float(point), over(weights), over(leave_one_out(weights.shape[1]))


def interval(point: float, resampled: Values, jackknife: Values, level: float = 0.95) -> Interval:
    """Return BCa bounds where they are defined, percentile bounds otherwise (Efron 1987; scipy.stats.bootstrap).

    BCa is undefined when the jackknife has undefined or only equal values, or when all resamples lie on one side of the
    point value. Undefined resamples are dropped up to MAX_UNDEFINED of them. Bounds are widened to enclose the point
    value, which BCa alone does not promise for a biased statistic such as the calibration error.
    """
    if np.isnan(point):
        return Interval(None, None, "the value is undefined")
    if len(jackknife) < 2:
        return Interval(None, None, "no interval: fewer than two groups")
    defined = resampled[~np.isnan(resampled)]
    undefined = len(resampled) - len(defined)
    if undefined > MAX_UNDEFINED * len(resampled) or not len(defined):
        return Interval(None, None, f"no interval: undefined in {undefined} of {len(resampled)} resamples")
    tail = (1.0 - level) / 2.0
    levels = _bca_levels(point, defined, jackknife, tail) or (tail, 1.0 - tail)
    low, high = np.quantile(defined, levels)
    return Interval(min(float(low), point), max(float(high), point))


def _bca_levels(point: float, resampled: Values, jackknife: Values, tail: float) -> tuple[float, float] | None:
    """Return the bias-corrected and accelerated levels to read the resamples at, or None."""
    tolerance = _TIE * max(1.0, abs(point))  # resamples are computed in float32, the point value in float64
    below = (np.mean(resampled < point - tolerance) + np.mean(resampled <= point + tolerance)) / 2.0
    if not 0.0 < below < 1.0 or np.isnan(jackknife).any():
        return None
    bias = _NORMAL.inv_cdf(float(below))
    pull = jackknife.mean() - jackknife
    scale = float((pull**2).sum()) ** 1.5
    if scale < 1e-30:
        return None
    acceleration = float((pull**3).sum()) / (6.0 * scale)

    def corrected(level: float) -> float:
        shifted = bias + _NORMAL.inv_cdf(level)
        return _NORMAL.cdf(bias + shifted / (1.0 - acceleration * shifted))

    extremes = (bias + _NORMAL.inv_cdf(tail), bias + _NORMAL.inv_cdf(1.0 - tail))
    if any(1.0 - acceleration * extreme <= 0.0 for extreme in extremes):
        return None
    return corrected(tail), corrected(1.0 - tail)


def wilson(successes: float, n: float, level: float = 0.95) -> tuple[float, float]:
    """Return the Wilson score interval of a proportion (Wilson 1927; Brown, Cai and DasGupta 2001, eq. 4).

    Half successes (expected values over ties) are allowed. Raises ValueError unless 0 <= successes <= n and n > 0.
    """
    if n <= 0 or not 0 <= successes <= n:
        msg = f"wilson needs 0 <= successes <= n and n > 0, got {successes} of {n}"
        raise ValueError(msg)
    z = _NORMAL.inv_cdf(0.5 + level / 2.0)
    share = successes / n
    centre = share + z * z / (2.0 * n)
    half = z * (share * (1.0 - share) / n + (z / (2.0 * n)) ** 2) ** 0.5
    whole = 1.0 + z * z / n
    return max(0.0, (centre - half) / whole), min(1.0, (centre + half) / whole)


def score_interval(
    value: float, resampled: Values, jackknife: Values, *, proportion: bool, n_rows: int, n_groups: int
) -> Interval:
    """Return the bounds of a score: Wilson's for a proportion whose groups are single rows, else the bootstrap's.

    Where all groups agree, as at 100 %, resampling sees no spread at all, so each group counts as one trial instead.
    """
    if proportion and n_rows == n_groups:
        return Interval(*wilson(value * n_rows, n_rows))
    bounds = interval(value, resampled, jackknife)
    if proportion and bounds.low is not None and bounds.low == bounds.high == value:
        return Interval(*wilson(value * n_groups, n_groups))
    return bounds
