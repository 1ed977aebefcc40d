"""Masks are exact: every pixel has one owner, and the records say what the rendering shows."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from drawn_scenes import alone, both_senses, parts, recipe, scenes
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from clastbench.data.masks import box_around, decode, encode
from clastbench.synth import mirrored, read, read_scene, render, render_photograph
from clastbench.synth.dataset import photograph_of

CROWDED = scenes(30, "hard", others=(4, 8))


@pytest.fixture(scope="module")
def renderings():
    return [render(scene) for scene in CROWDED]


@given(arrays(np.bool_, array_shapes(min_dims=2, max_dims=2, max_side=12), elements=st.booleans()))
def test_run_lengths_give_the_region_back(region):
    mask = encode(region)
    np.testing.assert_array_equal(decode(mask), region)
    assert all(count > 0 for count in mask.counts[1:])


def test_the_box_of_one_pixel_is_one_pixel_wide():
    region = np.zeros((4, 6), bool)
    region[1, 2] = True
    assert box_around(region) == (2.0, 1.0, 3.0, 2.0)


def test_core_tails_and_matrix_partition_the_picture(renderings):
    for rendering in renderings:
        matrix = rendering.clast < 0
        count = rendering.core.astype(int) + rendering.tails + matrix
        np.testing.assert_array_equal(count, np.ones_like(count))


def test_no_pixel_belongs_to_two_clasts(renderings):
    for rendering in renderings:
        owners = np.sum([decode(clast.mask) for clast in rendering.clasts], axis=0)
        assert np.max(owners) <= 1


def test_core_and_tails_of_a_clast_are_its_mask(renderings):
    for rendering in renderings:
        for clast in rendering.clasts:
            core, tails = parts(clast)
            assert not np.any(core & tails)
            np.testing.assert_array_equal(core | tails, decode(clast.mask))


def test_the_records_together_say_what_the_rendering_shows(renderings):
    for scene, rendering in zip(CROWDED, renderings, strict=True):
        seen = [at for at in range(len(scene.clasts)) if np.any(rendering.clast == at)]
        for at, clast in zip(seen, rendering.clasts, strict=True):
            core, tails = parts(clast)
            np.testing.assert_array_equal(core, (rendering.clast == at) & rendering.core)
            np.testing.assert_array_equal(tails, (rendering.clast == at) & rendering.tails)


def test_every_record_says_what_is_read_off_its_clast(renderings):
    for scene, rendering in zip(CROWDED, renderings, strict=True):
        seen = [clast for at, clast in enumerate(scene.clasts) if np.any(rendering.clast == at)]
        assert [(clast.kind, clast.sense) for clast in rendering.clasts] == [read(clast) for clast in seen]


def test_the_box_fits_the_clast(renderings):
    for rendering in renderings:
        for clast in rendering.clasts:
            whole = decode(clast.mask)
            x0, y0, x1, y1 = (int(edge) for edge in clast.box_xyxy)
            assert whole[y0:y1, x0:x1].sum() == whole.sum()
            assert all(edge.any() for edge in (whole[y0], whole[y1 - 1], whole[:, x0], whole[:, x1 - 1]))


def test_where_two_clasts_meet_the_earlier_lies_on_top():
    (scene,) = alone("sigma", 1, mantle=(1.8, 1.9))
    (clast,) = scene.clasts
    beside = replace(clast, y=clast.y + 1.2 * clast.radius, seed=5)
    first, second = (render(replace(scene, clasts=both)) for both in ((clast, beside), (beside, clast)))
    assert np.sum(first.clast == 0) > np.sum(second.clast == 1)
    np.testing.assert_array_equal(first.clast >= 0, second.clast >= 0)


def test_a_core_is_never_hidden_by_the_tails_of_another_clast():
    (scene,) = alone("sigma", 1)
    (clast,) = scene.clasts
    beside = replace(clast, x=clast.x + 3 * clast.radius, y=clast.y - clast.radius, seed=5)
    core = render(replace(scene, clasts=(beside,))).core
    both = render(replace(scene, clasts=(clast, beside)))
    assert np.all(both.clast[core & ~render(scene).core] == 1)


def test_crowded_pictures_have_four_to_eight_further_clasts_where_there_is_room():
    found = Counter(len(scene.clasts) for scene in scenes(60, "hard", others=(4, 8), kinds={"sigma": 1}))
    assert max(found) == 9
    assert sum(found[count] for count in range(5, 10)) > 0.9 * 60


def test_cores_of_neighbours_do_not_overlap():
    for scene in CROWDED[:10]:
        whole = render(scene)
        for at, clast in enumerate(scene.clasts):
            own = render(replace(scene, clasts=(clast,), artefacts=())).core
            np.testing.assert_array_equal(whole.core & (whole.clast == at), own)


def test_neighbours_of_a_clast_without_a_sense_have_none_either():
    drawn = [scene for scene in scenes(80, others=(2, 4)) if scene.clasts and read(scene.clasts[0])[1] is None]
    assert max(len(scene.clasts) for scene in drawn) > 2
    assert all(read(clast)[1] is None for scene in drawn for clast in scene.clasts)


def test_every_clast_with_a_sense_is_primary_and_so_is_the_main_one(renderings):
    for rendering in renderings:
        assert all(clast.primary for clast in rendering.clasts[:1])
        assert all(clast.primary for clast in rendering.clasts if clast.sense)


def shifted(scene, x, y):
    """The scene with its only clast elsewhere; coordinates are shares of the picture's sides."""
    (clast,) = scene.clasts
    return replace(scene, clasts=(replace(clast, x=x * scene.width, y=y * scene.height),))


