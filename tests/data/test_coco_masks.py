"""Masks agree with pycocotools, and survive the way there and back."""

from __future__ import annotations

import contextlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from pycocotools import mask as official

from clastbench.data import masks
from clastbench.errors import DataError
from clastbench.records import Clast, Mask

arrays = hnp.arrays(bool, hnp.array_shapes(min_dims=2, max_dims=2, max_side=12))
coordinate = st.floats(-8, 28, width=32)
rings = st.lists(st.tuples(coordinate, coordinate), min_size=3, max_size=8).map(lambda points: sum(points, ()))


@given(arrays)
def test_an_array_survives_encoding(array):
    assert np.array_equal(masks.decode(masks.encode(array)), array)


@given(arrays)
def test_run_lengths_are_the_official_ones(array):
    ours = masks.encode(array)
    theirs = official.encode(np.asfortranarray(array, dtype=np.uint8))
    assert masks.from_coco(theirs, *array.shape) == ours


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # pycocotools, under numpy 2
@given(st.lists(rings, min_size=1, max_size=3))
def test_polygons_are_drawn_as_pycocotools_draws_them(polygons):
    theirs = official.decode(official.merge(official.frPyObjects([list(ring) for ring in polygons], 20, 20)))
    ours = masks.decode(Mask(20, 20, polygons=tuple(polygons)))
    assert np.array_equal(ours, theirs.astype(bool))


def test_counts_run_down_the_columns_and_begin_with_zeros():
    array = np.array([[True, False], [True, False]])
    assert masks.encode(array).counts == (0, 2, 2)


def test_an_empty_mask_is_one_run_of_zeros():
    assert masks.encode(np.zeros((2, 3), bool)).counts == (6,)


@given(arrays)
def test_mirrored_run_lengths_are_the_mirrored_array(array):
    assert np.array_equal(masks.decode(masks.mirror(masks.encode(array))), array[:, ::-1])


def test_mirrored_polygons_overlap_the_mirrored_array():
    triangle = Mask(60, 80, polygons=((10.0, 10.0, 60.5, 20.2, 30.0, 50.0),))
    one, other = masks.decode(masks.mirror(triangle)), masks.decode(triangle)[:, ::-1]
    assert (one & other).sum() / (one | other).sum() > 0.95


def test_tails_are_the_outline_without_the_core():
    outline, core = np.zeros((4, 6), bool), np.zeros((4, 6), bool)
    outline[1:3], core[1:3, 2:4] = True, True
    clast = Clast((0, 1, 6, 3), "CW", mask=masks.encode(outline), parts={"core": masks.encode(core)})
    assert np.array_equal(masks.decode(masks.tails(clast)), outline & ~core)


def test_tails_are_unknown_without_a_core():
    assert masks.tails(Clast((0, 0, 2, 2), None, mask=masks.encode(np.ones((2, 2), bool)))) is None


def test_the_box_of_a_mask_holds_its_pixels():
    array = np.zeros((5, 7), bool)
    array[2:4, 3:6] = True
    assert masks.box_of(masks.encode(array)) == (3, 2, 6, 4)


@pytest.mark.parametrize(
    "segmentation",
    [
        {"size": [4, 5], "counts": [3, 2]},
        {"size": [5, 4], "counts": [20]},
        {"size": [4, 5], "counts": [-1, 21]},
        {"size": [4, 5], "counts": "PPPPP"},
        {"size": [4, 5], "counts": "P"},
        {"size": [4, 5], "counts": " ~"},
        {"size": [4, 5], "counts": 7},
        [[1.0, 2.0, 3.0, 4.0]],
        [[1.0, 2.0, 3.0, 4.0, 5.0]],
        [[1.0, 2.0, 3.0, float("nan"), 5.0, 6.0]],
        [[1.0, 2.0, 3.0, 1e11, 5.0, 6.0]],
        "text",
        7,
    ],
)
def test_an_impossible_segmentation_is_refused_in_one_sentence(segmentation):
    with pytest.raises(DataError, match="segmentation"):
        masks.from_coco(segmentation, 4, 5)


@given(st.text(max_size=20), st.integers(1, 9), st.integers(1, 9))
def test_no_compressed_string_does_worse_than_be_refused(text, height, width):
    with contextlib.suppress(DataError):
        masks.decode(masks.from_coco({"size": [height, width], "counts": text}, height, width))


def test_a_mask_needs_exactly_one_description():
    with pytest.raises(DataError, match="exactly one"):
        masks.decode(Mask(2, 2))
