"""What the baselines promise: a lean that flips in a mirror, repeatable chance, and blindness that scores one half."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from clastbench.baselines.detectors import GroundTruth, WholeImage
from clastbench.baselines.small import SmallResNet, SmallVGG
from clastbench.baselines.structure_tensor import StructureTensor, leans
from clastbench.baselines.trivial import Chance, Majority
from clastbench.data.crops import Crops
from clastbench.metrics import METRICS, Observations
from clastbench.records import Clast, Photomicrograph
from clastbench.train.networks import BuiltNetwork, logits_of

NONE, CW, CCW = range(3)
SIZE = (96, 144)


def grating(degrees: float, wavelength: float = 24.0, size: tuple[int, int] = SIZE) -> np.ndarray:
    """Stripes that run at an angle to the x axis, counter-clockwise as seen: float32[1, 3, H, W]."""
    rows, columns = np.mgrid[: size[0], : size[1]]
    angle = math.radians(degrees)
    across = -math.sin(angle) * columns + math.cos(angle) * -rows  # y up
    grey = 0.5 + 0.4 * np.sin(2 * math.pi * across / wavelength)
    return np.broadcast_to(grey, (1, 3, *size)).astype(np.float32)


def noise(n: int, size: tuple[int, int] = SIZE, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).random((n, 3, *size), dtype=np.float32)


def labelled(labels: list[int], size: tuple[int, int] = (8, 8)) -> Crops:
    images = np.random.default_rng(0).integers(0, 256, (len(labels), *size, 3), dtype=np.uint8)
    return Crops(images, np.asarray(labels, np.int64), tuple(str(row) for row in range(len(labels))))


def fitted(model, crops: Crops, out, seed: int = 0):
    """Return the model after fit and load, as the harness does it."""
    model.fit(crops, crops, seed=seed, device="cpu", out=out)
    again = type(model)()
    again.load(out, device="cpu")
    return again


def photograph(identity: str, clasts: tuple[Clast, ...] = (), height: int = 40, width: int = 60) -> Photomicrograph:
    return Photomicrograph(
        id=identity,
        pixels=lambda: np.zeros((height, width, 3), np.uint8),
        sha256="",
        truth=None,
        present=bool(clasts),
        group=identity,
        clasts=clasts,
    )


# Structure tensor


@pytest.mark.parametrize(("degrees", "expected"), [(45, CW), (20, CW), (-45, CCW), (160, CCW)])
def test_stripes_like_a_slash_read_cw_and_like_a_backslash_ccw(degrees, expected):
    assert StructureTensor().predict(grating(degrees)).argmax() == expected


@pytest.mark.parametrize("degrees", range(-80, 91, 10))
def test_lean_of_a_grating_is_half_the_sine_of_twice_its_angle(degrees):
    """Stripes at angle a have gradients along (-sin a, cos a), so -gx gy / (gx² + gy²) = sin a cos a = sin(2a) / 2."""
    expected = math.sin(2 * math.radians(degrees)) / 2
    assert leans(grating(degrees))[0] == pytest.approx(expected, abs=0.02)


def test_lean_of_a_grating_does_not_depend_on_its_contrast_or_brightness():
    image = grating(30)
    assert leans(0.2 * image + 0.5) == pytest.approx(leans(image), abs=1e-4)


@given(seed=st.integers(0, 2**32 - 1))
@settings(max_examples=20, deadline=None)
def test_mirror_image_has_exactly_the_opposite_lean(seed):
    images = noise(2, seed=seed)
    assert leans(images[..., ::-1]) == pytest.approx(-leans(images), abs=1e-6)
    assert leans(images[:, :, ::-1]) == pytest.approx(-leans(images), abs=1e-6)


@given(seed=st.integers(0, 2**32 - 1))
@settings(max_examples=20, deadline=None)
def test_half_a_turn_keeps_the_lean(seed):
    images = noise(2, seed=seed)
    assert leans(images[:, :, ::-1, ::-1]) == pytest.approx(leans(images), abs=1e-6)


@pytest.mark.parametrize("grey", [0.0, 0.5, 1.0])
def test_flat_picture_has_no_lean(grey):
    assert leans(np.full((1, 3, *SIZE), grey, np.float32)) == pytest.approx(0, abs=1e-3)


def test_horizontal_layers_have_no_lean():
    assert leans(grating(0)) == pytest.approx(0, abs=1e-6)


def test_rim_of_the_picture_does_not_count():
    image = grating(30)
    framed = noise(1)
    framed[:, :, 13:83, 23:121] = image[:, :, 13:83, 23:121]
    assert leans(framed) == pytest.approx(leans(image), abs=1e-6)


def test_senses_are_opposite_and_none_never_wins():
    logits = StructureTensor().predict(noise(20))
    assert np.array_equal(logits[:, CW], -logits[:, CCW])
    assert set(logits.argmax(1)) <= {CW, CCW}


# Chance


def test_chance_answers_the_same_whatever_the_batch_and_the_order():
    images = noise(12, (32, 32))
    together = Chance().predict(images)
    assert np.array_equal(np.concatenate([Chance().predict(image[None]) for image in images]), together)
    assert np.array_equal(Chance().predict(images[::-1])[::-1], together)


def test_chance_differs_between_pictures():
    logits = Chance().predict(noise(12, (32, 32)))
    assert len({tuple(row) for row in logits}) == 12


def test_chance_differs_between_seeds_and_remembers_its_own(tmp_path):
    images, crops = noise(12, (32, 32)), labelled([NONE, CW])
    answers = []
    for seed in (0, 1):
        (tmp_path / str(seed)).mkdir()
        answers.append(fitted(Chance(), crops, tmp_path / str(seed), seed).predict(images))
    assert (answers[0] != answers[1]).all()
    assert np.array_equal(fitted(Chance(), crops, tmp_path / "0", 0).predict(images), answers[0])


def test_chance_prefers_no_class():
    answers = Chance().predict(noise(600, (8, 8))).argmax(1)
    assert np.bincount(answers, minlength=3).min() > 150


# Majority


def test_majority_answers_with_the_log_of_the_frequencies(tmp_path):
    model = fitted(Majority(), labelled([NONE] * 5 + [CW] * 3 + [CCW] * 2), tmp_path)
    expected = np.log([0.5, 0.3, 0.2])
    assert np.allclose(model.predict(noise(4, (8, 8))), np.tile(expected, (4, 1)), atol=1e-6)


def test_majority_is_finite_for_a_class_it_never_saw(tmp_path):
    logits = fitted(Majority(), labelled([CW, CW, CCW]), tmp_path).predict(noise(1, (8, 8)))
    assert np.isfinite(logits).all()
    assert logits[0].argsort().tolist() == [NONE, CCW, CW]


# Networks without pretrained weights


@pytest.mark.parametrize("model", [SmallResNet, SmallVGG])
def test_small_network_refuses_to_be_called_pretrained(model):
    with pytest.raises(ValueError, match="no pretrained weights exist"):
        model().build(3, "imagenet")


@pytest.mark.parametrize("model", [SmallResNet, SmallVGG])
def test_small_network_has_less_than_a_million_parameters(model):
    assert sum(tensor.numel() for tensor in model().build(3, "none").parameters()) < 1e6


# Detectors


def test_whole_image_gives_the_frame_of_each_photograph_in_order():
    found = WholeImage().detect([photograph("b", height=40, width=60), photograph("a", height=10, width=20)])
    assert [(boxes.image_id, boxes.xyxy.tolist(), boxes.score.tolist()) for boxes in found] == [
        ("b", [[0, 0, 60, 40]], [1]),
        ("a", [[0, 0, 20, 10]], [1]),
    ]


def test_ground_truth_gives_every_clast_that_is_not_to_be_ignored():
    kept, ignored = Clast((1, 2, 11, 12), "CW"), Clast((5, 5, 9, 9), None, ignore=True)
    found = GroundTruth().detect([photograph("a", (kept, ignored)), photograph("b")])
    assert [boxes.xyxy.tolist() for boxes in found] == [[[1, 2, 11, 12]], []]
    assert found[1].xyxy.shape == (0, 4)
    assert [boxes.score.tolist() for boxes in found] == [[1], []]


def test_ground_truth_finds_nothing_where_nothing_is():
    found = GroundTruth().detect([photograph("a"), photograph("b")])
    assert [boxes.xyxy.shape for boxes in found] == [(0, 4), (0, 4)]


def test_only_ground_truth_is_shown_the_truth():
    assert (WholeImage.uses_truth, WholeImage.view) == (False, "image")
    assert (GroundTruth.uses_truth, GroundTruth.view) == (True, "crop")


# Blind to mirroring (oracle 7 of the metrics)


class Sighted(nn.Module):
    """A small random network that tells a picture from its mirror image."""

    def __init__(self) -> None:
        super().__init__()
        self.convolution, self.last = nn.Conv2d(3, 8, 5, stride=2), nn.Linear(8, 3)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.last(self.convolution(images).relu().amax((2, 3)))


class MirrorBlind(nn.Module):
    """The mean of what a network says about a picture and about its mirror image."""

    def __init__(self) -> None:
        super().__init__()
        self.network = Sighted()

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return (self.network(images) + self.network(images.flip(3))) / 2


def on_mirrored_pairs(module: nn.Module, n: int = 30) -> Observations:
    """What a network says about CW pictures and about their mirror images, which are CCW."""
    network = BuiltNetwork(module, torch.full((1, 3, 1, 1), 0.5), torch.ones(1, 3, 1, 1), "", "cpu")
    pictures = np.random.default_rng(3).integers(0, 256, (n, 24, 36, 3), dtype=np.uint8)
    images = np.concatenate([pictures, pictures[:, :, ::-1]])
    probabilities = torch.from_numpy(logits_of(network, images).astype(np.float64)).softmax(1).numpy()
    names = tuple(f"{row:03}" for row in range(2 * n))
    truth = np.repeat([CW, CCW], n)
    return Observations(names, names, truth, truth > 0, probabilities)


def score(metric: str, observations: Observations) -> float:
    return float(METRICS[metric].statistic(observations)(np.ones((1, len(observations))))[0])


@pytest.mark.parametrize("metric", ["sense_forced", "sense_forced_accuracy"])
def test_network_that_is_blind_to_mirroring_scores_one_half_on_mirrored_pairs(metric):
    torch.manual_seed(0)
    assert score(metric, on_mirrored_pairs(MirrorBlind())) == 0.5


def test_network_that_is_blind_to_mirroring_says_the_same_of_both_mirror_images():
    torch.manual_seed(0)
    said = on_mirrored_pairs(MirrorBlind()).probabilities
    assert np.allclose(said[:30], said[30:], atol=1e-6)


def test_structure_tensor_answers_mirror_images_with_opposite_senses():
    images = noise(30)
    one, other = (StructureTensor().predict(pictures) for pictures in (images, images[..., ::-1]))
    assert np.allclose(one[:, [NONE, CW, CCW]], other[:, [NONE, CCW, CW]], atol=1e-4)
