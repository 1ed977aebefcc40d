"""A scene is plain data: it is written, read back, and rendered to the same pixels."""

import json
from dataclasses import replace

import numpy as np
import pytest
from drawn_scenes import recipe, scenes
from hypothesis import given, settings
from hypothesis import strategies as st

from clastbench.errors import SuiteError
from clastbench.synth import LEVELS, draw_scene, from_json, mirrored, render, to_json
from clastbench.synth.counterfactuals import with_other_far_matrix, with_other_tails, without_core

CHANGES = {
    "nothing": lambda scene: scene,
    "the mirror": mirrored,
    "other tails": with_other_tails,
    "no core": without_core,
    "another far matrix": lambda scene: with_other_far_matrix(scene, 5),
}
CROWDED = next(scene for scene in scenes(60) if len(scene.clasts) > 1 and scene.artefacts)


def said(scene):
    return json.loads(to_json(scene))


def holder(content, path):
    """The object or list within JSON content that holds the last name of a dotted path, and that name."""
    *way, name = path.split(".")
    for step in way:
        content = content[int(step) if step.isdigit() else step]
    return content, name


@settings(deadline=None, max_examples=60)
@given(st.sampled_from(sorted(LEVELS)), st.integers(0, 10**6), st.sampled_from(sorted(CHANGES)))
def test_a_scene_comes_back_from_json_as_it_was(level, index, change):
    scene = CHANGES[change](draw_scene(recipe(level), index))
    assert from_json(to_json(scene)) == scene


def test_a_scene_is_one_line_of_json():
    assert "\n" not in to_json(CROWDED)


def test_a_scene_that_came_back_from_json_renders_the_same_pixels():
    np.testing.assert_array_equal(render(from_json(to_json(CROWDED))).image, render(CROWDED).image)


@pytest.mark.parametrize(
    "path", ["width", "index", "matrix.tilt", "optics.light", "camera.cast", "clasts.1.radius", "clasts.0.shear"]
)
def test_a_missing_field_is_named(path):
    content = said(CROWDED)
    inside, name = holder(content, path)
    del inside[name]
    with pytest.raises(SuiteError, match=f"Scene field {path}"):
        from_json(json.dumps(content))


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("width", 96.5),
        ("flip", "perhaps"),
        ("clasts.0.outline", "star"),
        ("clasts.0.tails", "others"),
        ("camera.cast", [1.0, 1.0]),
        ("matrix.minerals.1", 3),
        ("artefacts.0", {"kind": "hair", "x": 0, "y": 0, "size": 1}),
    ],
)
def test_a_field_of_another_type_is_named(path, value):
    content = said(CROWDED)
    inside, name = holder(content, path)
    inside[int(name) if name.isdigit() else name] = value
    with pytest.raises(SuiteError, match=f"Scene field {path}"):
        from_json(json.dumps(content))


@pytest.mark.parametrize("path", ["hue", "matrix.hue", "clasts.0.hue"])
def test_an_unknown_field_is_named(path):
    content = said(CROWDED)
    inside, name = holder(content, path)
    inside[name] = 1
    with pytest.raises(SuiteError, match=f"Scene field {path}"):
        from_json(json.dumps(content))


@pytest.mark.parametrize("path", ["optics.light", "clasts.0.mineral", "matrix.stray_mineral"])
def test_an_unknown_light_or_mineral_is_named(path):
    content = said(CROWDED)
    inside, name = holder(content, path)
    inside[name] = "cheese"
    with pytest.raises(SuiteError, match=f"Scene field {path}"):
        from_json(json.dumps(content))


@pytest.mark.parametrize("text", ["{", "[]", "", "null"])
def test_what_is_no_scene_at_all_is_refused(text):
    with pytest.raises(SuiteError, match="Scene field scene"):
        from_json(text)


def test_a_number_that_is_not_finite_is_not_written():
    with pytest.raises(ValueError, match="JSON compliant"):
        to_json(replace(CROWDED, camera=replace(CROWDED.camera, gamma=float("nan"))))
