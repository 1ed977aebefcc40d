"""The detection scores by name: what each is called, what it means, and where it is read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType
from typing import Protocol

import numpy as np

from .average_precision import IOU_THRESHOLDS, Outcomes, Precision, agnostic_outcomes, sense_outcomes
from .clasts import Statements, statements
from .finds import Finds
from .protocol import Published, published
from .statistics import Index, Statistic, Values


class Tally(Protocol):
    """What one metric needs of P photographs, matching done."""

    @property
    def rows(self) -> Values:
        """What each photograph adds to the rows the value rests on (a proportion's denominator), float64[P]."""

    def statistic(self, unit: Index) -> Statistic:
        """Return the metric as a function of weights, whose columns `unit` intp[P] names."""


@dataclass(frozen=True, eq=False)
class Judged:
    """Finds with their matches, each kind made when it is first asked for."""

    finds: Finds

    @cached_property
    def outcomes(self) -> Outcomes:
        """With every clast of one class."""
        return agnostic_outcomes(self.finds)

    @cached_property
    def sense_outcomes(self) -> tuple[Outcomes, ...]:
        """By sense."""
        return sense_outcomes(self.finds)

    @cached_property
    def published(self) -> Published:
        """At the detector's threshold."""
        return published(self.finds)

    @cached_property
    def statements(self) -> Statements:
        """Clast by clast, at the threshold of the whole system."""
        return statements(self.finds)


@dataclass(frozen=True)
class DetectionMetric:
    """One score of proposals: `read(Judged(finds)).statistic(unit)(weights)`."""

    name: str
    title: str
    description: str
    """Definition, value of a chance system, value of an oracle, source."""
    undefined: str
    """When the score has no value, as a reason for the reader."""
    read: Callable[[Judged], Tally]
    higher_is_better: bool = True
    proportion: bool = False
    """Whether the value is a share of counted rows, so that Wilson's interval applies."""
    of_senses: bool = False
    """Whether the sense of a clast matters."""
    at_threshold: bool = False
    """Whether it needs the threshold of the detector on every photograph."""


def _precision(*at: int) -> Callable[[Judged], Tally]:
    return lambda judged: Precision((judged.outcomes,), np.array(at))


def _sense_precision(*at: int) -> Callable[[Judged], Tally]:
    return lambda judged: Precision(judged.sense_outcomes, np.array(at))


_EVERY = range(len(IOU_THRESHOLDS))
_HALF, _TIGHT = 0, 5
_NO_CLAST, _NO_SENSE = "no photograph has a clast", "no clast is CW or CCW"
_NO_CLEAN = "no photograph is free of clasts"


def _of_boxes() -> list[DetectionMetric]:
    chance = "Chance: about 0 for boxes at random; oracle: 1."
    return [
        DetectionMetric(
            "ap", "AP",
            "Average precision of clasts as one class, mean over IoU .50:.05:.95, 101 points of recall, at most 100 "
            f"proposals a photograph; ignore regions are neither rewarded nor punished. {chance} Lin et al. 2014; "
            "pycocotools' COCOeval.",
            _NO_CLAST, _precision(*_EVERY),
        ),
        DetectionMetric(
            "ap50", "AP50", f"AP at an IoU of .5. {chance} Everingham et al. 2010, read as COCO does.",
            _NO_CLAST, _precision(_HALF),
        ),
        DetectionMetric(
            "ap75", "AP75", f"AP at an IoU of .75. {chance} Lin et al. 2014.", _NO_CLAST, _precision(_TIGHT),
        ),
        DetectionMetric(
            "ar", "AR",
            "Average recall: share of the clasts found by at most 100 proposals a photograph, whatever their scores, "
            f"mean over IoU .50:.05:.95. {chance} Lin et al. 2014, AR@100.",
            _NO_CLAST, lambda judged: judged.outcomes.recall(),
        ),
    ]  # fmt: skip


def _of_protocol() -> list[DetectionMetric]:
    where = "at the threshold chosen on validation photographs"
    return [
        DetectionMetric(
            "clast_recall", "Clasts found",
            f"Share of the clasts found with an IoU of .5 {where}. Chance: about 0 for boxes at random; no "
            "proposals: 0; oracle: 1.",
            _NO_CLAST, lambda judged: judged.published.clast_recall, proportion=True, at_threshold=True,
        ),
        DetectionMetric(
            "clast_image_recall", "Clast images with a hit",
            f"Share of the clast photographs in which at least one clast is found {where}. Chance: about 0 for boxes "
            "at random; no proposals: 0; oracle: 1.",
            _NO_CLAST, lambda judged: judged.published.clast_image_recall, proportion=True, at_threshold=True,
        ),
        DetectionMetric(
            "clean_share", "Clast-free images left clean",
            f"Share of the clast-free photographs without a false alarm {where}. No proposals: 1, so read it beside "
            "the clasts found; a proposal on every photograph: 0; oracle: 1.",
            _NO_CLEAN, lambda judged: judged.published.clean_share, proportion=True, at_threshold=True,
        ),
        DetectionMetric(
            "hit_confidence", "Confidence of hits",
            f"Mean score of the proposals that find a clast {where}. Scores without information: the same as for "
            "false alarms; oracle: 1.",
            "no proposal above the threshold finds a clast",
            lambda judged: judged.published.hit_confidence, at_threshold=True,
        ),
        DetectionMetric(
            "false_alarm_confidence", "Confidence of false alarms",
            f"Mean score of the false alarms on clast-free photographs {where}; lower is better. Scores without "
            "information: the same as for hits; oracle: undefined, since it raises none.",
            "no proposal above the threshold is a false alarm on a clast-free photograph",
            lambda judged: judged.published.false_alarm_confidence, higher_is_better=False, at_threshold=True,
        ),
    ]  # fmt: skip


def _of_senses() -> list[DetectionMetric]:
    chance = "Chance: about .25 for true boxes with a sense at random on equal shares; oracle: 1."
    return [
        DetectionMetric(
            "sense_ap", "Sense-aware AP",
            "AP, mean over CW and CCW. A proposal is of its likelier sense, its score that of the detector times the "
            f"probability of that sense. Symmetric clasts are background, unjudged ones ignore regions. {chance} Lin "
            "et al. 2014.",
            _NO_SENSE, _sense_precision(*_EVERY), of_senses=True,
        ),
        DetectionMetric(
            "sense_ap50", "Sense-aware AP50", f"Sense-aware AP at an IoU of .5. {chance} Lin et al. 2014.",
            _NO_SENSE, _sense_precision(_HALF), of_senses=True,
        ),
        DetectionMetric(
            "clast_sense", "Shear sense of found clasts",
            "Mean recall of CW and CCW among the clasts found with an IoU of .5 when the larger of their two "
            "probabilities decides. Chance: .5; oracle: 1. Brodersen et al. 2010.",
            "needs found clasts of CW and of CCW", lambda judged: judged.statements.sense_recalls(), of_senses=True,
        ),
        DetectionMetric(
            "clast_recall_end_to_end", "Clasts found and called right",
            "Share of the CW and CCW clasts that are found with an IoU of .5 and called their sense. Chance: half the "
            "clasts found; oracle: 1.",
            _NO_SENSE, lambda judged: judged.statements.recall(), proportion=True, of_senses=True,
        ),
    ]  # fmt: skip


DETECTION_METRICS: Mapping[str, DetectionMetric] = MappingProxyType(
    {metric.name: metric for metric in (*_of_boxes(), *_of_protocol(), *_of_senses())}
)
"""Every score of proposals by name."""
