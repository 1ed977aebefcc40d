"""Blobs that stand out in colour or grain from what surrounds them; nothing is trained."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ..records import Boxes, Photomicrograph

LONGER_SIDE = 128
"""Photographs are looked at in this size, in pixels: the grains of a matrix are about gone, clasts are not."""
STEP = math.sqrt(2)
"""From one scale to the next: two an octave."""
SIGMAS = tuple(2.0 * STEP**octave for octave in range(7))
"""Discs of radius 3.3 to 19 pixels: cores from a twentieth to a third of the longer side."""
RADIUS = math.sqrt(4 * math.log(STEP) / (1 - STEP**-2))
"""Of the disc that a difference of two scales answers strongest: where the difference changes sign, ÷ sigma."""
TAILS = 1.0
"""How far tails reach along the foliation, on each side, ÷ radius: drawn sigma clasts are twice as long as high."""
SAME = 0.5
"""Of two boxes with a larger IoU the surer one is told."""
MOST_BOXES = 100
FLAT = 1e-3
"""Smaller differences are no contrast: of grey levels, and of their ratio to the usual."""


class Blobs:
    """Maxima in space and scale of the difference of Gaussians (Lowe 2004) of colour and of local roughness.

    The floor that a trained detector must beat. The grains of a matrix are noise, whose mean over a disc falls with its
    radius; a difference times sigma therefore says by how much a disc exceeds what grains alone would do. In units of
    its median at the finest scale it is c, and c / (1 + c) the score, the same on dim and on bright photographs. Boxes
    are widened for tails along the foliation, taken from the structure tensor of the whole photograph.

    All constants are geometry or convention. One choice looked at data: c was taken over the bare difference on
    generated photographs of a seed that no suite uses.
    """

    view = "crop"
    uses_truth = False
    libraries = ("numpy", "pillow", "scipy")

    def detect(self, photographs: Sequence[Photomicrograph]) -> list[Boxes]:
        """At most 100 boxes a photograph, the surest first."""
        return [_blobs(photo) for photo in photographs]


def _blobs(photo: Photomicrograph) -> Boxes:
    pixels = photo.load()
    height, width = pixels.shape[:2]
    scale = LONGER_SIDE / max(height, width)
    contrast = _contrast(_channels(pixels, scale))
    level, row, column = _peaks(contrast)
    found = contrast[level, row, column].astype(np.float64)
    half_width, half_height = _half_sides(pixels, scale)
    radius = np.asarray(SIGMAS)[level] * RADIUS
    x, y, across, down = column + 0.5, row + 0.5, radius * half_width, radius * half_height
    xyxy = np.stack([x - across, y - down, x + across, y + down], axis=1) / scale
    xyxy = xyxy.clip(0, [width, height, width, height]).astype(np.float32)
    kept = _surest(xyxy, found)
    return Boxes(photo.id, xyxy[kept], (found / (1 + found))[kept].astype(np.float32))


def _small(pixels: NDArray[np.uint8], scale: float) -> NDArray[np.float32]:
    size = tuple(max(1, round(side * scale)) for side in (pixels.shape[1], pixels.shape[0]))
    return np.asarray(Image.fromarray(pixels).resize((size[0], size[1]), Image.Resampling.BOX), np.float32)


def _channels(pixels: NDArray[np.uint8], scale: float) -> NDArray[np.float32]:
    """Return red, green, blue and roughness, float32[4, h, w], each with unit variance or flat."""
    from scipy.ndimage import gaussian_gradient_magnitude  # noqa: PLC0415 – takes a while to import

    small = _small(pixels, scale)
    roughness = gaussian_gradient_magnitude(small.mean(axis=2), 1.0)
    channels = np.concatenate([small, roughness[:, :, None]], axis=2).transpose(2, 0, 1)
    spread = channels.std(axis=(1, 2), keepdims=True)
    scaled: NDArray[np.float32] = np.where(spread > FLAT, channels / np.maximum(spread, FLAT), 0)
    return scaled


def _contrast(channels: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return float32[scales, h, w]: how far blob and surroundings lie apart, in units of what grains alone would do."""
    from scipy.ndimage import gaussian_filter  # noqa: PLC0415

    blurred, reached, differences = channels, 0.0, []
    for sigma in (*SIGMAS, SIGMAS[-1] * STEP):
        further = math.sqrt(sigma**2 - reached**2)
        before, blurred = blurred, gaussian_filter(blurred, (0, further, further), mode="nearest", truncate=3)
        differences.append(np.linalg.norm(before - blurred, axis=0))
        reached = sigma
    contrast = np.stack(differences[1:]) * np.asarray(SIGMAS, np.float32)[:, None, None]
    usual = float(np.median(contrast[0]))
    return np.asarray(contrast / max(usual, FLAT), np.float32)


def _peaks(contrast: NDArray[np.float32]) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.intp]]:
    """Return scale, row and column of the maxima among their neighbours in all three directions."""
    from scipy.ndimage import maximum_filter  # noqa: PLC0415

    highest = maximum_filter(contrast, size=3, mode="nearest")
    level, row, column = np.nonzero((contrast == highest) & (contrast > FLAT))
    return level, row, column


def _half_sides(pixels: NDArray[np.uint8], scale: float) -> tuple[float, float]:
    """Return half the width and height, ÷ radius, of a disc with tails along the foliation."""
    from scipy.ndimage import gaussian_filter  # noqa: PLC0415

    grey = _small(pixels, scale).mean(axis=2)
    down, across = gaussian_filter(grey, 1.0, order=(1, 0)), gaussian_filter(grey, 1.0, order=(0, 1))
    # the foliation is the direction of least change (Bigün & Granlund 1987)
    angle = 0.5 * math.atan2(2 * float((across * down).sum()), float((across**2 - down**2).sum())) + math.pi / 2
    return 1 + TAILS * abs(math.cos(angle)), 1 + TAILS * abs(math.sin(angle))


def _surest(xyxy: NDArray[np.float32], score: NDArray[np.float64]) -> NDArray[np.intp]:
    """Return the rows that survive non-maximum suppression, the surest first."""
    area = (xyxy[:, 2:] - xyxy[:, :2]).prod(axis=1)
    left = np.argsort(-score, kind="stable")
    kept: list[int] = []
    while len(left) and len(kept) < MOST_BOXES:
        first, left = int(left[0]), left[1:]
        kept.append(first)
        shared = np.minimum(xyxy[left, 2:], xyxy[first, 2:]) - np.maximum(xyxy[left, :2], xyxy[first, :2])
        overlap = shared.clip(0).prod(axis=1)
        left = left[overlap <= SAME * (area[left] + area[first] - overlap)]
    return np.asarray(kept, np.intp)