def outside(scene, radii):
    """The scene with its only clast's centre as many core radii beyond the left border."""
    return shifted(scene, -radii * scene.clasts[0].radius / scene.width, 0.5)


def test_a_clast_is_ignored_when_less_than_half_of_its_core_is_in_the_picture():
    for scene in alone("sigma", 6, elongation=0.0):
        for radii in (-0.5, -0.25, 0.25, 0.5):
            (clast,) = render(outside(scene, radii)).clasts
            assert clast.ignore == (radii > 0)


def test_the_share_of_the_core_that_is_seen_decides_on_every_side():
    for scene in alone("sigma", 3, width=160, height=160, radius=(0.08, 0.09)):
        whole = render(scene).core.sum()
        for x, y in ((0.0, 0.03), (1.02, 0.5), (0.04, 0.5), (0.5, 0.99), (0.5, -0.02), (0.97, 0.97)):
            rendering = render(shifted(scene, x, y))
            share = rendering.core.sum() / whole
            if abs(share - 0.5) > 0.1:
                assert rendering.clasts[0].ignore == (share < 0.5)


def test_a_clast_near_the_middle_is_not_ignored():
    assert not any(render(scene).clasts[0].ignore for scene in alone("sigma", 8))


def test_a_picture_whose_only_clast_with_a_sense_is_cut_has_no_class_but_a_clast():
    for scene in alone("sigma", 4):
        assert read_scene(outside(scene, 0.5)) == (None, True)


def test_a_picture_whose_only_clast_is_cut_and_shows_no_sense_is_none():
    for scene in alone("phi", 4):
        assert read_scene(outside(scene, 0.5)) == ("none", False)


def test_a_cut_clast_does_not_gainsay_a_whole_one():
    (scene,) = alone("sigma", 1)
    (whole,) = scene.clasts
    (cut,) = outside(scene, 0.5).clasts
    other = replace(cut, sinistral=not whole.sinistral)
    assert read_scene(replace(scene, clasts=(whole, other))) == (read(whole)[1], True)


def both_senses_scene():
    one, other = (scene.clasts[0] for scene in both_senses("sigma"))
    (scene,) = alone("sigma", 1)
    return replace(scene, clasts=(replace(one, x=80.0), replace(other, x=240.0)))


def test_a_picture_with_both_senses_has_no_class_but_a_clast():
    assert read_scene(both_senses_scene()) == (None, True)


def test_clasts_of_a_picture_with_both_senses_are_labelled_one_by_one():
    scene = both_senses_scene()
    assert [clast.sense for clast in render(scene).clasts] == [read(clast)[1] for clast in scene.clasts]
    assert {clast.sense for clast in render(scene).clasts} == {"CW", "CCW"}


def test_a_recipe_draws_both_senses_in_its_share_of_crowded_pictures():
    drawn = scenes(60, kinds={"sigma": 1}, others=(2, 2), both=1.0, off_centre=0.0)
    assert all(len({clast.sinistral for clast in scene.clasts}) == 2 for scene in drawn if len(scene.clasts) > 1)


def test_no_picture_has_both_senses_unless_the_recipe_says_so():
    assert all(read_scene(scene)[0] is not None for scene in scenes(300, kinds={"sigma": 1}, off_centre=0.2))


def test_the_record_holds_the_rendering_and_its_reading():
    for index, scene in enumerate(scenes(8)):
        photograph = render_photograph(recipe(), index)
        rendering = render(scene)
        np.testing.assert_array_equal(photograph.load(), rendering.image)
        assert photograph.clasts == rendering.clasts
        assert (photograph.truth, photograph.present) == read_scene(scene)
        assert (photograph.light, photograph.foliation_deg) == (scene.optics.light, scene.foliation_deg)
        assert photograph.id == photograph.group == f"{index:05d}"
        assert photograph.attributes["kind"] == (read(scene.clasts[0])[0] if scene.clasts else "free")


def test_artefact_masks_of_the_record_decode_to_the_rendering():
    kinds = set()
    for scene in scenes(10, artefacts=1.0):
        photograph, rendering = photograph_of(mirrored(scene), "00000", "x"), render(mirrored(scene))
        assert photograph.artefacts.keys() == rendering.artefacts.keys()
        for kind, region in rendering.artefacts.items():
            np.testing.assert_array_equal(decode(photograph.artefacts[kind]), region)
            kinds.add(kind)
    assert len(kinds) >= 7
