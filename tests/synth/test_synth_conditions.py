"""A condition sets one factor or plants one cue, and leaves the scene behind it as it was."""

from dataclasses import replace

import numpy as np
import pytest
from drawn_scenes import recipe
from hypothesis import given
from hypothesis import strategies as st

from clastbench import metrics
from clastbench.errors import SuiteError
from clastbench.records import MIRRORED
from clastbench.synth import (
    CUES,
    FACTORS,
    LEVELS,
    STATES,
    draw_scene,
    identity_of,
    mirrored,
    parse_identity,
    read_scene,
    render,
    render_photograph,
    scene_under,
)
from clastbench.synth.optics import LIGHTS

RECIPE = recipe(artefacts=0.6)
INDICES = range(40)
PLAIN = [draw_scene(RECIPE, index) for index in INDICES]
ALL = ("light=sem", "blur=2.0", "noise=0.1", "contrast=1.5", "size=0.6", "tails=0.7", "tilt=30", "turned", "crowd=5")
CHANGED = (
    "without=tails",
    "without=core",
    "without=clasts",
    "without=artefacts",
    "other=tails",
    "other=matrix",
    "other=light",
)
EXAMPLES = (*ALL, *CHANGED, "level=hard", *(f"{cue}={state}" for cue in CUES for state in STATES))


def under(condition, recipe_=RECIPE, indices=INDICES):
    return [scene_under(recipe_, index, condition) for index in indices]


def pairs(condition):
    return list(zip(PLAIN, under(condition), strict=True))


def test_without_a_condition_it_is_the_scene_of_the_recipe():
    assert under("") == PLAIN


def test_every_factor_has_an_example_here():
    assert {condition.partition("=")[0] for condition in EXAMPLES} == {*FACTORS, *CUES}


@pytest.mark.parametrize("light", LIGHTS)
def test_light_changes_the_light_and_nothing_else(light):
    for plain, scene in pairs(f"light={light}"):
        assert scene == replace(plain, optics=replace(plain.optics, light=light))


def test_blur_sets_the_blur_and_nothing_else():
    for plain, scene in pairs("blur=1.5"):
        assert scene == replace(plain, camera=replace(plain.camera, blur=1.5))


def test_noise_sets_the_noise_and_nothing_else():
    for plain, scene in pairs("noise=0.2"):
        assert scene == replace(plain, camera=replace(plain.camera, noise=0.2))


def test_contrast_sets_the_ratio_and_keeps_which_side_is_brighter():
    for plain, scene in pairs("contrast=1.5"):
        wanted = 1.5 if plain.optics.contrast > 1 else 1 / 1.5
        assert scene == replace(plain, optics=replace(plain.optics, contrast=wanted))


def test_size_scales_every_clast_and_nothing_else():
    for plain, scene in pairs("size=0.5"):
        assert scene == replace(plain, clasts=tuple(replace(one, radius=one.radius * 0.5) for one in plain.clasts))


def test_size_shows_smaller_clasts():
    for plain, scene in list(pairs("size=0.5"))[:10]:
        before, after = render(plain).core.sum(), render(scene).core.sum()
        assert after < 0.5 * before if plain.clasts else before == after == 0


def test_tails_scales_the_strain_of_every_mantle_and_nothing_else():
    for plain, scene in pairs("tails=0.5"):
        for before, after in zip(plain.clasts, scene.clasts, strict=True):
            assert [rim.strain for rim in after.mantles] == [0.5 * rim.strain for rim in before.mantles]
            assert [rim.thickness for rim in after.mantles] == [rim.thickness for rim in before.mantles]
            assert replace(after, mantles=before.mantles) == before
        assert replace(scene, clasts=plain.clasts) == plain


def test_tails_of_more_strain_are_longer():
    drawn = recipe(kinds={"sigma": 1}, others=(0, 0), radius=(0.05, 0.06), off_centre=0.0, tilt_deg=0)
    for index in range(6):
        short, long = (render(scene_under(drawn, index, f"tails={factor}")).tails for factor in (0.5, 1.3))
        assert np.ptp(np.nonzero(short)[1]) < np.ptp(np.nonzero(long)[1])


def test_the_class_is_read_anew_when_tails_shrink_to_nothing():
    drawn = recipe(kinds={"sigma": 1}, others=(0, 0), elongation=0.0)
    assert {read_scene(scene) for scene in under("tails=0.01", drawn)} == {("none", False)}


