"""Numbers and lines as the text tables write them."""

from __future__ import annotations

import html
import io
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..records import Score

if TYPE_CHECKING:
    from rich.table import Table


def short(value: float | None) -> str:
    """Write three digits without a leading zero, .825; a dash for None."""
    if value is None:
        return "–"
    text = f"{value:.3f}"
    return text.removeprefix("0") if value >= 0 else "-" + text.removeprefix("-0")


def with_interval(score: Score | None) -> str:
    """Write a value with its interval, .825 [.781, .866]; a dash where it is undefined."""
    if score is None or score.value is None:
        return "–"
    if score.low is None or score.high is None or score.metric == "majority_rate":
        return short(score.value)
    return f"{short(score.value)} [{short(score.low)}, {short(score.high)}]"


def drawn(table: Table) -> str:
    """Return a table as text, as wide as it needs to be."""
    from rich.console import Console  # noqa: PLC0415

    out = io.StringIO()
    console = Console(file=out, width=1000, color_system=None)
    console.width = max(console.measure(table).maximum, 80)
    console.print(table)
    return out.getvalue().rstrip()


def md_line(cells: Sequence[str]) -> str:
    """Write a line of a Markdown table."""
    return "| " + " | ".join(cells) + " |"


def md_text(text: str) -> str:
    """Keep a name inside its Markdown cell, whatever it holds."""
    text = html.escape(" ".join(text.split()), quote=False)
    return re.sub(r"([\\|`*\[\]])", r"\\\1", text)
