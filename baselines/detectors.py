"""Detectors that need no training: the whole picture, and the truth."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..records import Boxes, Photomicrograph


class WholeImage:
    """Returns the full frame: the classic image classifier is one of its cells."""

    view = "image"
    uses_truth = False

    def detect(self, photographs: Sequence[Photomicrograph]) -> list[Boxes]:
        """One box a photograph."""
        frames = [photo.load().shape[:2] for photo in photographs]
        return [
            Boxes(photo.id, np.asarray([[0, 0, width, height]], np.float32), np.ones(1, np.float32))
            for photo, (height, width) in zip(photographs, frames, strict=True)
        ]


class GroundTruth:
    """Returns the true boxes: the ceiling for every detector."""

    view = "crop"
    uses_truth = True

    def detect(self, photographs: Sequence[Photomicrograph]) -> list[Boxes]:
        """The boxes of all clasts that are not to be ignored, each with score 1."""
        return [self._true(photo) for photo in photographs]

    @staticmethod
    def _true(photo: Photomicrograph) -> Boxes:
        boxes = [clast.box_xyxy for clast in photo.clasts if not clast.ignore]
        return Boxes(photo.id, np.asarray(boxes, np.float32).reshape(-1, 4), np.ones(len(boxes), np.float32))
