"""Scores and what they are worth: every metric with its interval, and systems ranked by it.

Needs numpy and nothing else, so that a finished suite is ranked again within seconds.
"""

from .attribution import LOSSES, attribute
from .chirality import EQUIVARIANCE, equivariance
from .classification import METRICS, Metric, Observations, confusion, metrics_for, score_all
from .clasts import clast_confusion
from .comparison import holm, paired_difference, ranks
from .conditions import BASE, Condition, ConditionScores, condition_of, find_conditions, score_by_condition
from .detection import compare_detections, score_detections, score_senses
from .detection_metrics import DETECTION_METRICS
from .faithfulness import CURVES, FAITHFULNESS, Removals, curves, faithfulness
from .finds import Finds, finds
from .gates import (
    GATES,
    Gate,
    gate_cue,
    gate_matrix,
    gate_mirror,
    gate_passed,
    gate_randomisation,
    gate_reads,
)
from .group_sums import Measure
from .localisation import LOCALISATION, localise, shares
from .map_catalogue import MAP_METRICS, REGIONS, MapMetric
from .map_scores import compare_maps, score_maps, too_few
from .matching import box_iou
from .mistakes import KINDS, ErrorKind, Impact, Located, error_impacts, find_mistakes
from .published import ClassificationReport, ClassRow, classification_report, confusion_scores
from .ranking import Comparison, compare_all
from .statistics import bootstrap_interval, group_index, group_weights, spread, wilson
from .thresholds import Chosen, choose_detector_threshold, choose_threshold
from .trial_catalogue import CUES, PART_CHANGES, TRIAL_METRICS, trial_metric
from .trials import cues_of, score_trials
from .trust import TRUST, TRUST_PARTS, TrustComparison, compare_trust, trust

__all__ = [
    "BASE",
    "CUES",
    "CURVES",
    "DETECTION_METRICS",
    "EQUIVARIANCE",
    "FAITHFULNESS",
    "GATES",
    "KINDS",
    "LOCALISATION",
    "LOSSES",
    "MAP_METRICS",
    "METRICS",
    "PART_CHANGES",
    "REGIONS",
    "TRIAL_METRICS",
    "TRUST",
    "TRUST_PARTS",
    "Chosen",
    "ClassRow",
    "ClassificationReport",
    "Comparison",
    "Condition",
    "ConditionScores",
    "ErrorKind",
    "Finds",
    "Gate",
    "Impact",
    "Located",
    "MapMetric",
    "Measure",
    "Metric",
    "Observations",
    "Removals",
    "TrustComparison",
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
    "compare_trust",
    "condition_of",
    "confusion",
    "confusion_scores",
    "cues_of",
    "curves",
    "equivariance",
    "error_impacts",
    "faithfulness",
    "find_conditions",
    "find_mistakes",
    "finds",
    "gate_cue",
    "gate_matrix",
    "gate_mirror",
    "gate_passed",
    "gate_randomisation",
    "gate_reads",
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
    "score_trials",
    "shares",
    "spread",
    "too_few",
    "trial_metric",
    "trust",
    "wilson",
]
