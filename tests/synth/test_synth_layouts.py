"""Clasts are laid out like those of real photographs, and the layout tells nothing of the sense."""

from collections import Counter
from dataclasses import asdict, replace
from itertools import combinations

import numpy as np
import pytest
from drawn_scenes import WITH_SENSE, WITHOUT_SENSE, recipe, without_jpeg
from scipy.stats import ks_2samp
from test_synth_conditions import EXAMPLES

from clastbench.data.masks import box_around
from clastbench.errors import SuiteError
from clastbench.synth import draw_scene, drawing, mirrored, read, recipe_digest, render, render_photograph, scene_under
from clastbench.synth.layouts import LEAST_RADIUS, Frame, box_sides, draw_spots, laid, real_spots
from clastbench.synth.rock import lay_out
from clastbench.synth.shape import half_axes
from clastbench.synth.texture import stream

LAID = recipe("easy", layouts="agu2021")
LARGE = replace(LAID, width=256, height=176)
MIXED = recipe("medium", layouts="agu2021", both=0.5)
SPOTS = [spot for spots in real_spots() for spot in spots]


@pytest.fixture(scope="module")
def scenes():
    return [draw_scene(LARGE, index) for index in range(150)]


@pytest.fixture(scope="module")
def few():
    return [draw_scene(one, index) for one in (LAID, MIXED) for index in range(30)]


@pytest.fixture(scope="module")
def boxes(scenes):
    """Middle and sides of the boxes of all clasts that are seen, in shares of the picture."""
    found = []
    for scene in scenes:
        shown = lay_out(scene).clast
        for number in range(len(scene.clasts)):
            x0, y0, x1, y1 = box_around(shown == number)
            found.append([(x0 + x1) / 2 / 256, (y0 + y1) / 2 / 176, (x1 - x0) / 256, (y1 - y0) / 176])
    return np.array(found)


# ---- the table


def test_the_table_holds_every_outlined_clast_of_the_real_photographs():
    assert len(real_spots()) == 102
    assert len(SPOTS) == 311
    assert sum(spot.primary for spot in SPOTS) == 127


def test_every_real_box_lies_in_its_photograph():
    """To the rounding of three digits."""
    for spot in SPOTS:
        assert spot.width / 2 - 0.0015 <= spot.cx <= 1.0015 - spot.width / 2
        assert spot.height / 2 - 0.0015 <= spot.cy <= 1.0015 - spot.height / 2


def test_the_largest_primary_clast_comes_first():
    for first, *others in real_spots():
        rivals = [spot for spot in others if spot.primary or not first.primary]
        assert all(spot.width * spot.height <= first.width * first.height for spot in rivals)


# ---- the distribution


def test_counts_are_those_of_real_photographs(scenes):
    """n = 102 and about 125; two such samples of one population differ by more than .21 in one case of a hundred."""
    counts = [len(scene.clasts) for scene in scenes if scene.clasts]
    assert ks_2samp(counts, [len(spots) for spots in real_spots()]).statistic < 0.15


@pytest.mark.parametrize(("column", "name"), list(enumerate(["cx", "cy", "width", "height"])))
def test_boxes_are_those_of_real_photographs(boxes, column, name):
    """About 400 boxes in 125 photographs against 311 in 102."""
    assert ks_2samp(boxes[:, column], [getattr(spot, name) for spot in SPOTS]).statistic < 0.15


def test_boxes_have_the_area_of_real_ones(boxes):
    real = [spot.width * spot.height for spot in SPOTS]
    assert ks_2samp(boxes[:, 2] * boxes[:, 3], real).statistic < 0.12


def test_no_clast_is_cut_by_the_border(scenes):
    assert not any(clast.ignore for scene in scenes[:20] for clast in render(scene).clasts)


def test_cores_do_not_overlap(few):
    for scene in few:
        for one, other in combinations(scene.clasts, 2):
            assert np.hypot(one.x - other.x, one.y - other.y) > half_axes(one)[0] + half_axes(other)[0]


def test_every_core_is_large_enough_to_be_seen(few):
    assert min(clast.radius for scene in few for clast in scene.clasts) >= LEAST_RADIUS
    for scene in few:
        assert len(render(scene).clasts) == len(scene.clasts)


def test_a_clast_larger_than_its_picture_is_made_smaller():
    whole = replace(SPOTS[0], cx=0.1, width=1.0, height=1.0)
    rng, frame = stream(0, "whole"), Frame(96, 64, 10.0)
    clast = next(laid(rng, whole, frame, lambda: drawing._draw_shape(rng, LAID, "theta")))
    width, height = box_sides(clast, frame.tilt)
    assert clast.radius * width <= 96.001
    assert clast.radius * height <= 64.001
    assert clast.radius * width / 2 <= clast.x <= 96 - clast.radius * width / 2


# ---- kinds


def test_pictures_without_a_clast_stay_without_one():
    plain, laid_out = ([draw_scene(one, index) for index in range(60)] for one in (recipe("easy"), LAID))
    assert [not scene.clasts for scene in laid_out] == [not scene.clasts for scene in plain]
    assert any(not scene.clasts for scene in laid_out)


def test_no_further_clast_shows_a_sense_where_the_first_does_not(few):
    told = {
        (read(first)[0], read(one)[0]) for scene in few for first, *others in [scene.clasts or [None]] for one in others
    }
    assert not {(first, other) for first, other in told if first in WITHOUT_SENSE and other in WITH_SENSE}
    assert any(first in WITHOUT_SENSE for first, _ in told)
    assert any(first in WITH_SENSE and other in WITH_SENSE for first, other in told)


