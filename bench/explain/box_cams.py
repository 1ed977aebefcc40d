"""Class activation maps of detectors: what the neck of a network says for one box, by Grad-CAM and Eigen-CAM.

Maps are signed and tile the part of the photograph that the finest level of the neck covers. All levels are read at
that level's cells, bilinearly and by their place in the photograph.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ..data.letterbox import read_map
from ..records import Box
from .sight import Sight, agreement

if TYPE_CHECKING:
    from torch import Tensor

FLAT = 1e-12
"""A level whose map has a smaller norm says nothing, and takes no part."""


def best_candidates(
    sight: Sight, boxes: NDArray[np.float32], labels: NDArray[np.int8] | None = None
) -> list[int | None]:
    """Return for each of B boxes, float32[B, 4], the candidate with the highest IoU times score; None without any.

    A clast that was missed has one, too: the candidate that came nearest to finding it. Of equal ones the first.
    `labels`, int8[B], restrict the choice to candidates of the same sense; 0 stands for any.
    """
    if not len(sight.xyxy):
        return [None] * len(boxes)
    scores = sight.scores.detach().cpu().numpy().astype(np.float64)
    worth = agreement(boxes, labels, sight.xyxy, sight.labels) * scores
    best = worth.argmax(axis=1)
    return [int(k) if row[k] > 0 else None for k, row in zip(best, worth, strict=True)]


def grad_cams(
    sight: Sight, boxes: NDArray[np.float32], labels: NDArray[np.int8] | None = None
) -> tuple[NDArray[np.float32], Box]:
    """Return Grad-CAM maps float32[B, h, w] of B boxes, float32[B, 4], and the part of the photograph they tile.

    f is the score of a box's best candidate. At each level the channels are weighted by their mean gradient
    (Selvaraju et al. 2017, before the ReLU, so signed); levels that f does not depend on are left out, the others are
    summed at the finest level's cells. f is the score and not its logit, so that all methods explain the same f; where
    the score is the logistic function of a logit, both have the same map but for a positive factor. A box without a
    candidate has a map of zeros.
    """
    shape, extent = _finest(sight)
    best = best_candidates(sight, boxes, labels)
    drawn = {k: _grad_cam(sight, sight.scores[k], shape, extent) for k in dict.fromkeys(best) if k is not None}
    nothing = np.zeros(shape, np.float32)
    maps = [nothing if k is None else drawn[k] for k in best]
    return np.stack(maps) if maps else np.zeros((0, *shape), np.float32), extent


def eigen_cam(sight: Sight) -> tuple[NDArray[np.float32], Box]:
    """Return the Eigen-CAM map float32[h, w] of a photograph, the same for all its boxes, and the part it tiles.

    At each level: the activations, float[h * w, C], less the mean of each channel, projected on their first principal
    component (Muhammad & Yeasin 2020, as pytorch-grad-cam), with the sign that makes the largest absolute value
    positive. Levels are scaled to unit norm at the finest level's cells and averaged.
    """
    shape, extent = _finest(sight)
    levels = [_first_component(layer) for layer in sight.layers]
    spread = [read_map(level, own, extent, shape) for level, own in zip(levels, sight.extents, strict=True)]
    norms = [float(np.linalg.norm(level)) for level in spread]
    scaled = [level / norm for level, norm in zip(spread, norms, strict=True) if norm > FLAT]
    mean = np.sum(scaled, axis=0, dtype=np.float64) / max(len(scaled), 1) if scaled else np.zeros(shape)
    return np.asarray(mean, np.float32), extent


def _finest(sight: Sight) -> tuple[tuple[int, int], Box]:
    sizes: Sequence[tuple[int, int]] = [(int(layer.shape[-2]), int(layer.shape[-1])) for layer in sight.layers]
    finest = max(range(len(sizes)), key=lambda at: (sizes[at][0] * sizes[at][1], -at))
    return sizes[finest], sight.extents[finest]


def _grad_cam(sight: Sight, f: Tensor, shape: tuple[int, int], extent: Box) -> NDArray[np.float32]:
    import torch  # noqa: PLC0415

    gradients = torch.autograd.grad(f, sight.layers, retain_graph=True, allow_unused=True)
    total = np.zeros(shape, np.float64)
    for layer, own, gradient in zip(sight.layers, sight.extents, gradients, strict=True):
        if gradient is not None:
            weight = gradient[0].mean(dim=(1, 2), keepdim=True)
            said = (weight * layer.detach()[0]).sum(dim=0).cpu().numpy().astype(np.float32)
            total += read_map(said, own, extent, shape)
    return total.astype(np.float32)


def _first_component(layer: Tensor) -> NDArray[np.float32]:
    activations = layer.detach()[0].cpu().numpy().astype(np.float64)
    cells = activations.reshape(len(activations), -1).T
    centred = cells - cells.mean(axis=0)
    values, vectors = np.linalg.eigh(centred.T @ centred if cells.shape[1] <= len(cells) else centred @ centred.T)
    first = centred @ vectors[:, -1] if cells.shape[1] <= len(cells) else vectors[:, -1] * np.sqrt(max(values[-1], 0.0))
    upright = first if first[np.abs(first).argmax()] >= 0 else -first
    return np.asarray(upright.reshape(activations.shape[1:]), np.float32)
