"""Grains and smooth noise, evaluated at arbitrary points from a small random table."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Ints = NDArray[np.int32]

_CELLS = 64
"""Tables repeat after so many cells in either direction; a power of two."""
TABLE = _CELLS * _CELLS


@dataclass(frozen=True, slots=True)
class Grains:
    """A Voronoi tessellation of the plane, one seed in each unit cell: `jitter` float32[TABLE, 2] in 0..1."""

    jitter: Floats

    @classmethod
    def draw(cls, rng: np.random.Generator) -> Grains:
        """Draw the seeds; they keep off the cell walls a little, which evens out the grain size."""
        return cls(0.1 + 0.8 * rng.random((TABLE, 2), dtype=np.float32))

    def at(self, x: Floats, y: Floats) -> tuple[Ints, Floats]:
        """Return each point's grain, an index below TABLE, and its distance to the grain boundary in cells."""
        cell_x, cell_y = np.floor(x).astype(np.int32), np.floor(y).astype(np.int32)
        in_x, in_y = x - cell_x, y - cell_y
        grain = np.zeros(x.shape, np.int32)
        nearest, second = np.full(x.shape, 9.0, np.float32), np.full(x.shape, 9.0, np.float32)
        for step_y in (-1, 0, 1):
            row = ((cell_y + step_y) & (_CELLS - 1)) * _CELLS
            for step_x in (-1, 0, 1):
                which = row + ((cell_x + step_x) & (_CELLS - 1))
                seed = self.jitter[which]
                distance = (seed[:, 0] + (step_x - in_x)) ** 2 + (seed[:, 1] + (step_y - in_y)) ** 2
                closer = distance < nearest
                second = np.minimum(second, np.maximum(distance, nearest))
                grain = np.where(closer, which, grain)
                nearest = np.minimum(nearest, distance)
        return grain, ((np.sqrt(second) - np.sqrt(nearest)) / 2).astype(np.float32)


@dataclass(frozen=True, slots=True)
class SmoothNoise:
    """Bilinear noise with values uniform in 0..1 at the nodes of a unit lattice: `nodes` float32[TABLE]."""

    nodes: Floats

    @classmethod
    def draw(cls, rng: np.random.Generator) -> SmoothNoise:
        """Draw the nodes."""
        return cls(rng.random(TABLE, dtype=np.float32))

    def at(self, x: Floats, y: Floats) -> Floats:
        """Return the noise at each point."""
        floor_x, floor_y = np.floor(x), np.floor(y)
        part_x, part_y = x - floor_x, y - floor_y
        left, top = floor_x.astype(np.int32) & (_CELLS - 1), floor_y.astype(np.int32) & (_CELLS - 1)
        right, below = (left + 1) & (_CELLS - 1), ((top + 1) & (_CELLS - 1)) * _CELLS
        top = top * _CELLS
        upper = self.nodes[top + left] * (1 - part_x) + self.nodes[top + right] * part_x
        lower = self.nodes[below + left] * (1 - part_x) + self.nodes[below + right] * part_x
        return (upper * (1 - part_y) + lower * part_y).astype(np.float32)


def highest_share(values: Floats, share: float) -> NDArray[np.bool_]:
    """Return where the values are among the highest `share` of them."""
    if share <= 0:
        return np.zeros(values.shape, np.bool_)
    at = min(int((1 - share) * values.size), values.size - 1)
    highest: NDArray[np.bool_] = values > np.partition(values, at)[at]
    return highest
