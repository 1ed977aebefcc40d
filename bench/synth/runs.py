"""Run lengths of a region, as COCO writes them uncompressed."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..records import Box, Mask


def encode(region: NDArray[np.bool_]) -> Mask:
    """Return the mask of `bool[H, W]`: column-major run lengths beginning with a run of zeros, possibly empty."""
    flat = region.ravel(order="F")
    turns = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    runs = np.diff(np.concatenate([[0], turns, [flat.size]])).tolist()
    height, width = region.shape
    return Mask(height=height, width=width, counts=tuple([0, *runs] if flat[0] else runs))


def bounding_box(region: NDArray[np.bool_]) -> Box:
    """Return the smallest box (x0, y0, x1, y1) around the region, which must not be empty."""
    columns, rows = np.flatnonzero(region.any(axis=0)), np.flatnonzero(region.any(axis=1))
    return float(columns[0]), float(rows[0]), float(columns[-1] + 1), float(rows[-1] + 1)