def test_all_clasts_of_a_picture_show_one_sense():
    for index in range(30):
        assert len({read(clast)[1] for clast in draw_scene(LAID, index).clasts} - {None}) <= 1


def test_both_senses_are_in_a_picture_where_the_recipe_says_so():
    senses = [{read(clast)[1] for clast in draw_scene(MIXED, index).clasts} - {None} for index in range(30)]
    assert {len(found) for found in senses} == {0, 1, 2}


# ---- no leak


def test_layouts_come_in_all_four_reflections_about_as_often():
    seen = Counter()
    first = real_spots()[0]
    for number in range(4000):
        spots = draw_spots(stream(number, "layout"))
        if {spot.width for spot in spots} == {spot.width for spot in first}:
            seen[spots[0].cx == first[0].cx, spots[0].cy == first[0].cy] += 1
    assert len(seen) == 4
    assert min(seen.values()) > max(seen.values()) / 4


def test_mirroring_moves_boxes_and_nothing_else():
    sizes = {tuple((spot.width, spot.height, spot.primary) for spot in spots) for spots in real_spots()}
    for number in range(50):
        spots = draw_spots(stream(number, "layout"))
        assert tuple((spot.width, spot.height, spot.primary) for spot in spots) in sizes


@pytest.mark.parametrize("drawn", [LAID, MIXED], ids=["easy", "medium"])
def test_with_the_other_sense_every_clast_is_the_same_in_the_same_place(drawn, monkeypatch):
    """The coin of the sense is turned round; all that is not told in the frame of the sense stays as it was."""

    class Turned:
        def random(self, count):
            return np.array([1 - coin for coin in self._coins[:1]] + self._coins[1:count])

        def __init__(self, seed):
            self._coins = list(stream(seed, "sense").random(3))

    plain = [draw_scene(drawn, index) for index in range(20)]
    turned = lambda seed, name: Turned(seed) if name == "sense" else stream(seed, name)  # noqa: E731
    monkeypatch.setattr(drawing, "stream", turned)
    other = [draw_scene.__wrapped__(drawn, index) for index in range(20)]
    assert sum(len(scene.clasts) for scene in plain) > 20
    for one, twin in zip(plain, other, strict=True):
        opposite = tuple(replace(clast, sinistral=not clast.sinistral) for clast in one.clasts)
        assert twin.clasts == opposite


@pytest.mark.parametrize("tilt", [5.0, 20.0, 45.0])
def test_the_size_of_a_box_is_one_for_both_senses(tilt):
    """A foliation that falls is for one sense what one that rises is for the other."""
    for index in range(5):
        shape = drawing._draw_shape(stream(index, "shape"), LAID, "sigma")
        assert box_sides(shape, tilt) == pytest.approx(box_sides(shape, -tilt))
        assert box_sides(shape, tilt) == box_sides(replace(shape, sinistral=True, radius=7.0), tilt)


def test_the_mirror_image_of_a_layout_has_mirrored_boxes(few):
    for scene in few[:10]:
        here, there = render(without_jpeg(scene)), render(without_jpeg(mirrored(scene)))
        for one, other in zip(here.clasts, there.clasts, strict=True):
            x0, y0, x1, y1 = one.box_xyxy
            assert other.box_xyxy == (scene.width - x1, y0, scene.width - x0, y1)


# ---- the recipe


def test_draws_are_reproducible():
    forwards = [draw_scene(LAID, index) for index in range(10)]
    backwards = [draw_scene.__wrapped__(LAID, index) for index in reversed(range(10))]
    assert forwards == backwards[::-1]


def test_an_unknown_layout_is_answered_with_the_known_ones():
    with pytest.raises(SuiteError, match="Recipe field layouts is 'mars'; give agu2021"):
        recipe(layouts="mars")


def test_a_layout_is_part_of_the_digest_and_none_is_not():
    assert recipe_digest(LAID) != recipe_digest(replace(LAID, layouts=""))
    assert recipe_digest(recipe("easy", layouts="")) == recipe_digest(recipe("easy"))


def test_only_clasts_differ_from_the_scene_without_a_layout():
    for index in range(20):
        plain, scene = (asdict(draw_scene(one, index)) for one in (recipe("easy"), LAID))
        for said in (plain, scene):
            del said["clasts"], said["matrix"]["stray_mineral"], said["matrix"]["grain"]
        assert scene == plain


@pytest.mark.parametrize("condition", [*EXAMPLES, "size=3", "size=0.05", "crowd=0", "crowd=12"])
def test_every_condition_draws_a_layout(condition):
    for index in range(3):
        assert render_photograph(LAID, index, condition).load().shape == (64, 96, 3)


def test_size_leaves_no_overlapping_cores():
    for index in range(15):
        scene = scene_under(LAID, index, "size=2")
        for one, other in combinations(scene.clasts, 2):
            assert np.hypot(one.x - other.x, one.y - other.y) > half_axes(one)[0] + half_axes(other)[0]


def test_the_matrix_is_finer_than_its_smallest_clast_with_or_without_clasts():
    shown, free = ([draw_scene(replace(LAID, kinds=kinds), index) for index in range(60)] for kinds in (SIGMA, FREE))
    for scene in shown:
        smallest = min(2 * clast.radius for clast in scene.clasts)
        assert scene.matrix.grain <= max(smallest, 1.2 * LAID.width / 192)
    grains = [(one.matrix.grain, other.matrix.grain) for one, other in zip(shown, free, strict=True)]
    assert np.mean([one for one, _ in grains]) < 1.02 * np.mean([other for _, other in grains])


SIGMA, FREE = (("sigma", 1),), (("free", 1),)
