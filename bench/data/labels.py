"""What each pixel of a photograph shows, as arrays of small numbers: a part of a clast, and which clast."""

from __future__ import annotations

from itertools import chain

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError
from ..records import Clast, Mask, Photomicrograph
from .masks import decode

MATRIX, TAILS, CORE = 0, 1, 2
"""Values of `part_labels`."""

MOST = 255
"""As many clasts can be told apart in 8 bits."""


def part_labels(photo: Photomicrograph, shape: tuple[int, int]) -> NDArray[np.uint8]:
    """Return uint8[H, W] of a photograph of `shape`: 0 matrix, 1 mantle and tails, 2 core; a core wins over tails.

    A clast whose core is unknown is 1 throughout, one without any mask is not there. Artefacts are not looked at: under
    a scale bar lies what was drawn there. Raises DataError for a mask of another size than the photograph.
    """
    labels = np.full(shape, MATRIX, np.uint8)
    for clast in photo.clasts:
        labels[_extent(photo, clast, shape)] = TAILS
    for clast in photo.clasts:
        if "core" in clast.parts:
            labels[region_of(photo, clast.parts["core"], shape)] = CORE
    return labels


def instance_labels(photo: Photomicrograph, shape: tuple[int, int]) -> NDArray[np.uint8]:
    """Return uint8[H, W] of a photograph of `shape`: the place of a clast among its clasts, from 1; 0 where is none.

    Where clasts overlap, the earlier one wins. The same pixels are above 0 as in `part_labels`. Raises DataError for a
    mask of another size than the photograph, and for more clasts than 255.
    """
    if len(photo.clasts) > MOST:
        raise DataError(f"{photo.id}: has {len(photo.clasts)} clasts; a picture of instances holds {MOST} at most.")
    labels = np.zeros(shape, np.uint8)
    for place, clast in reversed(list(enumerate(photo.clasts, 1))):
        labels[_extent(photo, clast, shape)] = place
    return labels


def region_of(photo: Photomicrograph, mask: Mask, shape: tuple[int, int]) -> NDArray[np.bool_]:
    """Return a mask of a photograph of `shape` as bool[H, W]; raise DataError when it contradicts either."""
    if (mask.height, mask.width) != shape:
        raise DataError(
            f"{photo.id}: a mask is of {mask.width} by {mask.height} pixels, the picture of {shape[1]} by {shape[0]}."
        )
    return decode(mask)


def _extent(photo: Photomicrograph, clast: Clast, shape: tuple[int, int]) -> NDArray[np.bool_]:
    """Return all that belongs to a clast: its outline and its parts."""
    extent = np.zeros(shape, np.bool_)
    for mask in chain([clast.mask], clast.parts.values()):
        if mask is not None:
            extent |= region_of(photo, mask, shape)
    return extent
