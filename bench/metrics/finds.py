"""What systems found on photographs, next to the clasts that are there, as arrays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..records import CLASSES, SENSES, Detections, Prediction
from .statistics import Index

NOT_JUDGED = -1
"""Class of a clast that nobody has judged."""


@dataclass(frozen=True, eq=False)
class Finds:
    """P photographs, N proposals and M clasts. A photograph that two models were asked about comes twice."""

    image_id: tuple[str, ...]
    """Of each photograph, those without proposals and without clasts included."""
    group: tuple[str, ...]
    """Sampling unit of each photograph."""
    detector_threshold: NDArray[np.float64]
    """On `score`, float64[P]; NaN where the detector has no doubts."""
    threshold: NDArray[np.float64]
    """On score times probability of the likelier sense, float64[P]; NaN likewise."""
    photo: Index
    """Photograph of each proposal, intp[N]."""
    xyxy: NDArray[np.float64]
    """float64[N, 4], pixels."""
    score: NDArray[np.float64]
    """The detector's, float64[N] in 0..1."""
    probabilities: NDArray[np.float64]
    """The backbone's, float64[N, 3] in the order of CLASSES."""
    true_photo: Index
    """Photograph of each clast, intp[M]."""
    true_xyxy: NDArray[np.float64]
    """float64[M, 4]."""
    true_class: NDArray[np.int8]
    """Position in CLASSES, int8[M]; NOT_JUDGED where nobody has said."""
    true_ignore: NDArray[np.bool_]
    """Regions that are neither rewarded nor punished, bool[M]."""

    def __len__(self) -> int:
        return len(self.image_id)

    @property
    def sense(self) -> NDArray[np.int8]:
        """The likelier sense of each proposal, int8[N], as a position in CLASSES; CW where both are equal."""
        clockwise, counter = (CLASSES.index(name) for name in SENSES)
        later = self.probabilities[:, counter] > self.probabilities[:, clockwise]
        return np.where(later, counter, clockwise).astype(np.int8)

    @property
    def sense_score(self) -> NDArray[np.float64]:
        """Score of the detector times probability of the likelier sense, float64[N]."""
        likelier: NDArray[np.float64] = np.take_along_axis(self.probabilities, self.sense[:, None].astype(np.intp), 1)
        return self.score * likelier[:, 0]

    @property
    def senses_left_open(self) -> bool:
        """Whether proposals, and all of them, say that a clast is there and not of which sense; not without any.

        All give CW and CCW the same, and one or more gives `none` nothing.
        """
        clockwise, counter = (self.probabilities[:, CLASSES.index(name)] for name in SENSES)
        surely = self.probabilities[:, CLASSES.index("none")] == 0.0
        return bool(np.array_equal(clockwise, counter) and surely.any())

    @cached_property
    def turn(self) -> Index:
        """Place of each photograph where scores are equal, intp[P]: by the SHA-256 of its name, which tells no class.

        A photograph that comes twice keeps the order given.
        """
        digests = [sha256(name.encode()).digest() for name in self.image_id]
        place = np.empty(len(self), np.intp)
        place[sorted(range(len(self)), key=digests.__getitem__)] = np.arange(len(self))
        return place

    def subset(self, photographs: NDArray[Any]) -> Finds:
        """Return the photographs of a mask bool[P], with their proposals and clasts."""
        place = np.cumsum(photographs) - 1
        found, true = photographs[self.photo], photographs[self.true_photo]
        kept = np.flatnonzero(photographs).tolist()
        return Finds(
            image_id=tuple(self.image_id[at] for at in kept),
            group=tuple(self.group[at] for at in kept),
            detector_threshold=self.detector_threshold[photographs],
            threshold=self.threshold[photographs],
            photo=place[self.photo[found]],
            xyxy=self.xyxy[found],
            score=self.score[found],
            probabilities=self.probabilities[found],
            true_photo=place[self.true_photo[true]],
            true_xyxy=self.true_xyxy[true],
            true_class=self.true_class[true],
            true_ignore=self.true_ignore[true],
        )


def finds(cells: Sequence[tuple[Sequence[Prediction], Detections]]) -> Finds:
    """Put the photographs of one cell, or of several models, side by side."""
    parts = [_of_cell(*cell) for cell in cells]
    starts = np.cumsum([0, *(len(part) for part in parts)])[:-1]
    return Finds(
        image_id=tuple(name for part in parts for name in part.image_id),
        group=tuple(name for part in parts for name in part.group),
        detector_threshold=np.concatenate([np.empty(0), *(part.detector_threshold for part in parts)]),
        threshold=np.concatenate([np.empty(0), *(part.threshold for part in parts)]),
        photo=_joined([part.photo + start for part, start in zip(parts, starts, strict=True)]),
        xyxy=np.concatenate([np.empty((0, 4)), *(part.xyxy for part in parts)]),
        score=np.concatenate([np.empty(0), *(part.score for part in parts)]),
        probabilities=np.concatenate([np.empty((0, len(CLASSES))), *(part.probabilities for part in parts)]),
        true_photo=_joined([part.true_photo + start for part, start in zip(parts, starts, strict=True)]),
        true_xyxy=np.concatenate([np.empty((0, 4)), *(part.true_xyxy for part in parts)]),
        true_class=np.concatenate([np.empty(0, np.int8), *(part.true_class for part in parts)]),
        true_ignore=np.concatenate([np.empty(0, np.bool_), *(part.true_ignore for part in parts)]),
    )


def _joined(parts: Sequence[Index]) -> Index:
    return np.concatenate([np.empty(0, np.intp), *parts])


def _of_cell(predictions: Sequence[Prediction], found: Detections) -> Finds:
    place = {one.image_id: at for at, one in enumerate(predictions)}
    truth = found.truth
    classes = [NOT_JUDGED if sense is None else CLASSES.index(sense) for sense in truth.sense]
    return Finds(
        image_id=tuple(one.image_id for one in predictions),
        group=tuple(one.group for one in predictions),
        detector_threshold=_everywhere(found.detector_threshold, len(predictions)),
        threshold=_everywhere(found.threshold, len(predictions)),
        photo=np.asarray([place[name] for name in found.image_id], np.intp),
        xyxy=np.asarray(found.xyxy, np.float64).reshape(-1, 4),
        score=np.asarray(found.score, np.float64),
        probabilities=np.asarray(found.probabilities, np.float64).reshape(-1, len(CLASSES)),
        true_photo=np.asarray([place[name] for name in truth.image_id], np.intp),
        true_xyxy=np.asarray(truth.xyxy, np.float64).reshape(-1, 4),
        true_class=np.asarray(classes, np.int8),
        true_ignore=np.asarray(truth.ignore, np.bool_),
    )


def _everywhere(threshold: float | None, n: int) -> NDArray[np.float64]:
    return np.full(n, np.nan if threshold is None else threshold)
