"""What the finished geometry of a clast shows: its kind and its shear sense."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from ..records import Sense
from .scene import Porphyroclast, Scene
from .shape import core_depth, half_axes, half_length, outwards, surroundings

Floats = NDArray[np.float32]
Region = NDArray[np.bool_]

KINDS = ("sigma", "delta", "complex", "fish", "phi", "theta")

_CLEAR_STEP = 0.15
"""Smallest height of the tails' outer half above the reference line, in core radii, that counts as stepping."""
_LEAST_TAIL = 0.03
"""A mantle with less than this share of its area beyond its reach has no tails: theta."""
_CLEAR_CROSSING = 0.05
"""How far a tail must lie across the line where it roots, in core radii, to be delta rather than sigma."""
_BIN = 0.25
"""Tails are followed outwards in steps of this many core radii."""
_FISH_ASPECT = 1.7
_FISH_MANTLE = 1.0
"""A fish has a core with pointed ends at least so long, and less mantle than this share of its core."""
_CLEAR_LEAN = 3.0
"""Smallest angle of a fish to the foliation, in degrees, that counts as leaning."""
_LEAST_SHOWN = 0.5
"""A clast with less of its core in the picture than this is cut: neither rewarded nor punished."""
_GRID = np.meshgrid(np.linspace(-7, 7, 113, dtype=np.float32), np.linspace(2.7, -2.7, 91, dtype=np.float32))


def tail_heights(x: Floats, y: Floats, reach: float) -> tuple[float, float]:
    """Return the mean height of the tails' outer half above the reference line, and their least height where they root.

    x and y are the tails' points in core radii in the frame of the foliation, y up, origin at the core's centre. What
    lies within `reach` of the centre along the line is mantle rather than tail. Tails are followed outwards in equal
    steps, so that thick parts do not outweigh thin ones. The height counts upwards on the right and downwards on the
    left: positive is CW, 0 is symmetric. Where tails cross the line, the two have opposite signs.
    """
    far = np.abs(x) > reach
    if not far.any():
        return 0.0, 0.0
    steps = ((np.abs(x[far]) - reach) / _BIN).astype(int)
    counts = np.bincount(steps)
    heights = np.bincount(steps, np.sign(x[far]) * y[far])[counts > 0] / counts[counts > 0]
    half = len(heights) // 2
    outer = float(heights[half:].mean())
    return outer, float(np.sign(outer) * (np.sign(outer) * heights[: half + 1]).min())


def read_tails(x: Floats, y: Floats, reach: float) -> tuple[str, Sense | None]:
    """Return the kind ("sigma", "delta", "phi" or "theta") and the sense that tails show; see `tail_heights`."""
    outer, root = tail_heights(x, y, reach)
    if np.count_nonzero(np.abs(x) > reach) < _LEAST_TAIL * x.size:
        return "theta", None
    if abs(outer) < _CLEAR_STEP:
        return "phi", None
    crosses = root * np.sign(outer) < -_CLEAR_CROSSING
    return ("delta" if crosses else "sigma"), ("CW" if outer > 0 else "CCW")


def lean(x: Floats, y: Floats) -> tuple[float, float]:
    """Return the angle of the long axis of a cloud of points, in degrees within -90..90, and its aspect ratio."""
    spread = np.cov(x, y)
    angle = 0.5 * np.arctan2(2 * spread[0, 1], spread[0, 0] - spread[1, 1])
    low, high = np.sqrt(np.linalg.eigvalsh(spread))
    return float(np.degrees(angle)), float(high / max(low, 1e-6))


def read(clast: Porphyroclast) -> tuple[str, Sense | None]:
    """Return kind and sense of a clast as its geometry shows them, whole and at its own scale.

    Its neighbours, the picture's border and its place do not count. Without a core there is nothing to read: theta.
    """
    kind, sense = _read(replace(clast, x=0.0, y=0.0, radius=1.0, sinistral=False, mineral="quartz", wrap=0.0))
    if sense is None or not clast.sinistral:
        return kind, sense
    return kind, ("CCW" if sense == "CW" else "CW")


def is_cut(scene: Scene, clast: Porphyroclast) -> bool:
    """Whether the picture's border leaves too little of a clast to ask for its sense."""
    return shown_share(scene, clast) < _LEAST_SHOWN


def shown_share(scene: Scene, clast: Porphyroclast) -> float:
    """Return how much of a core lies within the picture, 0..1."""
    long, short = half_axes(clast)
    u, v = np.meshgrid(np.linspace(-0.95, 0.95, 16), np.linspace(-0.95, 0.95, 16))
    inside = u**2 + v**2 < 1
    turn = np.radians((180 - clast.angle if clast.sinistral else clast.angle) + scene.matrix.tilt)
    x = clast.x + long * u[inside] * np.cos(turn) - short * v[inside] * np.sin(turn)
    y = clast.y - long * u[inside] * np.sin(turn) - short * v[inside] * np.cos(turn)
    shown = (x > 0) & (x < scene.width) & (y > 0) & (y < scene.height)
    return float(shown.mean())


def read_scene(scene: Scene) -> tuple[str | None, bool]:
    """Return the image-level class, and whether a clast with a shear sense is in the picture.

    The class is None where the clasts contradict each other, and where the only clasts with a sense are cut.
    """
    seen = [clast for clast in scene.clasts if shown_share(scene, clast) > 0]
    told = {(sense, is_cut(scene, clast)) for clast in seen if (sense := scene.shown(read(clast)[1]))}
    clear = {sense for sense, cut in told if not cut}
    if not told:
        return "none", False
    return (clear.pop() if len(clear) == 1 else None), True


@lru_cache(maxsize=4096)
def _read(clast: Porphyroclast) -> tuple[str, Sense | None]:
    if not clast.core:
        return "theta", None
    x, y = _GRID
    core = core_depth(clast, x, y) > 0
    around = surroundings(clast, x, y)
    tails = [(outwards(replace(clast, mantles=(one,)), around) < 1) & ~core for one in clast.mantles]
    found = {_read_one(clast, x, y, core, region) for region in tails}
    if not found:
        found = {_read_one(clast, x, y, core, np.zeros_like(core))}
    senses = {sense for _, sense in found}
    if len(found) > 1 and len(senses) == 1 and None not in senses:
        return "complex", senses.pop()
    return next(iter(found)) if len(found) == 1 else ("phi", None)


def _read_one(clast: Porphyroclast, x: Floats, y: Floats, core: Region, tails: Region) -> tuple[str, Sense | None]:
    """Read a clast with one generation of mantle."""
    _, aspect = lean(x[core], y[core])
    if clast.outline in ("lens", "rhomb") and aspect >= _FISH_ASPECT and tails.sum() < _FISH_MANTLE * core.sum():
        whole = core | tails
        angle, _ = lean(x[whole], y[whole])
        return "fish", (None if not _CLEAR_LEAN <= abs(angle) <= 45 else "CW" if angle > 0 else "CCW")
    reach = half_length(clast) + max(one.thickness for one in clast.mantles) - 1 if clast.mantles else 0.0
    if not tails.any():
        return "theta", None
    return read_tails(x[tails], y[tails], reach)
