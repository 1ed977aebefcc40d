"""Reflections swap the sense, half turns keep it, and nothing but the sense differs between the two."""

from dataclasses import replace

import numpy as np
import pytest
from drawn_scenes import WITH_SENSE, alone, far_height, foliation_points, parts, scenes

from clastbench.records import MIRRORED
from clastbench.synth import mirrored, read_scene, render
from clastbench.synth.conditions import CUES
from clastbench.synth.dataset import photograph_of

VARIED = [*scenes(12), *scenes(12, "hard", others=(2, 5), artefacts=1.0)]


@pytest.fixture(scope="module")
def pairs():
    return [(render(scene), render(mirrored(scene))) for scene in VARIED]


def test_the_mirror_image_has_mirrored_pixels(pairs):
    for one, other in pairs:
        np.testing.assert_array_equal(other.image, one.image[:, ::-1])


def test_the_mirror_image_has_mirrored_masks(pairs):
    for one, other in pairs:
        for name in ("clast", "core", "tails"):
            np.testing.assert_array_equal(getattr(other, name), getattr(one, name)[:, ::-1])


def test_the_mirror_image_has_mirrored_clasts(pairs):
    for one, other in pairs:
        width = one.image.shape[1]
        for here, there in zip(one.clasts, other.clasts, strict=True):
            x0, y0, x1, y1 = here.box_xyxy
            assert there.box_xyxy == (width - x1, y0, width - x0, y1)
            assert there.sense == (here.sense and MIRRORED[here.sense])
            assert (there.kind, there.ignore, there.primary) == (here.kind, here.ignore, here.primary)
            for mine, twin in zip(parts(here), parts(there), strict=True):
                np.testing.assert_array_equal(twin, mine[:, ::-1])


def test_the_mirror_image_has_mirrored_artefacts(pairs):
    kinds = set()
    for one, other in pairs:
        assert one.artefacts.keys() == other.artefacts.keys()
        for kind, region in one.artefacts.items():
            np.testing.assert_array_equal(other.artefacts[kind], region[:, ::-1])
            kinds.add(kind)
    assert len(kinds) >= 6


def test_the_mirror_image_has_the_other_class():
    truths = set()
    for scene in VARIED:
        (truth, present), twin = read_scene(scene), read_scene(mirrored(scene))
        assert twin == (truth and MIRRORED[truth], present)
        truths.add(truth)
    assert truths >= {"none", "CW", "CCW"}


def test_the_foliation_of_the_mirror_image_leans_the_other_way():
    for scene in VARIED:
        assert mirrored(scene).foliation_deg == -scene.foliation_deg


def test_the_record_of_the_mirror_image_says_so():
    scene = next(scene for scene in VARIED if read_scene(scene)[0] == "CW")
    record = photograph_of(mirrored(scene), "00000", "x")
    assert (record.truth, record.foliation_deg) == ("CCW", -scene.foliation_deg)


def test_the_mirror_image_of_the_mirror_image_is_the_scene_itself():
    for scene in VARIED:
        assert mirrored(mirrored(scene)) == scene


@pytest.mark.parametrize("kind", ["sigma", "delta", "complex"])
def test_masks_turned_by_180_degrees_show_the_same_sense(kind):
    for scene in alone(kind, 4):
        (clast,) = scene.clasts
        turned = replace(scene, clasts=(replace(clast, x=scene.width - clast.x, y=scene.height - clast.y),))
        (record,) = render(scene).clasts
        x, y = foliation_points(turned, parts(record)[1][::-1, ::-1])
        mantle = np.abs(x).max() / 2
        up = 1 if record.sense == "CW" else -1
        assert up * far_height(x, y, 1, mantle) > 0.1
        assert up * far_height(x, y, -1, mantle) < -0.1


def told_for_the_other_sense(scene):
    """The scene with every number of the other sense: what mirrors its rock, but not what is in front of it."""
    clasts = tuple(replace(c, x=scene.width - c.x, sinistral=not c.sinistral) for c in scene.clasts)
    matrix = replace(scene.matrix, tilt=-scene.matrix.tilt, sinistral=not scene.matrix.sinistral)
    return replace(scene, clasts=clasts, matrix=matrix)


def in_even_light(scene):
    """The scene without what the microscope and its user add, and without folds, which are told for no sense."""
    camera = replace(scene.camera, slope=(0.0, scene.camera.slope[1]), noise=0.0, jpeg=None)
    return replace(scene, camera=camera, artefacts=(), matrix=replace(scene.matrix, waves=0.0))


def test_a_scene_told_for_the_other_sense_renders_the_mirror_image():
    """So no pixel of either sense has anything that the other has not: texture, colour, outline or light."""
    for scene in map(in_even_light, VARIED):
        one, other = render(scene), render(told_for_the_other_sense(scene))
        assert np.mean(one.clast[:, ::-1] != other.clast) < 2e-3
        differs = np.abs(one.image[:, ::-1].astype(int) - other.image).max(axis=2) > 2
        assert differs.mean() < 0.02


def test_a_scene_told_for_the_other_sense_has_the_other_class():
    for scene in VARIED:
        truth, present = read_scene(scene)
        assert read_scene(told_for_the_other_sense(scene)) == (truth and MIRRORED[truth], present)


@pytest.mark.parametrize("kind", WITH_SENSE)
def test_both_senses_are_drawn_equally_often(kind):
    """n = 160; 4 standard deviations of a fair coin."""
    truths = [read_scene(scene)[0] for scene in scenes(160, kinds=((kind, 1),), others=(0, 0))]
    assert set(truths) == {"CW", "CCW"}
    assert np.mean([truth == "CW" for truth in truths]) == pytest.approx(0.5, abs=0.16)


def test_there_are_cues_to_plant_for_the_other_sense():
    assert set(CUES) == {"scale-bar", "frame", "colour", "lean", "letters"}
