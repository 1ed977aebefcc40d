"""Where the cells of a map look: closed forms, and networks whose cells are known not to tile their input."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch
from timm.layers import Conv2dSame
from torch import nn

from clastbench.explain.cells import cells_of
from clastbench.explain.fields import Cells
from clastbench.plugins import BACKBONES, load
from clastbench.train.networks import BuiltNetwork, build


def built(module: nn.Module, layer: str) -> BuiltNetwork:
    mean, std = torch.zeros(1, 3, 1, 1), torch.ones(1, 3, 1, 1)
    return BuiltNetwork(module=module, mean=mean, std=std, cam_layer=layer, device="cpu")


def stack(*layers: nn.Module) -> BuiltNetwork:
    classify = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.LazyLinear(3))
    module = nn.Sequential(nn.Sequential(*layers), classify)
    module(torch.zeros(1, 3, 64, 96))
    return built(module, "0")


def strided(n: int, **said) -> list[nn.Module]:
    widths = [3, *[4] * n]
    return [
        part
        for before, after in pairwise(widths)
        for part in (nn.Conv2d(before, after, 3, stride=2, **said), nn.BatchNorm2d(after), nn.ReLU())
    ]


@pytest.mark.parametrize("n", [1, 2, 4])
def test_strided_convolutions_with_padding_look_at_the_first_pixel_of_each_cell(n):
    found = cells_of(stack(*strided(n, padding=1)), (64, 96))
    assert (found.x0, found.y0) == pytest.approx((0.5, 0.5), abs=1e-3)
    assert (found.step_x, found.step_y) == pytest.approx((2**n, 2**n), abs=1e-3)


def test_without_padding_the_field_of_the_first_cell_begins_at_the_edge():
    found = cells_of(stack(*strided(1)), (64, 96))
    assert (found.x0, found.y0, found.step_x) == pytest.approx((1.5, 1.5, 2), abs=1e-3)


def test_padding_of_tensorflow_shifts_the_other_way():
    found = cells_of(stack(Conv2dSame(3, 4, 3, stride=2), nn.ReLU(), Conv2dSame(4, 4, 3, stride=2)), (64, 96))
    assert (found.x0, found.y0) == pytest.approx((3.5, 3.5), abs=1e-3)  # 2 is the middle of the first four pixels


def test_patches_tile_the_input():
    found = cells_of(stack(nn.Conv2d(3, 4, 8, stride=8)), (64, 96))
    assert found.extent((8, 12)) == pytest.approx((0, 0, 96, 64), abs=1e-2)


def test_pooling_tiles_the_input_and_its_maxima_bias_nothing():
    found = cells_of(stack(nn.Conv2d(3, 4, 3, padding=1), nn.MaxPool2d(2), nn.ReLU(), nn.MaxPool2d(2)), (64, 96))
    assert found.extent((16, 24)) == pytest.approx((0, 0, 96, 64), abs=1e-2)


@pytest.mark.parametrize(
    ("name", "extent"),
    [
        ("small_resnet", (-7.5, -7.5, 88.5, 56.5)),
        ("small_vgg", (0, 0, 96, 64)),
        ("mobilenetv2", (-15.5, -15.5, 80.5, 48.5)),
    ],
)
def test_cells_of_shipped_networks(name, extent):
    network = build(load(BACKBONES, name).made, "none", (64, 96), "cpu")
    rows, columns = (4, 6) if name.startswith("small") else (2, 3)
    assert cells_of(network, (64, 96)).extent((rows, columns)) == pytest.approx(extent, abs=0.1)


def test_two_pretrained_networks_are_shifted_against_each_other_by_nearly_a_cell():
    one, other = (
        cells_of(build(load(BACKBONES, name).made, "none", (224, 224), "cpu"), (224, 224)).x0
        for name in ("efficientnet_lite0", "mobilenetv2")
    )
    assert (one, other) == pytest.approx((31.5, 0.5), abs=0.1)


def test_means_of_the_whole_picture_have_no_place():
    made = load(BACKBONES, "timm:mobilenetv3_small_050").made  # squeeze and excitation in most blocks
    found = cells_of(build(made, "none", (224, 224), "cpu"), (224, 224))
    assert (found.x0, found.step_x) == pytest.approx((0.5, 32), abs=0.3)


def test_tokens_are_taken_to_tile():
    made = load(BACKBONES, "timm:vit_tiny_patch16_224").made
    assert cells_of(build(made, "none", (224, 224), "cpu"), (224, 224)) is None


def test_a_layer_that_makes_one_size_of_everything_is_taken_to_tile():
    assert cells_of(stack(*strided(2, padding=1), nn.AdaptiveAvgPool2d(4)), (64, 96)) is None


def test_what_was_learned_is_no_matter_and_stays_as_it_was():
    found = []
    for seed in (0, 1):
        torch.manual_seed(seed)
        network = stack(*strided(2, padding=1))
        before = {name: tensor.clone() for name, tensor in network.module.state_dict().items()}
        found.append(cells_of(network, (64, 96)))
        assert all(torch.equal(before[name], tensor) for name, tensor in network.module.state_dict().items())
        assert network.module.training
    assert found[0] == found[1]


@pytest.mark.parametrize("place", [(9, 40), (32, 57), (50, 80)])
def test_a_bright_spot_lights_the_cell_that_looks_there(place):
    network = stack(*strided(3, padding=1))
    cells = cells_of(network, (64, 96))
    plain = network.module[0].eval()
    for part in plain.modules():
        if isinstance(part, nn.Conv2d):
            nn.init.constant_(part.weight, 1 / part.weight[0].numel())
            nn.init.zeros_(part.bias)
    picture = torch.zeros(1, 3, 64, 96)
    y, x = place
    picture[..., y - 1 : y + 2, x - 1 : x + 2] = 1
    with torch.inference_mode():
        heat = plain(picture)[0].sum(dim=0)
    row, column = divmod(int(heat.argmax()), heat.shape[1])
    assert abs(cells.y0 + row * cells.step_y - (y + 0.5)) <= cells.step_y / 2 + 0.5
    assert abs(cells.x0 + column * cells.step_x - (x + 0.5)) <= cells.step_x / 2 + 0.5


def test_cells_beyond_the_edge_belong_to_the_extent():
    assert Cells(x0=15.5, y0=31.5, step_x=32, step_y=32).extent((3, 5)) == (-0.5, 15.5, 159.5, 111.5)
