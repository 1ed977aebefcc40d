"""D-RISE: where a detector looks, asked only for boxes of photographs that are partly hidden (Petsiuk et al. 2021).

Nothing is known of the detector but what it answers, so this works for every one that proposes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from ..records import Boxes
from .sight import agreement

Ask = Callable[[Sequence[NDArray[np.uint8]]], list[Boxes]]
"""Pictures uint8[H, W, 3] to the boxes proposed on each, in order."""

N_MASKS = 200
"""Masked copies of a photograph; the paper's 5000 are meant for one picture at a time on a GPU."""
GRID = 8
"""Cells of a mask along the longer side of the photograph, which are squares. The paper has 16 both ways: with few
masks, larger cells let each one tell more, and an eighth of a photograph is still smaller than most clasts."""
SHOWN = 0.5
"""Chance of a cell to be left visible, as in the paper."""
MAP_SIDE = 64
"""Cells of a map along the longer side; masks are smooth, so this is finer than anything in them."""
ALIKE = 1e-9
"""Weights that differ less from their mean are all the same, but for rounding."""
AT_ONCE = 25
"""Pictures handed over in one call."""


def d_rise(
    ask: Ask,
    pixels: NDArray[np.uint8],
    boxes: NDArray[np.float32],
    labels: NDArray[np.int8] | None = None,
    *,
    n_masks: int = N_MASKS,
) -> NDArray[np.float32]:
    """Return maps float32[B, h, w] of B boxes, float32[B, 4], of a photograph uint8[H, W, 3], which they tile.

    Masks are random cells, enlarged bilinearly and shifted at random, drawn from the photograph's content: the same
    ones for all its boxes, whatever was asked before. Hidden pixels fade to the photograph's own pixels in random
    order, not to one tone as in the paper: in grainy rock a smooth spot is itself what a clast looks like, and
    seeing what it hides would count against a box (mean lift of a YOLOv8n's boxes: .00 under grey, .03 under a
    blurred picture, .59 so). The weight of a mask for a box is the largest IoU times score among the boxes
    proposed, of the same sense where both tell one (0 in `labels`, int8[B], stands for any). A cell of a map holds
    the mean of weight times visibility, less the product of their means: what seeing the cell adds. So a detector
    that never answers, or always alike, has a map of zeros.
    """
    height, width = pixels.shape[:2]
    masks = Masks(pixels, n_masks)
    seen = masks.at(*_map_shape(height, width))
    weights = np.zeros((n_masks, len(boxes)))
    for start in range(0, n_masks, AT_ONCE):
        rows = range(start, min(start + AT_ONCE, n_masks))
        found = ask([masks.picture(row) for row in rows])
        for row, one in zip(rows, found, strict=True):
            weights[row] = best_answer(one, boxes, labels)
    gained = weights - weights.mean(axis=0)
    gained[np.abs(gained) < ALIKE] = 0
    return np.asarray(np.einsum("nb,nhw->bhw", gained, seen) / n_masks, np.float32)


def best_answer(
    found: Boxes, boxes: NDArray[np.float32], labels: NDArray[np.int8] | None = None
) -> NDArray[np.float64]:
    """Return for each of B boxes the largest IoU times score of the boxes found, float64[B]; 0 without any.

    Boxes that are none (not finite, a score outside 0..1) do not count; the detector may answer anything.
    """
    xyxy, score = np.asarray(found.xyxy, np.float32).reshape(-1, 4), np.asarray(found.score, np.float64)
    with np.errstate(invalid="ignore"):
        sound = np.isfinite(xyxy).all(axis=1) & (xyxy[:, 2:] > xyxy[:, :2]).all(axis=1) & (score >= 0) & (score <= 1)
    label = None if found.label is None else np.asarray(found.label)[sound]
    worth = agreement(boxes, labels, xyxy[sound], label) * score[sound]
    return np.asarray(worth.max(axis=1, initial=0.0), np.float64)


class Masks:
    """Random masks of one photograph uint8[H, W, 3], in 0 (hidden) to 1 (visible)."""

    def __init__(self, pixels: NDArray[np.uint8], n: int) -> None:
        content = hashlib.sha256(repr(pixels.shape).encode() + np.ascontiguousarray(pixels).tobytes()).digest()
        chance = np.random.default_rng(int.from_bytes(content, "big"))
        height, width = pixels.shape[:2]
        self._pixels = pixels.astype(np.float32)
        self._hidden = chance.permutation(self._pixels.reshape(-1, pixels.shape[2])).reshape(pixels.shape)
        self._side = max(height, width) / GRID
        down, across = (int(np.ceil(side / self._side)) + 2 for side in (height, width))
        self._cells = (chance.random((n, down, across)) < SHOWN).astype(np.float32)
        self._shift = chance.random((n, 2))

    def at(self, rows: int, columns: int) -> NDArray[np.float32]:
        """Return the masks at the centres of equal cells that tile the photograph: float32[n, rows, columns]."""
        return np.stack([self._mask(number, rows, columns) for number in range(len(self._cells))])

    def picture(self, number: int) -> NDArray[np.uint8]:
        """Return the photograph under one mask."""
        mask = self._mask(number, *self._pixels.shape[:2])[:, :, None]
        shown = self._hidden + mask * (self._pixels - self._hidden)
        levels: NDArray[np.uint8] = np.clip(np.rint(shown), 0, 255).astype(np.uint8)
        return levels

    def _mask(self, number: int, rows: int, columns: int) -> NDArray[np.float32]:
        height, width = self._pixels.shape[:2]
        cells, (down, across) = self._cells[number], self._shift[number]
        tall = _hats(rows, height / self._side, down, cells.shape[0])
        wide = _hats(columns, width / self._side, across, cells.shape[1])
        return np.asarray(tall @ cells @ wide.T, np.float32)


def _hats(n: int, length: float, shift: float, n_cells: int) -> NDArray[np.float32]:
    """Return float32[n, n_cells]: weights that interpolate cells linearly at n places along `length` cells."""
    places = (np.arange(n) + 0.5) / n * length + shift
    weights = 1 - np.abs(places[:, None] - np.arange(n_cells))
    return np.asarray(np.maximum(weights, 0), np.float32)


def _map_shape(height: int, width: int) -> tuple[int, int]:
    scale = min(1.0, MAP_SIDE / max(height, width))
    return max(1, round(height * scale)), max(1, round(width * scale))
