"""Mean curves of a system's maps while more and more of the photograph is removed, with bands."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..metrics import group_index, group_weights
from ..records import MapScores

Values = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Band:
    """The mean of one curve over the maps that have it."""

    name: str
    """One of `metrics.CURVES`."""
    mean: Values
    """float64[S + 1]: f in logits after each of S equal steps, from nothing to everything."""
    low: Values | None
    high: Values | None
    """95 % interval of the mean at each step; None with a single group."""
    n_maps: int
    n_groups: int

    @property
    def share(self) -> Values:
        """float64[S + 1]: the share that is removed (or put back) at each step."""
        return np.linspace(0, 1, len(self.mean))


def bands(tables: Sequence[MapScores]) -> dict[str, Band]:
    """Return the mean curves of one method and target, all folds and seeds together, by name.

    Bands are percentiles of the bootstrap of groups, point by point. Maps without a curve take no part; curves of
    another number of steps than the first are left out, since they have no points in common.
    """
    names = dict.fromkeys(name for table in tables for name in table.curves)
    found = {name: _band(name, tables) for name in names}
    return {name: band for name, band in found.items() if band}


def _band(name: str, tables: Sequence[MapScores]) -> Band | None:
    told = [
        (group, curve)
        for table in tables
        for group, curve in zip(table.group, table.curves.get(name, ()), strict=False)
        if curve is not None and np.isfinite(curve).all()
    ]
    kept = [(group, curve) for group, curve in told if len(curve) == len(told[0][1])]
    if not kept:
        return None
    values = np.asarray([curve for _, curve in kept], dtype=np.float64)
    unit, groups = group_index([group for group, _ in kept])
    low, high = _interval(values, unit, groups)
    return Band(name, values.mean(axis=0), low, high, len(values), len(groups))


def _interval(values: Values, unit: NDArray[np.intp], groups: Sequence[str]) -> tuple[Values | None, Values | None]:
    if len(groups) < 2:
        return None, None
    summed = np.zeros((len(groups), values.shape[1] + 1))
    np.add.at(summed, unit, np.column_stack([values, np.ones(len(values))]))
    drawn = group_weights(groups).astype(np.float64) @ summed
    low, high = np.percentile(drawn[:, :-1] / drawn[:, -1:], (2.5, 97.5), axis=0)
    return low, high
