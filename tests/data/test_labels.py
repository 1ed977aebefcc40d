"""Pixels get the numbers of the parts and of the clasts that they show."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from clastbench.data.labels import instance_labels, part_labels
from clastbench.data.masks import encode
from clastbench.errors import DataError
from clastbench.records import Clast, Photomicrograph

SHAPE = (5, 7)
regions = hnp.arrays(bool, SHAPE)


def photo(*clasts: Clast) -> Photomicrograph:
    return Photomicrograph("p", lambda: None, "", "CW", present=True, group="p", clasts=clasts)


def clast(outline=None, **parts) -> Clast:
    named = {name: encode(region) for name, region in parts.items()}
    return Clast((0.0, 0.0, 1.0, 1.0), "CW", mask=None if outline is None else encode(outline), parts=named)


def block(rows: slice, columns: slice) -> np.ndarray:
    region = np.zeros(SHAPE, bool)
    region[rows, columns] = True
    return region


LEFT, RIGHT, MIDDLE = block(slice(1, 4), slice(0, 4)), block(slice(1, 4), slice(3, 7)), block(slice(2, 3), slice(3, 4))


def test_a_core_is_2_its_tails_are_1_and_the_rest_is_0():
    labels = part_labels(photo(clast(LEFT, core=MIDDLE)), SHAPE)
    assert labels.dtype == np.uint8
    assert np.array_equal(labels, LEFT + MIDDLE.astype(np.uint8))


def test_a_core_wins_over_the_tails_of_another_clast():
    labels = part_labels(photo(clast(LEFT, core=MIDDLE), clast(RIGHT)), SHAPE)
    assert labels[2, 3] == 2
    assert np.array_equal(labels, part_labels(photo(clast(RIGHT), clast(LEFT, core=MIDDLE)), SHAPE))


def test_a_clast_whose_core_is_unknown_is_1_throughout():
    assert np.array_equal(part_labels(photo(clast(LEFT)), SHAPE), LEFT)


def test_a_clast_without_a_mask_is_not_there_but_keeps_its_place():
    shown = photo(clast(), clast(LEFT))
    assert np.array_equal(part_labels(shown, SHAPE), LEFT)
    assert np.array_equal(instance_labels(shown, SHAPE), 2 * LEFT)


def test_where_clasts_overlap_the_earlier_one_wins():
    labels = instance_labels(photo(clast(LEFT), clast(RIGHT)), SHAPE)
    assert np.array_equal(labels, np.where(LEFT, 1, 2 * RIGHT))


@given(st.lists(st.tuples(regions, regions, regions), max_size=4))
def test_the_same_pixels_belong_to_parts_and_to_instances(drawn):
    shown = photo(*(clast(outline, core=core, tails=tails) for outline, core, tails in drawn))
    assert np.array_equal(part_labels(shown, SHAPE) > 0, instance_labels(shown, SHAPE) > 0)


def test_as_many_clasts_as_8_bits_can_count_are_told_apart_and_no_more():
    assert instance_labels(photo(*[clast()] * 254, clast(LEFT)), SHAPE).max() == 255
    with pytest.raises(DataError, match="256 clasts"):
        instance_labels(photo(*[clast()] * 256), SHAPE)


@pytest.mark.parametrize("labels", [part_labels, instance_labels])
def test_a_mask_of_another_size_is_refused_with_the_photograph(labels):
    with pytest.raises(DataError, match="p: a mask is of 7 by 5 pixels, the picture of 7 by 6"):
        labels(photo(clast(LEFT)), (6, 7))
