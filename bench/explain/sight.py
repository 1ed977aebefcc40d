"""What a detector that can be differentiated saw in a photograph: its candidates, and the maps they were read from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ..metrics import box_iou
from ..records import Box

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, eq=False)
class Sight:
    """All boxes a network weighed last on one photograph, before a threshold or a suppression took any away."""

    xyxy: NDArray[np.float32]
    """float32[K, 4], in photograph coordinates, cut to the photograph as the proposals are."""
    scores: Tensor
    """float32[K] in 0..1, the scores as `detect` tells them, in the autograd graph."""
    layers: tuple[Tensor, ...]
    """float32[1, C, h, w] each, the levels of the neck that the scores were read from, in the graph."""
    extents: tuple[Box, ...]
    """The part of the photograph that the cells of each level tile; with padding it may reach outside."""
    labels: NDArray[np.int8] | None = None
    """int8[K], positions in CLASSES of the sense each candidate is of, for a detector with a head of its own."""


def agreement(
    boxes: NDArray[np.float32],
    labels: NDArray[np.int8] | None,
    xyxy: NDArray[np.float32],
    found: NDArray[np.int8] | None,
) -> NDArray[np.float64]:
    """Return how well candidates `xyxy` float[K, 4] agree with boxes float[B, 4]: float64[B, K] in 0..1.

    It is their IoU; 0 where both have a label and the labels differ. A label of 0 (none) stands for any.
    """
    ours, theirs = np.asarray(boxes, np.float64).reshape(-1, 4), np.asarray(xyxy, np.float64).reshape(-1, 4)
    overlap = box_iou(ours, theirs, np.zeros(len(theirs), np.bool_))
    if labels is None or found is None:
        return overlap
    return np.where((labels[:, None] == 0) | (labels[:, None] == found[None]), overlap, 0.0)
