"""Lays clasts out like those of real photographs: as many, in their places, as large as their boxes."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from importlib.resources import files

import numpy as np

from .scene import Porphyroclast
from .shape import core_depth, outwards, surroundings

LAYOUTS = ("agu2021",)
"""Whose clasts can be laid out again: those outlined on the photographs of the AGU 2021 poster."""

LEAST_RADIUS = 2.0
"""Of a core, in pixels: however small the real clast is in its picture, this one can be drawn."""

_SHAPES = 6
_ALIKE = 0.3
"""Shapes are drawn until the sides of one's box are in the real ratio, to this in its logarithm, or so many times."""
_NUDGES = 24
_NUDGE = 0.02
"""Standard deviation, in shares of the sides, by which a clast is moved at first where it meets another; then more."""
_GRID = np.meshgrid(np.linspace(-9, 9, 121, dtype=np.float32), np.linspace(3.5, -3.5, 57, dtype=np.float32))
"""Where the outline of a clast of radius 1 is looked for."""
_RAGGED = 1.06
"""How far the uneven rim of a mantle reaches beyond its mean."""
_OF_A_CLAST, _FINEST = 0.2, 1.2
"""A grain of the matrix is at most this share of the mean side of the smallest clast's box, or this size in pixels of a
picture 192 wide."""

Random = np.random.Generator
DrawShape = Callable[[], Porphyroclast]
Sides = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Spot:
    """The box of one real clast with its tails, in shares of the picture's width and height."""

    cx: float
    cy: float
    width: float
    height: float
    primary: bool
    """Whether the class of the photograph speaks of it."""


@dataclass(frozen=True, slots=True)
class Frame:
    """The picture that clasts are laid into: sides in pixels, angle of the foliation in degrees."""

    width: int
    height: int
    tilt: float


@lru_cache(maxsize=1)
def real_spots() -> tuple[tuple[Spot, ...], ...]:
    """Return the clasts of every real photograph that has some: the largest primary one first, then by falling area."""
    found: dict[str, list[Spot]] = {}
    table = files("clastbench.synth").joinpath("layouts.csv").read_text(encoding="utf-8")
    for row in csv.DictReader(table.splitlines()):
        cx, cy, width, height = (float(row[name]) for name in ("cx", "cy", "width", "height"))
        found.setdefault(row["photograph"], []).append(Spot(cx, cy, width, height, row["primary"] == "1"))
    return tuple(_main_first(spots) for spots in found.values())


def _main_first(spots: list[Spot]) -> tuple[Spot, ...]:
    falling = sorted(spots, key=lambda spot: -spot.width * spot.height)
    main = next((spot for spot in falling if spot.primary), falling[0])
    return (main, *(spot for spot in falling if spot is not main))


def draw_spots(rng: Random) -> tuple[Spot, ...]:
    """Draw a real photograph; its places are mirrored left to right and upside down, each in half of the draws."""
    photographs = real_spots()
    spots = photographs[int(rng.integers(len(photographs)))]
    aside, over = rng.random(2) < 0.5
    return tuple(
        replace(spot, cx=1 - spot.cx if aside else spot.cx, cy=1 - spot.cy if over else spot.cy) for spot in spots
    )


def coarsest_grain(spots: tuple[Spot, ...], width: int, height: int) -> float:
    """Return the size in pixels that grains of the matrix may have: a porphyroclast is far coarser than its matrix.

    Annotators outline what stands out from the grains round it; a smaller clast in a coarser matrix nobody would see.
    """
    smallest = min(float(np.sqrt(spot.width * width * spot.height * height)) for spot in spots)
    return max(_OF_A_CLAST * smallest, _FINEST * width / 192)


def laid(rng: Random, spot: Spot, frame: Frame, draw_shape: DrawShape) -> Iterator[Porphyroclast]:
    """Yield a clast at a spot, then the same one moved about, further and further.

    Its box has the area of the real one, unless the picture cannot hold it or the core were smaller than LEAST_RADIUS.
    """
    wanted = spot.width * frame.width, spot.height * frame.height
    shape, (width, height) = _most_alike(draw_shape, wanted, frame.tilt)
    held = min(frame.width / width, frame.height / height)
    radius = max(min(float(np.sqrt(wanted[0] * wanted[1] / (width * height))), held), LEAST_RADIUS)
    for step in range(_NUDGES + 1):
        x, y = (spot.cx, spot.cy) + _NUDGE * step * rng.standard_normal(2)
        yield replace(
            shape,
            radius=radius,
            x=_within(x * frame.width, radius * width, frame.width),
            y=_within(y * frame.height, radius * height, frame.height),
        )


def _within(centre: float, side: float, whole: float) -> float:
    """Return the place nearest to a centre from which a side does not stick out of the whole."""
    half = min(side, whole) / 2
    return float(min(max(centre, half), whole - half))


def _most_alike(draw_shape: DrawShape, wanted: Sides, tilt: float) -> tuple[Porphyroclast, Sides]:
    """Draw some shapes; return the one whose box is most alike in the ratio of its sides, and these."""
    tried: list[tuple[float, Porphyroclast, Sides]] = []
    for _ in range(_SHAPES):
        shape = draw_shape()
        width, height = box_sides(shape, tilt)
        tried.append((abs(float(np.log(width * wanted[1] / (height * wanted[0])))), shape, (width, height)))
        if tried[-1][0] < _ALIKE:
            break
    return min(tried, key=lambda one: one[0])[1:]


def box_sides(shape: Porphyroclast, tilt: float) -> Sides:
    """Return width and height of the box round core and tails, in core radii, for a foliation at this angle.

    Each is the geometric mean for both senses, so that what is made of it knows nothing of the sense.
    """
    one = replace(shape, radius=1.0)
    x, y = _GRID
    shown = (core_depth(one, x, y) > 0) | (outwards(one, surroundings(one, x, y), _RAGGED) < 1)
    along, above = x[shown], y[shown]
    cos, sin = np.cos(np.radians(tilt)), np.sin(np.radians(tilt))
    widths = np.ptp(cos * along - sin * above), np.ptp(cos * along + sin * above)
    heights = np.ptp(sin * along + cos * above), np.ptp(sin * along - cos * above)
    return float(np.sqrt(widths[0] * widths[1])), float(np.sqrt(heights[0] * heights[1]))
