"""Heat of a map as a small grey picture, and in colour over a photograph."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ..data.letterbox import read_map
from ..records import Box, Explanation

STOPS: tuple[tuple[float, float, float, float], ...] = (
    (0.36, 0.09, 0.43, 0.00),
    (0.53, 0.13, 0.42, 0.30),
    (0.74, 0.22, 0.33, 0.52),
    (0.91, 0.41, 0.15, 0.66),
    (0.99, 0.65, 0.10, 0.76),
    (0.99, 0.91, 0.47, 0.84),
)
"""Red, green, blue, opacity in 0..1 at equal steps from no heat to the hottest place: purple, orange, pale yellow."""


@dataclass(frozen=True, slots=True)
class Heat:
    """The positive part of a map over the photograph."""

    method: str
    target: str
    uri: str
    """`data:` address of a grey PNG with one pixel a cell of the map, 255 at the hottest."""
    extent_xyxy: Box
    empty: bool
    """True when nothing in the map is positive."""

    @property
    def width(self) -> float:
        """In photograph pixels."""
        return self.extent_xyxy[2] - self.extent_xyxy[0]

    @property
    def height(self) -> float:
        """In photograph pixels."""
        return self.extent_xyxy[3] - self.extent_xyxy[1]


def heat(explanation: Explanation) -> Heat:
    """Return an explanation as a page shows it."""
    levels = grey(explanation.map)
    return Heat(explanation.method, explanation.target, _uri(levels), explanation.extent_xyxy, not levels.any())


def positive(values: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return max(A, 0) over its largest value, float64[h, w] in 0..1; zeros where nothing is positive."""
    kept = np.clip(np.nan_to_num(np.asarray(values, dtype=np.float64), nan=0.0), 0.0, None)
    top = kept.max(initial=0.0)
    return kept / top if top > 0 else kept


def grey(values: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Return the positive part of a map as `uint8[h, w]`, 255 at the hottest cell."""
    return np.rint(positive(values) * 255).astype(np.uint8)


def over(picture: NDArray[np.uint8], explanation: Explanation, scale: float) -> NDArray[np.uint8]:
    """Blend the heat into the grey values of a picture `uint8[H, W, 3]`, which is the photograph times `scale`.

    Between the centres of cells the heat is bilinear, beyond the outermost centres constant, outside the extent none.
    """
    height, width = picture.shape[:2]
    x0, y0, x1, y1 = explanation.extent_xyxy
    across = ((np.arange(width) + 0.5) / scale - x0) / (x1 - x0)
    down = ((np.arange(height) + 0.5) / scale - y0) / (y1 - y0)
    seen = (0.0, 0.0, width / scale, height / scale)
    values = read_map(positive(explanation.map).astype(np.float32), explanation.extent_xyxy, seen, (height, width))
    inside = ((down >= 0) & (down <= 1))[:, None] & ((across >= 0) & (across <= 1))
    colours = _coloured(values * inside)
    opacity = colours[..., 3:] * inside[..., None]
    ground = np.repeat((picture @ np.asarray([0.2126, 0.7152, 0.0722]))[..., None], 3, axis=2)
    return np.rint(ground * (1 - opacity) + 255 * colours[..., :3] * opacity).astype(np.uint8)


def _coloured(values: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return 0..1 as red, green, blue and opacity, float64[H, W, 4]."""
    table = np.asarray(STOPS)
    steps = np.linspace(0, 1, len(table))
    return np.stack([np.interp(values, steps, table[:, band]) for band in range(4)], axis=-1)


def _uri(levels: NDArray[np.uint8]) -> str:
    out = io.BytesIO()
    Image.fromarray(levels).save(out, format="PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(out.getvalue()).decode("ascii")
