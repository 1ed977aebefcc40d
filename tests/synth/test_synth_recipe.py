"""A recipe refuses what cannot be drawn, and has one digest for one meaning."""

from dataclasses import replace

import pytest
from drawn_scenes import recipe

from clastbench.errors import SuiteError
from clastbench.suite import load_suite
from clastbench.synth import LEVELS, Recipe, at_level, draw_scene, recipe_digest

RECIPE = Recipe(seed=1, n_images=10)
INF = float("inf")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("seed", -1),
        ("n_images", -1),
        ("width", 31),
        ("height", 0),
        ("kinds", {"sigmoid": 1}),
        ("kinds", {}),
        ("kinds", {"sigma": 0}),
        ("kinds", {"sigma": 2, "delta": -1}),
        ("kinds", {"sigma": 1, "delta": float("nan")}),
        ("lights", {"ultraviolet": 1}),
        ("lights", {}),
        ("lights", {"plane": 0, "sem": 0}),
        ("lights", {"plane": -0.5}),
        ("tilt_deg", -1),
        ("tilt_deg", float("nan")),
        ("fabric", -0.1),
        ("fabric", 1.1),
        ("radius", (0.2, 0.1)),
        ("radius", (0.01, 0.1)),
        ("radius", (0.1, 0.5)),
        ("others", (-1, 2)),
        ("others", (3, 2)),
        ("others", (0, 13)),
        ("both", 1.5),
        ("off_centre", -0.1),
        ("off_centre", 2),
        ("elongation", 1.5),
        ("mantle", (1.0, 1.5)),
        ("mantle", (1.3, 3)),
        ("strain", (0.1, 3)),
        ("strain", (2, 13)),
        ("contrast", (0.5, 2)),
        ("contrast", (1.5, 6)),
        ("artefacts", 1.01),
        ("blur", (-0.1, 1)),
        ("blur", (0, 6)),
        ("noise", -0.01),
        ("jpeg", 2),
        ("jpeg", float("nan")),
        ("layouts", "agu1066"),
    ],
)
def test_an_impossible_value_is_refused_by_its_field(field, value):
    with pytest.raises(SuiteError, match=f"Recipe field {field} is .*; give "):
        replace(RECIPE, **{field: value})


def test_every_field_of_a_recipe_can_be_refused():
    (refused,) = test_an_impossible_value_is_refused_by_its_field.pytestmark
    assert {field for field, _ in refused.args[1]} == set(Recipe.__dataclass_fields__)


@pytest.mark.parametrize(
    ("field", "value"), [("tilt_deg", INF), ("noise", INF), ("kinds", {"sigma": INF}), ("lights", {"sem": INF})]
)
def test_an_infinite_value_is_refused_by_its_field(field, value):
    with pytest.raises(SuiteError, match=f"Recipe field {field} is"):
        replace(RECIPE, **{field: value})


def test_an_unknown_kind_is_answered_with_the_known_ones():
    with pytest.raises(SuiteError, match="sigma, delta, complex, fish, phi, theta, free"):
        replace(RECIPE, kinds={"sigmoid": 1})


def test_ranges_may_come_as_lists():
    assert replace(RECIPE, strain=[2.5, 5.5], others=[0, 3]) == RECIPE


def test_weights_may_come_as_tables():
    assert replace(RECIPE, kinds={"sigma": 1, "free": 1}) == replace(RECIPE, kinds=(("sigma", 1), ("free", 1)))


def test_the_order_of_weights_does_not_change_the_digest():
    one, other = {"sigma": 6, "delta": 2, "free": 3}, {"free": 3, "delta": 2, "sigma": 6}
    assert recipe_digest(replace(RECIPE, kinds=one)) == recipe_digest(replace(RECIPE, kinds=other))


@pytest.mark.parametrize("factor", [2, 0.5, 10, 100])
def test_the_scale_of_weights_does_not_change_the_digest(factor):
    one, other = ({"plane": 3 * scale, "sem": scale} for scale in (1, factor))
    assert recipe_digest(replace(RECIPE, lights=one)) == recipe_digest(replace(RECIPE, lights=other))


def test_the_order_of_weights_that_are_no_whole_numbers_does_not_change_the_digest():
    one, other = {"sigma": 0.1, "delta": 0.2, "fish": 0.3}, {"fish": 0.3, "delta": 0.2, "sigma": 0.1}
    assert recipe_digest(replace(RECIPE, kinds=one)) == recipe_digest(replace(RECIPE, kinds=other))


def test_weights_in_tenths_and_in_whole_numbers_have_one_digest():
    tenths, whole = {"sigma": 0.1, "delta": 0.1, "fish": 0.5}, {"sigma": 1, "delta": 1, "fish": 5}
    assert recipe_digest(replace(RECIPE, kinds=tenths)) == recipe_digest(replace(RECIPE, kinds=whole))


