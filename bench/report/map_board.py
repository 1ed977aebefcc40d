"""What the leaderboard says of maps: its columns, gate 1, and the ranks by one of them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace

from ..metrics import MAP_METRICS, Comparison, compare_maps, gate_randomisation, score_maps, too_few
from ..records import EXTERNAL, CellRecord, MapScores, Score, ceiling, untrained
from .exhibits import MapRow

Pair = tuple[str, str]
"""Detector and backbone."""

MAP_COLUMNS: Mapping[str, tuple[str, str]] = {
    "cpf": ("sense", "cpf"),
    "srg": ("sense", "srg"),
    "lift_sense": ("sense", "lift"),
    "lift_presence": ("presence", "lift"),
    "tail_share": ("sense", "share_tails"),
}
"""Target and metric behind each column that speaks of the ranked method's maps."""
MAP_CONTEXT: Mapping[str, tuple[str, str]] = {"rho": ("sense", "rho"), "tail_area": ("sense", "area_tails")}
"""What chance would give: the outlines' and the tails' share of the area."""
GATE = "gate_randomisation"
MAP_NAMES = (*MAP_COLUMNS, *MAP_CONTEXT, "lift_centre", "lift_ceiling")
"""All that is said of maps; the last two are the lift of a centred Gaussian and of the outlines themselves."""
_FAITHFUL = ("cpf", "srg")
QUESTIONS = ("lift", "cpf", "equivariance")
"""A score that each question about maps leaves: where heat lies, what its removal costs, what a mirror does to it."""


def map_scores(cells: Sequence[CellRecord], method: str) -> dict[str, Score]:
    """Return the columns that speak of maps, gate 1, and what to read them by; those without a value say why."""
    found = {}
    for column, (target, name) in {**MAP_COLUMNS, **MAP_CONTEXT}.items():
        tables = tables_of(cells, method, target)
        if tables:
            found[column] = replace(_one(tables, name), metric=column)
    for column, other in (("lift_centre", "centre"), ("lift_ceiling", ceiling(method))):
        tables = [table for cell in cells for table in cell.maps if table.method == other]
        if tables:
            found[column] = replace(_one(tables, "lift"), metric=column)
    if tables_of(cells, method, "sense"):
        found[GATE] = _gate(cells, method)
    return found


def map_rows(cells: Sequence[CellRecord]) -> tuple[MapRow, ...]:
    """Return every score of every method's maps of one system, controls and ceiling included."""
    gathered: dict[tuple[str, str], list[MapScores]] = defaultdict(list)
    for cell in cells:
        for table in cell.maps:
            gathered[table.method, table.target].append(table)
    found = []
    for (method, target), tables in gathered.items():
        usable = [table for table in tables if table.reason is None]
        if usable:
            scores = {score.metric: score for score in score_maps(usable)}
            found.append(MapRow(method, target, scores, lacking=_shares(cells, method, target)))
        else:
            found.append(MapRow(method, target, reason=next(table.reason for table in tables)))
    return tuple(found)


def _shares(cells: Sequence[CellRecord], method: str, target: str) -> dict[str, str]:
    """Return for each question that failed in some cells with how many, and the first reason."""
    asked = [cell for cell in cells if tables_of([cell], method, target)]
    reasons = {name: lacking(asked, method, target, name) for name in QUESTIONS}
    return {name: f"{len(own)} of {len(asked)} cells: {own[0]}" for name, own in reasons.items() if own}


def map_ranks(cells: Mapping[Pair, Sequence[CellRecord]], metric: str, method: str) -> dict[Pair, int]:
    """Rank by what the maps came to, among systems explained on the same inputs; without maps there is no rank."""
    target, name = MAP_COLUMNS[metric]
    ranks: dict[Pair, int] = {}
    for tables in alike(cells, target, (name,), method):
        shown = {" + ".join(pair): pair for pair in tables}
        ranks |= by_pair(compare_maps({one: tables[pair] for one, pair in shown.items()}, name), shown)
    return ranks


def unplaced(cells: Sequence[CellRecord], method: str, metric: str) -> str | None:
    """Return why a system that has a value has no rank by one of MAP_COLUMNS, if its maps are the reason."""
    target, name = MAP_COLUMNS[metric]
    reasons = lacking(cells, method, target, name)
    return reasons[0] if reasons else too_few(MAP_METRICS[name], tables_of(cells, method, target))


