"""Detections as COCO results, read entry by entry.

The file is a JSON list of `{"image_id", "category_id", "bbox": [x, y, width, height], "score"}`. `image_id` is a
photograph's id, its number in the annotations, or its file name; `category_id` a number of the annotations or CW, CCW,
none, clast, which `category` may say in its place; an optional `fold` says which fold's model speaks. Whatever else an
entry holds is not read.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from ..data.coco_schema import Key
from ..data.names import EXPECTED
from ..errors import DataError
from ..records import Box
from .external_names import Names

ROUNDING = 1e-3
"""How far above 1 a score may lie; it is taken for 1."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One detection. The box may be no box (not finite, without area): that is dropped later, and counted."""

    image_id: str
    told: str
    """CW, CCW, none, or clast where no sense is told."""
    box: Box
    score: float
    """In 0..1, or NaN."""
    fold: str
    """Empty when it counts in every fold."""


def read_entries(path: Path, names: Names, folds: AbstractSet[str]) -> list[Entry]:
    """Read the detections in a file.

    Raises:
        DataError: file, entry (counted from 0, as in the list), field and value of the first thing that is wrong.
    """
    try:
        said = json.loads(path.read_bytes())
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}).") from error
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path}: is not JSON ({error}).") from error
    if not isinstance(said, list):
        raise DataError(f"{path}: holds one {type(said).__name__}; expected a list of detections.")
    if not said:
        raise DataError(f"{path}: holds no detection; expected at least one.")
    return [_Reading(path, number, entry).entry(names, folds) for number, entry in enumerate(said)]


@dataclass(frozen=True, slots=True)
class _Reading:
    """One entry while it is read."""

    path: Path
    number: int
    said: Any

    def entry(self, names: Names, folds: AbstractSet[str]) -> Entry:
        if not isinstance(self.said, Mapping):
            self._refuse("", "an object with image_id, category_id, bbox and score", self.said)
        return Entry(self._photograph(names), self._told(names), self._box(), self._score(), self._fold(folds))

    def _photograph(self, names: Names) -> str:
        expected = "a photograph's id, its number in the annotations, or its file name"
        meant = sorted(names.photographs(self._key("image_id", expected)))
        if len(meant) > 1:
            self._refuse("image_id", f"one photograph's name: {meant[0]!r:.60} or {meant[1]!r:.60}")
        if not meant:
            self._refuse("image_id", f"one of the suite's {len(names.ids)} photographs: {expected}")
        return meant[0]

    def _told(self, names: Names) -> str:
        field = "category" if "category" in self.said else "category_id"
        numbers = f", or its number in the annotations, {_listed(names.categories)}" if names.categories else ""
        told = names.class_told(self._key(field, EXPECTED + numbers))
        if told is None:
            self._refuse(field, EXPECTED + numbers)
        return told

    def _key(self, field: str, expected: str) -> Key:
        value = self.said.get(field)
        if isinstance(value, bool) or not isinstance(value, int | str):
            self._refuse(field, expected)
        return value

    def _box(self) -> Box:
        expected, value = "[x, y, width, height] in pixels", self.said.get("bbox")
        if not isinstance(value, Sequence) or isinstance(value, str) or len(value) != 4:
            self._refuse("bbox", expected)
        x, y, width, height = (self._number("bbox", one, expected) for one in value)
        return x, y, x + width, y + height

    def _score(self) -> float:
        score = self._number("score", self.said.get("score"), "a number in 0..1")
        if score < 0 or score > 1 + ROUNDING:
            self._refuse("score", "a number in 0..1")
        return min(score, 1.0) if math.isfinite(score) else score

    def _number(self, field: str, value: object, expected: str) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float):
            self._refuse(field, expected)
        try:
            return float(value)
        except OverflowError:  # an integer beyond all floats
            return math.inf

    def _fold(self, folds: AbstractSet[str]) -> str:
        value = self.said.get("fold")
        if value is None:
            return ""
        if not isinstance(value, str) or value not in folds:
            self._refuse("fold", f"one of the suite's: {', '.join(sorted(folds)[:8])}")
        return value

    def _refuse(self, field: str, expected: str, value: object = None) -> NoReturn:
        place = f"{self.path}: [{self.number}]" + (f".{field}" if field else "")
        if field and field not in self.said:
            raise DataError(f"{place} is missing; expected {expected}.")
        raise DataError(f"{place} is {self.said[field] if field else value!r:.60}; expected {expected}.")


def _listed(categories: Mapping[Key, str]) -> str:
    return ", ".join(f"{key} {name}" for key, name in list(categories.items())[:8])
