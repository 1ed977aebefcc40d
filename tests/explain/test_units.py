"""Cells of the photograph, and the mean of a map over each."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from clastbench.data.letterbox import read_map
from clastbench.explain.units import CELLS, cell_means, grid


def test_cells_are_numbered_row_by_row_inside_the_window_only():
    units = grid((6, 8), (1, 2, 7, 6), n=2)
    expected = np.full((6, 8), -1)
    expected[2:4, 1:4], expected[2:4, 4:7], expected[4:6, 1:4], expected[4:6, 4:7] = 0, 1, 2, 3
    np.testing.assert_array_equal(units, expected)
    assert units.dtype == np.int64


@settings(deadline=None, max_examples=50)
@given(st.integers(CELLS, 60), st.integers(CELLS, 60), st.integers(0, 9), st.integers(0, 9))
def test_cells_differ_by_less_than_a_row_and_a_column(height, width, top, left):
    units = grid((height + top + 2, width + left + 3), (left, top, left + width, top + height))
    pixels = np.bincount(units[units >= 0], minlength=CELLS**2)
    assert pixels.sum() == height * width
    assert pixels.min() >= (height // CELLS) * (width // CELLS) > 0
    assert pixels.max() <= -(-height // CELLS) * -(-width // CELLS)


def test_sides_that_the_cells_divide_have_cells_of_one_area():
    assert set(np.bincount(grid((96, 48), (0, 0, 48, 96)).ravel())) == {16 * 8}


def test_side_with_fewer_pixels_than_cells_has_a_cell_a_pixel():
    units = grid((12, 4), (1, 0, 3, 12))
    np.testing.assert_array_equal(np.bincount(units[units >= 0]), [2] * 12)


@pytest.mark.parametrize("window", [(0, 0, 0, 5), (-1, 0, 4, 5), (0, 0, 9, 5), (3, 4, 2, 5), (0, 0, 8, 7)])
def test_window_that_is_no_part_of_the_canvas_is_refused(window):
    with pytest.raises(ValueError, match="must have an area and lie on the canvas of 8 by 6"):
        grid((6, 8), window)


def test_means_of_a_map_at_the_canvas_resolution_are_plain_means():
    units = grid((12, 18), (3, 0, 15, 12), n=3)
    saliency = np.random.default_rng(0).normal(size=(12, 18)).astype(np.float32)
    expected = [saliency[units == unit].mean() for unit in range(9)]
    np.testing.assert_allclose(cell_means(saliency, units), expected, atol=4e-6)


def test_means_of_a_coarse_map_are_those_of_the_enlarged_one():
    units = grid((40, 40), (0, 5, 40, 35))
    saliency = np.random.default_rng(1).normal(size=(7, 7)).astype(np.float32)
    large = read_map(saliency, (0, 0, 40, 40), (0, 0, 40, 40), (40, 40))
    expected = [large[units == unit].mean() for unit in range(CELLS**2)]
    np.testing.assert_allclose(cell_means(saliency, units), expected, atol=4e-6)


@settings(deadline=None, max_examples=50)
@given(st.floats(-1e4, 1e4, width=32), st.integers(1, 9), st.integers(1, 9))
@example(np.float32(3.6e-42).item(), 1, 2)
def test_constant_map_has_constant_means(value, height, width):
    means = cell_means(np.full((height, width), value, np.float32), grid((33, 47), (2, 1, 45, 32)))
    assert len(set(means.tolist())) == 1
    assert means[0] == pytest.approx(value, rel=1e-5, abs=1e-30)


def test_equal_parts_of_a_map_have_equal_means():
    saliency = np.full((64, 64), 0.3, np.float32)
    saliency[:20, :20] = 0.7
    means = cell_means(saliency, grid((50, 50), (0, 0, 50, 50)))
    assert len(set(means.reshape(6, 6)[3:].ravel().tolist())) == 1
