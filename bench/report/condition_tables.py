"""The table by condition as text: for a terminal, Markdown, CSV or JSON."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict

from ..metrics import BASE, Condition
from ..metrics.conditions import SCORED
from .conditions import METRIC, TITLE, ConditionTable
from .writing import drawn, md_line, md_text, with_interval

NOTE = (
    "Balanced accuracy of CW against CCW where the truth is one of them, with 95 % intervals (bootstrap by group);",
    "0.5 is guessing. base: photographs as the recipe draws them; else the same scenes with one factor changed.",
    "A dash is undefined: a condition with one sense only, or without predictions.",
)


def _title(table: ConditionTable) -> str:
    return f"{table.suite} v{table.version} ({table.digest[:12]}), {TITLE}"


def _blocks(table: ConditionTable) -> list[list[Condition]]:
    """One block a factor, each beginning with the base to read it by: all side by side are too wide to read."""
    base = [BASE] if table.has_base else []
    return [[*base, *table.of(factor)] for factor in table.factors]


def _lines(table: ConditionTable, columns: list[Condition]) -> list[list[str]]:
    rows = [[row.system, *(with_interval(row.score(one)) for one in columns)] for row in table.rows]
    return [*rows, ["photographs with a sense", *(str(table.n_images(one)) for one in columns)]]


def terminal(table: ConditionTable) -> str:
    """One table a factor, drawn with lines, intervals below their values."""
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    parts = [_title(table)]
    for columns in _blocks(table):
        block = Table(show_lines=False)
        block.add_column("system", no_wrap=True)
        for one in columns:
            block.add_column(Text(one.label.replace(" = ", "\n")), justify="right", no_wrap=True)
        *rows, counts = _lines(table, columns)
        for cells in rows:
            block.add_row(*(Text(cell.replace(" [", "\n[").replace(" + ", "\n+ ")) for cell in cells))
        block.add_section()
        block.add_row(*counts, style="dim")
        parts.append(drawn(block))
    return "\n".join([*parts, *NOTE, *table.notes]) + "\n"


def markdown(table: ConditionTable) -> str:
    """One GitHub table a factor."""
    lines = [f"**{_title(table)}**"]
    for columns in _blocks(table):
        lines += ["", md_line(["system", *(md_text(one.label) for one in columns)])]
        lines += [md_line(["---", *("---:" for _ in columns)])]
        lines += [md_line([md_text(cells[0]), *cells[1:]]) for cells in _lines(table, columns)]
    return "\n".join([*lines, "", *NOTE, *(f"- {md_text(text)}" for text in table.notes)]) + "\n"


def as_csv(table: ConditionTable) -> str:
    """One line a system and condition, in full precision; the reason is that of an undefined sense, forced."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    spread = [f"{name}{end}" for name in SCORED for end in ("", "_low", "_high")]
    writer.writerow(["detector", "backbone", "factor", "value", *spread, "n_images", "n_with_sense", "reason"])
    for row in table.rows:
        for cell in row.cells:
            said = [end for name in SCORED for s in [cell.scores[name]] for end in (s.value, s.low, s.high)]
            shown = cell.scores[METRIC]
            named = [row.detector, row.backbone, cell.condition.factor, cell.condition.value]
            writer.writerow([*named, *said, cell.n_images, shown.n_images, shown.reason or ""])
    return out.getvalue()


def as_json(table: ConditionTable) -> str:
    """Everything, for programs."""
    return json.dumps(asdict(table), indent=1, sort_keys=True, allow_nan=False) + "\n"


FORMATS: Mapping[str, Callable[[ConditionTable], str]] = {
    "table": terminal,
    "md": markdown,
    "csv": as_csv,
    "json": as_json,
}