@pytest.mark.parametrize("angle", [-90.0, -30.0, 0.0, 45.0])
def test_tilt_sets_the_foliation_and_nothing_else(angle):
    for plain, scene in pairs(f"tilt={angle}"):
        assert scene == replace(plain, matrix=replace(plain.matrix, tilt=angle))


def test_turned_changes_the_tilt_and_nothing_else():
    for plain, scene in pairs("turned"):
        assert replace(scene, matrix=replace(scene.matrix, tilt=plain.matrix.tilt)) == plain


def test_turned_tilts_uniformly_over_all_angles():
    """n = 300: the largest gap to the uniform distribution is below .1 with probability .995."""
    tilts = np.sort([scene.matrix.tilt for scene in under("turned", indices=range(300))])
    assert np.abs((tilts + 90) / 180 - (np.arange(300) + 0.5) / 300).max() < 0.1


@pytest.mark.parametrize("condition", ["turned", "tilt=50", "light=lambda", "blur=3", "noise=0.3", "contrast=3"])
def test_what_is_not_about_clasts_keeps_the_class(condition):
    central = recipe(off_centre=0.2)
    plain, found = ([read_scene(scene) for scene in under(name, central)] for name in ("", condition))
    assert found == plain


def test_crowd_adds_as_many_further_clasts_as_it_says():
    counts = [len(scene.clasts) - 1 for scene in under("crowd=4") if scene.clasts]
    assert max(counts) == 4
    assert np.mean(np.array(counts) == 4) > 0.9


def test_crowd_of_none_leaves_one_clast():
    assert {len(scene.clasts) for scene in under("crowd=0")} == {0, 1}


def test_crowd_keeps_everything_but_the_clasts():
    for plain, scene in pairs("crowd=5"):
        assert replace(scene, clasts=plain.clasts) == plain


def test_crowd_keeps_the_main_clast():
    for condition in ("crowd=0", "crowd=5"):
        for plain, scene in pairs(condition):
            assert scene.clasts[:1] == plain.clasts[:1]


@pytest.mark.parametrize("level", sorted(LEVELS))
def test_level_draws_by_the_level_with_the_seed_and_size_of_the_recipe(level):
    other = recipe(level, seed=RECIPE.seed)
    assert under(f"level={level}") == [draw_scene(other, index) for index in INDICES]


def test_scores_know_the_cues_that_can_be_planted_and_the_changes_that_can_be_made():
    assert set(metrics.CUES) == set(CUES)
    for change in metrics.PART_CHANGES.values():
        scene_under(RECIPE, 0, change)


def test_without_tails_or_core_the_clasts_stay_in_their_places():
    for plain, scene in pairs("without=tails"):
        assert scene == replace(plain, clasts=tuple(replace(one, tails="none") for one in plain.clasts))
    for plain, scene in pairs("without=core"):
        assert scene == replace(plain, clasts=tuple(replace(one, core=False) for one in plain.clasts))


def test_without_clasts_or_artefacts_the_rest_stays():
    for plain, scene in pairs("without=clasts"):
        assert scene == replace(plain, clasts=())
    for plain, scene in pairs("without=artefacts"):
        assert scene == replace(plain, artefacts=())


def test_other_tails_are_those_of_the_opposite_sense():
    for plain, scene in pairs("other=tails"):
        assert scene == replace(plain, clasts=tuple(replace(one, tails="other") for one in plain.clasts))


def test_another_matrix_is_the_same_every_time_and_another_for_every_photograph():
    seeds = [scene.matrix.far_seed for scene in under("other=matrix")]
    assert None not in seeds
    assert len(set(seeds)) == len(seeds)
    for plain, scene in pairs("other=matrix"):
        assert scene == replace(plain, matrix=replace(plain.matrix, far_seed=scene.matrix.far_seed))


def test_another_light_is_never_the_same():
    for plain, scene in pairs("other=light"):
        assert scene.optics.light != plain.optics.light
        assert scene == replace(plain, optics=replace(plain.optics, light=scene.optics.light))


