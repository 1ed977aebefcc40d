"""The table by condition: one line a system, one column a condition of the suite's photographs."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ..errors import DataError
from ..metrics import BASE, Condition, ConditionScores, find_conditions, score_by_condition
from ..metrics.statistics import N_RESAMPLES
from ..records import CellRecord, Score
from ..run.scoring import observe
from ..suite import FileData, Suite
from .leaderboard import complete

METRIC = "sense_forced"
"""What the table shows; CSV and JSON hold the others of `metrics.conditions.SCORED`, too."""
TITLE = "sense, forced, by condition"


@dataclass(frozen=True, slots=True)
class ConditionLine:
    """One system."""

    detector: str
    backbone: str
    cells: tuple[ConditionScores, ...]
    """One a column of the table."""
    n_failed: int = 0

    @property
    def system(self) -> str:
        """The pair, as readers see it."""
        return f"{self.detector} + {self.backbone}"

    def score(self, condition: Condition) -> Score:
        """The score that the table shows; the condition must be one of its columns."""
        return next(cell.scores[METRIC] for cell in self.cells if cell.condition == condition)


@dataclass(frozen=True, slots=True)
class ConditionTable:
    """What `rank --by condition` prints."""

    suite: str
    version: int
    digest: str
    columns: tuple[Condition, ...]
    """The base condition first, where the suite has it; then factor by factor."""
    rows: tuple[ConditionLine, ...]
    """Best first, by the first column."""
    notes: tuple[str, ...] = ()
    """Cells that failed or are missing."""

    @property
    def factors(self) -> tuple[str, ...]:
        """What was changed, without the base."""
        return tuple(dict.fromkeys(one.factor for one in self.columns if one != BASE))

    @property
    def has_base(self) -> bool:
        """Whether photographs are tested as the recipe draws them."""
        return BASE in self.columns

    def of(self, factor: str) -> tuple[Condition, ...]:
        """Return the conditions of one factor."""
        return tuple(one for one in self.columns if one.factor == factor)

    def n_images(self, condition: Condition) -> int:
        """Return how many photographs the value of a condition rests on, of the system that predicted most."""
        return max((row.score(condition).n_images for row in self.rows), default=0)


def conditions_of(suite: Suite) -> tuple[Condition, ...]:
    """Return the conditions that a suite tests under; none for photographs on disk, whose names are anybody's.

    Only generated photographs have conditions, and only the generator's ids are read (`metrics.find_conditions`).
    """
    if isinstance(suite.data, FileData):
        return ()
    return find_conditions(image_id for fold in suite.folds.folds.values() for image_id in fold.test)


def build_by_condition(
    suite: Suite, digest: str, records: Iterable[CellRecord], *, n_resamples: int = N_RESAMPLES
) -> ConditionTable:
    """Score the systems of one suite in each condition; folds and seeds are pooled within it.

    Raises:
        DataError: the suite has no conditions.
    """
    columns = conditions_of(suite)
    if not columns:
        raise DataError(f"{suite.shown_name}: no conditions: none of its test photographs has one factor changed.")
    by_system: dict[tuple[str, str], list[CellRecord]] = defaultdict(list)
    for record in records:
        by_system[record.cell.detector, record.cell.backbone].append(record)
    rows = [_line(pair, cells, columns, n_resamples) for pair, cells in by_system.items()]
    return ConditionTable(
        suite=suite.shown_name,
        version=suite.version,
        digest=digest,
        columns=columns,
        rows=tuple(sorted(rows, key=_order)),
        notes=tuple(note for cells in by_system.values() for note in _notes(cells, suite)),
    )


def _line(
    pair: tuple[str, str], cells: Sequence[CellRecord], columns: Sequence[Condition], n_resamples: int
) -> ConditionLine:
    seen = observe([prediction for cell in cells for prediction in cell.predictions])
    n_seeds = len({cell.cell.seed for cell in cells})
    scores = score_by_condition(seen, columns, n_resamples=n_resamples, n_seeds=n_seeds)
    return ConditionLine(*pair, cells=scores, n_failed=sum(cell.status == "failed" for cell in cells))


def _order(line: ConditionLine) -> tuple[bool, float, str]:
    value = line.cells[0].scores[METRIC].value
    return value is None, -(value or 0.0), line.system


def _notes(cells: Sequence[CellRecord], suite: Suite) -> list[str]:
    failed = [cell for cell in cells if cell.status == "failed"]
    system = cells[0].cell.system
    if failed:
        return [f"FAILED {system}: {len(failed)} of {len(cells)} cells failed: {failed[0].reason}"]
    return [] if complete(cells, suite) else [f"NOT COMPLETE {system}: some folds or seeds are missing."]
