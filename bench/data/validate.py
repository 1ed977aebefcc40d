"""Everything that is wrong with a data set on disk, listed without stopping at the first problem."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path

from ..errors import ClastbenchError, DataError
from ..records import Photomicrograph
from . import agu2021
from .coco import scan_coco
from .folders import scan_folders
from .pictures import PictureFile, open_rgb
from .problems import Problem, Scan
from .source import detect_format, index_of
from .yolo import scan_yolo

_SLACK = 0.5
"""Pixels by which a box may reach over the edge: rounding, not a mistake."""


def validate(path: Path) -> list[Problem]:
    """Return every problem of the data set under `path`; an empty list when there is none. Nothing is raised.

    Every picture is decoded. Looks for damaged and missing pictures, other bytes or another size than stated, boxes
    without area or outside the picture, unknown classes, masks of another size, duplicates (same bytes or same pixels)
    outside one group, paths that leave the folder, and fields that are missing, mistyped or not finite.
    """
    try:
        scan = _scan(path)
    except (ClastbenchError, OSError) as error:
        return [Problem(str(path), "", str(error))]
    problems = list(scan.problems)
    bytes_seen: dict[str, Photomicrograph] = {}
    pixels_seen: dict[str, Photomicrograph] = {}
    for photo in scan.photographs:
        problems.extend(_box_problems(photo))
        problems.extend(_duplicate(photo, photo.sha256, bytes_seen, "the same bytes"))
        problems.extend(_picture_problems(photo, pixels_seen))
    return problems


def _scan(path: Path) -> Scan:
    chosen = detect_format(path)
    if chosen == "coco":
        return scan_coco(index_of(path, chosen))
    if chosen == "yolo":
        return scan_yolo(index_of(path, chosen))
    if chosen == "folders":
        return scan_folders(path)
    root = agu2021.picture_root(path)
    photographs = agu2021.read_agu2021(path)
    problems = {photo.id: agu2021.file_problems(photo, root) for photo in photographs}
    sound = tuple(photo for photo in photographs if not problems[photo.id])
    return Scan(sound, tuple(problem for found in problems.values() for problem in found))


def _picture_problems(photo: Photomicrograph, seen: dict[str, Photomicrograph]) -> Iterator[Problem]:
    """Decode the picture: whole, of the stated size, and nobody else's double."""
    if not isinstance(photo.pixels, PictureFile):
        return
    try:
        pixels = open_rgb(photo.pixels.path)
    except DataError as error:
        yield Problem(photo.id, "", str(error))
        return
    height, width = pixels.shape[:2]
    stated = (int(photo.attributes["height"]), int(photo.attributes["width"]))
    if stated != (height, width):
        message = f"the picture has {width} by {height} pixels, the annotations say {stated[1]} by {stated[0]}."
        yield Problem(photo.id, "width, height", message)
    key = hashlib.sha256(repr(pixels.shape).encode() + pixels.tobytes()).hexdigest()
    yield from _duplicate(photo, key, seen, "the same pixels")


def _duplicate(photo: Photomicrograph, key: str, seen: dict[str, Photomicrograph], what: str) -> Sequence[Problem]:
    other = seen.setdefault(key, photo)
    if other is photo or other.group == photo.group:
        return ()
    return (Problem(photo.id, "group", f"{what} as {other.id!r}; put both into one group, or drop one."),)


def _box_problems(photo: Photomicrograph) -> Iterator[Problem]:
    height, width = int(photo.attributes["height"]), int(photo.attributes["width"])
    for index, clast in enumerate(photo.clasts):
        x0, y0, x1, y1 = clast.box_xyxy
        if min(x0, y0) < -_SLACK or x1 > width + _SLACK or y1 > height + _SLACK:
            message = f"{clast.box_xyxy} reaches outside the picture ({width} by {height} pixels)."
            yield Problem(photo.id, f"box {index + 1}", message)
