"""YOLO data sets (a data.yaml, pictures, one label file a picture) as photomicrographs.

Names are CW, CCW, none, or clast when the sense is not told, so that the clast counts as not judged. Rows are
`class cx cy w h` or `class x1 y1 x2 y2 …` (a polygon), as parts of the picture's width and height. No label file means:
nothing in the picture.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import cast

import yaml

from ..errors import DataError
from ..records import Clast, Mask, Photomicrograph, Sense
from .names import EXPECTED, class_of, truth_of
from .pictures import PictureFile, picture_size, sha256_of
from .problems import Problem, Scan
from .yolo_paths import label_of, pictures_of, root_of


def read_yolo(data_yaml: Path) -> tuple[Photomicrograph, ...]:
    """Read a YOLO data set; raise DataError with the first problem. The role is kept as attribute `split`."""
    return scan_yolo(data_yaml).accepted()


def scan_yolo(data_yaml: Path) -> Scan:
    """Read what is sound and list what is not, label row by label row."""
    problems: list[Problem] = []
    document = _document(data_yaml, problems)
    classes = _classes(document.get("names"), data_yaml, problems) if document else {}
    photographs = []
    for role, picture in pictures_of(document, data_yaml, problems):
        try:
            photographs.append(_photograph(picture, root_of(document, data_yaml), role, classes, problems))
        except DataError as error:
            problems.append(Problem(str(picture), "", str(error)))
    if not photographs and not problems:
        problems.append(Problem(str(data_yaml), "train", "no pictures under train, val or test."))
    return Scan(tuple(photographs), tuple(problems))


def _document(data_yaml: Path, problems: list[Problem]) -> Mapping[str, object]:
    try:
        document = yaml.safe_load(data_yaml.read_text(encoding="utf-8"))
    except OSError as error:
        problems.append(Problem(str(data_yaml), "", f"cannot be read ({error.strerror})."))
        return {}
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        problems.append(Problem(str(data_yaml), "", f"is not YAML ({' '.join(str(error).split())})."))
        return {}
    if not isinstance(document, dict):
        problems.append(Problem(str(data_yaml), "", f"expected names, train and val, got {type(document).__name__}."))
        return {}
    return {str(key): value for key, value in document.items()}


def _classes(names: object, data_yaml: Path, problems: list[Problem]) -> dict[int, str]:
    """Return class number → CW, CCW, none or clast, from a list of names or a dictionary by number."""
    if not isinstance(names, list | dict) or not names:
        problems.append(Problem(str(data_yaml), "names", "expected a list of names, or a dictionary number: name."))
        return {}
    pairs = list(names.items()) if isinstance(names, dict) else list(enumerate(names))
    classes = {}
    for number, name in pairs:
        label = class_of(str(name))
        if label is None or not isinstance(number, int):
            problems.append(Problem(str(data_yaml), "names", f"{number!r:.40}: {name!r:.40}; expected {EXPECTED}."))
        else:
            classes[number] = label
    return classes


def _photograph(
    picture: Path, root: Path, role: str, classes: Mapping[int, str], problems: list[Problem]
) -> Photomicrograph:
    height, width = picture_size(picture)
    clasts: list[Clast] = []
    labels: list[str] = []
    for where, row in _rows(label_of(picture), problems):
        try:
            clast, label = _clast(row, classes, height, width)
            clasts.append(clast)
            labels.append(label)
        except DataError as error:
            problems.append(Problem(str(label_of(picture)), where, str(error)))
    truth, present = truth_of(labels)
    name = picture.relative_to(root).as_posix() if picture.is_relative_to(root) else picture.as_posix()
    return Photomicrograph(
        id=name,
        pixels=PictureFile(picture),
        sha256=sha256_of(picture),
        truth=truth,
        present=present,
        group=name,
        clasts=tuple(clasts),
        attributes={"split": role, "width": str(width), "height": str(height)},
    )


def _rows(label: Path, problems: list[Problem]) -> Iterator[tuple[str, list[str]]]:
    if not label.is_file():
        return
    try:
        lines = label.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        problems.append(Problem(str(label), "", f"cannot be read ({error})."))
        return
    yield from ((f"line {number}", line.split()) for number, line in enumerate(lines, 1) if line.strip())


def _clast(row: list[str], classes: Mapping[int, str], height: int, width: int) -> tuple[Clast, str]:
    number, values = _numbers(row)
    if number not in classes:
        raise DataError(f"the class {number} is not among the names in the YAML file.")
    ring: tuple[float, ...] | None = None
    if len(values) == 4:
        cx, cy, w, h = values
        x0, y0, x1, y1 = cx - w / 2, cy - h / 2, cx + w / 2, cy + h / 2
    else:
        x0, y0, x1, y1 = min(values[0::2]), min(values[1::2]), max(values[0::2]), max(values[1::2])
        ring = tuple(value * (height if index % 2 else width) for index, value in enumerate(values))
    if not (x1 > x0 and y1 > y0):
        raise DataError("the box has no area; width and height must be positive.")
    label = classes[number]
    clast = Clast(
        box_xyxy=(round(x0 * width, 6), round(y0 * height, 6), round(x1 * width, 6), round(y1 * height, 6)),
        sense=cast("Sense", label) if label in ("CW", "CCW") else None,
        mask=None if ring is None else Mask(height, width, polygons=(ring,)),
        judged=label != "clast",
    )
    return clast, label


def _numbers(row: list[str]) -> tuple[int, list[float]]:
    if len(row) != 5 and (len(row) < 7 or len(row) % 2 == 0):
        raise DataError(
            f"{len(row)} numbers; expected a class and 4 (a box) or x, y of at least 3 corners (a polygon)."
        )
    try:
        number, values = int(row[0]), [float(text) for text in row[1:]]
    except ValueError as error:
        raise DataError(f"{' '.join(row)!r:.60} is not a class number and coordinates.") from error
    if not all(math.isfinite(value) and -1 <= value <= 2 for value in values):
        raise DataError(f"{' '.join(row)!r:.60}: coordinates are parts of the picture's sides, between 0 and 1.")
    return number, values
