"""Viscous flow round a free rigid disc, and the tables of where every point came from.

Lengths are disc radii, x to the right along the foliation, y up. Simple shear is dextral: far away u = y, and the disc
spins clockwise. `general` is simple shear with thinning across the foliation, of kinematic vorticity number 0.75.
Strain is the shear strain gamma, for pure shear the natural stretch epsilon.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Shear = Literal["simple", "general", "pure"]

MAX_STRAIN: dict[Shear, float] = {"simple": 12.0, "general": 8.0, "pure": 2.0}
_SHEARING: dict[Shear, float] = {"simple": 1.0, "general": 1.0, "pure": 0.0}
_STRETCHING: dict[Shear, float] = {"simple": 0.0, "general": 0.4409585, "pure": 1.0}
"""Rate of stretching along x for each unit of strain; W = g / sqrt(g^2 + 4 e^2)."""
_SLICE: dict[Shear, float] = {"simple": 0.5, "general": 0.5, "pure": 0.25}
_STEP = 0.05
_GRID = 0.05
_REACH_X, _REACH_Y = 12.0, 6.0
_FADE_X, _FADE_Y = 8.0, 3.5
"""Beyond, the disturbance of the flow fades out towards the end of the table, so that nothing jumps there."""


def velocity(shear: Shear, x: Floats, y: Floats) -> tuple[Floats, Floats]:
    """Return the velocity (u, v) at unit strain rate outside the disc, `float32` like x and y.

    Stream function psi = g [r^2 - q^2 (x^2 - y^2)] / 4 + e q^2 x y with q = 1 - 1/r^2, shearing g and stretching e, and
    u = dpsi/dy, v = -dpsi/dx: the Stokes flow round a free rigid circular inclusion in two dimensions.
    """
    r2 = np.maximum(x * x + y * y, 1.0)
    q = 1.0 - 1.0 / r2
    dq = 2.0 * q / (r2 * r2)  # dq/dx = 2 x / r^4, times q
    q2 = q * q
    u, v = np.zeros_like(r2), np.zeros_like(r2)
    if g := np.float32(_SHEARING[shear]):
        bent = dq * (x * x - y * y)
        u += g * 0.5 * y * (1.0 + q2 - bent)
        v -= g * 0.5 * x * (1.0 - q2 - bent)
    if e := np.float32(_STRETCHING[shear]):
        bent = 2.0 * dq * x * y
        u += e * (bent * y + q2 * x)
        v -= e * (bent * x + q2 * y)
    return u, v


def far_field(shear: Shear, strain: float, x: Floats, y: Floats) -> tuple[Floats, Floats]:
    """Return where the points (x, y) would go at this strain if no disc were there."""
    e = _STRETCHING[shear] * strain
    sheared = _SHEARING[shear] * strain * (np.sinh(e) / e if e else 1.0)
    return np.float32(np.exp(e)) * x + np.float32(sheared) * y, np.float32(np.exp(-e)) * y


def carry_back(shear: Shear, x: Floats, y: Floats, strain: float) -> tuple[Floats, Floats]:
    """Return the origin of every point by backward fourth-order Runge-Kutta; points stay outside the disc."""
    steps = max(1, round(strain / _STEP))
    h = np.float32(strain / steps)
    for _ in range(steps):
        u1, v1 = velocity(shear, x, y)
        u2, v2 = velocity(shear, x - h / 2 * u1, y - h / 2 * v1)
        u3, v3 = velocity(shear, x - h / 2 * u2, y - h / 2 * v2)
        u4, v4 = velocity(shear, x - h * u3, y - h * v3)
        x = x - h / 6 * (u1 + 2 * u2 + 2 * u3 + u4)
        y = y - h / 6 * (v1 + 2 * v2 + 2 * v3 + v4)
        x, y = _outside(x, y)
    return x, y


def _outside(x: Floats, y: Floats) -> tuple[Floats, Floats]:
    """Push points inside the disc to its rim, so that rounding cannot trap them."""
    r = np.hypot(x, y)
    push = np.where(r < 1.0, 1.0 / np.maximum(r, 1e-6), 1.0).astype(np.float32)
    return x * push, y * push


@dataclass(frozen=True, slots=True)
class FlowTable:
    """Origins on a grid over the upper half plane; the lower half follows by rotation through 180 degrees.

    `fields` is float32[S, NY, NX, 3]: the displacement of the far field (dx, dy) and the origin's radius, per strain.
    """

    shear: Shear
    fields: Floats

    def displacement(self, x: Floats, y: Floats, strain: float) -> tuple[Floats, Floats]:
        """Return (dx, dy): the texture at (x, y) is the undisturbed far-field texture of (x + dx, y + dy)."""
        sign = np.where(y < 0, np.float32(-1), np.float32(1))
        found = self._look_up(sign * x, sign * y, strain, slice(0, 2))
        sign = sign * _fade(x, y)
        return sign * found[:, 0].reshape(x.shape), sign * found[:, 1].reshape(x.shape)

    def origin_radius(self, x: Floats, y: Floats, strain: float) -> Floats:
        """Return how far from the disc's centre each point started; infinity outside the table."""
        sign = np.where(y < 0, np.float32(-1), np.float32(1))
        radius = self._look_up(sign * x, sign * y, strain, slice(2, 3)).reshape(x.shape)
        radius[(np.abs(x) > _REACH_X) | (np.abs(y) > _REACH_Y)] = np.inf
        return radius

    def _look_up(self, x: Floats, y: Floats, strain: float, which: slice) -> Floats:
        """Interpolate linearly in strain, x and y (y >= 0); float32[N, fields], the rim's value outside the grid."""
        level = min(strain / _SLICE[self.shear], len(self.fields) - 1.000001)
        part = np.float32(level % 1)
        low, high = self.fields[int(level), ..., which], self.fields[int(level) + 1, ..., which]
        plane = low + part * (high - low)
        rows, columns, depth = plane.shape
        flat = np.ascontiguousarray(plane).reshape(-1, depth)
        gx = np.clip((x.ravel() + _REACH_X) / _GRID, 0, columns - 1.001).astype(np.float32)
        gy = np.clip(y.ravel() / _GRID, 0, rows - 1.001).astype(np.float32)
        ix, iy = gx.astype(np.int32), gy.astype(np.int32)
        fx, fy = (gx - ix)[:, None], (gy - iy)[:, None]
        at = iy * columns + ix
        top = flat[at] * (1 - fx) + flat[at + 1] * fx
        below = flat[at + columns] * (1 - fx) + flat[at + columns + 1] * fx
        mixed: Floats = top * (1 - fy) + below * fy
        return mixed


