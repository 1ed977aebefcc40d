"""Crops of a fixed size that keep the aspect ratio, with the way back to the photograph.

Squashing to a square would shear every layer that is not parallel to an axis, and so fake or destroy a shear sense;
a letterbox scales both axes alike and pads with a constant.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image

from ..errors import DataError
from ..records import Box

PAD = 128
"""The grey beside a crop: constant, never the picture's own border, which would paint clasts of the opposite sense."""
_FARTHEST = 4
"""A crop may be this many times as wide or high as the photograph; a larger one is a mistake of the caller's."""


@dataclass(frozen=True, slots=True)
class Letterbox:
    """How a crop lies on its canvas: `canvas = (photograph - box corner) * scale + offset`, for both axes.

    `height` and `width` are the canvas in pixels; `offset_x`, `offset_y` the padding left of and above the crop,
    in canvas pixels and not always whole.
    """

    scale: float
    offset_x: float
    offset_y: float
    box_xyxy: Box
    height: int
    width: int

    def to_crop(self, xyxy: ArrayLike) -> NDArray[np.float64]:
        """Take boxes `float[N, 4]` from photograph to canvas coordinates."""
        boxes = np.asarray(xyxy, dtype=np.float64).reshape(-1, 4)
        return (boxes - self._corner()) * self.scale + self._offset()

    def to_photograph(self, xyxy: ArrayLike) -> NDArray[np.float64]:
        """Take boxes `float[N, 4]` from canvas to photograph coordinates; they are not clipped to the photograph."""
        boxes = np.asarray(xyxy, dtype=np.float64).reshape(-1, 4)
        return (boxes - self._offset()) / self.scale + self._corner()

    @property
    def extent_xyxy(self) -> Box:
        """The whole canvas in photograph coordinates."""
        x0, y0, x1, y1 = self.to_photograph([[0, 0, self.width, self.height]])[0].tolist()
        return x0, y0, x1, y1

    def _corner(self) -> NDArray[np.float64]:
        return np.array(self.box_xyxy[:2] * 2)

    def _offset(self) -> NDArray[np.float64]:
        return np.array([self.offset_x, self.offset_y] * 2)


def read_map(
    saliency: NDArray[np.float32], extent: Box, window: tuple[float, float, float, float], shape: tuple[int, int]
) -> NDArray[np.float32]:
    """Read a map `float32[h, w]` that tiles `extent` at the centres of the `shape` cells that tile `window`.

    Values are interpolated bilinearly between cell centres and constant beyond the outermost ones; both boxes are
    in photograph coordinates.
    """
    down = window[1] + (np.arange(shape[0]) + 0.5) * (window[3] - window[1]) / shape[0]
    across = window[0] + (np.arange(shape[1]) + 0.5) * (window[2] - window[0]) / shape[1]
    tall = _interpolate(saliency, (down - extent[1]) / (extent[3] - extent[1]))
    return _interpolate(tall.T, (across - extent[0]) / (extent[2] - extent[0])).T


def pixels_inside(box: Box, height: int, width: int) -> tuple[int, int, int, int]:
    """Return x0, y0, x1, y1 of the pixels whose centres lie in a box; without area when there are none."""
    x0, y0 = (max(0, math.ceil(value - 0.5)) for value in box[:2])
    x1, y1 = min(width, math.ceil(box[2] - 0.5)), min(height, math.ceil(box[3] - 0.5))
    return x0, y0, max(x0, x1), max(y0, y1)


def place_of(photo_size: tuple[int, int], size: tuple[int, int], box: Box | None = None) -> Letterbox:
    """Return where `box` of a photograph of `photo_size` lies on a canvas of `size`, both (height, width)."""
    photo_height, photo_width = photo_size
    height, width = size
    x0, y0, x1, y1 = (float(value) for value in box or (0, 0, photo_width, photo_height))
    box_width, box_height = x1 - x0, y1 - y0
    if not (0 < box_width <= _FARTHEST * photo_width and 0 < box_height <= _FARTHEST * photo_height):
        raise DataError(
            f"The crop {(x0, y0, x1, y1)} must have an area, and at most {_FARTHEST} times the sides of the photograph "
            f"({photo_width} by {photo_height} pixels)."
        )
    scale = min(width / box_width, height / box_height)
    offset_x, offset_y = (width - box_width * scale) / 2, (height - box_height * scale) / 2
    return Letterbox(scale, offset_x, offset_y, (x0, y0, x1, y1), height, width)


