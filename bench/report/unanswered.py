"""What was asked about maps and changed pictures and could not be answered: why, with the number of cells."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import chain, repeat

from ..records import CellRecord
from .map_board import holds, tables_of

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
    lacking = [own for own in (_lacking(cell, method) for cell in explained) if "lift" not in own]
    reasons = {asked: [own[name] for own in lacking if name in own] for name, asked in _ASKED.items()}
    tried = [cell for cell in cells if cell.trials]
    reasons[CHANGED] = [reason for reason in map(_untried, tried) if reason]
    known = {asked: len(explained) for asked in _ASKED.values()} | {CHANGED: len(tried)}
    return {asked: f"{len(own)} of {known[asked]} cells: {own[0]}" for asked, own in reasons.items() if own}


def why_lacking(cells: Sequence[CellRecord], method: str, name: str) -> str | None:
    """Return why the first cell has no `lift`, `cpf` or `equivariance`; None where nobody asked, or all have it."""
    return next((own[name] for own in (_lacking(cell, method) for cell in cells) if name in own), None)


def _lacking(cell: CellRecord, method: str) -> dict[str, str]:
    """Return the scores that failed in a cell, with the reason.

    A failed table does not say what it would have held. Tables stand in the order of the questions: where as many
    failed as scores are lacking, each has its own reason; else the last one stands for the rest.
    """
    tables = tables_of([cell], method, "sense")
    failed = [table.reason for table in tables if table.reason]
    if not failed:
        return {}
    lacking = [name for name in ("lift", *_ASKED) if not any(holds(table, name) for table in tables)]
    return dict(zip(lacking, chain(failed, repeat(failed[-1])), strict=False))


def _untried(cell: CellRecord) -> str | None:
    return next((trial.reason for trial in cell.trials if trial.reason), None)