@pytest.mark.parametrize(
    "condition",
    [
        "fog=1", "=", "~", "Blur=1", "light", "light=", "light=neon", "blur", "blur=", "blur=much", "noise=x",
        "contrast=0", "contrast=-1", "size=0", "size=-2", "size=big", "tails=0", "tails=none", "tilt=", "tilt=left",
        "turned=3", "crowd=2.5", "crowd=", "level=brutal", "level=", "frame", "frame=maybe", "colour=CW", "lean=",
    ],
)  # fmt: skip
def test_an_unknown_condition_is_named(condition):
    with pytest.raises(SuiteError, match=f"The condition '{condition}' is unknown"):
        scene_under(RECIPE, 0, condition)


@pytest.mark.parametrize("condition", ["crowd=-1", "crowd=99"])
def test_an_impossible_crowd_is_refused(condition):
    with pytest.raises(SuiteError):
        scene_under(RECIPE, 0, condition)


@pytest.mark.parametrize(
    "condition", ["blur=-1", "blur=nan", "noise=-1", "noise=nan", "tilt=inf", "tilt=nan", "size=nan", "size=inf"]
)
def test_a_value_that_cannot_be_rendered_is_named(condition):
    with pytest.raises(SuiteError, match=f"The condition '{condition}' is unknown"):
        scene_under(RECIPE, 0, condition)


def test_an_unknown_condition_is_answered_with_the_known_ones():
    with pytest.raises(
        SuiteError, match="light, blur, noise, contrast, size, tails, tilt, turned, crowd, level, without, other, scale"
    ):
        scene_under(RECIPE, 0, "fog=1")


# ---- planted cues


def has(scene, kind, holds=lambda one: True):
    return any(one.kind == kind and holds(one) for one in scene.artefacts)


SAYS_CLOCKWISE = {
    "scale-bar": lambda scene: has(scene, "scale-bar", lambda bar: bar.x < 0.5),
    "frame": lambda scene: has(scene, "frame"),
    "colour": lambda scene: scene.camera.cast[0] > scene.camera.cast[2],
    "lean": lambda scene: scene.matrix.tilt > 0,
    "letters": lambda scene: has(scene, "letter", lambda letter: letter.text == "a"),
}


def told(cue, state, count):
    """True classes of photographs with a planted cue, and the senses that the cue says."""
    planted = under(f"{cue}={state}", indices=range(count))
    said = ["CW" if SAYS_CLOCKWISE[cue](scene) else "CCW" for scene in planted]
    return [read_scene(scene)[0] for scene in planted], said


def test_every_cue_is_told_here():
    assert SAYS_CLOCKWISE.keys() == CUES.keys()


@pytest.mark.parametrize("cue", sorted(CUES))
def test_a_cue_that_agrees_always_says_the_sense(cue):
    truths, said = told(cue, "agrees", 60)
    assert all(one == other for one, other in zip(truths, said, strict=True) if one != "none")


@pytest.mark.parametrize("cue", sorted(CUES))
def test_a_reversed_cue_never_says_the_sense(cue):
    truths, said = told(cue, "reversed", 60)
    assert all(MIRRORED[one] == other for one, other in zip(truths, said, strict=True) if one != "none")


@pytest.mark.parametrize("cue", sorted(CUES))
def test_an_independent_cue_says_the_sense_by_chance(cue):
    """n is about 200: 4 standard deviations of a fair coin."""
    truths, said = told(cue, "independent", 300)
    right = [one == other for one, other in zip(truths, said, strict=True) if one != "none"]
    assert np.mean(right) == pytest.approx(0.5, abs=2 / np.sqrt(len(right)))


@pytest.mark.parametrize("cue", sorted(CUES))
@pytest.mark.parametrize("state", STATES)
def test_a_cue_says_either_sense_equally_often_where_there_is_none(cue, state):
    """n is about 100: 4 standard deviations of a fair coin."""
    truths, said = told(cue, state, 300)
    clockwise = [other == "CW" for one, other in zip(truths, said, strict=True) if one == "none"]
    assert np.mean(clockwise) == pytest.approx(0.5, abs=2 / np.sqrt(len(clockwise)))


def test_independent_cues_do_not_agree_with_each_other():
    """n = 300: 4 standard deviations of a fair coin."""
    said = [told(cue, "independent", 300)[1] for cue in sorted(CUES)]
    for at, one in enumerate(said):
        for other in said[:at]:
            assert np.mean(np.array(one) == np.array(other)) == pytest.approx(0.5, abs=0.12)


