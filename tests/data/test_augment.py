"""Reflections swap the shear sense, rotations keep it, and a twin is mirrored in every respect."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

from clastbench.data import augment, masks
from clastbench.data.masks import decode
from clastbench.records import MIRRORED, Clast, Mask, Photomicrograph

SWAPPED = {"CW": "CCW", "CCW": "CW", "none": "none"}


class Pixels:
    def __call__(self):
        return np.arange(6 * 8 * 3, dtype=np.uint8).reshape(6, 8, 3)


def photograph(**changes):
    outline = np.zeros((6, 8), bool)
    outline[1:4, 1:5] = True
    clast = Clast(
        (1, 1, 5, 4), "CW", "sigma", masks.encode(outline), {"core": Mask(6, 8, polygons=((1, 1, 3, 1, 3, 3),))}
    )
    values = {
        "id": "p",
        "pixels": Pixels(),
        "sha256": "0" * 64,
        "truth": "CW",
        "present": True,
        "group": "g",
        "clasts": (clast,),
        "foliation_deg": 20.0,
        **changes,
    }
    return Photomicrograph(**values)


@pytest.mark.parametrize("label", ["CW", "CCW", "none"])
@pytest.mark.parametrize("flip", [augment.mirror, augment.flip_vertical])
def test_a_flip_never_comes_without_a_swap(flip, label):
    image = Pixels()()
    flipped, other = flip(image, label)
    assert not np.array_equal(flipped, image)
    assert other == SWAPPED[label]


@pytest.mark.parametrize("flip", [augment.mirror, augment.flip_vertical])
def test_two_flips_are_none(flip):
    image = Pixels()()
    again, label = flip(*flip(image, "CW"))
    assert np.array_equal(again, image)
    assert label == "CW"


def test_both_flips_together_are_half_a_turn_and_keep_the_label():
    image = Pixels()()
    turned, label = augment.flip_vertical(*augment.mirror(image, "CCW"))
    assert np.array_equal(turned, augment.rotate(image, 180))
    assert label == "CCW"


def test_rotation_is_counter_clockwise_and_pads_with_a_constant():
    image = np.zeros((21, 21, 3), np.uint8)
    image[10, 20] = 255
    turned = augment.rotate(image, 90)
    assert turned[0, 10].tolist() == [255, 255, 255]
    assert (augment.rotate(image, 45, pad=77)[0, 0] == 77).all()


def test_the_table_of_mirrored_classes_is_its_own_inverse():
    assert all(MIRRORED[MIRRORED[label]] == label for label in MIRRORED)
    assert MIRRORED == SWAPPED


def test_a_twin_is_mirrored_in_every_respect():
    photo = photograph()
    twin = augment.mirror_photograph(photo)
    assert (twin.id, twin.group, twin.truth, twin.present) == ("p~mirror", "g", "CCW", True)
    assert twin.sha256 != photo.sha256
    assert twin.foliation_deg == -20
    assert np.array_equal(twin.load(), photo.load()[:, ::-1])
    assert twin.clasts[0].sense == "CCW"
    assert twin.clasts[0].box_xyxy == (3, 1, 7, 4)
    assert np.array_equal(decode(twin.clasts[0].mask), decode(photo.clasts[0].mask)[:, ::-1])
    assert twin.clasts[0].parts["core"].polygons == ((7, 1, 5, 1, 5, 3),)


def test_the_artefacts_of_a_twin_are_mirrored_and_unknown_ones_stay_unknown():
    bar = np.zeros((6, 8), bool)
    bar[4, 1:4] = True
    twin = augment.mirror_photograph(photograph(artefacts={"scale-bar": masks.encode(bar)}))
    assert np.array_equal(decode(twin.artefacts["scale-bar"]), bar[:, ::-1])
    assert augment.mirror_photograph(photograph()).artefacts is None


def test_a_twin_without_sense_stays_without():
    twin = augment.mirror_photograph(photograph(truth=None, clasts=(Clast((0, 0, 2, 2), None),), foliation_deg=None))
    assert twin.truth is None
    assert twin.foliation_deg is None
    assert twin.clasts[0] == Clast((6, 0, 8, 2), None)


def test_the_mirror_image_of_a_twin_is_the_photograph_again():
    photo = photograph()
    again = augment.mirror_photograph(augment.mirror_photograph(photo))
    assert again.truth == photo.truth
    assert again.clasts == photo.clasts
    assert np.array_equal(again.load(), photo.load())


def test_a_twin_can_be_sent_to_another_process():
    twin = augment.mirror_photograph(photograph())
    assert np.array_equal(pickle.loads(pickle.dumps(twin)).load(), twin.load())


def test_the_width_comes_from_the_attributes_before_any_pixel_is_read():
    def refuse():
        raise AssertionError("pixels were read")

    photo = photograph(pixels=refuse, clasts=(Clast((0, 0, 2, 2), "CW"),), attributes={"width": "8", "height": "6"})
    assert augment.mirror_photograph(photo).clasts[0].box_xyxy == (6, 0, 8, 2)
