"""Artefacts lie on the picture where their masks say, and nowhere else."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clastbench.synth.artefacts import FREQUENCY, KINDS, Artefact, draw_artefacts, etch, overlay

ETCHED = ("bubble", "crack")
OVERLAID = tuple(kind for kind in KINDS if kind not in ETCHED)
EXAMPLES = {
    "frame": Artefact("frame", 0.5, 0.5, 0.04, tone=0.0),
    "field": Artefact("field", 0.5, 0.5, 0.4, tone=0.0),
    "bubble": Artefact("bubble", 0.3, 0.4, 0.06, tone=0.05),
    "crack": Artefact("crack", 0.5, 0.5, 0.7, angle=30.0, tone=0.05),
    "scale-bar": Artefact("scale-bar", 0.8, 0.9, 0.2, text="0.5 mm"),
    "letter": Artefact("letter", 0.1, 0.1, 0.06, text="B"),
    "arrow": Artefact("arrow", 0.5, 0.2, 0.2, angle=5.0),
    "watermark": Artefact("watermark", 0.5, 0.5, 0.6, angle=30.0, text="SAMPLE"),
}


def random(seed):
    return np.random.Generator(np.random.PCG64(seed))


def grey_light(width=192, height=128):
    return random(0).uniform(0.15, 0.35, (height, width, 3)).astype(np.float32)


def grey_image(width=192, height=128):
    return random(0).integers(90, 150, (height, width, 3), dtype=np.uint8)


def drawn_onto(artefacts, width=192, height=128):
    """Masks of both steps, and pairs of pixels before and after them."""
    light, image = grey_light(width, height), grey_image(width, height)
    etched, overlaid = etch(light, artefacts, float(light.mean())), overlay(image, artefacts)
    pixels = [(grey_light(width, height), light, etched), (grey_image(width, height), image, overlaid)]
    return etched | overlaid, pixels


def draw_many(share, count=2000):
    return [draw_artefacts(random(seed), share) for seed in range(count)]


@pytest.mark.parametrize("kind", KINDS)
def test_pixels_outside_the_mask_stay_as_they_were(kind):
    _, pixels = drawn_onto([EXAMPLES[kind]])
    for before, after, masks in pixels:
        outside = ~masks.get(kind, np.zeros(before.shape[:2], bool))
        np.testing.assert_array_equal(after[outside], before[outside])


@pytest.mark.parametrize("kind", KINDS)
def test_most_pixels_inside_the_mask_change(kind):
    _, pixels = drawn_onto([EXAMPLES[kind]])
    changed = [np.any(after != before, axis=2)[masks[kind]].mean() for before, after, masks in pixels if kind in masks]
    assert len(changed) == 1
    assert changed[0] > 0.8


def test_pixels_outside_all_masks_stay_as_they_were():
    for artefacts in draw_many(1.0, 40):
        _, pixels = drawn_onto(artefacts, 96, 64)
        for before, after, masks in pixels:
            outside = ~np.any([np.zeros(before.shape[:2], bool), *masks.values()], axis=0)
            np.testing.assert_array_equal(after[outside], before[outside])


def test_the_same_records_give_the_same_pixels():
    (_, first), (_, second) = drawn_onto(list(EXAMPLES.values())), drawn_onto(list(EXAMPLES.values()))
    for (_, one, _), (_, other, _) in zip(first, second, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("kind", ["bubble", "crack", "frame"])
def test_another_seed_gives_another_shape(kind):
    one, _ = drawn_onto([EXAMPLES[kind]])
    other, _ = drawn_onto([replace(EXAMPLES[kind], seed=1)])
    assert np.any(one[kind] != other[kind])


def test_what_is_drawn_next_does_not_depend_on_the_share():
    for seed in range(50):
        generators = [random(seed) for _ in range(3)]
        for rng, share in zip(generators, (0.0, 0.4, 1.0), strict=True):
            draw_artefacts(rng, share)
        assert generators[0].bit_generator.state == generators[1].bit_generator.state
        assert generators[1].bit_generator.state == generators[2].bit_generator.state


def test_a_smaller_share_keeps_artefacts_of_a_larger_one_as_they_are():
    for seed in range(200):
        few, many = (
            {artefact for artefact in draw_artefacts(random(seed), share) if artefact.kind not in {"frame", "field"}}
            for share in (0.3, 0.9)
        )
        assert few <= many


def test_a_share_of_zero_draws_nothing():
    assert set(draw_many(0.0, 100)) == {()}


@pytest.mark.parametrize("share", [0.3, 1.0])
def test_each_kind_is_as_frequent_as_the_share_says(share):
    pictures = [{artefact.kind for artefact in artefacts} for artefacts in draw_many(share)]
    for kind in KINDS:
        assert np.mean([kind in kinds for kinds in pictures]) == pytest.approx(share * FREQUENCY[kind], abs=0.04)


def test_frame_and_field_exclude_each_other():
    assert not any({"frame", "field"} <= {artefact.kind for artefact in artefacts} for artefacts in draw_many(1.0))


def test_a_cracked_picture_has_one_to_three_cracks():
    cracks = [sum(artefact.kind == "crack" for artefact in artefacts) for artefacts in draw_many(1.0)]
    assert set(cracks) == {0, 1, 2, 3}


def test_arrows_point_either_way_equally_often():
    arrows = [artefact for artefacts in draw_many(1.0) for artefact in artefacts if artefact.kind == "arrow"]
    assert np.mean([np.cos(np.deg2rad(arrow.angle)) > 0 for arrow in arrows]) == pytest.approx(0.5, abs=0.06)


def test_the_barbs_of_a_pair_that_reads_cw_lie_upper_right_and_lower_left():
    masks, _ = drawn_onto([Artefact("arrow", 0.5, 0.5, 0.5)], 400, 400)
    rows, columns = np.nonzero(masks["arrow"])
    assert columns[rows == rows.min()].mean() > 200
    assert columns[rows == rows.max()].mean() < 200


def test_a_mirrored_arrow_record_gives_the_mirrored_arrow():
    arrow = Artefact("arrow", 0.4, 0.5, 0.5, angle=10.0)
    mask = drawn_onto([arrow], 400, 400)[0]["arrow"]
    twin = drawn_onto([replace(arrow, x=0.6, angle=170.0)], 400, 400)[0]["arrow"][:, ::-1]
    assert np.sum(mask & twin) > 0.85 * np.sum(mask | twin)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in {"frame", "field"}])
@pytest.mark.parametrize("corner", [(0.0, 0.0), (1.0, 0.0), (0.0, 1.0), (1.0, 1.0)])
def test_an_artefact_on_a_corner_is_cut_off(kind, corner):
    whole, _ = drawn_onto([replace(EXAMPLES[kind], x=0.5, y=0.5, angle=0.0)])
    x, y = corner
    cut, _ = drawn_onto([replace(EXAMPLES[kind], x=x, y=y, angle=0.0)])
    assert 0 < cut[kind].sum() < 0.8 * whole[kind].sum()


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in {"frame", "field"}])
def test_an_artefact_outside_the_picture_leaves_no_mask(kind):
    assert drawn_onto([replace(EXAMPLES[kind], x=4.0, y=-3.0)])[0] == {}


def test_a_field_wider_than_the_picture_leaves_no_mask():
    assert drawn_onto([replace(EXAMPLES["field"], size=0.9)])[0] == {}


def test_an_unknown_kind_is_answered_with_the_known_ones():
    with pytest.raises(ValueError, match=r"'hair'; give one of frame, field, bubble, .*watermark"):
        Artefact("hair", 0.5, 0.5, 0.1)


@pytest.mark.parametrize("kind", KINDS)
def test_an_artefact_covers_the_same_share_at_twice_the_resolution(kind):
    small, large = (drawn_onto([EXAMPLES[kind]], *size)[0][kind] for size in ((192, 128), (384, 256)))
    blocks = large.reshape(128, 2, 192, 2).any(axis=(1, 3))  # a smooth edge takes whole pixels at either resolution
    assert small.mean() == pytest.approx(blocks.mean(), rel=0.15)


def test_an_artefact_lies_at_the_same_place_at_twice_the_resolution():
    for kind in KINDS:
        centres = []
        for width, height in ((192, 128), (384, 256)):
            rows, columns = np.nonzero(drawn_onto([EXAMPLES[kind]], width, height)[0][kind])
            centres.append((rows.mean() / height, columns.mean() / width))
        assert centres[0] == pytest.approx(centres[1], abs=0.02)


def test_etching_ignores_what_is_laid_over():
    light = grey_light()
    assert etch(light, [EXAMPLES[kind] for kind in OVERLAID], 0.25) == {}
    np.testing.assert_array_equal(light, grey_light())


def test_laying_over_ignores_what_is_etched():
    image = grey_image()
    assert overlay(image, [EXAMPLES[kind] for kind in ETCHED]) == {}
    np.testing.assert_array_equal(image, grey_image())


def test_a_letter_lies_on_the_frame_in_whatever_order_they_come():
    letter = replace(EXAMPLES["letter"], x=0.02, y=0.03)
    images = [grey_image(), grey_image()]
    overlay(images[0], [EXAMPLES["frame"], letter])
    overlay(images[1], [letter, EXAMPLES["frame"]])
    np.testing.assert_array_equal(*images)


def test_two_artefacts_of_a_kind_share_one_mask():
    one, other = EXAMPLES["bubble"], replace(EXAMPLES["bubble"], x=0.7)
    together, first, second = (drawn_onto(artefacts)[0]["bubble"] for artefacts in ([one, other], [one], [other]))
    np.testing.assert_array_equal(together, first | second)


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 2**32 - 1), st.integers(32, 200), st.integers(32, 200))
def test_whatever_is_drawn_gives_masks_of_the_shape_of_the_picture(seed, width, height):
    artefacts = draw_artefacts(random(seed), 1.0)
    masks, _ = drawn_onto(artefacts, width, height)
    assert set(masks) <= {artefact.kind for artefact in artefacts}
    for mask in masks.values():
        assert mask.shape == (height, width)
        assert mask.dtype == bool
        assert mask.any()


@settings(deadline=None, max_examples=150)
@given(
    st.sampled_from(KINDS),
    st.floats(-1, 2),
    st.floats(-1, 2),
    st.floats(0, 1.5),
    st.floats(-360, 360),
    st.floats(0, 1),
    st.sampled_from(["", " ", "a", "Qtz", "0.5 mm", "© 2004"]),
    st.integers(0, 2**32 - 1),
)
def test_any_record_can_be_drawn(kind, x, y, size, angle, tone, text, seed):
    masks, pixels = drawn_onto([Artefact(kind, x, y, size, angle, tone, text, seed)], 96, 64)
    assert set(masks) <= {kind}
    for before, after, _ in pixels:
        outside = ~masks.get(kind, np.zeros(before.shape[:2], bool))
        np.testing.assert_array_equal(after[outside], before[outside])
