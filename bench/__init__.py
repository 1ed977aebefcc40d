"""The public API of clastbench; every name is imported when it is first asked for.

import clastbench
board, summary = clastbench.run_suite(clastbench.open_session("quick"))  # runs what is missing
board.rows[0].system, board.rows[0].scores["macro_f1"].value
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .api import (
        explain_photograph,
        open_session,
        rank_by_condition,
        rank_suite,
        run_suite,
        score_predictions,
        write_gallery,
        write_report,
    )
    from .conformance import check_plugin
    from .errors import ClastbenchError
    from .explain.faithful import faithfulness
    from .metrics import Observations, localise, score_all, shares
    from .plugins import Classifier, Detector, Explainer, Network
    from .records import (
        CLASSES,
        Boxes,
        Cell,
        CellRecord,
        Clast,
        Explanation,
        MapScores,
        Mask,
        Photomicrograph,
        Prediction,
        Score,
        Trial,
    )
    from .report.conditions import ConditionTable
    from .report.leaderboard import Leaderboard
    from .run.external import write_predictions
    from .suite import Suite, load_suite, suite_names
    from .weights import Checkpoint

__all__ = [
    "CLASSES",
    "Boxes",
    "Cell",
    "CellRecord",
    "Checkpoint",
    "Classifier",
    "Clast",
    "ClastbenchError",
    "ConditionTable",
    "Detector",
    "Explainer",
    "Explanation",
    "Leaderboard",
    "MapScores",
    "Mask",
    "Network",
    "Observations",
    "Photomicrograph",
    "Prediction",
    "Score",
    "Suite",
    "Trial",
    "check_plugin",
    "explain_photograph",
    "faithfulness",
    "load_suite",
    "localise",
    "open_session",
    "rank_by_condition",
    "rank_suite",
    "run_suite",
    "score_all",
    "score_predictions",
    "shares",
    "suite_names",
    "write_gallery",
    "write_predictions",
    "write_report",
]

_HOMES = {
    "api": (
        "explain_photograph",
        "open_session",
        "rank_by_condition",
        "rank_suite",
        "run_suite",
        "score_predictions",
        "write_gallery",
        "write_report",
    ),
    "conformance": ("check_plugin",),
    "errors": ("ClastbenchError",),
    "explain.faithful": ("faithfulness",),
    "metrics": ("Observations", "localise", "score_all", "shares"),
    "plugins": ("Classifier", "Detector", "Explainer", "Network"),
    "records": (
        "CLASSES",
        "Boxes",
        "Cell",
        "CellRecord",
        "Clast",
        "Explanation",
        "MapScores",
        "Mask",
        "Photomicrograph",
        "Prediction",
        "Score",
        "Trial",
    ),
    "report.conditions": ("ConditionTable",),
    "report.leaderboard": ("Leaderboard",),
    "suite": ("Suite", "load_suite", "suite_names"),
    "run.external": ("write_predictions",),
    "weights": ("Checkpoint",),
}


def __getattr__(name: str) -> Any:
    home = next((home for home, held in _HOMES.items() if name in held), None)
    if home is None:
        raise AttributeError(f"module 'clastbench' has no attribute {name!r}")
    return getattr(import_module(f".{home}", __name__), name)
