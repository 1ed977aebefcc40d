"""Mistakes about clasts on a page for print: two photographs with their boxes side by side."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .. import drawing
from ..captions import letter
from ..drawing import WIDTH, Panel
from ..exhibits import Exhibit
from .captions import in_figures, title, verdict
from .drawing import draw_boxes

if TYPE_CHECKING:
    from matplotlib.figure import Figure

ROWS, COLUMNS = 3, 2
_MARGIN, _GAP, _LABEL, _BETWEEN = 0.12, 0.12, 0.3, 0.13
_WIDE = (WIDTH - 2 * _MARGIN - _GAP) / COLUMNS
_LETTERS = 61
"""So many of them fit above a photograph, with points between."""
_HEADING = "thick line: the mistake; orange: other proposals; white: clasts; grey, dashed: not counted"


@dataclass(frozen=True, slots=True)
class FindsPage:
    """At most ROWS times COLUMNS mistakes, with their places in the gallery and their photographs."""

    shown: tuple[tuple[int, Exhibit, Panel], ...]

    @property
    def height(self) -> float:
        """Of all rows, in inches."""
        return sum(_LABEL + _high(row) + _BETWEEN for row in self._rows())

    def draw(self, figure: Figure, top: float) -> None:
        """Draw the rows from `top` inches downwards, under a line that says what is seen."""
        drawing.write(figure, _MARGIN, top - 0.21, _HEADING, fontsize=drawing.SMALL)
        for row in self._rows():
            for column, (place, exhibit, panel) in enumerate(row):
                _draw(figure, (place, exhibit, panel), (_MARGIN + column * (_WIDE + _GAP), top), _high(row))
            top += _LABEL + _high(row) + _BETWEEN

    def _rows(self) -> Iterator[Sequence[tuple[int, Exhibit, Panel]]]:
        for start in range(0, len(self.shown), COLUMNS):
            yield self.shown[start : start + COLUMNS]


def finds_pages(shown: Sequence[tuple[int, Exhibit, Panel]]) -> list[FindsPage]:
    """Deal mistakes to pages, in their order."""
    step = ROWS * COLUMNS
    return [FindsPage(tuple(shown[start : start + step])) for start in range(0, len(shown), step)]


def _high(row: Sequence[tuple[int, Exhibit, Panel]]) -> float:
    return max(drawing.panel_height(_WIDE, panel) for _, _, panel in row)


def _draw(figure: Figure, one: tuple[int, Exhibit, Panel], at: tuple[float, float], high: float) -> None:
    (place, exhibit, panel), (left, top) = one, at
    assert exhibit.mistake is not None
    drawing.write(figure, left, top, letter(place), weight="bold", fontsize=8)
    kind, told = title(exhibit.mistake), verdict(exhibit.mistake)
    name = drawing.shortened(exhibit.photo.id, _LETTERS - len(kind) - len(told))
    drawing.write(figure, left + 0.22, top + 0.005, f"{kind} · {name} · {told}", fontsize=drawing.SMALL)
    drawing.write(figure, left, top + 0.14, in_figures(exhibit.mistake), fontsize=drawing.SMALL)
    axes = drawing.add(figure, left, top + _LABEL, (_WIDE, high), panel)
    draw_boxes(axes, panel, exhibit.mistake, min(_WIDE, high * panel.width / panel.height))
