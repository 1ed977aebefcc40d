"""Scores that follow from weighted sums over photographs: counts of the confusion matrix, of the senses, and Brier's.

Every rule takes `Sums` and returns one value a row of weights, NaN where the score is undefined.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..records import SENSES
from .observations import Observations
from .statistics import Index, Values, Weights, ratio


@dataclass(frozen=True, eq=False)
class Sums:
    """Weighted sums over photographs with an image-level truth; R rows of weights, K classes."""

    confusion: NDArray[np.float64]
    """float64[R, K, K], rows are true classes."""
    forced: NDArray[np.float64]
    """Right answers when only CW and CCW are allowed, by true class: float64[R, 2] in the order of SENSES."""
    brier: Values
    """Squared errors summed over classes, float64[R]."""
    classes: tuple[str, ...]

    @property
    def truths(self) -> NDArray[np.float64]:
        """Weight of each true class, float64[R, K]."""
        return np.asarray(self.confusion.sum(axis=2))

    @property
    def predictions(self) -> NDArray[np.float64]:
        """Weight of each predicted class, float64[R, K]."""
        return np.asarray(self.confusion.sum(axis=1))

    @property
    def hits(self) -> NDArray[np.float64]:
        """Weight predicted rightly, by class, float64[R, K]."""
        return np.diagonal(self.confusion, axis1=1, axis2=2)

    @property
    def total(self) -> Values:
        """Weight of all photographs with a truth, float64[R]."""
        return np.asarray(self.confusion.sum(axis=(1, 2)))

    @property
    def senses(self) -> list[int]:
        """Where SENSES stand among the classes."""
        return [self.classes.index(sense) for sense in SENSES]


Rule = Callable[[Sums], Values]


def bind_sums(observations: Observations, unit: Index) -> Callable[[Weights], Sums]:
    """Return the function from weights, one column for each distinct value of `unit` intp[n], to their sums."""
    k = len(observations.classes)
    n_units = int(unit.max()) + 1 if len(unit) else 0
    per_unit = np.zeros((n_units, k * k + len(SENSES) + 1))
    np.add.at(per_unit, unit, _features(observations))

    def sums(weights: Weights) -> Sums:
        summed = (weights[:, :n_units] @ per_unit.astype(weights.dtype)).astype(np.float64)
        return Sums(
            confusion=summed[:, : k * k].reshape(-1, k, k),
            forced=summed[:, k * k : -1],
            brier=summed[:, -1],
            classes=observations.classes,
        )

    return sums


def _features(observations: Observations) -> NDArray[np.float64]:
    """Return what each photograph adds to the sums, float64[n, K * K + 3]; zeros where it has no truth."""
    n, k = len(observations), len(observations.classes)
    rows = np.flatnonzero(observations.known)
    truth = observations.truth[rows].astype(np.intp)
    features = np.zeros((n, k * k + len(SENSES) + 1))
    features[rows, truth * k + observations.predicted[rows]] = 1.0
    features[rows, -1] = ((observations.probabilities[rows] - np.eye(k)[truth]) ** 2).sum(axis=1)
    if set(SENSES) <= set(observations.classes):
        features[:, k * k : -1] = forced_right(observations)
    return features


def forced_right(observations: Observations) -> NDArray[np.float64]:
    """Return whether the larger of the senses' probabilities is the true one, 0 or 1, a tie one half, float64[n, 2].

    Columns are the true senses in the order of SENSES; the other one is 0. Raises ValueError where the classes lack a
    sense.
    """
    cw, ccw = (observations.position(sense) for sense in SENSES)
    lead = np.sign(observations.probabilities[:, cw] - observations.probabilities[:, ccw])
    right = (observations.truth == cw) * (1.0 + lead), (observations.truth == ccw) * (1.0 - lead)
    return np.asarray(np.stack(right, axis=1) / 2.0)


def _mean_of_defined(values: NDArray[np.float64]) -> Values:
    """Return the mean over the last axis of what is not NaN; NaN where nothing is left."""
    defined = ~np.isnan(values)
    return ratio(np.where(defined, values, 0.0).sum(axis=-1), defined.sum(axis=-1).astype(np.float64))


def _mean(values: NDArray[np.float64]) -> Values:
    """Return the mean over the last axis; NaN where anything is."""
    return np.asarray(values.mean(axis=-1))


def accuracy(sums: Sums) -> Values:
    """Share predicted rightly."""
    return ratio(sums.hits.sum(axis=1), sums.total)


def balanced_accuracy(sums: Sums) -> Values:
    """Mean recall of the classes that occur in the truth (Brodersen et al. 2010; scikit-learn)."""
    return _mean_of_defined(ratio(sums.hits, sums.truths))


def macro_f1(sums: Sums) -> Values:
    """Mean F1 of the classes that occur in the truth or in the predictions (scikit-learn)."""
    return _mean_of_defined(ratio(2.0 * sums.hits, sums.truths + sums.predictions))


def mcc(sums: Sums) -> Values:
    """Matthews' correlation for K classes (Gorodkin 2004, eq. 8); undefined for a constant truth or prediction."""
    total, truths, predictions = sums.total, sums.truths, sums.predictions
    covariance = sums.hits.sum(axis=1) * total - (truths * predictions).sum(axis=1)
    spread = (total**2 - (truths**2).sum(axis=1)) * (total**2 - (predictions**2).sum(axis=1))
    return ratio(covariance, np.sqrt(np.maximum(spread, 0.0)))


def brier(sums: Sums) -> Values:
    """Mean over photographs of the squared error summed over classes (Brier 1950, eq. 2)."""
    return ratio(sums.brier, sums.total)


def precision_of(name: str) -> Rule:
    """Return the share of true ones among those predicted `name`."""
    return lambda sums: ratio(_of(sums, sums.hits, name), _of(sums, sums.predictions, name))


def recall_of(name: str) -> Rule:
    """Return the share of the true `name` that was predicted so."""
    return lambda sums: ratio(_of(sums, sums.hits, name), _of(sums, sums.truths, name))


def f1_of(name: str) -> Rule:
    """Return 2 TP / (2 TP + FP + FN) of `name`: 0 when never predicted, undefined when never true either."""
    return lambda sums: ratio(2.0 * _of(sums, sums.hits, name), _of(sums, sums.truths + sums.predictions, name))


def _of(sums: Sums, by_class: NDArray[np.float64], name: str) -> Values:
    return by_class[:, sums.classes.index(name)]


def sense_forced(sums: Sums) -> Values:
    """Mean of the recalls of CW and CCW when the larger of their two probabilities decides; a tie is half right."""
    return _mean(ratio(sums.forced, sums.truths[:, sums.senses]))


def sense_end_to_end(sums: Sums) -> Values:
    """Mean of the recalls of CW and CCW when every class competes."""
    return _mean(ratio(sums.hits[:, sums.senses], sums.truths[:, sums.senses]))


def sense_forced_accuracy(sums: Sums) -> Values:
    """Share of the images with a sense whose larger sense probability is the true one; a tie is half right."""
    return ratio(sums.forced.sum(axis=1), sums.truths[:, sums.senses].sum(axis=1))


def sense_end_to_end_accuracy(sums: Sums) -> Values:
    """Share of the images with a sense whose most probable class is the true one."""
    return ratio(sums.hits[:, sums.senses].sum(axis=1), sums.truths[:, sums.senses].sum(axis=1))


def majority_rate(sums: Sums) -> Values:
    """Share of the commoner sense among the images with a sense: what always answering it would score."""
    truths = sums.truths[:, sums.senses]
    return ratio(truths.max(axis=1), truths.sum(axis=1))