def letterbox(
    image: NDArray[np.uint8], size: tuple[int, int], box: Box | None = None, pad: int = PAD
) -> tuple[NDArray[np.uint8], Letterbox]:
    """Return `box` of a photograph `uint8[H, W, 3]` on a canvas of `size` (height, width), and the way back.

    The box may reach outside the photograph: there, and beside the crop, the canvas holds the grey value `pad`.
    The crop lies in the middle of the canvas, so that the mirror image has the mirrored crop, to one grey level.
    """
    place = place_of(image.shape[:2], size, box)
    canvas = np.full((*size, 3), pad, dtype=np.uint8)
    (top, rows, y0, y1), (left, columns, x0, x1) = _vertical(place), _horizontal(place)
    region, corner_x, corner_y = _region(image, (x0, y0, x1, y1), pad)
    source = (
        max(0.0, x0 - corner_x),
        max(0.0, y0 - corner_y),
        min(float(region.shape[1]), x1 - corner_x),
        min(float(region.shape[0]), y1 - corner_y),
    )
    canvas[top : top + rows, left : left + columns] = _resized(region, (columns, rows), source)
    return canvas, place


def _resized(region: NDArray[np.uint8], size: tuple[int, int], source: Box) -> NDArray[np.uint8]:
    """Resample the interval `source` of `uint8[h, w, 3]` to `size` (width, height), antialiased.

    Each channel is resampled as floats: Pillow's own RGB path rounds after each of its two passes, which a mirror image
    does not undo.
    """
    channels = [Image.fromarray(region[:, :, channel].astype(np.float32)) for channel in range(3)]
    resized = [np.asarray(channel.resize(size, Image.Resampling.BICUBIC, box=source)) for channel in channels]
    levels: NDArray[np.uint8] = np.clip(np.rint(np.stack(resized, axis=-1)), 0, 255).astype(np.uint8)
    return levels


def _vertical(place: Letterbox) -> tuple[int, int, float, float]:
    return _span(place.box_xyxy[1], place.box_xyxy[3], place.height, place.scale)


def _horizontal(place: Letterbox) -> tuple[int, int, float, float]:
    return _span(place.box_xyxy[0], place.box_xyxy[2], place.width, place.scale)


def _span(start: float, stop: float, cells: int, scale: float) -> tuple[int, int, float, float]:
    """Return first canvas cell, number of cells, and the photograph interval that these whole cells cover.

    The cells are as many as touch the crop, and equally many are left free on both sides; the interval is wider than
    the crop by less than one cell at each end, which keeps the scale of both axes exactly the same.
    """
    free = math.floor((cells - (stop - start) * scale) / 2 + 1e-6)
    free = min(max(free, 0), (cells - 1) // 2)
    used = cells - 2 * free
    middle, half = (start + stop) / 2, used / scale / 2
    return free, used, middle - half, middle + half


def _region(image: NDArray[np.uint8], box: Box, pad: int) -> tuple[NDArray[np.uint8], int, int]:
    """Return the whole pixels that `box` touches, constant outside the photograph, and the corner they start from."""
    left, top = (math.floor(value + 1e-6) for value in box[:2])
    right, bottom = (math.ceil(value - 1e-6) for value in box[2:])
    right, bottom = max(right, left + 1), max(bottom, top + 1)
    height, width = image.shape[:2]
    if left >= 0 and top >= 0 and right <= width and bottom <= height:
        return np.ascontiguousarray(image[top:bottom, left:right]), left, top
    region = np.full((bottom - top, right - left, 3), pad, dtype=np.uint8)
    x0, y0, x1, y1 = max(left, 0), max(top, 0), min(right, width), min(bottom, height)
    if x0 < x1 and y0 < y1:
        region[y0 - top : y1 - top, x0 - left : x1 - left] = image[y0:y1, x0:x1]
    return region, left, top


def _interpolate(values: NDArray[np.float32], positions: NDArray[np.float64]) -> NDArray[np.float32]:
    """Read `values` float32[n, m] at `positions` float[k] in 0..1 along the first axis; float32[k, m]."""
    last = values.shape[0] - 1
    at = np.clip(positions * values.shape[0] - 0.5, 0, last)
    low = np.floor(at).astype(np.int64)
    part = (at - low).astype(np.float32)[:, None]
    blended: NDArray[np.float32] = values[low] * (1 - part) + values[np.minimum(low + 1, last)] * part
    return blended.astype(np.float32, copy=False)
