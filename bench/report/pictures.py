"""Photographs as a report shows them: each made small and saved once, under a name that tells nothing."""

from __future__ import annotations

import hashlib
import io
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ..records import Photomicrograph
from ..run.samples import size_of
from .contours import Contour, contours
from .shelf import Shelf

LONGEST = 640
"""Pixels of the longer side, at most."""
_QUALITY = 90


@dataclass(frozen=True, slots=True)
class Picture:
    """One photograph on a page."""

    width: int
    """Of the photograph, in its own pixels."""
    height: int
    name: str | None
    """Its file below the report's folder; None when no pixels are shown."""
    contours: tuple[Contour, ...]


class Pictures:
    """Makes pictures on demand; a photograph is loaded once, and its outlines are traced once."""

    def __init__(self, shelf: Shelf, *, pixels: bool) -> None:
        """Save small photographs on the shelf, or none at all."""
        self._shelf = shelf
        self._pixels = pixels
        self._made: dict[str, Picture] = {}

    def __getitem__(self, photo: Photomicrograph) -> Picture:
        """Return the picture of a photograph."""
        if photo.id not in self._made:
            self._made[photo.id] = self._make(photo)
        return self._made[photo.id]

    def _make(self, photo: Photomicrograph) -> Picture:
        name = None
        if not self._pixels:
            width, height = size_of(photo)
        else:
            image = photo.load()
            height, width = image.shape[:2]
            name = f"pictures/{hashlib.sha256(photo.id.encode()).hexdigest()[:20]}.jpg"
            self._shelf.write(name, _jpeg(small(image)))
        return Picture(width, height, name, contours(photo, step=max(width, height) / LONGEST))


def small(image: NDArray[np.uint8], longest: int = LONGEST) -> NDArray[np.uint8]:
    """Return `uint8[H, W, 3]` with sides of at most `longest` pixels, aspect ratio kept; never enlarged."""
    height, width = image.shape[:2]
    scale = min(1.0, longest / max(height, width))
    if scale == 1.0:
        return image
    size = max(1, round(width * scale)), max(1, round(height * scale))
    return np.asarray(Image.fromarray(image).resize(size, Image.Resampling.LANCZOS))


def _jpeg(image: NDArray[np.uint8]) -> bytes:
    out = io.BytesIO()
    Image.fromarray(image).save(out, format="JPEG", quality=_QUALITY, subsampling=0)
    return out.getvalue()
