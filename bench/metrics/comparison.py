"""Tests between systems: paired p-values, Holm's correction and the ranks that follow."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .statistics import MAX_UNDEFINED, Values


def paired_difference(stat_a_resamples: Values, stat_b_resamples: Values, point_difference: float) -> float:
    """Return the two-sided p-value of "a and b are equal", NaN when the difference is undefined.

    Both arrays, float64[R], hold the statistic on the *same* resamples. Their difference, shifted by the observed one,
    is what chance alone would give; p = (b + 1) / (R + 1) with b resamples at least as far from zero as the observed
    difference (Davison and Hinkley 1997, eq. 4.11). Equal systems give 1; the least possible value is 1 / (R + 1).
    """
    difference = stat_a_resamples - stat_b_resamples
    defined = difference[~np.isnan(difference)]
    if np.isnan(point_difference) or len(difference) - len(defined) > MAX_UNDEFINED * len(difference):
        return float("nan")
    return float(tail(defined[None], np.array([point_difference]))[0])


def tail(differences: NDArray[np.float64], observed: Values) -> Values:
    """Return the p-values of W observed differences, float64[W], against their resamples, float64[W, R] without NaN."""
    rounding = 1e-6
    shifted = differences - observed[:, None]
    extreme = np.abs(shifted, out=shifted) >= np.abs(observed)[:, None] - rounding
    return np.asarray((np.count_nonzero(extreme, axis=1) + 1) / (differences.shape[1] + 1))


def sign_test(above: int, below: int) -> float:
    """Return the exact two-sided p-value of "above and below are equally likely"; 1 where there is neither."""
    n = above + below
    term = ways = 1
    for at in range(min(above, below)):
        term = term * (n - at) // (at + 1)
        ways += term
    return min(1.0, 2 * ways / (1 << n))


def holm(p_values: ArrayLike) -> Values:
    """Return Holm's (1979) adjusted p-values, float64[m], in the order given; NaN are no tests and stay NaN."""
    p = np.asarray(p_values, dtype=np.float64)
    adjusted = np.full(p.shape, np.nan)
    tested = np.flatnonzero(~np.isnan(p))
    order = tested[np.argsort(p[tested], kind="stable")]
    factors = np.arange(len(order), 0, -1)
    adjusted[order] = np.minimum(np.maximum.accumulate(p[order] * factors), 1.0)
    return adjusted


def ranks(
    values: Sequence[float | None],
    adjusted: Values,
    higher_is_better: bool = True,
    alpha: float = 0.05,
    differences: Values | None = None,
) -> tuple[int, ...]:
    """Return 1 + the number of systems significantly better, for each of S systems; ties share a rank.

    `adjusted` float64[S, S] is symmetric, NaN where there was no test. `differences[i, j]`, i minus j, replaces the
    difference of `values` where two systems were compared on fewer images than they have. A system without a value
    comes after all that have one.
    """
    known = np.array([value is not None for value in values], dtype=bool)
    numbers = np.array([np.nan if value is None else value for value in values], dtype=np.float64)
    lead = numbers[:, None] - numbers[None, :] if differences is None else differences
    signed = lead if higher_is_better else -lead
    better: NDArray[np.bool_] = (signed > 0) & (adjusted <= alpha)
    beaten_by = (better & known[:, None]).sum(axis=0)
    return tuple(int(1 + (count if has else known.sum())) for count, has in zip(beaten_by, known, strict=True))
