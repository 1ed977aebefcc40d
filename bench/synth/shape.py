"""The outline of one clast: where its core is, where its mantle went, and how it bends the foliation.

All points are pixels from the clast's centre in its dextral frame: x along the foliation, y up, mirrored if sinistral.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from .flow import Floats, flow_table
from .scene import Porphyroclast
from .texture import Place, noise_at, stream

Region = NDArray[np.bool_]

_HARMONICS = np.arange(2, 13)
_EMBAYED = ((0.8, 0.06), (0.25, 0.03))
"""Wavelength of the bays and notches of a core's rim in core radii, and their depth in its short half axes."""
_UNEVEN = 0.16
"""Depth of the unevenness of a core's rim, as a share of its radius."""
_TURNS = 256


def half_axes(clast: Porphyroclast) -> tuple[float, float]:
    """Return the half axes of the ellipse that encloses the core."""
    return 2 * clast.radius * clast.aspect / (1 + clast.aspect), 2 * clast.radius / (1 + clast.aspect)


def half_length(clast: Porphyroclast) -> float:
    """Return how far the core's ellipse reaches along the foliation."""
    long, short = half_axes(clast)
    angle = np.radians(clast.angle)
    return float(np.hypot(long * np.cos(angle), short * np.sin(angle)))


def along_axes(clast: Porphyroclast, x: Floats, y: Floats) -> tuple[Floats, Floats]:
    """Return the points along and across the core's long axis."""
    cos, sin = np.float32(np.cos(np.radians(clast.angle))), np.float32(np.sin(np.radians(clast.angle)))
    return cos * x + sin * y, cos * y - sin * x


def core_depth(clast: Porphyroclast, x: Floats, y: Floats) -> Floats:
    """Return how far each point lies inside the core, in pixels; negative outside."""
    long, short = half_axes(clast)
    along, across = along_axes(clast, x, y)
    if clast.outline == "lens":  # the tips of mica fish bend into the foliation
        across = across + np.float32(0.35 * short / long**2) * along * np.abs(along)
    u, v = along / np.float32(long), across / np.float32(short)
    inside = np.float32(short) * (_rim(clast, u, v) - np.hypot(u, v))
    if clast.outline == "rhomb":  # long sides along the axis, short ones along the foliation
        height = 0.5 * long * abs(np.sin(np.radians(clast.angle))) + 0.5 * short
        inside = np.minimum(inside, np.minimum(0.75 * short - np.abs(across), height - np.abs(y)))
    rng = stream(clast.seed, "bays")
    for wavelength, depth in _EMBAYED:
        length = np.float32(wavelength * clast.radius)
        noise = noise_at(x / length, y / length, Place.draw(rng))
        inside = inside - np.float32(depth * short) * noise**3
    found: Floats = inside.astype(np.float32)
    return found


def _rim(clast: Porphyroclast, u: Floats, v: Floats) -> Floats:
    """Return the core's radius in the direction of each point, 1 on the enclosing ellipse."""
    turn = np.linspace(-np.pi, np.pi, _TURNS + 1)
    rng = stream(clast.seed, "rim")
    strength = rng.uniform(0, 1, len(_HARMONICS)) / _HARMONICS
    wobble = np.cos(turn[:, None] * _HARMONICS + rng.uniform(0, 2 * np.pi, len(_HARMONICS))) @ strength
    uneven = _UNEVEN if clast.outline in ("grain", "angular") else 0.5 * _UNEVEN
    rim = 1 - uneven * (wobble.max() - wobble) / (wobble.max() - wobble.min())
    if clast.outline == "angular":
        faces, far = rng.uniform(-np.pi, np.pi, 6), rng.uniform(0.72, 0.98, 6)
        facing = np.cos(turn[:, None] - faces)
        rim = np.minimum(rim, (far / np.maximum(facing, 1e-3)).min(axis=1))
    if clast.outline == "lens":  # |v| < 1 - u^2
        sin, cos2 = np.abs(np.sin(turn)), np.maximum(np.cos(turn) ** 2, 1e-9)
        rim = rim * (np.sqrt(sin**2 + 4 * cos2) - sin) / (2 * cos2)
    found: Floats = np.interp(np.arctan2(v, u), turn, rim).astype(np.float32)
    return found


@dataclass(frozen=True, slots=True)
class Surroundings:
    """Points around a clast, and where they lie once its core is mapped onto the unit disc."""

    x: Floats
    y: Floats
    disc_x: Floats
    disc_y: Floats


def surroundings(clast: Porphyroclast, x: Floats, y: Floats) -> Surroundings:
    """Map the core's ellipse onto the unit disc, conformally (Joukowski): w = (z + sqrt(z^2 - c^2)) / 2."""
    long, short = half_axes(clast)
    turn = np.radians(clast.angle)
    focus = (long**2 - short**2) / clast.radius**2
    u, v = x / np.float32(clast.radius), y / np.float32(clast.radius)
    square_x = u * u - v * v - np.float32(focus * np.cos(2 * turn))
    square_y = 2 * u * v - np.float32(focus * np.sin(2 * turn))
    size = np.hypot(square_x, square_y)
    root_x, root_y = np.sqrt(np.maximum(size + square_x, 0) / 2), np.sqrt(np.maximum(size - square_x, 0) / 2)
    root_y = np.copysign(root_y, square_y)
    outward = np.where(u * root_x + v * root_y < 0, np.float32(-0.5), np.float32(0.5))  # the root outside the core
    return Surroundings(x, y, u / 2 + outward * root_x, v / 2 + outward * root_y)


def displacement(clast: Porphyroclast, around: Surroundings) -> tuple[Floats, Floats]:
    """Return (dx, dy) in pixels: the texture at (x, y) is the undisturbed texture of (x + dx, y + dy)."""
    dx, dy = flow_table(clast.shear).displacement(around.disc_x, around.disc_y, clast.wrap)
    radius = np.float32(clast.radius)
    return radius * dx, radius * dy


def outwards(clast: Porphyroclast, around: Surroundings, ragged: Floats | float = 1.0) -> Floats:
    """Return where in the mantle each point started, 1 at its outer rim and more outside; `ragged` scales its radius.

    Less than 1 means mantle or tail, unless it is core.
    """
    found = np.full(around.x.shape, np.inf, np.float32)
    if clast.tails == "none":
        return found
    if clast.tails == "other":
        around = surroundings(replace(clast, angle=-clast.angle), -around.x, around.y)
    table = flow_table(clast.shear)
    for mantle in clast.mantles:
        origin = table.origin_radius(around.disc_x, around.disc_y, mantle.strain)
        np.minimum(found, origin / (np.float32(mantle.thickness) * ragged), out=found)
    return found
