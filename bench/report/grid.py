"""The grid: one metric of every detector with every backbone, in an order that shows floor and ceiling."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean

from ..records import EXTERNAL, OWN_HEAD, Score
from .leaderboard import Leaderboard, Row

FLOOR, CEILING = "whole-image", "ground-truth"
"""The detectors that end the grid: nothing is found, everything is given."""
NOT_ENTERED = "not entered"
FAILED = "failed"
UNDEFINED = "undefined"


@dataclass(frozen=True, slots=True)
class Square:
    """One detector with one backbone."""

    system: str
    score: Score | None
    missing: str | None
    """Why there is no value, in a word: FAILED, UNDEFINED or NOT_ENTERED; None where there is one."""
    reason: str | None
    """The same in full, or why a value does not speak of the whole suite; None where all is well."""

    @property
    def value(self) -> float | None:
        """What is coloured."""
        return self.score.value if self.score else None


@dataclass(frozen=True, slots=True)
class GridRow:
    """One detector."""

    detector: str
    role: str | None
    """`floor` or `ceiling`; None for a detector that proposes."""
    squares: tuple[Square, ...]
    """One a backbone of the grid."""


@dataclass(frozen=True, slots=True)
class Grid:
    """One metric of all pairs that the harness ran."""

    metric: str
    backbones: tuple[str, ...]
    """Lowest mean first, detectors' own heads last."""
    rows: tuple[GridRow, ...]
    """The floor first, the ceiling last, the others between with the lowest mean first."""


def grid(board: Leaderboard, metric: str) -> Grid | None:
    """Lay the rows of a leaderboard out; None when one detector alone has no second to stand beside.

    Models from outside have no detector, and no place here. Means are over the squares that have a value; an own head
    counts for its detector only where that has no other backbone.
    """
    rows = {(row.detector, row.backbone): row for row in board.rows if row.detector != EXTERNAL}
    detectors = list(dict.fromkeys(detector for detector, _ in rows))
    if len(detectors) < 2 or not any(_value(row, metric) is not None for row in rows.values()):
        return None
    backbones = sorted({backbone for _, backbone in rows}, key=lambda name: _column_order(name, rows.values(), metric))
    detectors.sort(key=lambda name: _row_order(name, rows.values(), metric))
    return Grid(
        metric=metric,
        backbones=tuple(backbones),
        rows=tuple(
            GridRow(name, _role(name), tuple(_square(name, one, rows.get((name, one)), metric) for one in backbones))
            for name in detectors
        ),
    )


def _square(detector: str, backbone: str, row: Row | None, metric: str) -> Square:
    system = f"{detector} + {backbone}"
    if row is None:
        return Square(system, None, NOT_ENTERED, None)
    score = row.scores.get(metric)
    partly = f"{row.n_failed} of {row.n_cells} cells failed: {row.reason}" if row.n_failed else None
    if score is not None and score.value is not None:
        return Square(system, score, None, partly)
    return Square(system, score, FAILED if row.n_failed else UNDEFINED, partly or (score.reason if score else None))


def _column_order(backbone: str, rows: Iterable[Row], metric: str) -> tuple[bool, float, str]:
    return backbone == OWN_HEAD, _mean([row for row in rows if row.backbone == backbone], metric), backbone


def _row_order(detector: str, rows: Iterable[Row], metric: str) -> tuple[int, float, str]:
    own = [row for row in rows if row.detector == detector]
    read = [row for row in own if row.backbone != OWN_HEAD]
    return {FLOOR: 0, CEILING: 2}.get(detector, 1), _mean(read or own, metric), detector


def _mean(rows: Sequence[Row], metric: str) -> float:
    values = [value for row in rows if (value := _value(row, metric)) is not None]
    return fmean(values) if values else -1.0


def _value(row: Row, metric: str) -> float | None:
    score = row.scores.get(metric)
    return score.value if score else None


def _role(detector: str) -> str | None:
    return {FLOOR: "floor", CEILING: "ceiling"}.get(detector)
