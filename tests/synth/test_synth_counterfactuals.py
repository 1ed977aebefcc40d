"""A counterfactual changes what it says and not one pixel besides, up to the reach of the camera's blur."""

from dataclasses import replace

import numpy as np
import pytest
from drawn_scenes import alone, scenes, without_jpeg
from scipy import ndimage

from clastbench.records import MIRRORED
from clastbench.synth import read, read_scene, render
from clastbench.synth.artefacts import KINDS, Artefact
from clastbench.synth.counterfactuals import (
    blurred,
    exposed,
    in_light,
    noisy,
    with_artefact,
    with_other_far_matrix,
    with_other_tails,
    without_artefacts,
    without_clast,
    without_clasts,
    without_core,
    without_tails,
)
from clastbench.synth.flow import reach
from clastbench.synth.optics import LIGHTS
from clastbench.synth.rock import foliation_frame, lay_out

ETCHED = ("bubble", "crack")
EXAMPLES = {
    "frame": Artefact("frame", 0.5, 0.5, 0.04, tone=0.0),
    "field": Artefact("field", 0.5, 0.5, 0.4, tone=0.0),
    "bubble": Artefact("bubble", 0.3, 0.4, 0.06, tone=0.95),
    "crack": Artefact("crack", 0.5, 0.5, 0.7, angle=30.0, tone=0.95),
    "scale-bar": Artefact("scale-bar", 0.8, 0.9, 0.2, text="0.5 mm"),
    "letter": Artefact("letter", 0.1, 0.1, 0.06, text="B"),
    "arrow": Artefact("arrow", 0.5, 0.2, 0.2, angle=5.0),
    "watermark": Artefact("watermark", 0.5, 0.5, 0.6, angle=30.0, text="SAMPLE"),
}


def with_clasts(count, **said):
    """Scenes with clasts in clean pictures, blurred and noisy as they come, uncompressed."""
    drawn = scenes(count, kinds={"sigma": 3, "delta": 1, "complex": 1}, jpeg=0.0, artefacts=0.0, **said)
    return [replace(scene, camera=replace(scene.camera, vignette=0.3)) for scene in drawn]


SCENES = with_clasts(8, others=(0, 3))


def blur_reach(scene):
    """How far, in pixels, the camera carries a change: blur and unsharp mask are cut off at three deviations."""
    unit = scene.width / 192
    return int(3 * scene.camera.blur * unit + 0.5) + int(3 * 0.5 * unit + 0.5) + 1


def grown(region, scene):
    side = 2 * blur_reach(scene) + 1
    return ndimage.binary_dilation(region, np.ones((side, side), bool))


def changed_pixels(one, other):
    return np.any(one.image != other.image, axis=2)


def check_only(region, scene, one, other):
    """Pixels differ within a region, grown by the blur, and nowhere else."""
    differs = changed_pixels(one, other)
    assert np.any(differs & region)
    assert not np.any(differs & ~grown(region, scene))


@pytest.mark.parametrize("scene", SCENES, ids=range(len(SCENES)))
@pytest.mark.parametrize("change", [without_tails, without_core])
def test_pixels_change_only_where_parts_of_clasts_do(scene, change):
    before, after = render(scene), render(change(scene))
    differs = (before.clast != after.clast) | (before.core != after.core)
    check_only(differs, scene, before, after)


@pytest.mark.parametrize("scene", SCENES, ids=range(len(SCENES)))
def test_other_tails_change_pixels_only_where_old_or_new_ones_are(scene):
    before, after = render(scene), render(with_other_tails(scene))
    check_only(before.tails | after.tails, scene, before, after)


@pytest.mark.parametrize("scene", SCENES, ids=range(len(SCENES)))
def test_without_tails_cores_stay_and_tails_turn_into_matrix(scene):
    before, after = render(scene), render(without_tails(scene))
    np.testing.assert_array_equal(after.core, before.core)
    assert not after.tails.any()


