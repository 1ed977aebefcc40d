"""The public API of clastbench; every name is imported when it is first asked for.

import clastbench
board, summary = clastbench.run_suite(clastbench.open_session("quick"))  # runs what is missing
board.rows[0].system, board.rows[0].scores["macro_f1"].value
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .api import open_session, rank_suite, run_suite, score_predictions
    from .conformance import check_plugin
    from .errors import ClastbenchError
    from .metrics import Observations, score_all
    from .plugins import Classifier, Detector, Network
    from .records import CLASSES, Boxes, Cell, CellRecord, Clast, Mask, Photomicrograph, Prediction, Score
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
    "Detector",
    "Leaderboard",
    "Mask",
    "Network",
    "Observations",
    "Photomicrograph",
    "Prediction",
    "Score",
    "Suite",
    "check_plugin",
    "load_suite",
    "open_session",
    "rank_suite",
    "run_suite",
    "score_all",
    "score_predictions",
    "suite_names",
    "write_predictions",
]

_HOMES = {
    "api": ("open_session", "rank_suite", "run_suite", "score_predictions"),
    "conformance": ("check_plugin",),
    "errors": ("ClastbenchError",),
    "metrics": ("Observations", "score_all"),
    "plugins": ("Classifier", "Detector", "Network"),
    "records": ("CLASSES", "Boxes", "Cell", "CellRecord", "Clast", "Mask", "Photomicrograph", "Prediction", "Score"),
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
