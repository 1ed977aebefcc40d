"""Masks are exact, and their run lengths say the same."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from clastbench.data.masks import box_around, encode
from clastbench.synth import Recipe, draw_scene, render

SCENES = [s for s in (draw_scene(Recipe(seed=6, n_images=0), i) for i in range(20)) if s.kind != "free"]


def decode(mask):
    values = np.arange(len(mask.counts)) % 2 == 1
    return np.repeat(values, mask.counts).reshape((mask.height, mask.width), order="F")


@given(arrays(np.bool_, array_shapes(min_dims=2, max_dims=2, max_side=12), elements=st.booleans()))
def test_run_lengths_give_the_region_back(region):
    mask = encode(region)
    np.testing.assert_array_equal(decode(mask), region)
    assert all(count > 0 for count in mask.counts[1:])


def test_core_and_tails_partition_the_clast():
    for scene in SCENES:
        rendering = render(scene)
        (clast,) = rendering.clasts
        assert not np.any(rendering.core & rendering.tails)
        np.testing.assert_array_equal(decode(clast.mask), rendering.core | rendering.tails)
        np.testing.assert_array_equal(decode(clast.parts["core"]), rendering.core)
        np.testing.assert_array_equal(decode(clast.parts["tails"]), rendering.tails)


def test_the_box_fits_the_whole_clast():
    for scene in SCENES:
        (clast,) = render(scene).clasts
        whole = decode(clast.mask)
        x0, y0, x1, y1 = (int(edge) for edge in clast.box_xyxy)
        assert whole[y0:y1, x0:x1].sum() == whole.sum()
        assert whole[y0].any()
        assert whole[y1 - 1].any()
        assert whole[:, x0].any()
        assert whole[:, x1 - 1].any()


def test_the_box_of_one_pixel_is_one_pixel_wide():
    region = np.zeros((4, 6), bool)
    region[1, 2] = True
    assert box_around(region) == (2.0, 1.0, 3.0, 2.0)


def test_the_clast_is_large_and_near_the_middle():
    for scene in SCENES:
        core = render(scene).core
        rows, columns = np.nonzero(core)
        assert 0.02 < core.mean() < 0.2
        assert abs(columns.mean() / scene.width - 0.5) < 0.1
        assert abs(rows.mean() / scene.height - 0.5) < 0.1
