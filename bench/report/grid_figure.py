"""The grid as a figure for papers: PNG and PDF at 300 dots an inch."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from . import drawing
from .grid import Grid
from .scale import black_reads_better, colour
from .writing import short

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_ROW, _COLUMN, _BAR, _TOP = 0.32, 0.95, 0.75, 0.12
"""Inches: a square's height and greatest width, the scale, the margin above."""
_LETTER, _TILT = 0.06, 35.0
"""A letter's mean width in inches, and how far the backbones' names are turned, in degrees."""
_LONGEST, _END = 30, 11
"""Letters of a name, and how many of its end are kept in a longer one: there stands the training, @finetune."""


def draw_grid(grid: Grid, title: str) -> tuple[bytes, bytes]:
    """Return the grid as PNG and as PDF. Equal input gives equal bytes."""
    with drawing.settings():
        figure = _drawn(grid, title)
        return drawing.as_png(figure, drawing.DPI), drawing.as_pdf(figure)


def _drawn(grid: Grid, title: str) -> Figure:
    import seaborn as sns  # noqa: PLC0415 - brings matplotlib and pandas

    across, down = [_name(one) for one in grid.backbones], [_name(row.detector, row.role) for row in grid.rows]
    leans = [_LETTER * len(name) for name in across]
    left = 0.15 + max(*(_LETTER * len(name) for name in down), 0.82 * leans[0] - _COLUMN / 2)
    foot = 0.2 + 0.6 * max(leans)
    wide, high = min(_COLUMN * len(across), drawing.WIDTH - left - _BAR), _ROW * len(down)
    width, height = left + wide + _BAR, _TOP + high + foot
    figure = drawing.new_figure(width, height)
    axes = figure.add_axes((left / width, foot / height, wide / width, high / height))
    scale = figure.add_axes(((left + wide + 0.12) / width, foot / height, 0.1 / width, high / height))
    values = np.asarray([[np.nan if one.value is None else one.value for one in row.squares] for row in grid.rows])
    sns.heatmap(
        values, mask=np.isnan(values), vmin=0.0, vmax=1.0, cmap="viridis", linewidths=0.5, linecolor="white", ax=axes,
        cbar_ax=scale, cbar_kws={"label": drawing.plain(title), "ticks": [0.0, 0.25, 0.5, 0.75, 1.0]},
        xticklabels=across, yticklabels=down,
    )  # fmt: skip
    _words(axes, grid)
    axes.set_facecolor("#eeeeee")
    axes.tick_params(length=0)
    for label in axes.get_xticklabels():
        label.set(rotation=_TILT, ha="right", rotation_mode="anchor")
    axes.tick_params(axis="y", labelrotation=0)
    scale.tick_params(width=0.5, length=2)
    return figure


def _words(axes: Axes, grid: Grid) -> None:
    """Write every value, or why there is none, in black or white, whichever reads better."""
    small = drawing.SMALL - 0.5
    for y, row in enumerate(grid.rows):
        for x, square in enumerate(row.squares):
            value = square.value
            if value is None:
                words, ink = (square.missing or "").replace(" ", "\n"), "#404040"
            else:
                words = short(value) + ("*" if square.reason else "")
                ink = "black" if black_reads_better(colour(value)) else "white"
            axes.text(x + 0.5, y + 0.5, words, ha="center", va="center", color=ink, fontsize=small, linespacing=0.9)


def _name(name: str, role: str | None = None) -> str:
    cut = name if len(name) <= _LONGEST else f"{name[: _LONGEST - _END - 1]}…{name[-_END:]}"
    shown = drawing.plain(cut)
    return f"{shown} ({role})" if role else shown
