"""The figure of a method's curves for papers: what f does while the photograph is removed, cell by cell."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from . import drawing
from .curves import Band

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@dataclass(frozen=True, slots=True)
class Line:
    """How one curve is drawn."""

    name: str
    title: str
    colour: str
    dashes: Any
    marker: str


@dataclass(frozen=True, slots=True)
class Axis:
    """One panel of the figure."""

    title: str
    across: str
    lines: tuple[Line, ...]


_BLUE, _ORANGE, _GREY = "#0072b2", "#d55e00", "#6b6b6b"
"""Of Okabe and Ito's palette: the map, what stands against it, and the control."""
_REMOVED = "share removed"
PANELS: tuple[Axis, ...] = (
    Axis(
        "Removal order",
        _REMOVED,
        (
            Line("lerf", "LeRF: map, least relevant first", _ORANGE, "-", "s"),
            Line("morf", "MoRF: map, most relevant first", _BLUE, "-", "o"),
            Line("control_lerf", "LeRF: control", _GREY, (0, (4, 2)), "D"),
            Line("control_morf", "MoRF: control", _GREY, (0, (1, 1.5)), "v"),
        ),
    ),
    Axis(
        "Insertion, deletion",
        "share put back, or removed",
        (
            Line("insertion", "insertion into the blurred", _ORANGE, "-", "s"),
            Line("deletion", "deletion, mean colour", _BLUE, "-", "o"),
        ),
    ),
    Axis(
        "ROAD, noisy linear",
        _REMOVED,
        (
            Line("road_lerf", "least relevant first", _ORANGE, "-", "s"),
            Line("road_morf", "most relevant first", _BLUE, "-", "o"),
        ),
    ),
)
_LEFT, _RIGHT, _GAP, _TOP, _HIGH, _FOOT, _LEGEND_LINE = 0.66, 0.1, 0.42, 0.3, 1.75, 0.42, 0.145


def draw_curves(found: Mapping[str, Band], target: str) -> tuple[bytes, bytes]:
    """Return the curves that are there as PNG and as PDF: a panel a kind of removal, bands 95 % intervals of the mean.

    Panels without a curve are left out; there must be one. Equal input gives equal bytes.
    """
    panels = shown(found)
    foot = _FOOT + _LEGEND_LINE * (max(sum(one.name in found for one in panel.lines) for panel in panels) + 0.5)
    height = _TOP + _HIGH + foot
    wide = (drawing.WIDTH - _LEFT - _RIGHT - (len(PANELS) - 1) * _GAP) / len(PANELS)
    with drawing.settings():
        figure = drawing.new_figure(_LEFT + len(panels) * wide + (len(panels) - 1) * _GAP + _RIGHT, height)
        width = float(figure.get_size_inches()[0])
        for place, panel in enumerate(panels):
            left = _LEFT + place * (wide + _GAP)
            axes = figure.add_axes((left / width, foot / height, wide / width, _HIGH / height))
            _draw(axes, panel, found)
            axes.set_ylabel(f"f for the {target}, logits" if not place else "")
            handles, names = axes.get_legend_handles_labels()
            figure.legend(
                handles, names, loc="upper left", bbox_to_anchor=(left / width, (foot - _FOOT) / height), frameon=False,
                fontsize=drawing.SMALL, borderaxespad=0.0, borderpad=0.0, labelspacing=0.35, handlelength=2.6,
            )  # fmt: skip
        return drawing.as_png(figure, drawing.DPI), drawing.as_pdf(figure)


def shown(found: Mapping[str, Band]) -> Sequence[Axis]:
    """Return the panels that have a curve."""
    return [panel for panel in PANELS if any(line.name in found for line in panel.lines)]


def _draw(axes: Axes, panel: Axis, found: Mapping[str, Band]) -> None:
    for line in panel.lines:
        if line.name not in found:
            continue
        band = found[line.name]
        if band.low is not None and band.high is not None:
            axes.fill_between(band.share, band.low, band.high, color=line.colour, alpha=0.18, linewidth=0, zorder=1)
        axes.plot(
            band.share, band.mean, color=line.colour, linestyle=line.dashes, linewidth=1.1, marker=line.marker,
            markersize=3.0, markeredgecolor="white", markeredgewidth=0.5, zorder=3, label=line.title,
        )  # fmt: skip
    axes.axhline(0.0, color="#909090", linewidth=0.5, zorder=0.5)
    axes.set_title(panel.title, fontsize=drawing.TEXT, loc="left", pad=4)
    axes.set_xlabel(panel.across)
    axes.set_xlim(-0.03, 1.03)
    axes.set_xticks([0.0, 0.25, 0.5, 0.75, 1.0], ["0", ".25", ".5", ".75", "1"])
    axes.grid(visible=True, axis="y", color="#e4e4e4", linewidth=0.5)
    axes.set_axisbelow(True)
    axes.tick_params(width=0.5, length=2)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
