"""Pictures without a clast show nothing but rock, and the same rock that surrounds the clasts."""

import numpy as np
import pytest
from drawn_scenes import scenes

from clastbench.synth import read_scene, render
from clastbench.synth.optics import CLAST_MINERALS, LIGHTS, MATRIX_MINERALS

FREE = scenes(600, kinds={"free": 1})
CLASTS = scenes(600, kinds={"sigma": 1}, seed=9)


def is_granoblastic(scene):
    """Whether the rock is a mosaic of large equal grains with neither layers nor films."""
    matrix = scene.matrix
    return matrix.bands == matrix.films == matrix.shear_bands == 0 and matrix.aspect <= 1.3


def is_s_c(scene):
    """Whether bands cut grains that lean clearly."""
    return scene.matrix.shear_bands > 0 and scene.matrix.lean > 5


def test_there_are_no_clasts_and_no_class_but_none():
    for scene in FREE:
        assert scene.clasts == ()
        assert read_scene(scene) == ("none", False)


def test_there_are_no_masks():
    for scene in FREE[:6]:
        rendering = render(scene)
        assert rendering.clasts == ()
        assert not rendering.core.any()
        assert not rendering.tails.any()
        assert np.all(rendering.clast == -1)


def test_they_are_no_flat_colour():
    assert all(render(scene).image.std() > 3 for scene in FREE[:20])


@pytest.mark.parametrize("mineral", sorted(set(MATRIX_MINERALS)))
def test_the_matrix_is_of_the_same_minerals_with_and_without_clasts(mineral):
    """n = 600 each: 4 standard deviations of the difference of two equal shares are .12."""
    shares = [np.mean([mineral == scene.matrix.minerals[0] for scene in some]) for some in (FREE, CLASTS)]
    assert shares[0] == pytest.approx(shares[1], abs=0.12)


@pytest.mark.parametrize("mineral", sorted(set(CLAST_MINERALS)))
def test_minerals_of_clasts_are_as_common_as_strays_in_pictures_without(mineral):
    shares = [
        np.mean([mineral == scene.matrix.stray_mineral for scene in FREE]),
        np.mean([mineral == scene.clasts[0].mineral for scene in CLASTS]),
    ]
    assert shares[0] == pytest.approx(shares[1], abs=0.12)


def test_the_minerals_of_clasts_make_up_more_of_pictures_without():
    strays = [np.mean([scene.matrix.strays for scene in some]) for some in (FREE, CLASTS)]
    assert strays[0] > 2 * strays[1] > 0


def test_grains_strewn_in_the_matrix_are_of_the_main_clasts_mineral():
    assert all(scene.matrix.stray_mineral == scene.clasts[0].mineral for scene in CLASTS)


@pytest.mark.parametrize("light", LIGHTS)
def test_every_light_is_as_common_with_and_without_clasts(light):
    shares = [np.mean([light == scene.optics.light for scene in some]) for some in (FREE, CLASTS)]
    assert shares[0] == pytest.approx(shares[1], abs=0.12)


@pytest.mark.parametrize(
    "shows",
    [
        is_granoblastic,
        lambda scene: scene.matrix.bands > 0.25,
        lambda scene: scene.matrix.films > 0.1,
        lambda scene: scene.matrix.flakes > 0.2,
        is_s_c,
    ],
    ids=["granoblastic", "banded", "foliated", "micaceous", "s-c"],
)
def test_every_fabric_occurs_without_a_clast(shows):
    assert np.mean([shows(scene) for scene in FREE]) > 0.05


def test_only_pictures_without_a_clast_are_granoblastic():
    assert not any(is_granoblastic(scene) for scene in CLASTS)


@pytest.mark.parametrize("level", ["easy", "medium", "hard"])
def test_every_level_draws_as_many_free_pictures_as_it_says(level):
    """n = 400: 4 standard deviations are .08 at the most."""
    drawn = scenes(400, level)
    stated = {"easy": 3 / 18, "medium": 3 / 16.5, "hard": 3 / 16.5}[level]
    assert np.mean([not scene.clasts for scene in drawn]) == pytest.approx(stated, abs=0.08)
