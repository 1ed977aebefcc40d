"""What the finished masks show is what the table of kinds says, measured here by other code than the generator's."""

from dataclasses import replace

import numpy as np
import pytest
from drawn_scenes import (
    CLAST_KINDS,
    WITH_SENSE,
    WITHOUT_SENSE,
    alone,
    axis_angle,
    both_senses,
    ellipse_reach,
    far_height,
    foliation_points,
    parts,
    recipe,
    tail_course,
    tilted,
)

from clastbench.synth import Recipe, draw_scene, mirrored, read, render
from clastbench.synth.flow import MAX_STRAIN

WITH_TAILS = ("sigma", "delta", "complex")
TILTS = (-90, -45, 20, 60)
SQUARE = {"width": 300, "height": 300}


def measured(scene):
    """Points of core and tails of the only clast, and how far along the line its undeformed mantle would reach."""
    (record,) = render(scene).clasts
    core, tails = parts(record)
    core_points, tail_points = foliation_points(scene, core), foliation_points(scene, tails)
    rim = max((mantle.thickness - 1 for mantle in scene.clasts[0].mantles), default=0)
    return core_points, tail_points, ellipse_reach(scene.clasts[0]) + rim


def is_clockwise(scene):
    return scene.clasts[0].sinistral == scene.flip


def check_stair(scene):
    """Clockwise tails step up to the right: the right one ends above the line, the left one below it."""
    _, (x, y), mantle = measured(scene)
    up = 1 if is_clockwise(scene) else -1
    assert up * far_height(x, y, 1, mantle) > 0.1
    assert up * far_height(x, y, -1, mantle) < -0.1


@pytest.mark.parametrize("kind", WITH_TAILS)
def test_clockwise_tails_step_up_to_the_right_and_counter_clockwise_ones_down(kind):
    for scene in both_senses(kind):
        check_stair(tilted(scene, 0))


@pytest.mark.parametrize("kind", WITH_TAILS)
@pytest.mark.parametrize("tilt", TILTS)
def test_tails_step_along_the_foliation_at_any_tilt(kind, tilt):
    for scene in both_senses(kind, **SQUARE):
        check_stair(tilted(scene, tilt))


@pytest.mark.parametrize("kind", WITH_TAILS)
def test_tails_of_a_flipped_picture_step_the_other_way(kind):
    for scene in both_senses(kind):
        check_stair(mirrored(tilted(scene, 15)))


def lifted_course(scene):
    """Height of the tails outwards, counted so that the far end is positive."""
    _, (x, y), mantle = measured(tilted(scene, 0))
    return tail_course(x, y, mantle) * (1 if is_clockwise(scene) else -1)


def test_sigma_tails_stay_on_their_side_of_the_line():
    for scene in alone("sigma", 10):
        assert lifted_course(scene).min() > -0.05


