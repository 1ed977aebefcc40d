"""Letterboxed crops with their labels, as a training set sees them."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ..records import CLASSES


@dataclass(frozen=True, slots=True)
class Crops:
    """`images` uint8[N, H, W, 3] (often a memory map), `labels` int64[N] into CLASSES, `image_ids` of length N."""

    images: NDArray[np.uint8]
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
