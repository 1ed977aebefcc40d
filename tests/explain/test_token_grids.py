"""Tokens and channels-last maps find their way back into space."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from clastbench.errors import ExplanationError
from clastbench.explain.tokens import to_maps, token_grid


@pytest.mark.parametrize(
    ("n_tokens", "size", "grid"),
    [
        (196, (224, 224), (0, 14, 14)),
        (197, (224, 224), (1, 14, 14)),
        (198, (224, 224), (2, 14, 14)),
        (261, (224, 224), (5, 16, 16)),
        (25, (64, 96), (1, 4, 6)),
        (24, (96, 64), (0, 6, 4)),
        (5, (32, 32), (1, 2, 2)),
    ],
)
def test_grid_of_known_transformers(n_tokens, size, grid):
    assert token_grid(n_tokens, size) == grid


@pytest.mark.parametrize(("n_tokens", "size"), [(190, (224, 224)), (0, (64, 64)), (20, (64, 96))])
def test_tokens_that_are_no_grid_are_refused(n_tokens, size):
    with pytest.raises(ExplanationError, match="no grid of its aspect ratio"):
        token_grid(n_tokens, size)


@given(st.integers(1, 20), st.integers(1, 20), st.integers(1, 32), st.integers(0, 8))
def test_grid_has_the_aspect_ratio_and_never_more_prefix_than_there_is(rows, columns, patch, prefix):
    size = (rows * patch, columns * patch)
    fewest, h, w = token_grid(rows * columns + prefix, size)
    assert fewest <= prefix
    assert h * size[1] == w * size[0]
    assert fewest + h * w == rows * columns + prefix


def test_patches_are_laid_out_row_by_row_without_the_class_token():
    tokens = torch.arange(25.0).reshape(1, 25, 1).expand(2, 25, 3)
    maps = to_maps(tokens, (64, 96))
    assert maps.shape == (2, 3, 4, 6)
    assert maps[1, 2].tolist() == (torch.arange(24.0) + 1).reshape(4, 6).tolist()


def test_channels_last_maps_are_turned():
    maps = torch.rand(2, 4, 6, 5)
    assert torch.equal(to_maps(maps, (64, 96), channels_last=True), maps.permute(0, 3, 1, 2))


def test_what_attention_computes_inside_is_no_map():
    with pytest.raises(ExplanationError, match="no map in space"):
        to_maps(torch.zeros(1, 3, 197, 64), (224, 224))