def test_a_weight_of_zero_is_as_good_as_none():
    one, other = {"sigma": 1, "delta": 0}, {"sigma": 1}
    assert recipe_digest(replace(RECIPE, kinds=one)) == recipe_digest(replace(RECIPE, kinds=other))


def test_whole_numbers_and_fractions_of_one_value_have_one_digest():
    one, other = replace(RECIPE, tilt_deg=20, others=(0, 2)), replace(RECIPE, tilt_deg=20.0, others=(0.0, 2.0))
    assert recipe_digest(one) == recipe_digest(other)


def test_growing_a_set_keeps_its_digest():
    assert recipe_digest(replace(RECIPE, n_images=99)) == recipe_digest(RECIPE)


CHANGED = {
    "seed": 2, "width": 200, "height": 96, "kinds": {"sigma": 1}, "lights": {"sem": 1}, "tilt_deg": 3, "fabric": 0.5,
    "radius": (0.1, 0.12), "others": (1, 2), "both": 0.5, "off_centre": 0.1, "elongation": 0.3, "mantle": (1.3, 1.5),
    "strain": (2.5, 5.0), "contrast": (1.5, 2), "artefacts": 0.9, "blur": (0, 1), "noise": 0.1, "jpeg": 0.9,
    "layouts": "agu2021",
}  # fmt: skip


def test_every_other_field_is_part_of_the_digest():
    assert CHANGED.keys() == Recipe.__dataclass_fields__.keys() - {"n_images"}
    digests = {recipe_digest(replace(RECIPE, **{field: value})) for field, value in CHANGED.items()}
    assert len(digests | {recipe_digest(RECIPE)}) == len(CHANGED) + 1


def test_pinned_digests():
    """Golden values: stored results key on them. Change them only together with GENERATOR_VERSION."""
    assert {level: recipe_digest(recipe(level)) for level in LEVELS} == PINNED


PINNED = {
    "easy": "3d8480bd1d34faeaceb8c0b27f2b833dd66e03b9aa62e592603768d2f721ea96",
    "medium": "e631b6e86020a8b88fb15fb7aedbd03df2dd2732079641b26605ee9fd81c3afb",
    "hard": "6c4b580010b13ce5d97b317fc3f802d0b67a148506ad37acd5de87453ab25ffa",
}


def test_the_level_medium_is_what_a_recipe_says_by_itself():
    assert Recipe(**at_level({"seed": 1, "n_images": 10, "level": "medium"})) == RECIPE


def test_without_a_level_it_is_medium():
    assert Recipe(**at_level({"seed": 1, "n_images": 10})) == RECIPE


def test_a_field_stated_beside_the_level_wins():
    assert recipe("hard", tilt_deg=3, kinds={"phi": 1}).tilt_deg == 3
    assert recipe("hard", tilt_deg=3, kinds={"phi": 1}).kinds == (("phi", 1.0),)


def test_an_unknown_level_is_answered_with_the_known_ones():
    with pytest.raises(SuiteError, match="Recipe field level is 'brutal'; give one of easy, medium, hard"):
        at_level({"level": "brutal"})


def rewritten(path, new):
    path.write_text(
        path.read_text(encoding="utf-8").replace('level = "easy", seed = 7,', f"seed = 7, {new},"), encoding="utf-8"
    )
    return str(path)


@pytest.mark.parametrize("level", sorted(LEVELS))
def test_a_suite_file_may_state_a_level(tiny_suite, level):
    loaded = load_suite(rewritten(tiny_suite, f'level = "{level}"')).data.recipe
    assert loaded == recipe(level, seed=7, n_images=60)


def test_a_field_beside_the_level_in_a_suite_file_wins(tiny_suite):
    loaded = load_suite(rewritten(tiny_suite, 'level = "easy", noise = 0.2, kinds = { phi = 1 }')).data.recipe
    assert loaded == recipe("easy", seed=7, n_images=60, noise=0.2, kinds={"phi": 1})


@pytest.mark.parametrize(
    ("new", "field"),
    [
        ('level = "brutal"', "level"),
        ("jpeg = 7", "jpeg"),
        ("radius = [0.1, 0.9]", "radius"),
        ("kinds = { sigmoid = 1 }", "kinds"),
        ("haze = 1", "haze"),
    ],
)
def test_a_suite_file_with_an_impossible_recipe_is_refused_by_file_and_field(tiny_suite, new, field):
    with pytest.raises(SuiteError) as refusal:
        load_suite(rewritten(tiny_suite, new))
    assert str(tiny_suite) in str(refusal.value)
    assert field in str(refusal.value)


def test_a_level_draws_only_what_it_says():
    easy = [draw_scene(recipe("easy"), index) for index in range(150)]
    assert {len(scene.clasts) for scene in easy} == {0, 1}
    assert all(abs(scene.matrix.tilt) <= 20 and scene.camera.jpeg is None for scene in easy)
    assert {scene.optics.light for scene in easy} == {"plane", "crossed", "grey"}
