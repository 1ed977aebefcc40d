"""Letterboxed crops with their labels, as networks see them: kept as pixels, or cut when they are asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ..records import CLASSES, Box, Photomicrograph
from .letterbox import letterbox


class CutOnDemand:
    """Crops uint8[N, H, W, 3] that are cut when they are indexed: detectors propose more than a disk should hold.

    Rows of one photograph are best asked for together: the last photograph stays in memory.
    """

    def __init__(
        self, photographs: Mapping[str, Photomicrograph], boxes: Sequence[tuple[str, Box | None]], size: tuple[int, int]
    ) -> None:
        self._photographs, self._boxes, self._size = photographs, boxes, size
        self._open: tuple[str, NDArray[np.uint8]] | None = None

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """(N, H, W, 3)."""
        return len(self._boxes), *self._size, 3

    def __len__(self) -> int:
        return len(self._boxes)

    def __getitem__(self, rows: NDArray[np.int64] | slice) -> NDArray[np.uint8]:
        """Cut the chosen crops, uint8[n, H, W, 3]."""
        chosen = np.arange(len(self))[rows].tolist()
        cut = [letterbox(self._pixels(self._boxes[row][0]), self._size, self._boxes[row][1])[0] for row in chosen]
        return np.stack(cut) if cut else np.zeros((0, *self._size, 3), np.uint8)

    def _pixels(self, image_id: str) -> NDArray[np.uint8]:
        if self._open is None or self._open[0] != image_id:
            self._open = image_id, self._photographs[image_id].load()
        return self._open[1]


Images = NDArray[np.uint8] | CutOnDemand


@dataclass(frozen=True, slots=True)
class Crops:
    """`images` uint8[N, H, W, 3], `labels` int64[N] into CLASSES, `image_ids` of length N.

    The images are often a memory map, or cut on demand.
    """

    images: Images
    labels: NDArray[np.int64]
    image_ids: tuple[str, ...]
    classes: tuple[str, ...] = CLASSES

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) of every crop."""
        return self.images.shape[1], self.images.shape[2]

    def batch(self, rows: NDArray[np.int64] | slice) -> NDArray[np.float32]:
        """Return the chosen crops as float32[n, 3, H, W] in 0..1, a new array every time."""
        return to_float(self.images[rows])

    def take(self, rows: NDArray[np.int64]) -> Crops:
        """Return the chosen crops as a set of their own."""
        ids = tuple(self.image_ids[row] for row in rows)
        return replace(self, images=self.images[rows], labels=self.labels[rows], image_ids=ids)


def to_float(images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Turn uint8[n, H, W, 3] into float32[n, 3, H, W] in 0..1."""
    return np.ascontiguousarray(images.transpose(0, 3, 1, 2), dtype=np.float32) / np.float32(255)
