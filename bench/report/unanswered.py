"""What was asked about maps and changed pictures and could not be answered: why, with the number of cells."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..records import CellRecord
from .map_board import lacking, tables_of

REMOVAL = "removal of cells"
MIRROR = "maps of mirror images"
CHANGED = "changed pictures"
_ASKED: Mapping[str, str] = {"cpf": REMOVAL, "equivariance": MIRROR}
"""A score that each question about maps leaves, beside where their heat lies."""


def unanswered(cells: Sequence[CellRecord], method: str) -> dict[str, str]:
    """Return what failed in some cells or all of them, with their number and the first reason; mostly nothing.

    Cells without any map are not counted for what is asked of maps: their columns say why, or `map_board.unmapped`.
    """
    explained = [cell for cell in cells if tables_of([cell], method, "sense")]
    mapped = [cell for cell in explained if not lacking([cell], method, "sense", "lift")]
    reasons = {asked: lacking(mapped, method, "sense", name) for name, asked in _ASKED.items()}
    tried = [cell for cell in cells if cell.trials]
    reasons[CHANGED] = [reason for reason in map(_untried, tried) if reason]
    known = {asked: len(explained) for asked in _ASKED.values()} | {CHANGED: len(tried)}
    return {asked: f"{len(own)} of {known[asked]} cells: {own[0]}" for asked, own in reasons.items() if own}


def _untried(cell: CellRecord) -> str | None:
    return next((trial.reason for trial in cell.trials if trial.reason), None)
