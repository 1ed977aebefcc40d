"""Transforms that know what they do to a shear sense: reflections swap CW and CCW, rotations keep them.

There is no stretch and no shear here, and no padding by reflection: each of them makes or destroys a shear sense.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import cast

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ..records import MIRRORED, Clast, Mask, Photomicrograph, Sense
from . import masks
from .letterbox import PAD


@dataclass(frozen=True, slots=True)
class MirroredPixels:
    """The left-right mirror image of somebody else's pixels, as a callable that can be pickled."""

    pixels: Callable[[], NDArray[np.uint8]]

    def __call__(self) -> NDArray[np.uint8]:
        """Return the mirrored pixels, `uint8[H, W, 3]`."""
        return np.ascontiguousarray(self.pixels()[:, ::-1])


def mirror(image: NDArray[np.uint8], label: str) -> tuple[NDArray[np.uint8], str]:
    """Return the left-right mirror image of `uint8[H, W, 3]` with its class, which is the opposite one."""
    return np.ascontiguousarray(image[:, ::-1]), MIRRORED[label]


def flip_vertical(image: NDArray[np.uint8], label: str) -> tuple[NDArray[np.uint8], str]:
    """Return the picture upside down, as in a mirror, with its class, which is the opposite one."""
    return np.ascontiguousarray(image[::-1]), MIRRORED[label]


def rotate(image: NDArray[np.uint8], degrees: float, pad: int = PAD) -> NDArray[np.uint8]:
    """Return `uint8[H, W, 3]` turned counter-clockwise about its centre, same size; the class stays what it was.

    Corners that turn out of the frame are lost, those that come in hold the grey value `pad`.
    """
    turned = Image.fromarray(image).rotate(degrees, Image.Resampling.BICUBIC, fillcolor=(pad, pad, pad))
    return np.array(turned)


def mirror_photograph(photo: Photomicrograph) -> Photomicrograph:
    """Return the twin: pixels, boxes, masks, senses, foliation, truth and artefacts mirrored; same group, same split.

    The width comes from the attributes, from a mask, or else from the pixels.
    """
    width = _width(photo)
    return replace(
        photo,
        id=f"{photo.id}~mirror",
        pixels=MirroredPixels(photo.pixels),
        sha256=hashlib.sha256(f"{photo.sha256}~mirror".encode()).hexdigest(),
        truth=None if photo.truth is None else MIRRORED[photo.truth],
        clasts=tuple(_mirror_clast(clast, width) for clast in photo.clasts),
        foliation_deg=None if photo.foliation_deg is None else -photo.foliation_deg,
        artefacts=None if photo.artefacts is None else _mirror_masks(photo.artefacts),
    )


def _mirror_clast(clast: Clast, width: int) -> Clast:
    x0, y0, x1, y1 = clast.box_xyxy
    return replace(
        clast,
        box_xyxy=(width - x1, y0, width - x0, y1),
        sense=None if clast.sense is None else cast("Sense", MIRRORED[clast.sense]),
        mask=None if clast.mask is None else masks.mirror(clast.mask),
        parts=_mirror_masks(clast.parts),
    )


def _mirror_masks(named: Mapping[str, Mask]) -> dict[str, Mask]:
    return {name: masks.mirror(mask) for name, mask in named.items()}


def _width(photo: Photomicrograph) -> int:
    if "width" in photo.attributes:
        return int(photo.attributes["width"])
    for clast in photo.clasts:
        if clast.mask is not None:
            return clast.mask.width
    return int(photo.load().shape[1])
