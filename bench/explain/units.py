"""The parts of an input that are removed when maps are tested: equal cells of the photograph it shows."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..data.letterbox import read_map

CELLS = 6
"""Cells along each side of the photograph."""
Window = tuple[int, int, int, int]
"""x0, y0, x1, y1: the whole canvas pixels that show the photograph, x1 and y1 excluded."""
_RESOLUTION = 1e-6
"""Of a map's largest value: means that differ by less differ by the rounding of float32 only."""


def grid(shape: tuple[int, int], window: Window, n: int = CELLS) -> NDArray[np.int64]:
    """Return the cell of each pixel, int64[H, W]: row-major 0..n*n-1, and -1 outside the window.

    Cells have equal sides, to one pixel: areas that differ would make any map look faithful. A side with fewer than n
    pixels has as many cells as pixels.

    Raises:
        ValueError: the window has no area or reaches outside the canvas.
    """
    height, width = shape
    x0, y0, x1, y1 = window
    if not (0 <= x0 < x1 <= width and 0 <= y0 < y1 <= height):
        raise ValueError(f"the window {window} must have an area and lie on the canvas of {width} by {height} pixels")
    units = np.full(shape, -1, dtype=np.int64)
    down, across = _cells(y1 - y0, n), _cells(x1 - x0, n)
    units[y0:y1, x0:x1] = down[:, None] * (across[-1] + 1) + across
    return units


def cell_means(saliency: NDArray[np.float32], units: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the mean of a map over each unit, float64[n_units].

    The map float32[h, w] tiles the canvas and is enlarged to its pixels as `read_map` does. Means that are equal but
    for rounding come out equal: a constant map has constant means.

    Args:
        saliency: signed, finite, of any resolution.
        units: int64[H, W], -1 in no unit; every number up to the largest has a pixel.
    """
    height, width = units.shape
    canvas = (0.0, 0.0, float(width), float(height))
    inside = units >= 0
    scale = float(np.abs(saliency).max()) or 1.0
    pixels = read_map(saliency / scale, canvas, canvas, units.shape)[inside].astype(np.float64)
    means = np.bincount(units[inside], weights=pixels) / np.bincount(units[inside])
    rounded: NDArray[np.float64] = np.round(means / _RESOLUTION) * _RESOLUTION * scale
    return rounded


def _cells(n_pixels: int, n: int) -> NDArray[np.int64]:
    """Return which of n equal intervals each pixel's centre lies in."""
    n = min(n, n_pixels)
    cells: NDArray[np.int64] = (2 * np.arange(n_pixels, dtype=np.int64) + 1) * n // (2 * n_pixels)
    return cells
