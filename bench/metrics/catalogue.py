"""The classification scores by name: what each is called, what it means, and how it is computed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..records import CLASSES, SENSES
from . import sums
from .auroc import bind_auroc, log_odds
from .confidence import ConfidenceScores, bind_confidence
from .observations import Observations
from .statistics import Index, Statistic, Values, Weights
from .sums import bind_sums

Selection = Callable[[Observations], NDArray[np.bool_]]
Binding = Callable[[Observations, Index], Callable[[Weights], Any]]


@dataclass(frozen=True)
class Metric:
    """One score: `rule(bind(observations, unit)(weights))`. Metrics with the same `bind` share that work."""

    name: str
    title: str
    description: str
    """Definition, value of a chance predictor, value of an oracle, source."""
    undefined: str
    """When the score has no value, as a reason for the reader."""
    bind: Binding
    rule: Callable[[Any], Values]
    enters: Selection
    """Rows the value rests on; for a proportion, its denominator."""
    higher_is_better: bool = True
    proportion: bool = False
    """Whether the value is a share of the rows that enter, so that Wilson's interval applies."""

    def statistic(self, observations: Observations, unit: Index | None = None) -> Statistic:
        """Return the function from weights float[R, U] to values float64[R].

        `unit` intp[n] names the column of weights of each row, by default its own: weights are then float[R, n].
        """
        bound = self.bind(observations, np.arange(len(observations)) if unit is None else unit)
        return lambda weights: self.rule(bound(weights))


@cache
def metrics_for(classes: tuple[str, ...]) -> Mapping[str, Metric]:
    """Return the metrics by name for a list of classes; those of senses and presence need CW, CCW and none in it."""
    listed = [*_of_all_classes(), *_of_confidence()]
    for name in classes:
        listed += _of_class(name)
    if "none" in classes:
        listed.append(_presence())
    if set(SENSES) <= set(classes):
        listed += _of_senses()
    return MappingProxyType({metric.name: metric for metric in listed})


def _known(observations: Observations) -> NDArray[np.bool_]:
    return observations.known


def _everything(observations: Observations) -> NDArray[np.bool_]:
    return np.ones(len(observations), dtype=np.bool_)


def _is(name: str) -> Selection:
    return lambda observations: observations.truth == observations.position(name)


def _is_not(name: str) -> Selection:
    return lambda observations: observations.known & (observations.truth != observations.position(name))


def _called(name: str) -> Selection:
    return lambda observations: observations.known & (observations.predicted == observations.position(name))


def _with_sense(observations: Observations) -> NDArray[np.bool_]:
    return np.isin(observations.truth, [observations.position(sense) for sense in SENSES])


def _identity(values: Values) -> Values:
    return values


def _ece(scores: ConfidenceScores) -> Values:
    return scores.ece


def _aurc(scores: ConfidenceScores) -> Values:
    return scores.aurc


_NO_TRUTH = "no image has an image-level truth"


def _of_all_classes() -> list[Metric]:
    return [
        Metric(
            "accuracy", "Accuracy",
            "Share of images whose most probable class is the true one. Chance: 1 / K for a uniform guess, the "
            "commonest class's share for a constant one; oracle: 1.",
            _NO_TRUTH, bind_sums, sums.accuracy, _known, proportion=True,
        ),
        Metric(
            "balanced_accuracy", "Balanced accuracy",
            "Mean recall of the classes in the truth. Chance: 1 / K, whatever the shares; oracle: 1. Brodersen et "
            "al. 2010; scikit-learn's balanced_accuracy_score.",
            _NO_TRUTH, bind_sums, sums.balanced_accuracy, _known,
        ),
        Metric(
            "macro_f1", "Macro-F1",
            "Mean F1 of the classes that occur in truth or predictions. Chance: about 1 / K for a uniform guess on "
            "equal shares; oracle: 1. scikit-learn's f1_score(average='macro').",
            _NO_TRUTH, bind_sums, sums.macro_f1, _known,
        ),
        Metric(
            "mcc", "MCC",
            "Matthews' correlation for K classes, -1..1. Chance: 0; oracle: 1. Gorodkin 2004, eq. 8; "
            "scikit-learn's matthews_corrcoef, which prints 0 where this is undefined.",
            "undefined when truth or prediction is one class only", bind_sums, sums.mcc, _known,
        ),
        Metric(
            "brier", "Brier score",
            "Mean over images of the squared error of the probabilities, summed over classes: 0..2, lower is "
            "better. Chance: 1 - 1 / K for uniform probabilities; oracle: 0. Brier 1950, eq. 2.",
            _NO_TRUTH, bind_sums, sums.brier, _known, higher_is_better=False,
        ),
    ]  # fmt: skip


