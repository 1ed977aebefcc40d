"""Transformers' tokens, and maps with channels last, put back into space."""

from __future__ import annotations

from math import isqrt

from torch import Tensor

from ..errors import ExplanationError

MOST_PREFIX_TOKENS = 8
"""Class, distillation and register tokens that may come before the patches."""


def token_grid(n_tokens: int, size: tuple[int, int]) -> tuple[int, int, int]:
    """Infer (prefix tokens, rows, columns) from the number of tokens and the input's (height, width).

    The fewest prefix tokens are taken that leave a grid of the input's own aspect ratio.

    Raises:
        ExplanationError: no number of prefix tokens does.
    """
    height, width = size
    for prefix in range(MOST_PREFIX_TOKENS + 1):
        cells = n_tokens - prefix
        rows = isqrt(cells * height // width) if cells > 0 else 0
        if rows and cells % rows == 0 and rows * width == cells // rows * height:
            return prefix, rows, cells // rows
    raise ExplanationError(
        f"{n_tokens} tokens of an input of {height} x {width} pixels, less 0 to {MOST_PREFIX_TOKENS} prefix tokens, "
        "are no grid of its aspect ratio; name another cam_layer"
    )


def to_maps(output: Tensor, size: tuple[int, int], *, channels_last: bool = False) -> Tensor:
    """Turn a layer's output into maps [N, C, h, w]: tokens [N, T, C] without their prefix, maps [N, h, w, C].

    Args:
        output: of the layer, or the gradient with respect to it.
        size: the network's input, (height, width).
        channels_last: whether maps are [N, h, w, C].

    Raises:
        ExplanationError: it is no map in space.
    """
    if output.ndim == 4:
        maps = output.permute(0, 3, 1, 2) if channels_last else output
        if _same_aspect((maps.shape[2], maps.shape[3]), size):
            return maps
    if output.ndim != 3:
        raise ExplanationError(f"a layer's output of shape {tuple(output.shape)} is no map in space; name a cam_layer")
    prefix, rows, columns = token_grid(output.shape[1], size)
    return output[:, prefix:].transpose(1, 2).reshape(len(output), -1, rows, columns)


def _same_aspect(grid: tuple[int, int], size: tuple[int, int]) -> bool:
    """Tell maps from what attention computes inside ([N, heads, T, C]); borders without padding cost a few cells."""
    expected = grid[0] * size[1] / size[0]
    return abs(grid[1] - expected) <= 2 or 1 / 1.5 <= grid[1] / expected <= 1.5
