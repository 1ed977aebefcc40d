"""The report's page of scores by condition: the table, and a figure with its sentence for every factor."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..metrics import BASE, METRICS, Condition
from ..records import STATES
from ..results import slug
from .condition_figures import draw_factor, numeric, shown
from .conditions import METRIC, ConditionLine, ConditionTable
from .shelf import Shelf

PAGE = "conditions.html"


@dataclass(frozen=True, slots=True)
class FactorFigure:
    """One figure on the page."""

    factor: str
    name: str | None
    """Its file below the report's folder; None where no value is defined."""
    alt: str
    seen: str
    """What is to be seen."""
    how: str
    """How it is drawn."""


def write_conditions(shelf: Shelf, table: ConditionTable, pages: Mapping[str, str], shared: Mapping[str, Any]) -> None:
    """Write the page and its figures; `pages` names the page of each system."""
    from .pages import render  # noqa: PLC0415 - brings Jinja2

    figures = [_figure(shelf, table, factor) for factor in table.factors]
    page = render(
        "conditions.html",
        root="",
        table=table,
        groups=[(factor, table.of(factor)) for factor in table.factors],
        meaning=METRICS[METRIC].description,
        figures=figures,
        pages=pages,
        has_cues=any(one.value in STATES for one in table.columns),
        links=[
            ("index.html", "Leaderboard"),
            *((f"#factor-{n}", one.factor) for n, one in enumerate(figures, start=1)),
        ],
        **shared,
    )
    shelf.write(PAGE, page)


def _figure(shelf: Shelf, table: ConditionTable, factor: str) -> FactorFigure:
    rows = shown(table, factor)
    title = factor.replace("-", " ")
    if not rows:
        return FactorFigure(title, None, "", "There is nothing to draw: no system has a defined value here.", "")
    name = f"figures/{slug(factor)}.png"
    shelf.write(name, draw_factor(table, factor))
    seen = sentence(table, factor)
    values = ", ".join(one.value or title for one in table.of(factor))
    alt = f"Sense, forced, of {_systems(len(rows))} against {title}: {values}. {seen} The table above has every number."
    return FactorFigure(title, name, alt, seen, _how(table, factor, len(rows)))


def sentence(table: ConditionTable, factor: str) -> str:
    """Say where the best system is weakest under a factor, and who still beats guessing there."""
    rows = shown(table, factor)
    best = rows[0]
    _, hardest = min(
        (score.value, place)
        for place, one in enumerate(table.of(factor))
        if (score := best.score(one)).value is not None
    )
    where = table.of(factor)[hardest]
    lows = [row.score(where).low for row in rows]
    above = sum(low is not None and low > 0.5 for low in lows)
    against = f", against {_written(best, BASE)} on the base photographs" if table.has_base else ""
    return (
        f"The best of these systems, {best.system}, is weakest at {where.label}: {_written(best, where)}{against}. "
        f"There {above} of {_systems(len(rows))} drawn {'reads' if above == 1 else 'read'} the sense better than "
        "guessing (the whole interval above .500)."
    )


def _written(row: ConditionLine, condition: Condition) -> str:
    from .pages import interval, number  # noqa: PLC0415 - brings Jinja2

    score = row.score(condition)
    return f"{number(score.value)} {interval(score)}".rstrip()


def _how(table: ConditionTable, factor: str, n_rows: int) -> str:
    base = ""
    if table.has_base and numeric(table.of(factor)):
        base = " Dashed: the same system on the base photographs."
    n_left = len(table.rows) - n_rows
    left = f" {n_rows} of {_systems(len(table.rows))} are drawn; the table has all." if n_left else ""
    return f"Bars: 95 % intervals; systems stand a little apart so that no bar hides another.{base}{left}"


def _systems(n: int) -> str:
    return "1 system" if n == 1 else f"{n} systems"
