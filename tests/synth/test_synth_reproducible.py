"""A recipe and an index give one photograph, whoever asks and in whatever order."""

import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace

import numpy as np
import pytest

from clastbench.errors import SuiteError
from clastbench.synth import Recipe, draw_scene, recipe_digest, render, render_photograph
from clastbench.synth.flow import flow_table

RECIPE = Recipe(seed=1, n_images=10)


def test_a_photograph_alone_equals_the_same_photograph_in_sequence():
    alone = render_photograph(RECIPE, 7).load()
    in_sequence = [render_photograph(RECIPE, index).load() for index in range(9)]
    np.testing.assert_array_equal(alone, in_sequence[7])


def test_another_process_renders_the_same_record():
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        there = pool.submit(render_photograph, RECIPE, 7).result()
    here = render_photograph(RECIPE, 7)
    np.testing.assert_array_equal(there.load(), here.load())
    assert replace(there, pixels=here.pixels) == here


def test_every_load_is_a_fresh_copy():
    photograph = render_photograph(RECIPE, 0)
    first = photograph.load()
    first[:] = 0
    assert photograph.load().any()


def test_drawing_a_scene_needs_no_flow_table():
    flow_table.cache_clear()
    for index in range(100):
        assert draw_scene(RECIPE, index).truth in {"none", "CW", "CCW"}
    assert flow_table.cache_info().currsize == 0


def test_the_record_says_what_the_scene_says():
    for index in range(6):
        scene, photograph = draw_scene(RECIPE, index), render_photograph(RECIPE, index)
        assert photograph.id == photograph.group == f"{index:05d}"
        assert (photograph.truth, photograph.present) == (scene.truth, scene.truth != "none")
        assert photograph.foliation_deg == scene.foliation_deg
        assert photograph.load().shape == (RECIPE.height, RECIPE.width, 3)
        assert [clast.sense for clast in photograph.clasts] == [scene.sense] * (scene.kind != "free")


def test_indices_and_seeds_give_different_photographs():
    images = [render_photograph(recipe, i).load() for recipe in (RECIPE, replace(RECIPE, seed=2)) for i in (0, 1)]
    assert len({image.tobytes() for image in images}) == 4


def test_sizes_other_than_the_usual_one_work():
    scene = draw_scene(Recipe(seed=1, n_images=1, width=96, height=96), 0)
    assert render(scene).image.shape == (96, 96, 3)


def test_growing_a_set_keeps_its_digest_and_any_other_change_does_not():
    assert recipe_digest(replace(RECIPE, n_images=99)) == recipe_digest(RECIPE)
    assert recipe_digest(replace(RECIPE, tilt_deg=20)) == recipe_digest(RECIPE)
    others = (replace(RECIPE, seed=2), replace(RECIPE, width=200), replace(RECIPE, strain=(2.5, 5.0)))
    assert len({recipe_digest(recipe) for recipe in (RECIPE, *others)}) == 4


def test_ranges_may_come_as_lists():
    assert Recipe(seed=1, n_images=10, strain=[2.5, 5.5]) == RECIPE


@pytest.mark.parametrize(
    ("field", "value"),
    [("none_share", 1.2), ("fabric", -0.1), ("seed", -1), ("radius", (0.2, 0.1)), ("strain", (2, 9)), ("width", 8)],
)
def test_impossible_recipes_name_the_field(field, value):
    with pytest.raises(SuiteError, match=f"Recipe field {field} is"):
        replace(RECIPE, **{field: value})


def test_pinned_digests():
    """Golden values: stored results key on them. Change them only together with GENERATOR_VERSION."""
    assert recipe_digest(RECIPE) == "992be0bc82496f866f451796d306a327261d1257ff482e2b032c0851aa12a7ba"
    assert render_photograph(RECIPE, 3).sha256 == "ed78eebb290fb80362aa5cf4ad043bc5df2ca94a760f5d90763e125fd734f344"


@pytest.mark.parametrize(
    ("index", "truth", "mean_rgb", "core_pixels", "tail_pixels"),
    [
        (0, "CW", (155.7, 148.1, 140.8), 2261, 4323),
        (1, "none", (144.3, 137.6, 134.8), 1476, 4133),
        (4, "CCW", (131.7, 132.0, 128.9), 1858, 4264),
    ],
)
def test_pinned_photographs(index, truth, mean_rgb, core_pixels, tail_pixels):
    """Golden values: change them only together with GENERATOR_VERSION."""
    scene = draw_scene(RECIPE, index)
    rendering = render(scene)
    assert scene.truth == truth
    np.testing.assert_allclose(rendering.image.mean(axis=(0, 1)), mean_rgb, atol=1)
    assert rendering.core.sum() == pytest.approx(core_pixels, abs=5)
    assert rendering.tails.sum() == pytest.approx(tail_pixels, abs=15)