def alike(
    cells: Mapping[Pair, Sequence[CellRecord]], target: str, names: Sequence[str], method: str
) -> list[dict[Pair, list[MapScores]]]:
    """Return the tables of systems whose every explained cell has these scores of maps, those of like inputs together.

    Only scores of the same inputs compare, since a tight crop makes lift another question.
    """
    found: dict[object, dict[Pair, list[MapScores]]] = defaultdict(dict)
    for pair, own in cells.items():
        tables = [table for table in tables_of(own, method, target) if not table.reason]
        if any(table.values for table in tables) and not any(lacking(own, method, target, name) for name in names):
            found[_inputs(tables)][pair] = tables
    return list(found.values())


def lacking(cells: Sequence[CellRecord], method: str, target: str, name: str) -> list[str]:
    """Return why cells have no score of maps, one reason for each such cell.

    A cell without anything to explain lacks nothing. A cell may have several tables of a method, one a question; that
    one of them failed bars no score that another holds.
    """
    reasons = []
    for cell in cells:
        own = tables_of([cell], method, target)
        failed = failure(own, name)
        if failed and not any(holds(table, name) for table in own):
            reasons.append(failed)
    return reasons


def holds(table: MapScores, name: str) -> bool:
    """Whether a table has a score of maps, or what that is computed from."""
    return table.holds(MAP_METRICS[name].stored)


def failure(tables: Sequence[MapScores], name: str) -> str | None:
    """Return the first reason why a score of maps is lacking."""
    return next((table.reason for table in tables if table.fails(MAP_METRICS[name].stored)), None)


def unmapped(cells: Sequence[CellRecord], method: str) -> str | None:
    """Say why maps of some cells are missing while others have them."""
    explained = [cell for cell in cells if tables_of([cell], method, "sense")]
    reasons = lacking(explained, method, "sense", "lift")
    if not 0 < len(reasons) < len(explained):
        return None
    return f"{len(reasons)} of {len(explained)} cells: {reasons[0]}"


def tables_of(cells: Sequence[CellRecord], method: str, target: str) -> list[MapScores]:
    """Return the tables of one method (or of maps from outside) and target, of the cells that were explained."""
    return [
        table for cell in cells for table in cell.maps if table.method in (method, EXTERNAL) and table.target == target
    ]


def by_pair(compared: Comparison, pairs: Mapping[str, Pair]) -> dict[Pair, int]:
    """Return the ranks of systems that have a value."""
    ranked = zip(compared.systems, compared.ranks, compared.values, strict=True)
    return {pairs[name]: rank for name, rank, value in ranked if value is not None}


def _inputs(tables: Sequence[MapScores]) -> tuple[tuple[str, float], ...]:
    """What maps are of: photographs, and the outlines' share of what was seen; tables without it say nothing of it."""
    seen = [(one.image_id, one.values["rho"]) for one in tables if "rho" in one.values]
    pairs = [
        (name, -1.0 if rho is None else rho) for ids, all_rho in seen for name, rho in zip(ids, all_rho, strict=True)
    ]
    return tuple(sorted(pairs))


def _one(tables: Sequence[MapScores], name: str) -> Score:
    """Score one metric; a fold whose maps failed is left out (and named below the table), one without any is empty."""
    scored = score_maps([table for table in tables if table.reason is None], names=(name,))
    if scored:
        return scored[0]
    asked = "faithfulness was not measured" if name in _FAITHFUL else "no test photograph has a sense and an outline"
    return Score(name, None, reason=failure(tables, name) or asked)


def _gate(cells: Sequence[CellRecord], method: str) -> Score:
    """Gate 1 for the sense, over the cells that have both kinds of maps."""
    trained, random, reasons = [], [], []
    for cell in cells:
        ours = [table for table in cell.maps if (table.method, table.target) == (method, "sense")]
        theirs = [table for table in cell.maps if (table.method, table.target) == (untrained(method), "sense")]
        pair = _lifted(ours), _lifted(theirs)
        reasons += [failure(own, "lift") for own, lifted in zip((ours, theirs), pair, strict=True) if not lifted]
        if pair[0] and pair[1]:
            trained.append(pair[0])
            random.append(pair[1])
    if trained:
        return gate_randomisation(trained, random)
    return Score(GATE, None, reason=next(filter(None, reasons), "no network of random weights was explained"))


def _lifted(tables: Sequence[MapScores]) -> MapScores | None:
    """The table of a cell that speaks of where the heat lies; one of nothing where there was nothing to explain."""
    usable = [table for table in tables if not table.reason and (holds(table, "lift") or not table.image_id)]
    return max(usable, key=lambda table: len(table.image_id), default=None)
