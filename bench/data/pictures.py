"""Picture files to RGB pixels as a viewer would show them.

Transparency is composited on white, the ground on which viewers, browsers and our annotators saw the photograph.
Grey values of 16 bits are scaled so that 65535 becomes 255: a fixed rule, since stretching each picture to its own
range would make brightness depend on the brightest speck. Colour profiles are not applied. Of several pages or frames
the first one counts.
"""

from __future__ import annotations

import hashlib
import struct
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from ..errors import DataError

FORMATS = ("JPEG", "PNG", "TIFF", "GIF", "BMP", "WEBP")
"""Formats that are opened. PostScript, for one, is not: Pillow would start an interpreter for it."""

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".tif", ".tiff", ".gif", ".bmp", ".webp"})
"""Suffixes by which a folder's pictures are recognised, in lower case."""

MAX_PIXELS = 178_956_970
"""Larger pictures are refused as decompression bombs (twice Pillow's warning threshold, its own limit for an error)."""

_UNREADABLE = (OSError, ValueError, SyntaxError, EOFError, IndexError, KeyError, TypeError, struct.error, MemoryError)
_TOO_LARGE = f"more than {MAX_PIXELS} pixels; a decompression bomb, or a scan to be cut into tiles."
_ORIENTATION = 0x0112
_SIDEWAYS = frozenset({5, 6, 7, 8})


@dataclass(frozen=True, slots=True)
class PictureFile:
    """A photograph's pixels as a callable that can be pickled: `PictureFile(path)()` is `uint8[H, W, 3]`."""

    path: Path

    def __call__(self) -> NDArray[np.uint8]:
        """Return the pixels."""
        return open_rgb(self.path)


def open_rgb(path: Path) -> NDArray[np.uint8]:
    """Return the picture as RGB `uint8[H, W, 3]`, EXIF orientation applied; raise DataError when it cannot be read."""
    with _opened(path) as picture:
        try:
            upright = ImageOps.exif_transpose(picture)
            return np.array(_rgb(upright), dtype=np.uint8)
        except _UNREADABLE as error:
            raise DataError(f"{path}: the picture is damaged or cut short ({error}); fetch it again.") from error


def picture_size(path: Path) -> tuple[int, int]:
    """Return `(height, width)` after EXIF orientation, without decoding the pixels."""
    with _opened(path) as picture:
        try:
            orientation = picture.getexif().get(_ORIENTATION)
        except _UNREADABLE as error:
            raise DataError(f"{path}: the picture's EXIF block is damaged ({error}); fetch it again.") from error
        return picture.size if orientation in _SIDEWAYS else (picture.height, picture.width)


def sha256_of(path: Path) -> str:
    """Return the hex digest of the file's bytes."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise DataError(f"{path}: the file cannot be read ({error.strerror}).") from error


def _opened(path: Path) -> Image.Image:
    if not path.is_file():
        raise DataError(f"{path}: there is no such picture.")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            picture = Image.open(path, formats=FORMATS)
    except Image.DecompressionBombError as error:
        raise DataError(f"{path}: {_TOO_LARGE}") from error
    except _UNREADABLE as error:
        raise DataError(f"{path}: not a readable picture; expected one of {', '.join(FORMATS)}.") from error
    if picture.width * picture.height > MAX_PIXELS:
        picture.close()
        raise DataError(f"{path}: {_TOO_LARGE}")
    return picture


def _rgb(picture: Image.Image) -> Image.Image | NDArray[np.uint8]:
    if picture.mode.startswith("I"):
        return _from_deep_grey(np.asarray(picture))
    if picture.mode == "F":
        raise ValueError("grey values are floats, of which nobody knows what is white; save it with 8 or 16 bits")
    if picture.has_transparency_data:
        ground = Image.new("RGBA", picture.size, "white")
        return Image.alpha_composite(ground, picture.convert("RGBA")).convert("RGB")
    return picture.convert("RGB")


def _from_deep_grey(grey: NDArray[np.generic]) -> NDArray[np.uint8]:
    values = grey.astype(np.int64)
    if values.min() < 0 or values.max() > 65535:
        raise ValueError(f"grey values run from {values.min()} to {values.max()}, expected 0 to 65535")
    byte = np.round(values / 257).astype(np.uint8)
    return np.repeat(byte[:, :, None], 3, axis=2)
