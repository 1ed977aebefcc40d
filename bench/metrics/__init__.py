"""Scores and what they are worth: every metric with its interval, and systems ranked by it.

Needs numpy and nothing else, so that a finished suite is ranked again within seconds.
"""

from .classification import METRICS, Metric, Observations, confusion, metrics_for, score_all
from .comparison import holm, paired_difference, ranks
from .conditions import BASE, Condition, ConditionScores, condition_of, find_conditions, score_by_condition
from .localisation import LOCALISATION, localise, shares
from .map_scores import MAP_METRICS, REGIONS, MapMetric, compare_maps, gate_passed, gate_randomisation, score_maps
from .published import ClassificationReport, ClassRow, classification_report, confusion_scores
from .ranking import Comparison, compare_all
from .statistics import bootstrap_interval, group_index, group_weights, spread, wilson

__all__ = [
    "BASE",
    "LOCALISATION",
    "MAP_METRICS",
    "METRICS",
    "REGIONS",
    "ClassRow",
    "ClassificationReport",
    "Comparison",
    "Condition",
    "ConditionScores",
    "MapMetric",
    "Metric",
    "Observations",
    "bootstrap_interval",
    "classification_report",
    "compare_all",
    "compare_maps",
    "condition_of",
    "confusion",
    "confusion_scores",
    "find_conditions",
    "gate_passed",
    "gate_randomisation",
    "group_index",
    "group_weights",
    "holm",
    "localise",
    "metrics_for",
    "paired_difference",
    "ranks",
    "score_all",
    "score_by_condition",
    "score_maps",
    "shares",
    "spread",
    "wilson",
]
