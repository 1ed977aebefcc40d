"""Where everything is: each pixel's place in the rock, its place before the flow, and the clast's outline."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .flow import Shear, flow_table
from .scene import Scene
from .texture import SmoothNoise

Floats = NDArray[np.float32]
Region = NDArray[np.bool_]

_FOLD_LENGTH = 0.45
"""Wavelength of the foliation's gentle folds, as a share of the width."""
_RIM_HARMONICS = np.arange(2, 7)
_RAGGED = 0.12
"""Relief of the mantle's ragged outer edge, as a share of its radius."""


@dataclass(frozen=True, slots=True)
class Rock:
    """Every pixel of a scene, float32[N] and bool[N] in row-major order.

    x, y are pixels from the clast's centre in the dextral frame of the foliation: x along it, y up. The texture of a
    pixel is the texture of the undisturbed rock at (from_x, from_y). `depth` is the distance into the core, in pixels.
    """

    x: Floats
    y: Floats
    from_x: Floats
    from_y: Floats
    depth: Floats
    core: Region
    tails: Region


def lay_out(scene: Scene, rng: np.random.Generator) -> Rock:
    """Carry every pixel of the scene back through the flow; the outline of core and tails comes with it."""
    x, y = foliation_frame(scene.width, scene.height, scene.clast.centre_x, scene.clast.centre_y, scene.matrix.tilt)
    if scene.sinistral:
        x = -x
    depth, rim_noise = _depth_in_core(scene, x, y, rng), SmoothNoise.draw(rng)
    fold = float(rng.uniform(0, 2 * np.pi))
    if scene.kind == "free":
        nowhere = np.zeros(x.shape, np.bool_)
        from_x, from_y, core, tails = x, y, nowhere, nowhere
    else:
        from_x, from_y = _undeflected(scene, x, y)
        core = depth > 0
        ragged = 1 + _RAGGED * (rim_noise.at(from_x / scene.matrix.grain, from_y / scene.matrix.grain) - 0.5)
        tails = (_origin_radius(scene, x, y) < scene.clast.mantle * ragged) & ~core
    waves = scene.matrix.waves * np.sin(from_x * (2 * np.pi / (_FOLD_LENGTH * scene.width)) + fold)
    return Rock(x, y, from_x, from_y + waves.astype(np.float32), depth, core, tails)


def foliation_frame(width: int, height: int, centre_x: float, centre_y: float, tilt: float) -> tuple[Floats, Floats]:
    """Return every pixel's place float32[H * W] along and above a line tilted counter-clockwise through the centre."""
    right = (np.arange(width, dtype=np.float32) + 0.5 - centre_x)[None, :]
    up = (centre_y - 0.5 - np.arange(height, dtype=np.float32))[:, None]
    cos, sin = np.float32(np.cos(np.radians(tilt))), np.float32(np.sin(np.radians(tilt)))
    return (cos * right + sin * up).ravel(), (cos * up - sin * right).ravel()


def _shear(scene: Scene) -> Shear:
    return "simple" if scene.kind == "sigma" else "pure"


def _undeflected(scene: Scene, x: Floats, y: Floats) -> tuple[Floats, Floats]:
    radius = np.float32(scene.clast.radius)
    dx, dy = flow_table(_shear(scene)).displacement(x / radius, y / radius, scene.clast.wrap)
    return x + radius * dx, y + radius * dy


def _origin_radius(scene: Scene, x: Floats, y: Floats) -> Floats:
    radius = np.float32(scene.clast.radius)
    return flow_table(_shear(scene)).origin_radius(x / radius, y / radius, scene.clast.strain)


def _depth_in_core(scene: Scene, x: Floats, y: Floats, rng: np.random.Generator) -> Floats:
    """Return how far each pixel lies inside the core's uneven rim, which the unit disc encloses."""
    strength = rng.uniform(0, 1, len(_RIM_HARMONICS)) / _RIM_HARMONICS
    phase = rng.uniform(0, 2 * np.pi, len(_RIM_HARMONICS))
    turn = np.linspace(-np.pi, np.pi, 129)
    wobble = np.cos(turn[:, None] * _RIM_HARMONICS + phase) @ strength
    rim = 1 - 0.16 * (wobble.max() - wobble) / (wobble.max() - wobble.min())
    inside: Floats = (np.interp(np.arctan2(y, x), turn, rim) * scene.clast.radius - np.hypot(x, y)).astype(np.float32)
    return inside
