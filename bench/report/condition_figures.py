"""One figure a factor: sense, forced, with its intervals against what the factor was changed to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..metrics import BASE, Condition
from ..records import Score
from . import drawing
from .conditions import ConditionLine, ConditionTable

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST = 8
"""Systems in one figure: the best of the table that have a value there."""
_PALE = "#f0e442"
"""Needs a dark edge on white."""
_EDGE = "#202020"
STYLES: tuple[tuple[str, str], ...] = (
    ("#0072b2", "o"),
    ("#e69f00", "s"),
    ("#000000", "D"),
    ("#cc79a7", "^"),
    ("#56b4e9", "v"),
    ("#d55e00", "P"),
    ("#888888", "X"),
    (_PALE, "p"),
)
"""Colour and marker of each system: Okabe and Ito's palette with a grey in place of its green."""
_CLOSEST = 0.03
"""Share of the axis between two numbers below which their labels would touch."""
_GUESSING = 0.5
_HIGH, _LEGEND_LINE, _LEFT, _RIGHT, _TOP, _FOOT = 2.9, 0.15, 0.55, 0.55, 0.12, 0.46


def shown(table: ConditionTable, factor: str) -> tuple[ConditionLine, ...]:
    """Return the systems that a factor's figure shows, best first."""
    conditions = table.of(factor)
    return tuple(row for row in table.rows if any(row.score(one).value is not None for one in conditions))[:MOST]


def draw_factor(table: ConditionTable, factor: str) -> bytes:
    """Return the figure of a factor as PNG: a curve over numbers, groups of points over states.

    The base condition is a dashed line a system beside numbers, since where it stands among them is not known, and a
    group of its own beside states. Bars are 95 % intervals. Equal input gives equal bytes.
    """
    rows = shown(table, factor)
    foot = _LEGEND_LINE * ((len(rows) + 1) // 2 + 0.5)
    height = _TOP + _HIGH + _FOOT + foot
    with drawing.settings():
        figure = drawing.new_figure(drawing.WIDTH, height)
        wide = drawing.WIDTH - _LEFT - _RIGHT
        place = (_LEFT / drawing.WIDTH, (_FOOT + foot) / height, wide / drawing.WIDTH, _HIGH / height)
        axes = figure.add_axes(place)
        (_curves if numeric(table.of(factor)) else _groups)(axes, table, factor, rows)
        _frame(axes, factor, [row.score(one) for row in rows for one in (*table.of(factor), *_base(table))])
        handles, names = axes.get_legend_handles_labels()
        figure.legend(
            handles, names, loc="lower left", bbox_to_anchor=(_LEFT / drawing.WIDTH, 0.0), ncols=2, frameon=False,
            fontsize=drawing.SMALL, borderaxespad=0.4,
        )  # fmt: skip
        return drawing.as_png(figure, drawing.DPI)


def numeric(conditions: Sequence[Condition]) -> bool:
    """Whether a factor has an axis of numbers: two of them at least, and nothing else."""
    return len(conditions) > 1 and all(one.number is not None for one in conditions)


def _base(table: ConditionTable) -> tuple[Condition, ...]:
    return (BASE,) if table.has_base else ()


def _curves(axes: Axes, table: ConditionTable, factor: str, rows: Sequence[ConditionLine]) -> None:
    conditions = table.of(factor)
    at = np.asarray([one.number for one in conditions], np.float64)
    gaps = np.diff(np.unique(at))
    step = min(0.009 * float(np.ptp(at)), 0.7 * float(gaps.min(initial=np.inf)) / MOST)
    for place, row in enumerate(rows):
        colour, _ = STYLES[place]
        base = row.score(BASE).value if table.has_base else None
        if base is not None:
            axes.axhline(base, color=colour, linewidth=0.7, linestyle=(0, (5, 3)), alpha=0.8, zorder=1)
        moved = at + step * (place - (len(rows) - 1) / 2)
        _points(axes, moved, [row.score(one) for one in conditions], place, row.system, joined=True)
    if float(gaps.min(initial=np.inf)) >= _CLOSEST * float(np.ptp(at)):
        axes.set_xticks(at, [one.value for one in conditions])


def _groups(axes: Axes, table: ConditionTable, factor: str, rows: Sequence[ConditionLine]) -> None:
    conditions = (*_base(table), *table.of(factor))
    at = np.arange(len(conditions), dtype=np.float64)
    for place, row in enumerate(rows):
        moved = at + 0.08 * (place - (len(rows) - 1) / 2)
        _points(axes, moved, [row.score(one) for one in conditions], place, row.system, joined=False)
    names = ["base" if one == BASE else one.value or one.factor.replace("-", " ") for one in conditions]
    axes.set_xticks(at, [drawing.plain(name) for name in names])
    for border in at[:-1] + 0.5:
        axes.axvline(border, color="#d0d0d0", linewidth=0.5, zorder=0)
    axes.set_xlim(-0.5, len(conditions) - 0.5)


def _points(
    axes: Axes, at: np.ndarray[Any, Any], scores: Sequence[Score], place: int, name: str, *, joined: bool
) -> None:
    """Draw one system: undefined values are left out, and a curve is broken there."""
    colour, marker = STYLES[place]
    values = np.asarray([np.nan if score.value is None else score.value for score in scores])
    for shade, extra in ((_EDGE, 0.5), (colour, 0.0)) if colour == _PALE else ((colour, 0.0),):
        if joined:
            axes.plot(at, values, color=shade, linewidth=1.1 + extra, zorder=2)
        for x, score in zip(at, scores, strict=True):
            if score.low is not None and score.high is not None:
                axes.vlines(x, score.low, score.high, color=shade, linewidth=0.9 + extra, zorder=2)
    axes.plot(
        at, values, linestyle="none", marker=marker, markersize=4.6, markerfacecolor=colour, markeredgecolor=_EDGE,
        markeredgewidth=0.5, zorder=3, label=drawing.plain(drawing.shortened(name, 52)),
    )  # fmt: skip


def _frame(axes: Axes, factor: str, scores: Sequence[Score]) -> None:
    least = min((low for score in scores for low in (score.low, score.value) if low is not None), default=0.0)
    axes.set_ylim(max(-0.02, min(0.4, np.floor(10 * least - 0.2) / 10)), 1.02)
    axes.axhline(_GUESSING, color="#606060", linewidth=0.8, linestyle=":", zorder=0.5)
    axes.annotate(
        "guessing", (1.0, _GUESSING), (3, 0), xycoords=("axes fraction", "data"), textcoords="offset points",
        ha="left", va="center", fontsize=drawing.SMALL, color="#404040",
    )  # fmt: skip
    axes.set_xlabel(drawing.plain(factor.replace("-", " ")))
    axes.set_ylabel("sense, forced: balanced accuracy")
    axes.grid(visible=True, axis="y", color="#e4e4e4", linewidth=0.5)
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
