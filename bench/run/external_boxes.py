"""Detections of a model that never met the harness, scored on the frozen split.

The file is read by `external_entries`. A photograph that no detection speaks of is one where nothing was found.
Without a `fold` the detections count in every fold, which is right only for a model that was trained on none of the
suite's photographs. Thresholds are chosen on a fold's validation photographs when the file says something of them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NoReturn

import numpy as np

from .. import results
from ..errors import DataError
from ..metrics import score_all
from ..records import CLASSES, EXTERNAL, SENSES, Boxes, Cell, CellRecord, Detections, Photomicrograph, Prediction, Score
from ..suite import Suite
from . import samples
from .answers import Rows
from .detections import UNTOLD, combine, on, system_threshold
from .external import result_of
from .external_entries import Entry, read_entries
from .external_names import names_of
from .inputs import SHARD, Source, look_up
from .proposals import sound
from .scoring import LEFT_OPEN, lost, observe, rate, score_read

Found = Mapping[str, Sequence[Entry]]
"""Detections by photograph."""


def score_boxes(suite: Suite, source: Source, path: Path, name: str, folder: Path) -> list[CellRecord]:
    """Score a file of detections and write one result a fold, so that `rank` shows the model beside all others.

    Raises:
        DataError: an entry is impossible, nothing is said of a fold or of the test photographs, or there are no true
            boxes to compare with.
    """
    source.check(suite.folds)
    if not source.has_boxes:
        raise DataError(f"{suite.name}: none of its photographs has a box; score a CSV of probabilities.")
    entries = read_entries(path, names_of(suite, source), set(suite.folds.folds))
    by_fold = _by_fold(suite, entries, path)
    roles = {fold: _roles(suite, fold, found) for fold, found in by_fold.items()}
    photographs = _photographs(source, {one for both in roles.values() for ids in both for one in ids})
    asked = _Asked(suite.detection.max_boxes, _untold(entries))
    digest, made = suite.digest(source.digest), []
    for fold, found in by_fold.items():
        tuned, tested = ([photographs[one] for one in ids] for ids in roles[fold])
        told, detections, scores = asked.score(tuned, tested, found)
        cell = Cell(EXTERNAL, name, 0, fold)
        made.append(result_of(suite, digest, cell, path, predictions=told, scores=scores, detections=detections))
    for one in made:
        results.write(one, folder)
    return made


def _untold(entries: Iterable[Entry]) -> float:
    """A sense that is left open has half the probability, so half the threshold stands for the same score."""
    return UNTOLD if any(one.told in SENSES for one in entries) else UNTOLD * max(LEFT_OPEN)


def _by_fold(suite: Suite, entries: Iterable[Entry], path: Path) -> dict[str, Found]:
    """Sort detections by fold and photograph; refuse a file that forgets a fold or all test photographs."""
    said: dict[str, dict[str, list[Entry]]] = defaultdict(lambda: defaultdict(list))
    for entry in entries:
        said[entry.fold][entry.image_id].append(entry)
    for fold in suite.folds.folds:
        if fold not in said and "" not in said:
            raise DataError(f"{path}: no detection in fold {fold!r}; expected some in every fold, or no folds at all.")
    by_fold: dict[str, Found] = {fold: said[fold if fold in said else ""] for fold in suite.folds.folds}
    if not any(set(suite.folds.folds[fold].test) & set(found) for fold, found in by_fold.items()):
        raise DataError(f"{path}: no detection on a test photograph; expected at least one.")
    return by_fold


def _roles(suite: Suite, fold: str, found: Found) -> tuple[list[str], list[str]]:
    """Return the photographs to choose thresholds on, none if the file is silent about them, and those to test on."""
    chosen = suite.folds.folds[fold]
    tuned = sorted(chosen.validation) if set(chosen.validation) & set(found) else []
    return tuned, sorted(chosen.test)


def _photographs(source: Source, ids: AbstractSet[str]) -> dict[str, Photomicrograph]:
    """Look photographs up, some at a time: of the pixels only their size is kept."""
    wanted, found = sorted(ids), {}
    for start in range(0, len(wanted), SHARD):
        for photo in look_up(source, wanted[start : start + SHARD]):
            width, height = samples.size_of(photo)
            size = {"width": str(width), "height": str(height)}
            found[photo.id] = replace(photo, pixels=_let_go, attributes={**photo.attributes, **size})
    return found


def _let_go() -> NoReturn:
    raise DataError("The pixels of this photograph are not kept while detections are scored.")


@dataclass(frozen=True, slots=True)
class _Asked:
    """What is the same in every fold."""

    max_boxes: int
    untold: float
    """The threshold of the system where validation photographs tell nothing."""

    def score(
        self, tuned: Sequence[Photomicrograph], tested: Sequence[Photomicrograph], found: Found
    ) -> tuple[list[Prediction], Detections, tuple[Score, ...]]:
        """Score one fold as the harness scores a detector with a head of its own."""
        kept = {photo.id: self._boxes(photo, found.get(photo.id, ())) for photo in (*tuned, *tested)}
        boxes = [one for one, _ in kept.values()]
        inputs, read = samples.detected(boxes, samples.AS_THEY_ARE), _read(boxes)
        detector_threshold, rated = rate(tuned, tested, boxes)
        told, detections = combine(
            tested,
            *on(tested, boxes, inputs, read),
            detector_threshold=detector_threshold,
            threshold=system_threshold(tuned, inputs, read, untold=self.untold),
            n_dropped=sum(kept[photo.id][1] for photo in tested),
        )
        cells = [(told, detections)]
        return told, detections, (*score_all(observe(told)), *rated, *score_read(cells), *lost(cells))

    def _boxes(self, photo: Photomicrograph, entries: Sequence[Entry]) -> tuple[Boxes, int]:
        width, height = samples.size_of(photo)
        with np.errstate(over="ignore"):  # beyond float32 is beyond any photograph
            xyxy = np.asarray([one.box for one in entries], np.float32).reshape(-1, 4)
        score = np.asarray([one.score for one in entries], np.float32)
        said = Boxes(photo.id, xyxy, score, np.asarray([_label(one.told) for one in entries], np.int8))
        return sound(said, (height, width), self.max_boxes)


def _label(told: str) -> int:
    return CLASSES.index(told) if told in CLASSES else samples.NO_LABEL


def _read(boxes: Sequence[Boxes]) -> Rows:
    """Return what detections say of their clasts, for certain where they say it."""
    said = np.vstack([np.eye(len(CLASSES)), LEFT_OPEN])  # the last row is that of NO_LABEL, -1
    labels = [label for one in boxes if one.label is not None for label in one.label.tolist()]
    found: Rows = said[np.asarray(labels, np.intp)]
    return found
