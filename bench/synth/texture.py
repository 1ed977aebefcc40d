"""Grains and noise, looked up at arbitrary points in tiles that are made once a process and repeat without a seam."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Ints = NDArray[np.int32]
Points = NDArray[np.floating[Any]]

PALETTE = 1024
"""Grains are told apart by a number below this: neighbours hardly ever share one."""
_SIDE = 1024
"""Texels along a side of the tile of noise; a power of two."""
_FEATURE = 16
"""Texels to a feature of the noise."""
_GRAIN_SIDE = 2048
"""Texels along a side of the tile of grains; a power of two."""
_TEXELS = 16
"""Texels to a grain."""
_POSITIVE = 1 << 14
"""Added to texel numbers before they are cut to whole ones, so that none is negative; a multiple of the sides."""


def stream(seed: int, name: str) -> np.random.Generator:
    """Return the random numbers of one thing in a scene: what else is drawn, or left out, does not move them."""
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, zlib.crc32(name.encode())])))


@dataclass(frozen=True, slots=True)
class Place:
    """Where a texture lies: its offset in tiles, drawn anew for every use."""

    along: float
    across: float

    @classmethod
    def draw(cls, rng: np.random.Generator) -> Place:
        """Draw it."""
        return cls(float(rng.random()), float(rng.random()))


def _texels(x: Points, y: Points, place: Place, per_unit: int, side: int) -> Ints:
    """Return the texel that holds each point, as an index into a flattened tile."""
    column = (x * np.float32(per_unit) + np.float32(place.along * side + _POSITIVE)).astype(np.int32)
    row = (y * np.float32(per_unit) + np.float32(place.across * side + _POSITIVE)).astype(np.int32)
    row &= side - 1
    row *= side
    column &= side - 1
    row += column
    return row


@dataclass(frozen=True, slots=True)
class Grains:
    """Which grain each of N points lies in."""

    number: Ints
    """Below PALETTE, int32[N]."""
    inside: Floats
    """Distance to the grain's boundary, in grains, float32[N]."""
    x: Floats
    """Where the grain has its seed, float32[N], in the units of the points."""
    y: Floats


def grains_at(x: Points, y: Points, place: Place) -> Grains:
    """Return the grains at points in units of a grain's size."""
    tile = _grain_tile()
    askew = np.float32(np.sqrt(0.5))  # so lies the seeds' lattice: stretched grains taper
    at = _texels((x + y) * askew, (y - x) * askew, place, _TEXELS, _GRAIN_SIDE)
    along, across = tile.x[at].astype(np.float32) * askew, tile.y[at].astype(np.float32) * askew
    return Grains(
        number=tile.number[at].astype(np.int32),
        inside=tile.inside[at].astype(np.float32),
        x=(x + (along - across)).astype(np.float32),
        y=(y + (along + across)).astype(np.float32),
    )


def noise_at(x: Points, y: Points, place: Place) -> Floats:
    """Return smooth noise, uniformly distributed in 0..1, at points in units of its features' size."""
    tile, last = _noise_tile(), _SIDE - 1
    u = x * np.float32(_FEATURE) + np.float32(place.along * _SIDE + _POSITIVE)
    v = y * np.float32(_FEATURE) + np.float32(place.across * _SIDE + _POSITIVE)
    left, top = u.astype(np.int32), v.astype(np.int32)
    u, v = (u - left).astype(np.float32), (v - top).astype(np.float32)
    right, below = (left + 1) & last, ((top + 1) & last) * _SIDE
    left, top = left & last, (top & last) * _SIDE
    upper = tile[top + left] * (1 - u) + tile[top + right] * u
    lower = tile[below + left] * (1 - u) + tile[below + right] * u
    found: Floats = upper * (1 - v) + lower * v
    return found


def rough_at(x: Points, y: Points, place: Place) -> Floats:
    """Return the same noise without interpolation: a third of the time, for features of a few pixels."""
    found: Floats = _noise_tile()[_texels(x, y, place, _FEATURE, _SIDE)]
    return found


def ridges(noise: Floats, share: float) -> Floats:
    """Return anastomosing lines, 0 off them and 1 in their middle, that cover a share of the plane of a noise."""
    lines: Floats = np.clip(np.float32(1.5) - np.abs(noise - np.float32(0.5)) * np.float32(3 / share), 0, 1)
    return lines


@lru_cache(maxsize=1)
def _noise_tile() -> Floats:
    """Return seamless noise with features of `_FEATURE` texels, ranked to be uniform in 0..1, float32[SIDE * SIDE]."""
    rng = np.random.Generator(np.random.PCG64(1))
    frequency = np.fft.fftfreq(_SIDE)
    squared = frequency[:, None] ** 2 + frequency[None, : _SIDE // 2 + 1] ** 2
    passed = np.exp(-0.5 * squared * (0.75 * _FEATURE) ** 2) + 0.08 * np.exp(-0.5 * squared * (0.2 * _FEATURE) ** 2)
    field = np.fft.irfft2(np.fft.rfft2(rng.standard_normal((_SIDE, _SIDE))) * passed, s=(_SIDE, _SIDE)).ravel()
    ranked = np.empty(field.size, np.float32)
    ranked[np.argsort(field, kind="stable")] = (np.arange(field.size) + 0.5) / field.size
    return ranked


@dataclass(frozen=True, slots=True)
class _GrainTile:
    """A seamless mosaic, texel by texel, [GRAIN_SIDE * GRAIN_SIDE]; lengths in grains."""

    number: NDArray[np.int16]
    inside: NDArray[np.float16]
    x: NDArray[np.float16]
    """From here to the seed of the grain."""
    y: NDArray[np.float16]


@lru_cache(maxsize=1)
def _grain_tile() -> _GrainTile:
    from scipy import ndimage  # noqa: PLC0415 – takes a while to import

    rng = np.random.Generator(np.random.PCG64(2))
    side, cells, margin = _GRAIN_SIDE, _GRAIN_SIDE // _TEXELS, 4 * _TEXELS
    corner = np.stack(np.meshgrid(np.arange(cells), np.arange(cells), indexing="ij"), axis=-1)
    seeds = ((corner + rng.random((cells, cells, 2))) * _TEXELS).astype(np.int32).reshape(-1, 2) % side
    seeds = seeds[rng.random(len(seeds)) < 0.8]  # uneven sizes
    ground = np.ones((side, side), np.bool_)
    ground[seeds[:, 0], seeds[:, 1]] = False
    padded = np.pad(ground, margin, mode="wrap")
    nearest = ndimage.distance_transform_edt(padded, return_distances=False, return_indices=True)
    nearest = nearest[:, margin:-margin, margin:-margin] - margin
    number = np.zeros((side, side), np.int16)
    number[seeds[:, 0], seeds[:, 1]] = rng.integers(PALETTE, size=len(seeds))
    mosaic = number[nearest[0] % side, nearest[1] % side]
    edge = (mosaic != np.roll(mosaic, 1, 0)) | (mosaic != np.roll(mosaic, 1, 1))
    inside = ndimage.distance_transform_edt(~np.pad(edge, margin, mode="wrap"))[margin:-margin, margin:-margin]
    place = np.arange(side)
    return _GrainTile(
        number=mosaic.ravel(),
        inside=(inside / _TEXELS).astype(np.float16).ravel(),
        x=((nearest[1] - place) / _TEXELS).astype(np.float16).ravel(),
        y=((nearest[0] - place[:, None]) / _TEXELS).astype(np.float16).ravel(),
    )
