"""Augmentation knows what it does to a shear sense: a mirror swaps it, a rotation keeps it, nothing else is done."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from clastbench.baselines.structure_tensor import leans
from clastbench.records import CLASSES
from clastbench.train.augment import MIRRORED_INDEX, PADDING, augment, mirror_some, relight, rotate
from clastbench.train.heads import twins

NONE, CW, CCW = range(3)


def noise(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed))


def spot(height: int, width: int, x: float, y: float, radius: float = 3.0) -> torch.Tensor:
    """A bright Gaussian spot on the padding grey; x, y from the centre in pixels, y up."""
    rows, columns = np.mgrid[:height, :width]
    right, up = columns - (width - 1) / 2 - x, (height - 1) / 2 - rows - y
    bright = PADDING + 0.4 * np.exp(-(right**2 + up**2) / (2 * radius**2))
    return torch.from_numpy(np.broadcast_to(bright, (1, 3, height, width)).astype(np.float32))


def centre_of(image: torch.Tensor) -> tuple[float, float]:
    """Where the spot is: x, y from the centre in pixels, y up."""
    bright = (image[0, 0] - PADDING).numpy()
    height, width = bright.shape
    rows, columns = np.mgrid[:height, :width]
    x = (bright * (columns - (width - 1) / 2)).sum() / bright.sum()
    y = (bright * ((height - 1) / 2 - rows)).sum() / bright.sum()
    return float(x), float(y)


def plan(n: int, seed: int = 0, **changes: object) -> dict[str, object]:
    settings = {"mirror": False, "rotate_deg": 0.0, "photometric": 0.0}
    return {**settings, **changes, "generator": torch.Generator().manual_seed(seed)}


# Mirrors


def test_mirror_swaps_cw_and_ccw_and_keeps_none():
    assert (CLASSES.index("none"), CLASSES.index("CCW"), CLASSES.index("CW")) == MIRRORED_INDEX
    images, labels = noise(3, 3, 4, 6), torch.tensor([NONE, CW, CCW])
    flipped, swapped = mirror_some(images, labels, torch.ones(3, dtype=torch.bool))
    assert torch.equal(flipped, images.flip(3))
    assert swapped.tolist() == [NONE, CCW, CW]


def test_only_the_chosen_pictures_are_mirrored():
    images, labels = noise(3, 3, 4, 6), torch.tensor([CW, CW, CW])
    flipped, swapped = mirror_some(images, labels, torch.tensor([False, True, False]))
    assert swapped.tolist() == [CW, CCW, CW]
    assert torch.equal(flipped[[0, 2]], images[[0, 2]])
    assert torch.equal(flipped[1], images[1].flip(2))


def test_labels_are_swapped_exactly_where_pictures_are_flipped():
    images = torch.zeros(200, 3, 4, 6)
    images[:, :, :, :3] = 1  # bright on the left
    labels = torch.arange(200) % 2 + CW
    seen, targets = augment(images, labels, **plan(200, mirror=True))
    flipped = seen[:, 0, 0, 0] == 0
    assert 70 < flipped.sum() < 130
    assert torch.equal(targets != labels, flipped)


def test_mirrored_stripes_lean_the_other_way_as_their_label_says():
    rows, columns = np.mgrid[:96, :144]
    rising = np.sin((columns + rows) / 4) / 2 + 0.5  # constant along `/`
    images = torch.from_numpy(np.broadcast_to(rising, (40, 3, 96, 144)).astype(np.float32))
    seen, targets = augment(images, torch.full((40,), CW), **plan(40, mirror=True))
    assert set(targets.tolist()) == {CW, CCW}
    assert np.array_equal(leans(seen.numpy()) > 0, (targets == CW).numpy())


def test_twins_of_feature_rows_swap_like_pictures_do():
    assert twins(np.asarray([NONE, CW, CCW, CW])).tolist() == [NONE, CCW, CW, CCW]


# Rotations


def test_rotation_is_counter_clockwise_as_seen():
    turned = rotate(spot(65, 65, x=20, y=0), torch.tensor([90.0]))
    assert centre_of(turned) == pytest.approx((0, 20), abs=0.05)


@pytest.mark.parametrize("size", [(64, 96), (96, 64), (65, 97)])
@pytest.mark.parametrize("degrees", [-150.0, -30.0, 17.0, 45.0, 180.0])
def test_rotation_keeps_distances_and_angles_on_pictures_that_are_not_square(size, degrees):
    x, y, turn = 12.0, 9.0, math.radians(degrees)
    turned = rotate(spot(*size, x, y), torch.tensor([degrees]))
    expected = (x * math.cos(turn) - y * math.sin(turn), x * math.sin(turn) + y * math.cos(turn))
    assert centre_of(turned) == pytest.approx(expected, abs=0.05)


def test_disc_in_the_middle_of_a_wide_picture_stays_a_disc():
    disc = spot(64, 96, 0, 0, radius=8)
    assert torch.allclose(rotate(disc, torch.tensor([33.0])), disc, atol=0.01)


@pytest.mark.parametrize("degrees", [10.0, -75.0, 160.0])
def test_rotation_agrees_with_scipy(degrees):
    image = noise(1, 3, 40, 56)
    expected = ndimage.rotate(
        image[0].numpy(), degrees, axes=(2, 1), reshape=False, order=1, mode="grid-constant", cval=PADDING
    )
    assert np.allclose(rotate(image, torch.tensor([degrees]))[0].numpy(), expected, atol=1e-4)


def test_every_picture_of_a_batch_turns_by_its_own_angle():
    images = torch.cat([spot(65, 65, 20, 0)] * 3)
    turned = rotate(images, torch.tensor([0.0, 90.0, 180.0]))
    centres = [centre_of(turned[row : row + 1]) for row in range(3)]
    assert np.allclose(centres, [(20, 0), (0, 20), (-20, 0)], atol=0.05)


def test_rotation_by_nothing_changes_nothing():
    image = noise(2, 3, 40, 56)
    assert torch.allclose(rotate(image, torch.zeros(2)), image, atol=1e-5)


@pytest.mark.parametrize("level", [0.0, 1.0])
def test_corners_that_turn_in_are_the_padding_grey(level):
    turned = rotate(torch.full((1, 3, 64, 64), level), torch.tensor([45.0]))
    assert torch.allclose(turned[:, :, [0, 0, -1, -1], [0, -1, 0, -1]], torch.tensor(128 / 255))
    assert turned[0, 0, 32, 32] == pytest.approx(level, abs=1e-6)


@given(degrees=st.floats(-360, 360), seed=st.integers(0, 9))
@settings(max_examples=30, deadline=None)
def test_rotation_never_leaves_the_range_of_pixels(degrees, seed):
    turned = rotate(noise(1, 3, 16, 24, seed=seed), torch.tensor([degrees]))
    assert turned.min() >= -1e-5
    assert turned.max() <= 1 + 1e-5


def test_rotation_keeps_labels():
    labels = torch.tensor([NONE, CW, CCW] * 5)
    images = noise(15, 3, 16, 24)
    seen, targets = augment(images, labels, **plan(15, rotate_deg=180.0))
    assert torch.equal(targets, labels)
    assert not torch.allclose(seen, images)


def test_rotation_stays_within_its_limit():
    images = torch.cat([spot(65, 65, 24, 0)] * 50)
    seen, _ = augment(images, torch.zeros(50, dtype=torch.int64), **plan(50, rotate_deg=15.0))
    angles = [math.degrees(math.atan2(y, x)) for x, y in (centre_of(seen[row : row + 1]) for row in range(50))]
    assert -15.2 < min(angles) < -8
    assert 8 < max(angles) < 15.2


# Light


def test_light_keeps_labels_and_the_range_of_pixels():
    labels = torch.tensor([NONE, CW, CCW] * 5)
    images = noise(15, 3, 16, 24)
    seen, targets = augment(images, labels, **plan(15, photometric=0.9))
    assert torch.equal(targets, labels)
    assert 0 <= seen.min() < seen.max() <= 1
    assert not torch.allclose(seen, images)


def test_contrast_turns_about_the_mean_and_brightness_is_added():
    image = torch.tensor([0.4, 0.6]).repeat(1, 3, 2, 1)
    lit = relight(image, torch.tensor([0.5]), torch.tensor([0.1]))
    assert torch.allclose(lit, torch.tensor([0.55, 0.65]).repeat(1, 3, 2, 1))


# All together


def test_nothing_is_changed_when_nothing_is_asked_for():
    images, labels = noise(4, 3, 8, 12), torch.tensor([NONE, CW, CCW, CW])
    seen, targets = augment(images, labels, **plan(4))
    assert torch.equal(seen, images)
    assert torch.equal(targets, labels)


@pytest.mark.parametrize("same", [True, False])
def test_augmentation_follows_its_generator(same):
    images, labels = noise(16, 3, 8, 12), torch.arange(16) % 3
    wanted = {"mirror": True, "rotate_deg": 20.0, "photometric": 0.2}
    one, other = (augment(images, labels, **plan(16, seed, **wanted))[0] for seed in (1, 1 if same else 2))
    assert torch.equal(one, other) == same


def test_input_is_left_as_it_was():
    images, labels = noise(8, 3, 8, 12), torch.arange(8) % 3
    before = images.clone(), labels.clone()
    augment(images, labels, **plan(8, mirror=True, rotate_deg=20.0, photometric=0.2))
    assert torch.equal(images, before[0])
    assert torch.equal(labels, before[1])
