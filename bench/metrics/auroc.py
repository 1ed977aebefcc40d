"""Area under the ROC curve of weighted photographs."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .statistics import Index, Statistic, Values, Weights, by_column, joint_weight, ratio

ROUNDED_TO = 9
"""Decimals of the log-odds: differences below are rounding errors of a sum of probabilities, and count as ties."""


def log_odds(probabilities: NDArray[np.float64], chosen: list[int]) -> Values:
    """Return log(sum of the chosen classes / sum of the others), float64[n].

    Ranks like the sum itself, but keeps the order of confident predictions, whose sum is 1 within rounding.
    """
    others = np.setdiff1d(np.arange(probabilities.shape[1]), chosen)
    with np.errstate(divide="ignore"):
        odds: Values = np.log(probabilities[:, chosen].sum(axis=1)) - np.log(probabilities[:, others].sum(axis=1))
    return np.round(odds, ROUNDED_TO)


def bind_auroc(score: Values, positive: NDArray[np.bool_], negative: NDArray[np.bool_], unit: Index) -> Statistic:
    """Return the weighted AUROC of `score` float64[n]: the chance that a positive outranks a negative, ties half.

    Weights have one column for each distinct value of `unit` intp[n]. Going down the scores, every negative is
    outranked by the positives met so far (Mann and Whitney 1947). Undefined without a positive or without a negative.
    Chance: .5; oracle: 1.
    """
    blocks = [(unit[rows[positive[rows]]], unit[rows[negative[rows]]]) for rows in _falling(score, positive | negative)]

    def auroc(weights: Weights) -> Values:
        columns = by_column(weights)
        above, below, won = np.zeros((3, len(weights)), dtype=weights.dtype)
        for ups, downs in blocks:
            if len(downs):
                losers = joint_weight(columns, downs)
                below += losers
                won += losers * above
            if len(ups):
                winners = joint_weight(columns, ups)
                above += winners
                if len(downs):
                    won += losers * winners / 2
        pairs = above.astype(np.float64) * below
        return ratio(won, pairs)

    return auroc


def _falling(score: Values, entering: NDArray[np.bool_]) -> list[Index]:
    """Return the rows that enter, from the highest score down, those of equal score together."""
    rows = np.flatnonzero(entering)
    rows = rows[np.argsort(-score[rows], kind="stable")]
    return np.split(rows, np.flatnonzero(score[rows][1:] != score[rows][:-1]) + 1) if len(rows) else []