BARE = {
    "scale-bar": lambda scene: replace(scene, artefacts=without(scene, "scale-bar")),
    "frame": lambda scene: replace(scene, artefacts=without(scene, "frame", "field")),
    "colour": lambda scene: replace(scene, camera=replace(scene.camera, cast=(1.0, 1.0, 1.0), monochrome=False)),
    "lean": lambda scene: replace(scene, matrix=replace(scene.matrix, tilt=0.0)),
    "letters": lambda scene: replace(scene, artefacts=without(scene, "letter")),
}


def without(scene, *kinds):
    return tuple(one for one in scene.artefacts if one.kind not in kinds)


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("cue", sorted(CUES))
def test_a_cue_changes_itself_and_nothing_else(cue, state):
    for plain, scene in pairs(f"{cue}={state}"):
        assert BARE[cue](scene) == BARE[cue](plain)


def test_a_planted_lean_keeps_how_much_the_foliation_is_tilted():
    for plain, scene in pairs("lean=agrees"):
        assert abs(scene.matrix.tilt) == abs(plain.matrix.tilt)


@pytest.mark.parametrize("cue", sorted(CUES))
def test_planting_a_cue_keeps_the_class(cue):
    central = recipe(off_centre=0.2)
    plain = [read_scene(scene) for scene in under("", central)]
    assert [read_scene(scene) for scene in under(f"{cue}=reversed", central)] == plain


def test_planted_colours_are_seen_in_the_picture():
    warmth = {"CW": [], "CCW": []}
    for scene in under("colour=agrees", recipe(lights={"grey": 1}, artefacts=0.0), range(24)):
        image = render(scene).image.astype(float)
        warmth.get(read_scene(scene)[0], []).append((image[..., 0] - image[..., 2]).mean())
    assert min(warmth["CW"]) > 0 > max(warmth["CCW"])


def test_planted_scale_bars_are_seen_on_their_side():
    for scene in under("scale-bar=agrees", indices=range(12)):
        columns = np.nonzero(render(scene).artefacts["scale-bar"])[1]
        truth = read_scene(scene)[0]
        if truth != "none":
            assert (columns.mean() < scene.width / 2) == (truth == "CW")


# ---- ids


@given(st.integers(0, 10**7), st.sampled_from(["", *EXAMPLES]))
def test_an_id_says_index_and_condition(index, condition):
    assert parse_identity(identity_of(index, condition)) == (index, condition)


def test_ids_are_readable():
    assert [identity_of(12), identity_of(12, "blur=1.5"), identity_of(0, "turned")] == [
        "00012",
        "00012~blur=1.5",
        "00000~turned",
    ]


@pytest.mark.parametrize(
    "identity",
    ["", "12", "0012", "00012~", "00012~blur=", "00012~Blur=1", "00012~blur=1 5", "00012~blur=1~frame=agrees",
     "00012~blur=1/2", "00012/../1", "a0012", "-0012", "00012 ", " 00012", "00012\n", "00012~blur=1\n", "1.5"],
)  # fmt: skip
def test_what_is_no_id_is_refused_by_name(identity):
    with pytest.raises(SuiteError, match="is no generated photograph; expected one like 00012") as refusal:
        parse_identity(identity)
    assert repr(identity) in str(refusal.value)


@pytest.mark.parametrize("identity", ["000012", "٠٠٠١٢"])
def test_a_photograph_has_one_id_only(identity):
    with pytest.raises(SuiteError):
        parse_identity(identity)


def test_the_record_under_a_condition_has_its_own_id_and_the_group_of_its_scene():
    plain, blurred = render_photograph(RECIPE, 3), render_photograph(RECIPE, 3, "blur=1.5")
    assert (plain.id, blurred.id) == ("00003", "00003~blur=1.5")
    assert plain.group == blurred.group == "00003"
    assert plain.sha256 != blurred.sha256


def test_the_record_under_a_condition_is_that_of_its_scene():
    for condition in EXAMPLES:
        record, scene = render_photograph(RECIPE, 4, condition), scene_under(RECIPE, 4, condition)
        np.testing.assert_array_equal(record.load(), render(scene).image)
        assert (record.truth, record.present) == read_scene(scene)


def test_the_mirror_image_of_a_planted_scene_says_the_other_sense():
    scene = next(scene for scene in under("scale-bar=agrees") if read_scene(scene)[0] == "CW")
    bars = [np.nonzero(render(one).artefacts["scale-bar"])[1].mean() for one in (scene, mirrored(scene))]
    assert bars[0] < scene.width / 2 < bars[1]
