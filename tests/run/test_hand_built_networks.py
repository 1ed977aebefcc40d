"""Networks whose eyes are known: one sees but the tails, one but a scale bar; the scores must say so."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from clastbench.data import export_coco
from clastbench.data.masks import decode
from clastbench.metrics import gate_passed
from clastbench.report.leaderboard import build
from clastbench.suite import load_suite
from clastbench.synth import Recipe, render_photograph

PAINT = {"CW": (255, 0, 0), "CCW": (0, 0, 255)}
"""Tails are painted in the colour of their sense: red or blue."""
BAR = {"CW": (0, 255, 0), "CCW": (255, 0, 255)}
"""So is a scale bar at the lower left: green or magenta."""

NETWORKS = '''
"""Networks whose weights are set by hand; training leaves them alone, it has next to no step."""

import torch
from torch import nn


class _Colours(nn.Module):
    """Two maps at full resolution: how much each pixel is of either colour."""

    def __init__(self, first, second):
        super().__init__()
        self.see = nn.Conv2d(3, 2, 1)
        self.map = nn.ReLU()
        self.far = torch.tensor([first, second])
        with torch.no_grad():
            for row, colour in enumerate((first, second)):
                signs = 2 * torch.tensor(colour) - 1
                self.see.weight[row] = signs[:, None, None]
                self.see.bias[row] = 0.1 - sum(colour)
        self.none = nn.Parameter(torch.tensor(0.0))

    def forward(self, images):
        clockwise, counter = self.map(self.see(images)).mean(dim=(2, 3)).mul(200).unbind(1)
        return torch.stack([self.none + 0 * clockwise, clockwise, counter], dim=1)


class _Reader:
    size, mean, std = (64, 96), (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)
    cam_layer = "map"

    def build(self, num_classes, weights):
        return _Colours(*self.colours)


class Tails(_Reader):
    colours = ((1.0, 0.0, 0.0), (0.0, 0.0, 1.0))


class Bar(_Reader):
    colours = ((0.0, 1.0, 0.0), (1.0, 0.0, 1.0))
'''

SUITE = """
name = "painted"
version = 1
split = "split.csv"
detectors = ["whole-image"]
backbones = ["{path}:Tails", "{path}:Bar", "small_vgg@scratch", "majority"]

[data]
source = "coco"
path = "photos"

[training.scratch]
epochs = 1
batch_size = 8
learning_rate = 1e-12
weight_decay = 0.0
schedule = "constant"
mirror = false
rotate_deg = 0.0
photometric = 0.0
"""


def painted(photo):
    """Paint tails and scale bar in the colours of the sense."""
    image = photo.load()
    if photo.clasts and photo.truth in PAINT:
        (clast,) = photo.clasts
        image[decode(clast.parts["tails"])] = PAINT[photo.truth]
        bar = np.zeros(image.shape[:2], bool)
        bar[-7:-3, 4:24] = True
        image[bar & ~decode(clast.mask)] = BAR[photo.truth]
    return replace(photo, pixels=partial(np.array, image))


@pytest.fixture(scope="module")
def ran(tmp_path_factory, run_suite):
    folder = tmp_path_factory.mktemp("painted")
    kinds = (("sigma", 2), ("phi", 1), ("free", 1))
    recipe = Recipe(seed=3, n_images=48, width=96, height=64, kinds=kinds, others=(0, 0))
    photographs = [painted(render_photograph(recipe, index)) for index in range(48)]
    export_coco(photographs, folder / "photos")
    roles = [("train", 24), ("validation", 4), ("test", 20)]
    names = [role for role, count in roles for _ in range(count)]
    rows = [f"holdout,{role},{photo.id}" for role, photo in zip(names, photographs, strict=True)]
    (folder / "split.csv").write_text("\n".join(["fold,role,id", *rows]), encoding="utf-8")
    (folder / "networks.py").write_text(NETWORKS, encoding="utf-8")
    (folder / "painted.toml").write_text(SUITE.format(path=folder / "networks.py"), encoding="utf-8")
    return run_suite(folder / "painted.toml", folder / "home")


@pytest.fixture(scope="module")
def scores(ran):
    board = build(load_suite(str(ran.path)), ran.session.plan.digest, ran.records())
    return {row.backbone: row.scores for row in board.rows}


def test_both_are_always_right_so_that_accuracy_cannot_tell_them_apart(scores):
    assert scores["networks.py:Tails@scratch"]["sense_forced"].value == 1
    assert scores["networks.py:Bar@scratch"]["sense_forced"].value == 1


def test_a_network_that_sees_only_the_tails_has_its_heat_there_and_the_highest_lift(scores):
    tails = scores["networks.py:Tails@scratch"]
    assert tails["tail_share"].value >= 0.9
    others = [said["lift_sense"].value for name, said in scores.items() if "Tails" not in name]
    assert tails["lift_sense"].value > max(value for value in others if value is not None)


@pytest.mark.parametrize("column", ["lift_sense", "lift_presence"])
def test_a_network_that_sees_only_the_scale_bar_has_no_lift(scores, column):
    assert scores["networks.py:Bar@scratch"][column].value <= 0


def test_a_backbone_without_a_network_says_why_it_has_no_lift(scores):
    lift = scores["majority"]["lift_sense"]
    assert lift.value is None
    assert "needs a network" in lift.reason


def test_hand_set_weights_come_back_with_random_weights_and_fail_the_gate(scores):
    """`build("none")` makes the same network again: like an edge detector, it depends on nothing that was learned."""
    assert gate_passed(scores["networks.py:Tails@scratch"]["gate_randomisation"]) is False
