"""Which part of which photograph becomes an input, with which label."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from ..records import CLASSES, Box, Boxes, Clast, Photomicrograph
from ..suite import CropSettings

NO_LABEL = -1
AS_THEY_ARE = CropSettings(context=1)
"""Boxes are not widened."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One input: the whole photograph when `box` is None. `label` is an index into CLASSES, or -1."""

    image_id: str
    box: Box | None
    label: int
    score: float = 1.0
    """Of the detector."""


def blind(image_id: str) -> str:
    """Return what photographs are sorted by where their order must say nothing about them, as their names may."""
    return hashlib.sha256(image_id.encode()).hexdigest()


def whole(photographs: Iterable[Photomicrograph]) -> list[Sample]:
    """Every photograph once, in full, with its image-level truth."""
    return [Sample(photo.id, None, _index(photo.truth)) for photo in photographs]


def _index(truth: str | None) -> int:
    return NO_LABEL if truth is None else CLASSES.index(truth)


def training_boxes(photographs: Iterable[Photomicrograph], settings: CropSettings) -> list[Sample]:
    """Jittered true boxes and background crops; drawn from the photograph's id, so they are the same in every fold.

    A clast that nobody has judged gives no crop. A photograph with a clast (`present`) that nobody has drawn gives no
    background: the clast might be in it.
    """
    samples = []
    for photo in photographs:
        chance = np.random.default_rng(int(blind(photo.id)[:16], 16))
        for clast in photo.clasts:
            if clast.judged and not clast.ignore:
                samples += _of_clast(photo.id, clast, settings, chance)
        samples += _of_background(photo, settings, chance)
    return samples


def _of_clast(image_id: str, clast: Clast, settings: CropSettings, chance: np.random.Generator) -> list[Sample]:
    label = CLASSES.index(clast.sense or "none")
    boxes = [clast.box_xyxy] + [
        _jittered(clast.box_xyxy, settings.jitter, chance) for _ in range(1, settings.per_clast)
    ]
    return [Sample(image_id, widen(box, settings.context), label) for box in boxes]


def _of_background(photo: Photomicrograph, settings: CropSettings, chance: np.random.Generator) -> list[Sample]:
    if photo.present and not any(clast.primary and not clast.ignore for clast in photo.clasts):
        return []
    width, height = size_of(photo)
    boxes = (_background(photo.clasts, width, height, chance) for _ in range(settings.background))
    return [Sample(photo.id, widen(box, settings.context), CLASSES.index("none")) for box in boxes if box is not None]


def size_of(photo: Photomicrograph) -> tuple[int, int]:
    """Return `(width, height)`; the pixels are decoded only where the attributes do not tell."""
    try:
        return int(photo.attributes["width"]), int(photo.attributes["height"])
    except KeyError:
        height, width = photo.load().shape[:2]
        return width, height


def _jittered(box: Box, share: float, chance: np.random.Generator) -> Box:
    x0, y0, x1, y1 = box
    width, height = x1 - x0, y1 - y0
    move_x, move_y, grow = chance.uniform(-share, share, 3)
    centre_x, centre_y = (x0 + x1) / 2 + move_x * width, (y0 + y1) / 2 + move_y * height
    half_width, half_height = width * (1 + grow) / 2, height * (1 + grow) / 2
    return centre_x - half_width, centre_y - half_height, centre_x + half_width, centre_y + half_height


def _background(
    clasts: Sequence[Clast], width: int, height: int, chance: np.random.Generator, tries: int = 20
) -> Box | None:
    """A box that touches no clast, or None when there is no room."""
    for _ in range(tries):
        share, aspect = chance.uniform(0.25, 0.6), chance.uniform(1.0, 2.2)
        box_width = share * width
        box_height = min(box_width / aspect, height)
        x0, y0 = chance.uniform(0, width - box_width), chance.uniform(0, height - box_height)
        box = (x0, y0, x0 + box_width, y0 + box_height)
        if not any(_overlap(box, clast.box_xyxy) for clast in clasts):
            return box
    return None


def _overlap(one: Box, other: Box) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


def widen(box: Box, factor: float) -> Box:
    """Scale a box about its centre; it may leave the photograph."""
    x0, y0, x1, y1 = box
    grow_x, grow_y = (x1 - x0) * (factor - 1) / 2, (y1 - y0) * (factor - 1) / 2
    return x0 - grow_x, y0 - grow_y, x1 + grow_x, y1 + grow_y


def detected(found: Iterable[Boxes], settings: CropSettings) -> list[Sample]:
    """The boxes of a detector, widened; labels are unknown."""
    return [
        Sample(
            boxes.image_id,
            widen((float(x0), float(y0), float(x1), float(y1)), settings.context),
            NO_LABEL,
            round(float(score), 6),
        )
        for boxes in found
        for (x0, y0, x1, y1), score in zip(boxes.xyxy, boxes.score, strict=True)
    ]
