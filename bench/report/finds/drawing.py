"""Boxes and words over a photograph, as a panel of a print figure."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

from ..drawing import SMALL, Panel, halo
from .labels import labels
from .marks import COLOURS, Role, marks
from .mistakes import DetectionMistake

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_WIDTHS: Mapping[Role, float] = MappingProxyType({"ignored": 0.9, "true": 1.0, "proposed": 0.8, "mistaken": 2.2})
"""Of lines, in points."""
_LETTERS = MappingProxyType({**COLOURS, "mistaken": "#ffa05c"})
"""Vermilion is too dark for letters on a dark photograph."""


def draw_boxes(axes: Axes, panel: Panel, mistake: DetectionMistake, wide: float) -> None:
    """Draw all boxes of a mistake over the pixels, or over grey; the photograph is drawn `wide` inches wide."""
    panel.photograph(axes)
    drawn = marks(mistake)
    for mark in drawn:
        x0, y0, x1, y1 = mark.box
        xs, ys = (x0, x1, x1, x0, x0), (y0, y0, y1, y1, y0)
        line = "--" if mark.role == "ignored" else "-"
        around = halo(_WIDTHS[mark.role] + 1.0)
        axes.plot(
            xs, ys, color=COLOURS[mark.role], linewidth=_WIDTHS[mark.role], linestyle=line, path_effects=around,
            solid_joinstyle="miter",
        )  # fmt: skip
    text = SMALL / 72 * panel.width / wide
    for label in reversed(labels(drawn, panel.width, panel.height, text)):
        axes.text(
            label.x, label.y, label.words, fontsize=SMALL, color=_LETTERS[label.role], path_effects=halo(2.0),
            weight="bold", va="baseline", clip_on=True,
        )  # fmt: skip