def test_delta_tails_root_on_the_side_across_the_line_from_their_far_half():
    for scene in alone("delta", 10):
        course = lifted_course(scene)
        assert course[: len(course) // 2].min() < 0
        assert course[len(course) // 2 :].min() > 0.1


def test_each_tail_of_a_delta_clast_crosses_the_line():
    for scene in both_senses("delta"):
        up = 1 if is_clockwise(scene) else -1
        _, (x, y), mantle = measured(tilted(scene, 0))
        for side in (1, -1):
            root = (side * x > mantle) & (side * x < mantle + 0.5)
            assert side * up * y[root].mean() < 0
            assert side * up * far_height(x, y, side, mantle) > 0


def test_complex_clasts_have_a_longer_and_a_wider_generation_of_tails():
    for scene in both_senses("complex"):
        old, young = scene.clasts[0].mantles
        spread = []
        for mantle in (old, young):
            one = replace(scene, clasts=(replace(scene.clasts[0], mantles=(mantle,)),))
            _, (x, y), _ = measured(tilted(one, 0))
            spread.append((np.abs(x).max(), np.abs(y).max()))
        assert spread[0][0] > spread[1][0]
        assert spread[0][1] < spread[1][1]


@pytest.mark.parametrize("tilt", [0, *TILTS])
def test_the_long_axis_of_fish_leans_upwards_to_the_right_if_clockwise(tilt):
    for scene in both_senses("fish", **SQUARE, radius=(0.06, 0.061)):
        core, _, _ = measured(tilted(scene, tilt))
        angle = axis_angle(*core) * (1 if is_clockwise(scene) else -1)
        assert 3 < angle < 30


def test_fish_are_long():
    for scene in alone("fish", 8):
        core, _, _ = measured(scene)
        widths = np.linalg.svd(np.column_stack(core) - np.mean(core, axis=1), compute_uv=False)
        assert widths[0] / widths[1] > 1.6


@pytest.mark.parametrize("tilt", [0, *TILTS])
def test_phi_tails_are_symmetric_about_the_line(tilt):
    for scene in alone("phi", 4, **SQUARE, radius=(0.06, 0.061)):
        _, (x, y), mantle = measured(tilted(scene, tilt))
        reach = min(mantle, np.abs(x).max() - 0.3)  # the shortest tails hardly leave the mantle
        assert abs(far_height(x, y, 1, reach)) < 0.15
        assert abs(far_height(x, y, -1, reach)) < 0.15


def test_phi_tails_are_as_long_on_either_side():
    for scene in alone("phi", 8):
        _, (x, _), _ = measured(scene)
        assert x.max() == pytest.approx(-x.min(), rel=0.15)


def test_theta_clasts_have_no_tails_beyond_their_mantle():
    for scene in alone("theta", 10):
        _, (x, _), mantle = measured(scene)
        assert np.mean(np.abs(x) > mantle + 0.1) < 0.03 if x.size else not scene.clasts[0].mantles


def test_some_theta_clasts_have_a_mantle_and_some_have_none():
    assert {len(scene.clasts[0].mantles) for scene in alone("theta", 20)} == {0, 1}


def measured_reading(scene):
    """Kind (phi and theta are one: "symmetric") and sense, by the measures of this file alone."""
    (core_x, core_y), (x, y), mantle = measured(tilted(scene, 0))
    widths = np.linalg.svd(np.column_stack([core_x - core_x.mean(), core_y - core_y.mean()]), compute_uv=False)
    pointed = scene.clasts[0].outline in ("lens", "rhomb")
    if pointed and widths[0] / widths[1] > 1.4:
        return "fish", "CW" if axis_angle(core_x, core_y) > 0 else "CCW"
    if not np.any(np.abs(x) > mantle + 0.3):
        return "symmetric", None
    course = tail_course(x, y, mantle)
    outer = course[len(course) // 2 :].mean()
    if abs(outer) < 0.14:
        return "symmetric", None
    crosses = (np.sign(outer) * course).min() < -0.03
    kind = "complex" if len(scene.clasts[0].mantles) > 1 else "delta" if crosses else "sigma"
    return kind, ("CW" if outer > 0 else "CCW")


@pytest.mark.parametrize("kind", CLAST_KINDS)
def test_what_is_read_off_the_clast_is_what_is_measured_on_the_rendered_masks(kind):
    """The sense of every clast; of ten, one may be of another kind: a delta that hardly crosses the line is a sigma."""
    names = []
    for scene in alone(kind, 10, seed=21):
        name, sense = read(scene.clasts[0])
        measured_name, measured_sense = measured_reading(scene)
        assert measured_sense == sense
        names.append(measured_name == ("symmetric" if name in WITHOUT_SENSE else name))
    assert sum(names) >= 9


@pytest.mark.parametrize("kind", CLAST_KINDS)
def test_what_is_read_is_what_the_recipe_asked_for(kind):
    found = [read(scene.clasts[0]) for scene in alone(kind, 60)]
    assert {name for name, _ in found} == {kind}
    assert {sense for _, sense in found} == ({"CW", "CCW"} if kind in WITH_SENSE else {None})


@pytest.mark.parametrize("kind", CLAST_KINDS)
def test_the_sense_that_is_read_turns_with_the_frame_it_is_told_in(kind):
    (clast,) = alone(kind, 1)[0].clasts
    one, other = read(replace(clast, sinistral=False)), read(replace(clast, sinistral=True))
    assert one[0] == other[0]
    assert (one[1], other[1]) == (("CW", "CCW") if kind in WITH_SENSE else (None, None))


@pytest.mark.parametrize("kind", CLAST_KINDS)
def test_place_size_and_mineral_do_not_change_what_is_read(kind):
    (clast,) = alone(kind, 1)[0].clasts
    assert read(replace(clast, x=3.0, y=70.0, radius=55.0, mineral="opaque", wrap=0.0)) == read(clast)


def test_tails_of_the_other_sense_are_read_as_the_other_sense():
    """On round cores: how a long one lies favours the tails of its own sense."""
    for kind in WITH_TAILS:
        (clast,) = both_senses(kind, elongation=0.1)[0].clasts
        assert read(clast)[1] == "CW"
        assert read(replace(clast, tails="other"))[1] == "CCW"


def test_a_clast_without_a_core_shows_no_sense():
    for scene in alone("sigma", 10):
        assert read(replace(scene.clasts[0], core=False)) == ("theta", None)


def test_a_round_clast_without_tails_shows_no_sense():
    for scene in alone("sigma", 30, elongation=0.3):
        assert read(replace(scene.clasts[0], tails="none")) == ("theta", None)


def test_a_long_clast_without_tails_shows_no_sense():
    for scene in alone("sigma", 60):
        assert read(replace(scene.clasts[0], tails="none"))[1] is None


@pytest.mark.parametrize("kind", WITHOUT_SENSE)
def test_clasts_without_a_sense_are_made_without_shear(kind):
    assert {scene.clasts[0].shear for scene in alone(kind, 20)} == {"pure"}


def test_no_clast_has_seen_more_strain_than_the_flow_was_followed_for():
    for index in range(300):
        for clast in draw_scene(recipe("hard"), index).clasts:
            assert max((clast.wrap, *(mantle.strain for mantle in clast.mantles))) <= MAX_STRAIN[clast.shear]


@pytest.mark.parametrize("size", [(96, 96), (64, 192), (33, 40), (300, 100)])
def test_sizes_other_than_the_usual_one_work(size):
    width, height = size
    rendering = render(draw_scene(Recipe(seed=1, n_images=1, width=width, height=height), 0))
    assert rendering.image.shape == (height, width, 3)
    assert rendering.clast.shape == (height, width)


def test_the_lean_of_a_long_core_does_not_tell_the_sense():
    """In a natural shear zone 38 to 56 % of the long axes have a positive angle."""
    angles = [scene.clasts[0].angle for scene in alone("sigma", 500)]
    assert 0.36 < np.mean(np.array(angles) > 0) < 0.58
