"""Heat lies where the map says, and outlines where the masks are."""

from __future__ import annotations

import base64
import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from made_up import photographs
from PIL import Image

from clastbench.data.masks import encode
from clastbench.records import Clast, Explanation, Mask, Photomicrograph
from clastbench.report.contours import contours, rings_of
from clastbench.report.heat import grey, heat, over, positive

FINITE = st.floats(-10, 10, allow_nan=False, width=32)


def explained(values, extent=(0.0, 0.0, 70.0, 40.0)) -> Explanation:
    return Explanation("a", "grad-cam", "sense", np.asarray(values, np.float32), extent)


def one_hot(row: int, column: int, shape=(4, 7)) -> np.ndarray:
    values = np.full(shape, -1.0, np.float32)
    values[row, column] = 3.0
    return values


def decoded(uri: str) -> np.ndarray:
    start = "data:image/png;base64,"
    assert uri.startswith(start)
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(uri.removeprefix(start)))))


@settings(max_examples=40)
@given(npst.arrays(np.float32, npst.array_shapes(min_dims=2, max_dims=2, max_side=9), elements=FINITE))
def test_the_grey_picture_holds_the_positive_part_cell_by_cell(values):
    shown = heat(explained(values))
    above = np.clip(values.astype(np.float64), 0, None)
    wanted = np.rint(above / above.max() * 255) if above.max() > 0 else above
    np.testing.assert_array_equal(decoded(shown.uri), wanted)
    assert shown.empty == (not wanted.any())


def test_the_hottest_cell_is_white_whatever_the_scale():
    assert grey(np.asarray([[1e-9, 0.0]], np.float32)).tolist() == [[255, 0]]


def test_a_map_that_is_not_finite_does_no_harm():
    assert positive(np.asarray([[np.nan, 1.0]], np.float32)).tolist() == [[0.0, 1.0]]


@pytest.mark.parametrize(("row", "column"), [(0, 0), (1, 5), (3, 2)])
def test_heat_over_a_photograph_lies_in_the_middle_of_its_cell(row, column):
    ground = np.full((40, 70, 3), 90, np.uint8)
    blended = over(ground, explained(one_hot(row, column)), 1.0).astype(float)
    weight = np.abs(blended - blended[..., :1].min()).sum(axis=2) * (np.ptp(blended, axis=2) > 8)
    hottest = np.unravel_index(np.argmax(weight), weight.shape)
    assert abs(hottest[0] + 0.5 - (row + 0.5) * 10) <= 5
    assert abs(hottest[1] + 0.5 - (column + 0.5) * 10) <= 5


def test_heat_stays_inside_its_extent_and_is_cut_at_the_photograph():
    ground = np.full((40, 70, 3), 90, np.uint8)
    blended = over(ground, explained(np.ones((2, 2)), (-20.0, 10.0, 30.0, 60.0)), 1.0)
    coloured = np.ptp(blended.astype(int), axis=2) > 0
    rows, columns = np.nonzero(coloured)
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (10, 39, 0, 29)


def test_a_map_without_anything_positive_leaves_the_grey_photograph():
    ground = np.random.default_rng(0).integers(0, 255, (8, 8, 3)).astype(np.uint8)
    assert (np.ptp(over(ground, explained(-np.ones((2, 2))), 1.0).astype(int), axis=2) == 0).all()


def area(ring: np.ndarray) -> float:
    x, y = ring.T
    return abs(float(np.dot(x, np.roll(y, 1)) - np.dot(y, np.roll(x, 1)))) / 2


@settings(max_examples=40)
@given(st.integers(0, 12), st.integers(0, 9), st.integers(2, 8), st.integers(2, 8))
def test_the_outline_of_a_rectangle_is_that_rectangle_less_its_corners(left, top, wide, high):
    region = np.zeros((20, 24), bool)
    region[top : top + high, left : left + wide] = True
    (ring,) = rings_of(encode(region))
    inside = region[top : top + high, left : left + wide]
    assert area(ring) == pytest.approx(inside.sum() - 0.5)
    assert (ring.min(axis=0) == (left, top)).all()
    assert (ring.max(axis=0) == (left + wide, top + high)).all()


def test_a_hole_has_an_outline_of_its_own():
    region = np.zeros((20, 20), bool)
    region[3:17, 3:17] = True
    region[8:12, 8:12] = False
    assert len(rings_of(encode(region))) == 2


def test_an_empty_mask_has_no_outline():
    assert rings_of(encode(np.zeros((5, 5), bool))) == ()


def test_polygons_keep_their_corners():
    (ring,) = rings_of(Mask(20, 20, polygons=((1.0, 2.0, 9.0, 2.5, 5.0, 11.0),)))
    assert ring.tolist() == [[1.0, 2.0], [9.0, 2.5], [5.0, 11.0]]


def test_a_coarser_outline_stays_within_its_step():
    fine, coarse = (contours(photographs()[0], step=step)[0].rings[0] for step in (0.0, 3.0))
    assert len(coarse) < len(fine)
    nearest = np.min(np.hypot(*(coarse[:, None] - fine[None]).T), axis=0)
    assert nearest.max() <= 3.0
    assert area(coarse) == pytest.approx(area(fine), rel=0.05)


def photo(*clasts: Clast) -> Photomicrograph:
    return Photomicrograph("a", lambda: np.zeros((20, 20, 3), np.uint8), "0", "CW", True, "a", clasts)


def test_a_clast_without_outline_shows_its_box_and_an_ignored_one_a_grey_box():
    found = contours(photo(Clast((1, 2, 5, 6), "CW"), Clast((8, 8, 12, 12), None, ignore=True)))
    assert [one.part for one in found] == ["box", "ignore"]
    assert found[0].path == "M1.0 2.0L5.0 2.0L5.0 6.0L1.0 6.0Z"


def test_cores_are_drawn_over_the_outlines():
    assert [one.part for one in contours(photographs()[0])] == ["outline", "core"]
