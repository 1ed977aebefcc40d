"""Crops keep angles, know the way back, and respect the mirror."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter

from clastbench.data.letterbox import letterbox, pixels_inside, read_map
from clastbench.errors import DataError

sides = st.integers(8, 90)
sizes = st.tuples(st.integers(8, 64), st.integers(8, 64))


@st.composite
def boxes(draw, height, width):
    x0 = draw(st.floats(-0.5 * width, 0.9 * width))
    y0 = draw(st.floats(-0.5 * height, 0.9 * height))
    return x0, y0, x0 + draw(st.floats(2, 1.5 * width)), y0 + draw(st.floats(2, 1.5 * height))


@st.composite
def crops(draw):
    height, width = draw(sides), draw(sides)
    return height, width, draw(sizes), draw(st.none() | boxes(height, width)), draw(st.integers(0, 99))


def smooth(height, width, seed):
    noise = np.random.default_rng(seed).normal(size=(height, width, 3))
    soft = gaussian_filter(noise, (2, 2, 0))
    return np.uint8(255 * (soft - soft.min()) / (np.ptp(soft) + 1e-9))


def mirrored_box(box, width):
    return None if box is None else (width - box[2], box[1], width - box[0], box[3])


@given(crops())
def test_boxes_survive_the_way_there_and_back(crop):
    height, width, size, box, seed = crop
    _, place = letterbox(np.zeros((height, width, 3), np.uint8), size, box)
    some = np.random.default_rng(seed).uniform(-100, 200, (5, 4))
    assert np.allclose(place.to_photograph(place.to_crop(some)), some, atol=1e-6)
    assert np.allclose(place.to_crop(place.to_photograph(some)), some, atol=1e-6)


@given(crops())
def test_the_crop_lies_in_the_middle_and_touches_the_canvas(crop):
    height, width, size, box, _ = crop
    _, place = letterbox(np.zeros((height, width, 3), np.uint8), size, box)
    x0, y0, x1, y1 = place.to_crop([place.box_xyxy])[0]
    assert x0 == pytest.approx(size[1] - x1, abs=1e-6)
    assert y0 == pytest.approx(size[0] - y1, abs=1e-6)
    assert min(x0, y0) == pytest.approx(0, abs=1e-6)


@settings(deadline=None)
@given(crops())
def test_a_mirrored_picture_gives_the_mirrored_crop(crop):
    height, width, size, box, seed = crop
    image = smooth(height, width, seed)
    one, _ = letterbox(image, size, box)
    other, _ = letterbox(np.ascontiguousarray(image[:, ::-1]), size, mirrored_box(box, width))
    apart = np.abs(one[:, ::-1].astype(int) - other)
    assert apart.max() <= 1


def back_on_photograph(place, saliency, height, width):
    """Return a map of the canvas over the photograph, 0 outside the crop."""
    x0, y0, x1, y1 = pixels_inside(place.box_xyxy, height, width)
    result = np.zeros((height, width), np.float32)
    if x1 > x0 and y1 > y0:
        result[y0:y1, x0:x1] = read_map(saliency, place.extent_xyxy, (x0, y0, x1, y1), (y1 - y0, x1 - x0))
    return result


@settings(deadline=None)
@given(crops())
def test_a_mirrored_map_returns_mirrored(crop):
    height, width, size, box, seed = crop
    image = np.zeros((height, width, 3), np.uint8)
    saliency = np.random.default_rng(seed).normal(size=(7, 7)).astype(np.float32)
    _, place = letterbox(image, size, box)
    _, twin = letterbox(image, size, mirrored_box(box, width))
    inside = np.zeros((height, width), bool)
    x0, y0, x1, y1 = place.box_xyxy
    inside[max(0, int(y0) + 1) : max(0, int(y1)), max(0, int(x0) + 1) : max(0, int(x1))] = True
    back = back_on_photograph(place, saliency, height, width)
    mirrored = back_on_photograph(twin, saliency[:, ::-1], height, width)[:, ::-1]
    inner = inside & (np.roll(inside, 1, 1) & np.roll(inside, -1, 1))
    assert np.allclose(back[inner], mirrored[inner], atol=1e-4)


@pytest.mark.parametrize("box", [None, (20.3, 10.7, 90.1, 60.2), (-30.5, -20.25, 60.0, 70.0)])
@pytest.mark.parametrize("size", [(40, 40), (37, 52)])
def test_a_spot_is_found_again_where_it_was(box, size):
    image = np.zeros((80, 120, 3), np.uint8)
    image[34:40, 44:50] = 255
    crop, place = letterbox(image, size, box, pad=0)
    back = back_on_photograph(place, crop[:, :, 0].astype(np.float32), 80, 120)
    rows, columns = np.indices(back.shape)
    centre = (back * (columns + 0.5)).sum() / back.sum(), (back * (rows + 0.5)).sum() / back.sum()
    assert centre == pytest.approx((47, 37), abs=0.35)


def test_a_map_of_any_resolution_covers_the_canvas():
    _, place = letterbox(np.zeros((60, 100, 3), np.uint8), (64, 64))
    ramp = np.tile(np.linspace(0, 1, 8, dtype=np.float32), (8, 1))
    back = back_on_photograph(place, ramp, 60, 100)
    fine = back_on_photograph(place, np.repeat(np.repeat(ramp, 8, 0), 8, 1), 60, 100)
    assert back.dtype == np.float32
    assert np.abs(back - fine).max() < 1 / 7
    assert (np.diff(back, axis=1) >= 0).all()


def test_outside_the_crop_the_map_is_zero():
    _, place = letterbox(np.zeros((60, 100, 3), np.uint8), (32, 32), (20, 10, 50, 40))
    back = back_on_photograph(place, np.ones((4, 4), np.float32), 60, 100)
    assert back[10:40, 20:50].min() == 1
    assert back.sum() == 30 * 30


def test_a_crop_beside_the_photograph_is_all_padding():
    crop, place = letterbox(np.zeros((20, 20, 3), np.uint8), (16, 16), (30, 30, 40, 40), pad=9)
    assert (crop == 9).all()
    assert back_on_photograph(place, np.ones((2, 2), np.float32), 20, 20).sum() == 0


def test_padding_is_constant_beside_and_outside_the_photograph():
    crop, _ = letterbox(np.full((50, 100, 3), 255, np.uint8), (64, 64), (-100, 0, 100, 50), pad=7)
    assert (crop[:23] == 7).all()
    assert (crop[41:] == 7).all()
    assert (crop[:, :29] == 7).all()
    assert (crop[26:38, 35:] == 255).all()


def test_a_whole_picture_of_the_right_size_is_untouched():
    image = smooth(24, 36, 3)
    crop, place = letterbox(image, (24, 36))
    assert np.array_equal(crop, image)
    assert (place.scale, place.offset_x, place.offset_y) == (1, 0, 0)


@pytest.mark.parametrize(("height", "width"), [(97, 61), (50, 133)])
def test_both_axes_have_the_same_scale(height, width):
    """Lines at 45 degrees stay so: the edge of a triangle crosses the crop where the record says it does."""
    image = np.zeros((height, width, 3), np.uint8)
    image[np.arange(height)[:, None] > np.arange(width)[None]] = 255
    crop, place = letterbox(image, (64, 64), pad=0)
    side = min(height, width) - 4
    for at in (4, side):
        x, y, *_ = place.to_crop([[at, at, at, at]])[0]
        row = crop[int(y), :, 0].astype(float)
        edge = np.flatnonzero(row > 127)[-1] + 1
        assert edge == pytest.approx(x + (int(y) + 0.5 - y), abs=1.1)


@pytest.mark.parametrize("box", [(5, 5, 5, 9), (9, 5, 5, 9), (0, 0, float("nan"), 5), (0, 0, 1e9, 5)])
def test_an_impossible_crop_is_refused(box):
    with pytest.raises(DataError, match="crop"):
        letterbox(np.zeros((10, 10, 3), np.uint8), (8, 8), box)


def test_the_photograph_is_not_changed():
    image = smooth(20, 30, 1)
    before = image.copy()
    letterbox(image, (16, 16), (-3, -3, 12, 12))
    assert np.array_equal(image, before)