@pytest.mark.parametrize("scene", SCENES, ids=range(len(SCENES)))
def test_other_tails_leave_the_cores_as_they_were(scene):
    before, after = render(scene), render(with_other_tails(scene))
    np.testing.assert_array_equal(after.core, before.core)
    assert np.any(after.tails & ~before.tails)
    assert np.any(before.tails & ~after.tails)


def test_other_tails_cover_as_much_as_the_old_ones():
    for scene in alone("sigma", 6):
        before, after = render(scene).tails.sum(), render(with_other_tails(scene)).tails.sum()
        assert after == pytest.approx(before, rel=0.15)


def test_other_tails_of_a_round_core_lie_where_the_mirror_image_has_them():
    (scene,) = alone("sigma", 1, elongation=0.0)
    (clast,) = scene.clasts
    flat = replace(scene.matrix, tilt=0.0)
    scene = replace(scene, clasts=(replace(clast, x=160.0, y=88.0, aspect=1.0, outline="grain"),), matrix=flat)
    before, after = render(scene).tails, render(with_other_tails(scene)).tails
    assert np.sum(after & before[:, ::-1]) > 0.8 * np.sum(after | before[:, ::-1])


def test_other_tails_of_round_cores_turn_the_class():
    for scene in alone("sigma", 20, elongation=0.0):
        assert read_scene(with_other_tails(scene)) == (MIRRORED[read_scene(scene)[0]], True)


@pytest.mark.parametrize("kind", ["sigma", "delta", "complex"])
def test_other_tails_of_long_cores_never_keep_the_class_and_turn_it_as_a_rule(kind):
    """Where core and tails pull opposite ways, a few come out symmetric."""
    drawn = alone(kind, 40)
    turned = [(read_scene(scene)[0], read_scene(with_other_tails(scene))[0]) for scene in drawn]
    assert all(before != after for before, after in turned)
    assert np.mean([after == MIRRORED[before] for before, after in turned]) > 0.7


def test_without_cores_tails_stay_and_cores_turn_into_matrix():
    for scene in SCENES:
        before, after = render(scene), render(without_core(scene))
        assert not after.core.any()
        np.testing.assert_array_equal(after.tails[~before.core], before.tails[~before.core])


def test_the_foliation_still_bends_round_erased_parts():
    for change in (without_tails, with_other_tails, without_core):
        before, after = lay_out(SCENES[0]), lay_out(change(SCENES[0]))
        np.testing.assert_array_equal(after.from_x, before.from_x)
        np.testing.assert_array_equal(after.from_y, before.from_y)


@pytest.mark.parametrize("change", [without_tails, with_other_tails, without_core])
def test_a_change_of_one_clast_leaves_the_others_alone(change):
    scene = next(scene for scene in with_clasts(30, others=(2, 3)) if len(scene.clasts) > 2)
    before, after = change(scene, 1).clasts, change(scene).clasts
    assert before[1] == after[1]
    assert (before[0], before[2]) == (scene.clasts[0], scene.clasts[2])


def disturbed(scene, clast):
    """Where a clast may bend the foliation, as said by the size of the table of the flow."""
    along, across = reach(clast.radius)
    x, y = foliation_frame(scene, clast.x, clast.y)
    return (np.abs(x) <= along + 1) & (np.abs(y) <= across + 1)


def two_small_clasts():
    (scene,) = alone("sigma", 1, radius=(0.03, 0.031), width=320, height=200)
    (clast,) = scene.clasts
    radius = 4.0
    one, other = (replace(clast, x=x, y=y, radius=radius) for x, y in ((70.0, 60.0), (250.0, 150.0)))
    return replace(scene, clasts=(one, replace(other, seed=3)), camera=replace(scene.camera, noise=0.05))


@pytest.mark.parametrize("at", [0, 1])
def test_without_a_clast_nothing_changes_beyond_its_reach(at):
    scene = two_small_clasts()
    check_only(disturbed(scene, scene.clasts[at]), scene, render(scene), render(without_clast(scene, at)))


