"""Print sheets: a gallery as pages for a journal, and one photograph by several methods side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

from ..records import TARGETS, Explanation, Photomicrograph, Prediction
from . import drawing
from .captions import COLOURS_MEAN, HEAT_MEANS, caption, conditions, letter, row_title, verdict
from .drawing import DPI, WIDTH, Panel
from .exhibits import Exhibit
from .finds.sheets import FindsPage, finds_pages
from .gallery import Gallery

if TYPE_CHECKING:
    from matplotlib.figure import Figure

ROWS = 6
"""At most so many exhibits on a page."""
_MARGIN, _GAP, _HEAD, _LABEL, _BETWEEN, _HIGHEST = 0.12, 0.06, 0.5, 0.17, 0.13, 9.7
_TITLES = {"sense": "heat for the sense", "presence": "heat for presence"}


@dataclass(frozen=True, slots=True)
class _Row:
    place: int
    exhibit: Exhibit
    panel: Panel
    height: float


@dataclass(frozen=True, slots=True)
class _RowsPage:
    """At most ROWS answers about photographs, one below the other."""

    rows: tuple[_Row, ...]
    pixels: bool

    @property
    def height(self) -> float:
        """Of all rows, in inches."""
        return _height(self.rows)

    def draw(self, figure: Figure, top: float) -> None:
        """Draw the rows from `top` inches downwards, under the titles of their columns."""
        for place, title in enumerate(_columns(pixels=self.pixels)):
            drawing.write(figure, _left(place), top - 0.21, title, fontsize=drawing.SMALL)
        for row in self.rows:
            _draw_row(figure, row, top, pixels=self.pixels)
            top += _LABEL + row.height + _BETWEEN


def write_sheet(gallery: Gallery, path: Path, *, pixels: bool, dpi: int = DPI) -> tuple[Path, Path]:
    """Draw a gallery for print, and write its caption beside it; return the first picture and the caption.

    `path` ends in .png or .pdf. A PDF has as many pages as are needed; PNG pages become NAME-01.png, NAME-02.png, ….
    The caption is NAME.txt. Without `pixels` there are outlines on grey, and neither photographs nor maps. Equal input
    gives equal bytes.

    Raises:
        UsageError: another format, or fewer than 300 dots an inch.
    """
    drawing.check_format(path, dpi)
    with drawing.settings():
        pages = _pages(gallery.exhibits, pixels=pixels)
        figures = [_page(gallery, page, (at, len(pages))) for at, page in enumerate(pages, start=1)]
        written = drawing.save(figures, path, dpi)
    text = path.with_suffix(".txt")
    text.write_text(caption(gallery, [one.name for one in written], pixels=pixels), encoding="utf-8")
    return written[0], text


def write_panel(
    photo: Photomicrograph,
    prediction: Prediction,
    explanations: Sequence[Explanation],
    path: Path,
    *,
    title: str,
    notes: Sequence[str] = (),
    dpi: int = DPI,
) -> Path:
    """Draw one photograph with the maps of several methods: a column a method, a row a target.

    Below the photograph in the first column stand its outlines. `notes` say which methods gave no map, and why.

    Raises:
        UsageError: another format than .png and .pdf, or fewer than 300 dots an inch.
    """
    drawing.check_format(path, dpi)
    methods = list(dict.fromkeys(one.method for one in explanations))
    with drawing.settings():
        figure = _panel(Panel(photo, pixels=True), prediction, methods, explanations, (title, notes))
        (written,) = drawing.save([figure], path, dpi)
    return written


def _columns(*, pixels: bool) -> list[str]:
    return ["photograph", "outlines", *_TITLES.values()] if pixels else ["outlines"]


def _column_width() -> float:
    return (WIDTH - 2 * _MARGIN - 3 * _GAP) / 4


def _pages(exhibits: Sequence[Exhibit], *, pixels: bool) -> list[_RowsPage | FindsPage]:
    """Deal exhibits to pages, answers about photographs apart from mistakes about clasts. There is always a page."""
    panels: dict[str, Panel] = {}
    for exhibit in exhibits:
        if exhibit.photo.id not in panels:
            panels[exhibit.photo.id] = Panel(exhibit.photo, pixels=pixels)
    placed = [(place, exhibit, panels[exhibit.photo.id]) for place, exhibit in enumerate(exhibits)]
    pages: list[_RowsPage | FindsPage] = []
    for of_clasts, some in groupby(placed, key=lambda one: one[1].mistake is not None):
        alike = list(some)
        pages += finds_pages(alike) if of_clasts else _rows_pages(alike, pixels=pixels)
    return pages or [_RowsPage((), pixels)]


def _rows_pages(shown: Sequence[tuple[int, Exhibit, Panel]], *, pixels: bool) -> list[_RowsPage]:
    """Deal rows to pages: at most ROWS each, and no higher than a page."""
    pages: list[list[_Row]] = [[]]
    for place, exhibit, panel in shown:
        row = _Row(place, exhibit, panel, drawing.panel_height(_column_width(), panel))
        if pages[-1] and (len(pages[-1]) == ROWS or _HEAD + _height([*pages[-1], row]) + _MARGIN > _HIGHEST):
            pages.append([])
        pages[-1].append(row)
    return [_RowsPage(tuple(rows), pixels) for rows in pages]


def _height(rows: Sequence[_Row]) -> float:
    return sum(_LABEL + row.height + _BETWEEN for row in rows)


def _page(gallery: Gallery, page: _RowsPage | FindsPage, numbers: tuple[int, int]) -> Figure:
    figure = drawing.new_figure(WIDTH, max(_HEAD + page.height + _MARGIN, 1.2))
    at, total = numbers
    heading = f"{gallery.title} – {gallery.suite}, version {gallery.version}"
    drawing.write(figure, _MARGIN, 0.1, drawing.shortened(heading, 100), weight="bold")
    if total > 1:
        drawing.write(figure, WIDTH - _MARGIN, 0.1, f"{at} / {total}", ha="right")
    if not gallery.exhibits:
        drawing.write(figure, _MARGIN, 0.6, "No photograph is of these kinds.")
    page.draw(figure, _HEAD)
    return figure


def _left(place: int) -> float:
    return _MARGIN + place * (_column_width() + _GAP)


def _draw_row(figure: Figure, row: _Row, top: float, *, pixels: bool) -> None:
    drawing.write(figure, _MARGIN, top, letter(row.place), weight="bold", fontsize=8)
    words = drawing.shortened(row_title(row.exhibit), 118)
    drawing.write(figure, _MARGIN + 0.2, top + 0.005, words, fontsize=drawing.SMALL)
    size, below = (_column_width(), row.height), top + _LABEL
    axes = [drawing.add(figure, _left(place), below, size, row.panel) for place in range(4 if pixels else 1)]
    if not pixels:
        row.panel.outlined(axes[0])
        return
    row.panel.photograph(axes[0])
    row.panel.outlined(axes[1])
    found = {one.target: one for one in row.exhibit.explanations}
    for target, free in zip(TARGETS, axes[2:], strict=True):
        if target in found:
            row.panel.heated(free, found[target])
        else:
            row.panel.blank(free, row.exhibit.note or "no map")


def _panel(
    panel: Panel,
    prediction: Prediction,
    methods: Sequence[str],
    explanations: Sequence[Explanation],
    said_of: tuple[str, Sequence[str]],
) -> Figure:
    title, notes = said_of
    wide, side, head = _column_width(), 0.2, 0.62
    columns = 1 + len(methods)
    width = max(side + 2 * _MARGIN + columns * (wide + _GAP), 5.0)
    high = drawing.panel_height(wide, panel)
    foot = [*notes, COLOURS_MEAN, HEAT_MEANS]
    lines = [line for text in foot for line in drawing.lines_of(text, round(width * 18))]
    figure = drawing.new_figure(width, head + 2 * (high + _BETWEEN) + 0.14 * len(lines) + 2 * _MARGIN)
    drawing.write(figure, _MARGIN, 0.1, drawing.shortened(title, round(width * 14)), weight="bold")
    drawing.write(figure, _MARGIN, 0.26, " · ".join([verdict(prediction), *conditions(panel.photo)]))
    found = {(one.method, one.target): one for one in explanations}
    for place, name in enumerate(["photograph, outlines", *methods]):
        left = side + _MARGIN + place * (wide + _GAP)
        drawing.write(figure, left, head - 0.16, f"({letter(place)}) {name}", fontsize=drawing.SMALL)
        for row, target in enumerate(TARGETS):
            top = head + row * (high + _BETWEEN)
            axes = drawing.add(figure, left, top, (wide, high), panel)
            if not place:
                drawing.write(figure, _MARGIN, top + high / 2, target, rotation=90, va="center")
                (panel.outlined if row else panel.photograph)(axes)
            elif (name, target) in found:
                panel.heated(axes, found[name, target])
            else:
                panel.blank(axes, "no map")
    for row, line in enumerate(lines):
        drawing.write(figure, _MARGIN, head + 2 * (high + _BETWEEN) + 0.14 * row, line, fontsize=drawing.SMALL)
    return figure
