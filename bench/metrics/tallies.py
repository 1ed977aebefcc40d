"""Scores that are sums over photographs divided by sums over photographs, as statistics of weights."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .statistics import Index, Statistic, Values, Weights, ratio


@dataclass(frozen=True, eq=False)
class Shares:
    """K shares of P photographs; the score is their mean, undefined where one of them is."""

    above: Values
    """What each photograph adds to the numerators, float64[P, K]."""
    below: Values
    """What it adds to the denominators, float64[P, K]."""

    @property
    def rows(self) -> Values:
        """How much of what is counted each photograph holds, float64[P]."""
        return np.asarray(self.below.sum(axis=1))

    def statistic(self, unit: Index) -> Statistic:
        """Return the function from weights, whose columns `unit` intp[P] names, to values float64[R]."""
        k = self.above.shape[1]
        per_unit = np.zeros((int(unit.max()) + 1 if len(unit) else 0, 2 * k))
        np.add.at(per_unit, unit, np.hstack([self.above, self.below]))

        def value(weights: Weights) -> Values:
            summed = (weights[:, : len(per_unit)] @ per_unit.astype(weights.dtype)).astype(np.float64)
            return np.asarray(ratio(summed[:, :k], summed[:, k:]).mean(axis=1))

        return value
