"""What a detector of ultralytics is shown: pictures on a canvas with the boxes to be learned.

| on a photograph                                     | in training                                          |
|-----------------------------------------------------|------------------------------------------------------|
| a clast                                             | to be found                                          |
| a clast without a sense, where the sense is learned | background: it is neither CW nor CCW                 |
| a clast nobody judged, where the sense is learned   | as an ignored region                                 |
| an ignored region that meets no clast               | painted over in the grey of the padding              |
| an ignored region that meets a clast                | left as it is: background where no clast covers it   |
| `present`, yet nothing drawn that could be learned  | the photograph is left out                           |

ultralytics knows no ignored regions. Left visible, doubtful grains would be taught to be background, while finding one
is no mistake in the scores. Painted over, nothing is taught about them. Paint that touched a clast would show where its
box ends, so there it is withheld.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..data.letterbox import Letterbox, letterbox
from ..records import SENSES, Box, Photomicrograph
from .detection_targets import is_doubtful, is_sought

GREY = 114
"""Grey of all padding: what ultralytics fills with when it moves a picture, so that test and training agree."""


@dataclass(frozen=True, slots=True)
class Example:
    """One training picture: `uint8[H, W, 3]` RGB, boxes `float32[N, 4]` and classes `float32[N, 1]`.

    Boxes are centre and sides, in fractions of the picture's.
    """

    picture: NDArray[np.uint8]
    boxes_xywh: NDArray[np.float32]
    classes: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class _Framed:
    """A picture on its own canvas; boxes are corners in pixels of the canvas."""

    picture: NDArray[np.uint8]
    xyxy: NDArray[np.float64]
    classes: NDArray[np.float32]


def canvas_of(photo_size: tuple[int, int], size: int, stride: int) -> tuple[int, int]:
    """Return the least (height, width), multiples of `stride`, for a photograph whose longer side becomes `size`."""
    longer = max(photo_size)
    height, width = (max(1, math.ceil(side * size / longer / stride - 1e-9)) * stride for side in photo_size)
    return height, width


def shown(image: NDArray[np.uint8], canvas: tuple[int, int]) -> tuple[NDArray[np.uint8], Letterbox]:
    """Put a photograph on its canvas as it is put both in training and afterwards."""
    return letterbox(image, canvas, pad=GREY)


def examples(photographs: Sequence[Photomicrograph], size: int, stride: int, *, senses: bool) -> list[Example]:
    """Return the training pictures, all on one canvas; classes are positions in SENSES, or 0 without `senses`."""
    framed = [_framed(photo, size, stride, senses=senses) for photo in photographs if _can_teach(photo, senses=senses)]
    height, width = (max((one.picture.shape[axis] for one in framed), default=stride) for axis in (0, 1))
    return [_on_canvas(one, height, width) for one in framed]


def _can_teach(photo: Photomicrograph, *, senses: bool) -> bool:
    return not photo.present or any(is_sought(clast, senses=senses) for clast in photo.clasts)


def _framed(photo: Photomicrograph, size: int, stride: int, *, senses: bool) -> _Framed:
    image = photo.load()
    picture, place = shown(image, canvas_of(image.shape[:2], size, stride))
    certain = [clast.box_xyxy for clast in photo.clasts if not is_doubtful(clast, senses=senses)]
    for clast in photo.clasts:
        if is_doubtful(clast, senses=senses) and not _meets(clast.box_xyxy, certain):
            _paint_over(picture, place.to_crop(clast.box_xyxy)[0])
    sought = [clast for clast in photo.clasts if is_sought(clast, senses=senses)]
    boxes = place.to_crop(np.asarray([clast.box_xyxy for clast in sought], np.float64).reshape(-1, 4))
    classes = [SENSES.index(clast.sense) if senses and clast.sense else 0 for clast in sought]
    return _Framed(picture, boxes, np.asarray(classes, np.float32).reshape(-1, 1))


def _meets(box: Box, others: Iterable[Box]) -> bool:
    return any(box[0] < other[2] and other[0] < box[2] and box[1] < other[3] and other[1] < box[3] for other in others)


def _paint_over(picture: NDArray[np.uint8], box: NDArray[np.float64]) -> None:
    x0, y0 = (max(0, math.floor(value)) for value in box[:2])
    x1, y1 = (max(0, math.ceil(value)) for value in box[2:])
    picture[y0:y1, x0:x1] = GREY


def _on_canvas(framed: _Framed, height: int, width: int) -> Example:
    """Pad a picture evenly; its boxes are cut at the canvas, and those without area left out."""
    rows, columns = framed.picture.shape[:2]
    top, left = (height - rows) // 2, (width - columns) // 2
    picture = np.full((height, width, 3), GREY, np.uint8)
    picture[top : top + rows, left : left + columns] = framed.picture
    boxes = np.clip(framed.xyxy + np.asarray([left, top] * 2), 0, [width, height] * 2)
    sides = boxes[:, 2:] - boxes[:, :2]
    kept = (sides > 0).all(axis=1)
    xywh = np.concatenate([(boxes[:, :2] + boxes[:, 2:]) / 2, sides], axis=1) / ([width, height] * 2)
    return Example(picture, xywh[kept].astype(np.float32), framed.classes[kept])
