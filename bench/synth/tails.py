"""What the finished geometry of a mantled clast shows: its kind and its shear sense."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..records import Sense

Floats = NDArray[np.float32]

_CLEAR_STEP = 0.1
"""Smallest mean height of a tail above the reference line, in core radii, that counts as stepping."""
_LEAST_TAIL = 0.03
"""A mantle with less than this share of its area beyond its reach has no tails: theta."""
_MOST_CROSSING = 0.15
"""A tail with more than this share beyond the reference line crosses it: delta, not sigma."""


def tail_step(x: Floats, y: Floats, reach: float) -> tuple[float, float]:
    """Return how the tails step up to the right, and the share of them that lies across the reference line.

    x and y are the tail's points in core radii in the frame of the foliation, y up, origin at the core's centre; what
    lies within `reach` of the centre along the line is mantle rather than tail. The step is the mean height of the
    right tail above the line and of the left tail below it: positive is CW, 0 is symmetric.
    """
    far = np.abs(x) > reach
    height = np.sign(x[far]) * y[far]
    if not height.size:
        return 0.0, 0.0
    step = float(height.mean())
    return step, float(np.mean(height * np.sign(step) < 0))


def read_tails(x: Floats, y: Floats, reach: float) -> tuple[str, Sense | None]:
    """Return the kind ("sigma", "delta", "phi" or "theta") and the sense that the tails show; see `tail_step`."""
    step, crossing = tail_step(x, y, reach)
    if np.count_nonzero(np.abs(x) > reach) < _LEAST_TAIL * x.size:
        return "theta", None
    if abs(step) < _CLEAR_STEP:
        return "phi", None
    return ("delta" if crossing > _MOST_CROSSING else "sigma"), ("CW" if step > 0 else "CCW")