def _fade(x: Floats, y: Floats) -> Floats:
    """Return 1 near the disc, falling smoothly to 0 where the table ends."""
    near_x = np.clip((_REACH_X - np.abs(x)) / (_REACH_X - _FADE_X), 0, 1)
    near_y = np.clip((_REACH_Y - np.abs(y)) / (_REACH_Y - _FADE_Y), 0, 1)
    near = near_x * near_y
    faded: Floats = (near * near * (3 - 2 * near)).astype(np.float32)
    return faded


def reach(radius: float) -> tuple[float, float]:
    """Return how far along and across the foliation a disc of this radius disturbs the flow."""
    return _REACH_X * radius, _REACH_Y * radius


@lru_cache(maxsize=3)
def flow_table(shear: Shear) -> FlowTable:
    """Return the table for one kind of shear; built once per process, in half a second."""
    x, y = np.meshgrid(
        np.arange(-_REACH_X, _REACH_X + _GRID / 2, _GRID, dtype=np.float32),
        np.arange(0, _REACH_Y + _GRID / 2, _GRID, dtype=np.float32),
    )
    origin = _outside(x, y)
    slices = [_slice(shear, 0.0, (x, y), origin)]
    while (strain := len(slices) * _SLICE[shear]) <= MAX_STRAIN[shear]:
        origin = carry_back(shear, *origin, _SLICE[shear])
        slices.append(_slice(shear, strain, (x, y), origin))
    return FlowTable(shear, np.stack(slices))


def _slice(shear: Shear, strain: float, point: tuple[Floats, Floats], origin: tuple[Floats, Floats]) -> Floats:
    """Return displacement and origin radius at one strain, float32[NY, NX, 3]."""
    far_x, far_y = far_field(shear, strain, *origin)
    return np.stack([far_x - point[0], far_y - point[1], np.hypot(*origin)], axis=-1).astype(np.float32)
