"""The grids of the report's first page, and their figures for papers."""

from __future__ import annotations

from dataclasses import dataclass

from ..metrics import METRICS
from .grid import Grid, grid
from .grid_figure import draw_grid
from .leaderboard import COLUMNS, Leaderboard
from .shelf import Shelf

SHOWN: tuple[tuple[str, str], ...] = (("macro_f1", "grid"), ("sense_forced", "grid-sense"))
"""Metric and file name."""


@dataclass(frozen=True, slots=True)
class GridCard:
    """One grid with what is said of it."""

    grid: Grid
    name: str
    """Fragment of its heading, and stem of its figures below the report's folder."""
    title: str
    description: str


def write_grids(shelf: Shelf, board: Leaderboard) -> tuple[GridCard, ...]:
    """Lay out the grids that the board has values for, and save each as PNG and PDF."""
    found = []
    for metric, name in SHOWN:
        laid = grid(board, metric)
        if laid is None:
            continue
        title = dict(COLUMNS)[metric]
        for form, content in zip(("png", "pdf"), draw_grid(laid, title), strict=True):
            shelf.write(f"{name}.{form}", content)
        found.append(GridCard(laid, name, title, METRICS[metric].description))
    return tuple(found)