def _of_confidence() -> list[Metric]:
    return [
        Metric(
            "ece", "Calibration error",
            "Mean |confidence - accuracy| over 15 equal-mass bins of the top class's probability; an image on an "
            "edge is shared by both bins. Chance: 0 for uniform probabilities on equal shares (calibrated, yet "
            "useless); oracle: 0; sure and always wrong: 1. Biased upwards: a calibrated predictor of accuracy a "
            "scores about .8 sqrt(15 a (1 - a) / n) on n images. Naeini et al. 2015; Nixon et al. 2019.",
            _NO_TRUTH, bind_confidence, _ece, _known, higher_is_better=False,
        ),
        Metric(
            "aurc", "Risk-coverage area",
            "Mean over coverages of the error among the most confident images; equally confident ones enter "
            "together. Chance: the error rate, for confidence without information; oracle: 0. Geifman et al. 2019, "
            "eq. 3.",
            _NO_TRUTH, bind_confidence, _aurc, _known, higher_is_better=False,
        ),
    ]  # fmt: skip


def _of_class(name: str) -> list[Metric]:
    def bind(observations: Observations, unit: Index) -> Statistic:
        score = log_odds(observations.probabilities, [observations.position(name)])
        return bind_auroc(score, _is(name)(observations), _is_not(name)(observations), unit)

    return [
        Metric(
            f"precision_{name}", f"Precision {name}",
            f"Share of true {name} among images called {name}. Chance: the share of {name}; oracle: 1.",
            f"no image was called {name}", bind_sums, sums.precision_of(name), _called(name), proportion=True,
        ),
        Metric(
            f"recall_{name}", f"Recall {name}",
            f"Share of the true {name} that were called so. Chance: 1 / K for a uniform guess; oracle: 1.",
            f"no image is {name}", bind_sums, sums.recall_of(name), _is(name), proportion=True,
        ),
        Metric(
            f"f1_{name}", f"F1 {name}",
            f"2 TP / (2 TP + FP + FN) of {name}; 0 when it exists and is never called. Chance: 2 s / (1 + K s) for "
            "a uniform guess, s being its share; oracle: 1. van Rijsbergen 1979.",
            f"no image is {name} and none was called so", bind_sums, sums.f1_of(name), _known,
        ),
        Metric(
            f"auroc_{name}", f"AUROC {name}",
            f"Chance that an image of {name} gets a higher probability of {name} than one of another class; ties "
            "half. Chance: .5; oracle: 1. Hanley and McNeil 1982.",
            f"needs images of {name} and images of another class", bind, _identity, _known,
        ),
    ]  # fmt: skip


def _presence() -> Metric:
    def bind(observations: Observations, unit: Index) -> Statistic:
        shown = [i for i, name in enumerate(observations.classes) if name != "none"]
        score = log_odds(observations.probabilities, shown)
        return bind_auroc(score, observations.present, ~observations.present, unit)

    return Metric(
        "presence_auroc", "AUROC presence",
        "Chance that an image with a clast gets a higher 1 - p(none) than one without; ties half; images whose "
        "sense is in dispute take part. Chance: .5; oracle: 1. Hanley and McNeil 1982.",
        "needs images with and images without a clast", bind, _identity, _everything,
    )  # fmt: skip


def _of_senses() -> list[Metric]:
    both, either = "needs images of CW and images of CCW", "no image is CW or CCW"
    return [
        Metric(
            "sense_forced", "Shear sense, forced",
            "Mean recall of CW and CCW when the larger of their two probabilities decides; a tie is half right. "
            "Chance, and any predictor blind to mirroring on mirrored pairs: .5; oracle: 1.",
            both, bind_sums, sums.sense_forced, _with_sense,
        ),
        Metric(
            "sense_end_to_end", "Shear sense, end to end",
            "Mean recall of CW and CCW when all classes compete, `none` being wrong. Chance: 1 / K for a uniform "
            "guess, 0 for always `none`, .5 for always one sense; oracle: 1.",
            both, bind_sums, sums.sense_end_to_end, _with_sense,
        ),
        Metric(
            "sense_forced_accuracy", "Shear sense, forced, unbalanced",
            "Share of CW and CCW images whose larger sense probability is the true one; a tie is half right. "
            "Chance: .5 for a guess, the majority rate for a constant answer; oracle: 1.",
            either, bind_sums, sums.sense_forced_accuracy, _with_sense, proportion=True,
        ),
        Metric(
            "sense_end_to_end_accuracy", "Shear sense, end to end, unbalanced",
            "Share of CW and CCW images whose most probable class is the true one. Chance: 1 / K for a uniform "
            "guess, the majority rate for a constant sense; oracle: 1.",
            either, bind_sums, sums.sense_end_to_end_accuracy, _with_sense, proportion=True,
        ),
        Metric(
            "majority_rate", "Majority rate",
            "Share of the commoner of CW and CCW: what always answering it scores unbalanced. A property of the "
            "images: the same for chance and for an oracle.",
            either, bind_sums, sums.majority_rate, _with_sense,
        ),
    ]  # fmt: skip


METRICS: Mapping[str, Metric] = metrics_for(CLASSES)
"""Every metric of the classes none, CW and CCW, by name."""