@pytest.mark.parametrize("at", [0, 1])
def test_without_a_clast_the_rock_is_as_if_it_had_never_been_there(at):
    scene = two_small_clasts()
    kept = replace(scene, clasts=(scene.clasts[1 - at],))
    np.testing.assert_array_equal(render(without_clast(scene, at)).image, render(kept).image)
    after, alone_there = lay_out(without_clast(scene, at)), lay_out(kept)
    np.testing.assert_array_equal(after.from_y, alone_there.from_y)


def test_without_clasts_the_foliation_is_straight():
    scene = replace(SCENES[0], matrix=replace(SCENES[0].matrix, waves=0.0))
    rock = lay_out(without_clasts(scene))
    x, y = foliation_frame(scene, scene.width / 2, scene.height / 2)
    np.testing.assert_array_equal(rock.from_x, x)
    np.testing.assert_array_equal(rock.from_y, y)
    assert np.any(lay_out(scene).from_y != y)


def test_without_clasts_there_is_no_class_but_none():
    for scene in SCENES:
        rendering = render(without_clasts(scene))
        assert rendering.clasts == ()
        assert read_scene(without_clasts(scene)) == ("none", False)


def nearest_clast(rendering, scene):
    """Distance of each pixel to the next clast, in core radii of the largest."""
    return ndimage.distance_transform_edt(rendering.clast < 0) / max(clast.radius for clast in scene.clasts)


def test_another_far_matrix_changes_nothing_within_one_core_radius():
    for scene in with_clasts(6, others=(0, 0)):
        before, after = render(scene), render(with_other_far_matrix(scene, 77))
        check_only(nearest_clast(before, scene) > 1, scene, before, after)


def test_another_far_matrix_changes_most_pixels_beyond_one_and_a_half_core_radii():
    for scene in with_clasts(6, others=(0, 0), off_centre=0.0, tilt_deg=0):
        before, after = render(scene), render(with_other_far_matrix(scene, 77))
        far = nearest_clast(before, scene) > 1.5
        assert changed_pixels(before, after)[far].mean() > 0.7


def test_another_far_matrix_is_wholly_another_rock_of_the_same_make():
    scene = replace(SCENES[0], clasts=(), camera=replace(SCENES[0].camera, noise=0.0))
    other = replace(scene, matrix=replace(scene.matrix, seed=77))
    far = render(with_other_far_matrix(scene, 77)).image.astype(float)
    assert np.corrcoef(far.ravel(), render(other).image.astype(float).ravel())[0, 1] > 0.8


def check_masks_stay(one, other):
    np.testing.assert_array_equal(other.clast, one.clast)
    np.testing.assert_array_equal(other.core, one.core)
    assert other.clasts == one.clasts


@pytest.mark.parametrize(
    "change",
    [
        *(lambda scene, light=light: in_light(scene, light) for light in LIGHTS),
        lambda scene: exposed(scene, 1.7),
        lambda scene: blurred(scene, 2.5),
        lambda scene: noisy(scene, 0.2),
        lambda scene: with_other_far_matrix(scene, 3),
    ],
    ids=[*LIGHTS, "exposed", "blurred", "noisy", "far"],
)
def test_light_camera_and_far_matrix_leave_masks_and_labels_as_they_are(change):
    for scene in SCENES[:4]:
        check_masks_stay(render(scene), render(change(scene)))


def test_a_longer_exposure_brightens_and_a_shorter_one_darkens():
    for scene in SCENES:
        dark, plain, bright = (render(exposed(scene, factor)).image.mean() for factor in (0.6, 1, 1.6))
        assert dark < plain < bright


def test_more_blur_leaves_less_detail():
    for scene in SCENES:
        quiet = noisy(scene, 0.0)
        sharp, soft = (
            np.abs(np.diff(render(blurred(quiet, blur)).image.astype(int), axis=1)).mean() for blur in (0, 3)
        )
        assert soft < 0.6 * sharp


