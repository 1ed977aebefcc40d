"""Scores and what they are worth: every metric with its interval, and systems ranked by it.

Needs numpy and nothing else, so that a finished suite is ranked again within seconds.
"""

from .attribution import LOSSES, attribute
from .classification import METRICS, Metric, Observations, confusion, metrics_for, score_all
from .clasts import clast_confusion
from .comparison import holm, paired_difference, ranks
from .conditions import BASE, Condition, ConditionScores, condition_of, find_conditions, score_by_condition
from .detection import compare_detections, score_detections, score_senses
from .detection_metrics import DETECTION_METRICS
from .finds import Finds, finds
from .localisation import LOCALISATION, localise, shares
from .map_scores import MAP_METRICS, REGIONS, MapMetric, compare_maps, gate_passed, gate_randomisation, score_maps
from .matching import box_iou
from .mistakes import KINDS, ErrorKind, Impact, Located, error_impacts, find_mistakes
from .published import ClassificationReport, ClassRow, classification_report, confusion_scores
from .ranking import Comparison, compare_all
from .statistics import bootstrap_interval, group_index, group_weights, spread, wilson
from .thresholds import Chosen, choose_detector_threshold, choose_threshold

__all__ = [
    "BASE",
    "DETECTION_METRICS",
    "KINDS",
    "LOCALISATION",
    "LOSSES",
    "MAP_METRICS",
    "METRICS",
    "REGIONS",
    "Chosen",
    "ClassRow",
    "ClassificationReport",
    "Comparison",
    "Condition",
    "ConditionScores",
    "ErrorKind",
    "Finds",
    "Impact",
    "Located",
    "MapMetric",
    "Metric",
    "Observations",
    "attribute",
    "bootstrap_interval",
    "box_iou",
    "choose_detector_threshold",
    "choose_threshold",
    "classification_report",
    "clast_confusion",
    "compare_all",
    "compare_detections",
    "compare_maps",
    "condition_of",
    "confusion",
    "confusion_scores",
    "error_impacts",
    "find_conditions",
    "find_mistakes",
    "finds",
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
    "score_detections",
    "score_maps",
    "score_senses",
    "shares",
    "spread",
    "wilson",
]
