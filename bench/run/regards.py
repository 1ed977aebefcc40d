"""Which inputs of a backbone are explained, which sense their maps speak for, and which clasts they should show."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ..metrics import box_iou
from ..records import SENSES, Box, Photomicrograph
from .samples import Sample


@dataclass(frozen=True, slots=True)
class Regard:
    """One input that is explained."""

    row: int
    """Of the crops."""
    image_id: str
    box: Box | None
    """The crop; None for the whole photograph."""
    sense: str
    """The sense that the sense map speaks for: CW or CCW."""
    clasts: tuple[int, ...]
    """Which of the photograph's clasts the maps are scored against; they have outlines."""

    @property
    def sign(self) -> float:
        """What f_sense is multiplied with."""
        return 1.0 if self.sense == "CW" else -1.0


def truth_regards(
    photographs: Sequence[Photomicrograph], samples: Sequence[Sample], *, outlined: bool = True
) -> list[Regard]:
    """Explain the truth: every photograph with a sense and an outline, or each such clast of true-box crops.

    A photograph's map is scored against the outlines of the clasts that its label speaks of, a crop's against its own
    clast. Where no map is scored, clasts need not be `outlined`.
    """
    by_id = {photo.id: photo for photo in photographs}
    found = []
    for row, nth, sample in _numbered(samples, by_id):
        photo = by_id[sample.image_id]
        if sample.box is None:
            sense, clasts = photo.truth, spoken_of(photo)
        else:
            own = true_boxes(photo)[nth]
            clast = photo.clasts[own]
            sense, clasts = (clast.sense if clast.judged else None), ((own,) if clast.mask else ())
        if sense in SENSES and (clasts or not outlined):
            found.append(Regard(row, photo.id, sample.box, sense, clasts))
    return found


def told_regards(
    photographs: Sequence[Photomicrograph], samples: Sequence[Sample], told: Iterable[tuple[str, int, str]]
) -> list[Regard]:
    """Explain what was said: of each photograph named, the n-th input, for the sense stated."""
    by_id = {photo.id: photo for photo in photographs}
    at = {(sample.image_id, nth): (row, sample) for row, nth, sample in _numbered(samples, by_id)}
    found = []
    for image_id, nth, sense in told:
        row, sample = at[image_id, nth]
        found.append(Regard(row, image_id, sample.box, sense, shown_in(by_id[image_id], sample.box)))
    return found


def _numbered(
    samples: Sequence[Sample], photographs: Mapping[str, Photomicrograph]
) -> Iterable[tuple[int, int, Sample]]:
    """Yield row, position among the inputs of its photograph, and sample of the photographs in question."""
    counts: dict[str, int] = {}
    for row, sample in enumerate(samples):
        nth = counts[sample.image_id] = counts.get(sample.image_id, -1) + 1
        if sample.image_id in photographs:
            yield row, nth, sample


def true_boxes(photo: Photomicrograph) -> list[int]:
    """The clasts that `ground-truth` returns as boxes, in its order."""
    return [at for at, clast in enumerate(photo.clasts) if not clast.ignore]


def spoken_of(photo: Photomicrograph) -> tuple[int, ...]:
    """The outlined clasts that the photograph's label speaks of."""
    return tuple(
        at for at, clast in enumerate(photo.clasts) if clast.primary and not clast.ignore and clast.mask is not None
    )


def shown_in(photo: Photomicrograph, box: Box | None) -> tuple[int, ...]:
    """The outlined clast that a crop shows most of; of the whole photograph those its label speaks of."""
    if box is None:
        return spoken_of(photo)
    outlined = [at for at in true_boxes(photo) if photo.clasts[at].mask is not None]
    if not outlined:
        return ()
    boxes = np.asarray([photo.clasts[at].box_xyxy for at in outlined])
    overlap = box_iou(np.asarray([box]), boxes, np.zeros(len(outlined), bool))[0]
    best = int(np.argmax(overlap))
    return (outlined[best],) if overlap[best] > 0 else ()