def test_noise_keeps_its_pattern_when_it_grows():
    scene = exposed(noisy(SCENES[0], 0.0), 0.5)
    clean, little, much = (render(noisy(scene, noise)).image.astype(float) for noise in (0.0, 0.02, 0.06))
    middle = (clean > 60) & (clean < 190)
    assert np.corrcoef((little - clean)[middle], (much - clean)[middle])[0, 1] > 0.9


def test_grey_light_has_no_colour():
    for scene in SCENES[:4]:
        plain = replace(scene, camera=replace(scene.camera, cast=(1.0, 1.0, 1.0), noise=0.0))
        image = render(in_light(plain, "grey")).image.astype(int)
        assert np.ptp(image, axis=2).max() <= 1


@pytest.mark.parametrize("kind", KINDS)
def test_an_artefact_changes_pixels_within_its_mask_alone(kind):
    scene = noisy(SCENES[0], 0.02)
    before, after = render(scene), render(with_artefact(scene, EXAMPLES[kind]))
    region = after.artefacts[kind]
    differs = changed_pixels(before, after)
    assert np.any(differs & region)
    assert not np.any(differs & ~(grown(region, scene) if kind in ETCHED else region))


@pytest.mark.parametrize("kind", KINDS)
def test_an_artefact_leaves_masks_and_labels_of_clasts_as_they_are(kind):
    check_masks_stay(render(SCENES[0]), render(with_artefact(SCENES[0], EXAMPLES[kind])))


def test_taking_an_artefact_away_again_gives_the_scene_back():
    for kind, artefact in EXAMPLES.items():
        assert without_artefacts(with_artefact(SCENES[0], artefact), kind) == SCENES[0]


def test_only_the_named_kinds_are_taken_away():
    scene = SCENES[0]
    for artefact in EXAMPLES.values():
        scene = with_artefact(scene, artefact)
    left = {artefact.kind for artefact in without_artefacts(scene, "frame", "crack").artefacts}
    assert left == set(KINDS) - {"frame", "crack"}
    assert without_artefacts(scene).artefacts == ()


@pytest.mark.parametrize("kind", sorted(set(KINDS) - set(ETCHED)))
def test_overlaid_artefacts_do_not_carry_a_change_of_the_rock_elsewhere(kind):
    for scene in SCENES[:4]:
        marked = with_artefact(scene, EXAMPLES[kind])
        before, after = render(marked), render(without_tails(marked))
        differs = (before.clast != after.clast) | (before.core != after.core)
        assert not np.any(changed_pixels(before, after) & ~grown(differs, scene))


@pytest.mark.parametrize("kind", ETCHED)
def test_etched_artefacts_do_not_carry_a_change_of_the_rock_elsewhere(kind):
    for scene in SCENES:
        corner = replace(EXAMPLES[kind], x=0.08, y=0.9, size=0.05)
        marked = with_artefact(scene, corner)
        before, after = render(marked), render(without_tails(marked))
        differs = (before.clast != after.clast) | (before.core != after.core)
        wide = ndimage.binary_dilation(differs, iterations=int(0.05 * scene.width))
        assert not np.any(changed_pixels(before, after) & ~grown(wide, scene))


def test_changes_commute():
    for scene in map(without_jpeg, scenes(6, artefacts=1.0)):
        one = render(blurred(without_tails(in_light(scene, "sem")), 1.0))
        other = render(in_light(without_tails(blurred(scene, 1.0)), "sem"))
        np.testing.assert_array_equal(one.image, other.image)


def test_erasing_tails_of_one_clast_changes_what_is_read_off_that_one_alone():
    scene = next(scene for scene in with_clasts(30, others=(2, 3), elongation=0.2) if len(scene.clasts) > 2)
    before, after = ([read(clast) for clast in one.clasts] for one in (scene, without_tails(scene, 1)))
    assert after[1] == ("theta", None)
    assert (before[0], before[2]) == (after[0], after[2])
