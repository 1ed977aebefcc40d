"""From a path to photomicrographs, whatever the format."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from ..errors import DataError, UnknownNameError
from ..records import Clast, Mask, Photomicrograph
from . import agu2021
from .coco import read_coco
from .folders import read_folders
from .names import class_of
from .yolo import read_yolo

FORMATS = ("coco", "yolo", "folders", "agu2021")

_COCO_NAMES = ("annotations.json", "_annotations.coco.json", "instances.json")
_YOLO_NAMES = ("data.yaml", "data.yml", "dataset.yaml")


def detect_format(path: Path) -> str:
    """Return "coco", "yolo", "folders" or "agu2021"; raise DataError when the path looks like none of them."""
    if path.is_file() and path.suffix.lower() == ".json":
        return "coco"
    if path.is_file() and path.suffix.lower() in (".yaml", ".yml"):
        return "yolo"
    if not path.is_dir():
        raise DataError(f"{path}: expected a folder, a COCO .json or a YOLO .yaml, and it is none of them.")
    if any((place / "with").is_dir() and (place / "without").is_dir() for place in (path, path / "images")):
        return "agu2021"
    if _first(path, _COCO_NAMES):
        return "coco"
    if _first(path, _YOLO_NAMES):
        return "yolo"
    if any(class_of(folder.name) in ("CW", "CCW", "none") for folder in path.iterdir() if folder.is_dir()):
        return "folders"
    raise DataError(
        f"{path}: no {_COCO_NAMES[0]} (COCO), no {_YOLO_NAMES[0]} (YOLO), no folders CW, CCW, none, "
        "and no folders with, without (AGU 2021)."
    )


def read(path: Path, format: str | None = None) -> tuple[Photomicrograph, ...]:  # noqa: A002 - the reader's own word
    """Return the photographs under `path`; the format is detected when it is not named."""
    chosen = format or detect_format(path)
    if chosen == "coco":
        return read_coco(index_of(path, chosen))
    if chosen == "yolo":
        return read_yolo(index_of(path, chosen))
    if chosen == "folders":
        return read_folders(path)
    if chosen == "agu2021":
        return agu2021.read_agu2021(path)
    raise UnknownNameError("data format", chosen, FORMATS)


def index_of(path: Path, format: str) -> Path:  # noqa: A002 - as above
    """Return the annotation file that a folder holds, or the path itself when it is a file."""
    if not path.is_dir():
        return path
    names = _COCO_NAMES if format == "coco" else _YOLO_NAMES
    found = _first(path, names)
    if found is None:
        raise DataError(f"{path}: no annotation file; expected one of {', '.join(names)}.")
    return found


def digest(photographs: Sequence[Photomicrograph]) -> str:
    """Return the hex digest of all that a score may depend on, whatever the order of the photographs.

    Pixels enter by their own sha256; boxes are rounded to a millionth of a pixel.
    """
    records = sorted((_canonical(photo) for photo in photographs), key=lambda record: str(record[0]))
    text = json.dumps(records, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _canonical(photo: Photomicrograph) -> list[object]:
    clasts = [_canonical_clast(clast) for clast in photo.clasts]
    said: list[object] = [photo.id, photo.sha256, photo.truth, photo.present, photo.group, photo.foliation_deg, clasts]
    return said if photo.artefacts is None else [*said, _canonical_masks(photo.artefacts)]


def _canonical_clast(clast: Clast) -> list[object]:
    box = [round(float(value), 6) for value in clast.box_xyxy]
    shapes = [_canonical_mask(clast.mask), _canonical_masks(clast.parts)]
    return [box, clast.sense, clast.kind, clast.ignore, clast.primary, clast.judged, *shapes]


def _canonical_masks(masks: Mapping[str, Mask]) -> dict[str, object]:
    return {name: _canonical_mask(mask) for name, mask in masks.items()}


def _canonical_mask(mask: Mask | None) -> list[object] | None:
    return None if mask is None else [mask.height, mask.width, mask.polygons, mask.counts]


def _first(folder: Path, names: Sequence[str]) -> Path | None:
    return next((folder / name for name in names if (folder / name).is_file()), None)
