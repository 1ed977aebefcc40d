"""Scores and what they are worth: every metric with its interval, and systems ranked by it.

Needs numpy and nothing else, so that a finished suite is ranked again within seconds.
"""

from .classification import METRICS, Metric, Observations, confusion, metrics_for, score_all
from .comparison import holm, paired_difference, ranks
from .published import ClassificationReport, ClassRow, classification_report, confusion_scores
from .ranking import Comparison, compare_all
from .statistics import bootstrap_interval, group_index, group_weights, spread, wilson

__all__ = [
    "METRICS",
    "ClassRow",
    "ClassificationReport",
    "Comparison",
    "Metric",
    "Observations",
    "bootstrap_interval",
    "classification_report",
    "compare_all",
    "confusion",
    "confusion_scores",
    "group_index",
    "group_weights",
    "holm",
    "metrics_for",
    "paired_difference",
    "ranks",
    "score_all",
    "spread",
    "wilson",
]
