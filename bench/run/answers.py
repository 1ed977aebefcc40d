"""What a system says of a photograph: which of its inputs decides, and what follows for the photograph."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ..records import CLASSES, Photomicrograph, Prediction
from .samples import Sample

Rows = NDArray[np.float64]
"""One row an input, float64[N, 3] in the order of CLASSES."""


def softmax(logits: Rows) -> Rows:
    """Turn logits into probabilities, row by row."""
    if not len(logits):
        return logits
    shifted = np.exp(logits - logits.max(axis=1, keepdims=True))
    found: Rows = shifted / shifted.sum(axis=1, keepdims=True)
    return found


def sense_scores(inputs: Sequence[Sample], probabilities: Rows) -> NDArray[np.float64]:
    """Return the detector's score times the probability of the likelier sense, float64[N]."""
    score = np.asarray([one.score for one in inputs], np.float64)
    found: NDArray[np.float64] = score * probabilities[:, 1:].max(axis=1) if len(inputs) else score
    return found


def deciding(inputs: Sequence[Sample], probabilities: Rows, *, proposes: bool) -> dict[str, int]:
    """Return, by photograph, the row of its best-scored clast; the first among equals.

    Of proposals it is the one with the highest score times probability of a sense; of inputs that cannot be wrong
    (whole photographs, true boxes) the one least likely to be `none`.
    """
    rank = sense_scores(inputs, probabilities) if proposes else 1 - probabilities[:, 0]
    best: dict[str, int] = {}
    for row, one in enumerate(inputs):
        if one.image_id not in best or rank[row] > rank[best[one.image_id]]:
            best[one.image_id] = row
    return best


def of_photographs(
    photographs: Sequence[Photomicrograph], inputs: Sequence[Sample], probabilities: Rows, threshold: float | None
) -> Rows:
    """Return what a system says of photographs, float64[P, 3]: `none` for sure where it found nothing.

    Without a threshold these are the probabilities of the deciding input. With one, `none` weighs as much as the
    threshold, and each sense as much as the detector's score times its probability: the most probable class is `none`
    exactly when no clast reaches the threshold, and otherwise the sense of the best-scored clast.
    """
    said = np.tile(np.eye(len(CLASSES))[0], (len(photographs), 1))
    place = {photo.id: at for at, photo in enumerate(photographs)}
    for image_id, row in deciding(inputs, probabilities, proposes=threshold is not None).items():
        if image_id not in place:
            continue
        weights = probabilities[row]
        if threshold is not None:
            senses = inputs[row].score * weights[1:]
            none = np.nextafter(threshold, 0) if senses.max() >= threshold else threshold
            weights = np.concatenate([[none], senses])
        said[place[image_id]] = weights / weights.sum()
    return said


def predictions(photographs: Sequence[Photomicrograph], said: Rows) -> list[Prediction]:
    """Put what was said beside what is true."""
    return [
        Prediction(photo.id, photo.group, photo.truth, photo.present, tuple(row.tolist()))
        for photo, row in zip(photographs, said, strict=True)
    ]


def preferred(said: Prediction) -> str:
    """The sense a system prefers, whatever it thinks of `none`."""
    _, clockwise, counter = said.probabilities
    return "CW" if clockwise >= counter else "CCW"
