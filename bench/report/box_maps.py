"""Where detectors look when they find a clast, miss one, or report one that is not there."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from ..metrics import score_maps
from ..records import BOX_TARGETS, CellRecord, MapScores, Score
from .detectors import Trained, shown_name, trained
from .map_columns import BOX_COLUMNS, ROLES, role

_NOTHING: Mapping[str, str] = {
    "found": "no clast of the explained photographs was found",
    "missed": "no clast of the explained photographs was missed",
    "false alarm": "no box of the explained photographs was a false alarm",
}
"""Why there is no map of a target, though the detector was explained."""
_NAMES = {name for group in BOX_COLUMNS for column in group for name in (column.name, column.beside) if name}


@dataclass(frozen=True, slots=True)
class BoxMapRow:
    """What the maps of one method for one kind of box came to: a line of the table."""

    detector: str
    """As readers see it."""
    method: str
    target: str
    """One of BOX_TARGETS; `any` for a control, which knows no box, and for a method that works on none of them."""
    scores: Mapping[str, Score] = field(default_factory=dict)
    """By name, of `metrics.MAP_METRICS`: those of the table."""
    n_maps: int = 0
    """Boxes, of all folds and seeds."""
    reason: str | None = None
    """Why there are no maps."""
    partly: str | None = None
    """Why some maps are lacking, though there are others."""


def box_map_rows(records: Iterable[CellRecord]) -> tuple[BoxMapRow, ...]:
    """Return a line for each detector, method and kind of box, folds and seeds together; none where nobody was asked.

    Every backbone's cell repeats the maps of its detector: they are taken once a seed and fold, from a later run that
    made them where an earlier one of other backbones failed to.
    """
    taken: dict[Trained, dict[tuple[int, str], CellRecord]] = defaultdict(dict)
    for record in sorted(records, key=lambda one: (all(table.reason for table in one.box_maps), one.cell)):
        if record.box_maps:
            taken[trained(record.cell)].setdefault((record.cell.seed, record.cell.fold), record)
    return tuple(
        row
        for (detector, own_head), own in sorted(taken.items())
        for row in _rows(shown_name(detector, own_head=own_head), list(own.values()))
    )


def _rows(name: str, cells: Sequence[CellRecord]) -> list[BoxMapRow]:
    gathered: dict[tuple[str, str], list[MapScores]] = defaultdict(list)
    for cell in cells:
        for table in cell.box_maps:
            gathered[table.method, table.target].append(table)
    methods = sorted(dict.fromkeys(method for method, _ in gathered), key=lambda one: ROLES.index(role(one)))
    found = []
    for method in methods:
        own = [_row(name, method, target, gathered.get((method, target), [])) for target in _targets(method, gathered)]
        same = len({row.reason for row in own}) == 1 and own[0].reason is not None
        found += [replace(own[0], target="any")] if same else own
    return found


def _targets(method: str, gathered: Iterable[tuple[str, str]]) -> list[str]:
    """All kinds of box for a method, in their order; what a control has, for a control."""
    held = {target for other, target in gathered if other == method}
    return [*(one for one in BOX_TARGETS if role(method) is None or one in held), *sorted(held - {*BOX_TARGETS})]


def _row(name: str, method: str, target: str, tables: Sequence[MapScores]) -> BoxMapRow:
    usable = [table for table in tables if table.reason is None]
    scores = {score.metric: score for score in score_maps(usable, names=_NAMES)}
    n_maps = max((sum(_held(table, metric) for table in usable) for metric in scores), default=0)
    failed = next((table.reason for table in tables if table.reason), None)
    if n_maps:
        return BoxMapRow(name, method, target, scores, n_maps, partly=failed)
    return BoxMapRow(name, method, target, reason=failed or _NOTHING.get(target, "there are no maps"))


def _held(table: MapScores, metric: str) -> int:
    return len(table.values.get(metric, ()))
