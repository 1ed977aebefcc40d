"""The label is what the finished tails show."""

from dataclasses import replace

import numpy as np
import pytest

from clastbench.errors import SuiteError
from clastbench.records import CLASSES, MIRRORED
from clastbench.synth import Recipe, draw_scene, mirrored, render
from clastbench.synth.rock import foliation_frame
from clastbench.synth.tails import read_tails, tail_step

RECIPE = Recipe(seed=5, n_images=0)
SCENES = [draw_scene(RECIPE, index) for index in range(120)]


def of_kind(*kinds, limit=12):
    return [scene for scene in SCENES if scene.kind in kinds][:limit]


def tail_points(scene, tails):
    """Points of the tails right of and left of the core, in core radii above the reference line."""
    clast = scene.clast
    centre_x = scene.width - clast.centre_x if scene.flip else clast.centre_x
    x, y = foliation_frame(scene.width, scene.height, centre_x, clast.centre_y, scene.foliation_deg)
    x, y = x[tails.ravel()] / clast.radius, y[tails.ravel()] / clast.radius
    return x, y


@pytest.mark.parametrize("flip", [False, True])
def test_cw_tails_lie_above_the_line_on_the_right_and_below_it_on_the_left_and_ccw_the_reverse(flip):
    seen = set()
    for scene in of_kind("sigma", limit=20):
        shown = mirrored(scene) if flip else scene
        x, y = tail_points(shown, render(shown).tails)
        up = 1 if shown.truth == "CW" else -1
        assert up * y[x > shown.clast.mantle].mean() > 0.15
        assert up * y[x < -shown.clast.mantle].mean() < -0.15
        seen.add(shown.truth)
    assert seen == {"CW", "CCW"}


def test_the_rule_holds_at_any_tilt_of_the_foliation():
    scene = of_kind("sigma")[0]
    for tilt in (-90, -45, 0, 45, 90, 180):
        tilted = replace(scene, matrix=replace(scene.matrix, tilt=tilt))
        assert render(tilted).clasts[0].sense == scene.truth


def test_symmetric_tails_are_balanced_about_the_line():
    for scene in of_kind("phi"):
        rendering = render(scene)
        step, crossing = tail_step(*tail_points(scene, rendering.tails), scene.clast.mantle)
        assert abs(step) < 0.08
        assert 0.35 < crossing < 0.6
        assert rendering.clasts[0].sense is None


def test_drawn_and_measured_kinds_agree():
    for scene in of_kind("sigma", "phi", "theta", limit=60):
        (clast,) = render(scene).clasts
        assert (clast.kind, clast.sense) == (scene.kind, scene.sense)


def test_turning_a_picture_by_180_degrees_keeps_the_sense():
    for scene in of_kind("sigma"):
        x, y = tail_points(scene, render(scene).tails)
        assert read_tails(-x, -y, scene.clast.mantle) == read_tails(x, y, scene.clast.mantle)


def test_clast_free_pictures_have_no_clast_and_no_masks():
    for scene in of_kind("free", limit=3):
        rendering = render(scene)
        assert scene.truth == "none"
        assert (rendering.core, rendering.tails, rendering.clasts) == (None, None, ())


def test_tails_that_do_not_show_the_promised_sense_raise():
    scene = of_kind("sigma")[0]
    barely = replace(scene, clast=replace(scene.clast, mantle=1.1, strain=7.5))
    with pytest.raises(SuiteError, match=f"Scene {scene.index}: the tails show"):
        render(barely)


def test_the_three_classes_are_drawn_with_equal_probability():
    truths = [draw_scene(RECIPE, index).truth for index in range(3000)]
    for name in CLASSES:
        assert truths.count(name) / 3000 == pytest.approx(1 / 3, abs=0.03)


def test_half_of_the_pictures_without_a_sense_have_a_clast():
    kinds = [draw_scene(RECIPE, index).kind for index in range(3000)]
    assert kinds.count("free") / 3000 == pytest.approx(1 / 6, abs=0.025)
    assert (kinds.count("phi") + kinds.count("theta")) / 3000 == pytest.approx(1 / 6, abs=0.025)


def test_mirroring_swaps_the_label_and_mirrors_pixels_and_masks():
    for scene in (*of_kind("sigma", limit=4), *of_kind("phi", limit=1), *of_kind("free", limit=1)):
        here, there = render(scene), render(mirrored(scene))
        assert mirrored(scene).truth == MIRRORED[scene.truth]
        assert mirrored(scene).foliation_deg == -scene.foliation_deg
        np.testing.assert_array_equal(there.image, here.image[:, ::-1])
        if here.core is not None:
            np.testing.assert_array_equal(there.core, here.core[:, ::-1])
            np.testing.assert_array_equal(there.tails, here.tails[:, ::-1])
    assert mirrored(mirrored(scene)) == scene


def test_the_opposite_sense_in_the_same_even_light_is_the_mirrored_picture():
    scene = of_kind("sigma")[1]
    even = replace(
        scene,
        clast=replace(scene.clast, centre_x=scene.width / 2),
        matrix=replace(scene.matrix, tilt=0.0),
        camera=replace(scene.camera, slope=(0.0, 0.1), noise=0.0),
    )
    here, there = render(even).image, render(replace(even, sinistral=not even.sinistral)).image
    np.testing.assert_allclose(there.astype(int), here[:, ::-1].astype(int), atol=1)
