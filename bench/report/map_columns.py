"""The columns of the map tables, and the part that each line plays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..metrics import LOCALISATION, MAP_METRICS, REGIONS
from ..records import ceiling, untrained
from .exhibits import MapRow

FLOORS = ("random", "centre", "sobel")
"""Controls that know nothing of the model: random values, a centred Gaussian, edges."""
_SHORT = {"rho": "ρ", "epg": "EPG", "lift": "lift", "pxap": "PxAP", "rank_accuracy": "rank accuracy", "cold": "no heat"}
ROLES: tuple[str | None, ...] = (None, "untrained", "floor", "ceiling")
"""The parts that lines play, in their order; None for a method that explains the system."""


@dataclass(frozen=True, slots=True)
class MapColumn:
    """One score of maps."""

    name: str
    title: str
    description: str
    beside: str | None = None
    """The score that is printed below it: a region's share of the area below its share of the heat."""


@dataclass(frozen=True, slots=True)
class MapLine:
    """One line of a map table."""

    row: MapRow
    role: str | None
    """`untrained`, `floor` or `ceiling`; None for a method that explains the system."""


def _column(name: str, title: str, beside: str | None = None) -> MapColumn:
    return MapColumn(name, title, MAP_METRICS[name].description, beside)


SCORES: tuple[MapColumn, ...] = tuple(
    _column(name, _SHORT.get(name, MAP_METRICS[name].title.lower())) for name in (*LOCALISATION, "cold")
)
SHARES: tuple[MapColumn, ...] = tuple(_column(f"share_{name}", name, f"area_{name}") for name in REGIONS)
LIFTS: tuple[MapColumn, ...] = tuple(_column(f"lift_{name}", name) for name in REGIONS)
FAITHFUL: tuple[MapColumn, ...] = (
    _column("cpf", "CPF"),
    _column("srg", "SRG"),
    _column("srg_map", "LeRF − MoRF", "srg_control"),
    _column("morf", "MoRF"),
    _column("lerf", "LeRF"),
    _column("aopc", "AOPC"),
    _column("insertion", "insertion"),
    _column("deletion", "deletion"),
    _column("road", "ROAD"),
    _column("average_drop", "average drop"),
)
"""What removing cells says of the maps; below the difference that of the order of the cells' own effect, the best."""
DIAGNOSTICS: tuple[MapColumn, ...] = (
    _column("infidelity", "infidelity"),
    _column("max_sensitivity", "max-sensitivity"),
)
"""Shown where they were asked for."""
BOX_COLUMNS: tuple[tuple[MapColumn, ...], ...] = ((_column("lift", "lift"),), SHARES, FAITHFUL[:2])
"""Of the maps of detectors: on the clasts, part by part, and what removal says."""


def role(method: str) -> str | None:
    """Say what a line stands for beside the methods."""
    if method.endswith(ceiling("")):
        return "ceiling"
    if method in FLOORS:
        return "floor"
    return "untrained" if method.endswith(untrained("")) else None


def faithful_columns(rows: Sequence[MapRow]) -> tuple[MapColumn, ...]:
    """Return the columns of a table of faithfulness: diagnostics where any line has them."""
    return (*FAITHFUL, *(column for column in DIAGNOSTICS if any(column.name in row.scores for row in rows)))


def faithful_lines(rows: Sequence[MapRow], target: str) -> tuple[MapLine, ...]:
    """Return the lines of one target that were asked by removing cells, and those that could not be."""
    names = {column.name for column in (*FAITHFUL, *DIAGNOSTICS)}
    own = lines(rows, target)
    asked = [line for line in own if names & line.row.scores.keys()]
    failed = [line for line in own if line.row.reason or "cpf" in line.row.lacking]
    return tuple(line for line in own if line in asked or line in failed) if asked else ()


def lines(rows: Sequence[MapRow], target: str) -> tuple[MapLine, ...]:
    """Return the lines of one target: methods, then the same of random weights, the floors, the ceiling."""
    found = [MapLine(row, role(row.method)) for row in rows if row.target in (target, "any")]
    return tuple(sorted(found, key=lambda line: ROLES.index(line.role)))
