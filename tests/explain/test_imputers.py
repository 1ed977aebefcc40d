"""What stands in for removed pixels, against direct solutions, pytorch-grad-cam and plain sums."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import coo_matrix
from scipy.sparse.linalg import spsolve

from clastbench.errors import ExplanationError
from clastbench.explain.imputers import Blur, Mean, NoisyLinear, imputers
from clastbench.explain.units import grid

SIDE = 224
ALL = imputers(0.25)
NORMALISED, PIXELS = (0.45, 0.225), (0.0, 1.0)
"""Mean and standard deviation that colours in 0..1 are normalised with, or not."""


def picture_of(height: int, width: int, seed: int = 0, space: tuple[float, float] = PIXELS) -> torch.Tensor:
    """Smooth shapes and grain, float32[3, height, width], colours in 0..1 before they are normalised."""
    draw = torch.Generator().manual_seed(seed)
    coarse = torch.rand(1, 3, 7, 7, generator=draw)
    shapes = torch.nn.functional.interpolate(coarse, (height, width), mode="bilinear", align_corners=True)[0]
    grain = 0.1 * torch.randn(3, height, width, generator=draw)
    return ((shapes + grain).clamp(0, 1) - space[0]) / space[1]


def whole(picture: torch.Tensor) -> tuple[int, int, int, int]:
    return 0, 0, picture.shape[2], picture.shape[1]


def filled(imputer, picture: torch.Tensor, masks, window=None) -> torch.Tensor:
    masks = torch.as_tensor(np.asarray(masks))
    return imputer.ready(picture, window or whole(picture))(masks)


def directly(picture: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Solve ROAD's equations of one mask as a sparse system, float64[3, H, W]; neighbours outside are left out."""
    height, width = mask.shape
    number = np.full((height, width), -1)
    number[mask] = np.arange(mask.sum())
    known = np.zeros((3, mask.sum()))
    rows, columns, coefficients = [], [], []
    for y, x in np.argwhere(mask):
        total = 0.0
        for down in (-1, 0, 1):
            for across in (-1, 0, 1):
                there = y + down, x + across
                if (down, across) == (0, 0) or not (0 <= there[0] < height and 0 <= there[1] < width):
                    continue
                weight = 1 / 12 if down and across else 1 / 6
                total += weight
                if mask[there]:
                    rows.append(number[y, x])
                    columns.append(number[there])
                    coefficients.append(-weight)
                else:
                    known[:, number[y, x]] += weight * picture[:, there[0], there[1]]
        rows.append(number[y, x])
        columns.append(number[y, x])
        coefficients.append(total)
    matrix = coo_matrix((coefficients, (rows, columns)), shape=(mask.sum(), mask.sum())).tocsc()
    out = picture.astype(np.float64)
    out[:, mask] = spsolve(matrix, known.T).reshape(-1, 3).T
    return out


def masks_of(height: int, width: int) -> dict[str, np.ndarray]:
    draw = np.random.default_rng(5)
    units = grid((height, width), (0, 0, width, height))
    down, across = np.mgrid[:height, :width]
    middle = (down == height // 2) & (across == width // 2)
    return {
        "one cell": units == 14,
        "cell in a corner": units == 35,
        "35 of 36 cells": units != 8,
        "half of the cells": np.isin(units, draw.permutation(36)[:18]),
        "half of the pixels": draw.random((height, width)) < 0.5,
        "95 % of the pixels": draw.random((height, width)) < 0.95,
        "checkerboard": (down + across) % 2 == 0,
        "thin lines": (across % 5 == 0) | (down % 7 == 0),
        "thin diagonals": (down + across) % 9 == 0,
        "thin known lines": (across % 16 != 0) & (down % 31 != 0),
        "disc": np.hypot(down - height / 2, across - width / 2) < min(height, width) / 2.5,
        "all but a pixel": ~middle,
        "one pixel": middle,
    }


NAMES = tuple(masks_of(12, 12))


@pytest.mark.parametrize("space", [PIXELS, NORMALISED], ids=["pixels", "normalised"])
@pytest.mark.parametrize(("height", "width"), [(60, 60), (48, 71)])
def test_solutions_are_those_of_the_sparse_system(height, width, space):
    picture = picture_of(height, width, space=space)
    masks = masks_of(height, width)
    found = filled(NoisyLinear(0.0), picture, list(masks.values())).numpy()
    worst = {
        name: np.abs(one - directly(picture.numpy(), mask)).max()
        for one, (name, mask) in zip(found, masks.items(), strict=True)
    }
    assert max(worst.values()) < 1e-3, worst


@pytest.mark.parametrize("name", ["35 of 36 cells", "95 % of the pixels", "thin known lines"])
def test_solutions_of_large_pictures_are_those_of_the_sparse_system(name):
    picture, mask = picture_of(SIDE, SIDE, 3, NORMALISED), masks_of(SIDE, SIDE)[name]
    found = filled(NoisyLinear(0.0), picture, mask[None])[0].numpy()
    assert np.abs(found - directly(picture.numpy(), mask)).max() < 1e-3


@settings(deadline=None, max_examples=60)
@given(st.data())
def test_solutions_of_any_mask_in_any_window_are_those_of_the_sparse_system(data):
    height, width = data.draw(st.integers(1, 24)), data.draw(st.integers(1, 24))
    left, top = data.draw(st.integers(0, 3)), data.draw(st.integers(0, 3))
    share, seed = data.draw(st.sampled_from([0.05, 0.5, 0.9, 0.99])), data.draw(st.integers(0, 10**6))
    picture = picture_of(height + top + 2, width + left + 1, seed, NORMALISED)
    window = left, top, left + width, top + height
    mask = np.random.default_rng(seed).random(picture.shape[1:]) < share
    mask[top, left] = False
    found = filled(NoisyLinear(0.0), picture, mask[None], window)[0].numpy()
    inside = slice(None), slice(top, top + height), slice(left, left + width)
    expected = picture.numpy().astype(np.float64)
    expected[inside] = directly(picture.numpy()[inside], mask[inside[1:]])
    np.testing.assert_allclose(found, expected, atol=1e-3)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", [name for name in NAMES if name != "one pixel"])
def test_pictures_without_padding_are_filled_as_in_pytorch_grad_cam(name):
    from pytorch_grad_cam.metrics.road import NoisyLinearImputer

    picture, mask = picture_of(40, 52, space=NORMALISED), masks_of(40, 52)[name]
    expected = NoisyLinearImputer(noise=0.0)(picture, torch.from_numpy(~mask).float())
    np.testing.assert_allclose(filled(NoisyLinear(0.0), picture, mask[None])[0], expected, atol=1e-3)


@pytest.mark.filterwarnings("ignore")
def test_removed_shares_of_a_map_are_filled_as_in_pytorch_grad_cam():
    from pytorch_grad_cam.metrics.perturbation_confidence import RemoveMostRelevantFirst
    from pytorch_grad_cam.metrics.road import NoisyLinearImputer

    picture, relevance = picture_of(48, 48, 1), np.random.default_rng(2).permutation(48 * 48).reshape(48, 48)
    masks = [relevance >= np.percentile(relevance, kept) for kept in (10, 50, 90)]
    theirs = [RemoveMostRelevantFirst(kept, NoisyLinearImputer(noise=0.0)) for kept in (10, 50, 90)]
    expected = torch.stack([remove(picture, torch.from_numpy(relevance).float()) for remove in theirs])
    np.testing.assert_allclose(filled(NoisyLinear(0.0), picture, masks), expected, atol=1e-3)


def test_a_plane_is_continued_across_what_was_removed():
    down, across = torch.meshgrid(torch.arange(50.0), torch.arange(70.0), indexing="ij")
    plane = torch.stack([down / 50, across / 70, (down - across) / 70])
    mask = np.zeros((50, 70), bool)
    mask[7:41, 11:66] = True
    np.testing.assert_allclose(filled(NoisyLinear(0.0), plane, mask[None])[0], plane, atol=1e-3)


def test_larger_colours_are_solved_to_the_same_share():
    picture, masks = picture_of(60, 60), list(masks_of(60, 60).values())
    small = filled(NoisyLinear(0.0), picture, masks)
    np.testing.assert_allclose(filled(NoisyLinear(0.0), 1000 * picture, masks) / 1000, small, atol=1e-5)


@pytest.mark.parametrize("imputer", ALL, ids=lambda imputer: imputer.name)
@pytest.mark.parametrize("window", [(0, 0, 100, 90), (7, 20, 93, 61)])
def test_a_mask_gives_the_same_picture_alone_and_among_others(imputer, window):
    picture = picture_of(90, 100, space=NORMALISED)
    masks = list(masks_of(90, 100).values())
    together = filled(imputer, picture, masks, window)
    alone = torch.cat([filled(imputer, picture, mask[None], window) for mask in masks])
    backwards = filled(imputer, picture, masks[::-1], window).flip(0)
    assert (together - alone).abs().max() < 1e-5
    assert (together - backwards).abs().max() < 1e-5


def test_masks_of_large_pictures_do_not_influence_each_other():
    picture, masks = picture_of(SIDE, SIDE, 4, NORMALISED), list(masks_of(SIDE, SIDE).values())
    together = filled(NoisyLinear(), picture, masks)
    alone = torch.cat([filled(NoisyLinear(), picture, mask[None]) for mask in masks])
    assert (together - alone).abs().max() < 1e-5


@pytest.mark.parametrize("imputer", ALL, ids=lambda imputer: imputer.name)
@pytest.mark.parametrize("window", [(0, 0, 40, 30), (5, 3, 33, 30), (4, 4, 5, 5)])
def test_only_removed_pixels_inside_the_window_change(imputer, window):
    picture, masks = picture_of(30, 40), torch.rand(6, 30, 40, generator=torch.Generator().manual_seed(1)) < 0.6
    masks[0], masks[1] = True, False
    before = picture.clone(), masks.clone()
    out = filled(imputer, picture, masks, window)
    assert out.shape == (6, 3, 30, 40)
    assert out.dtype == torch.float32
    assert torch.isfinite(out).all()
    x0, y0, x1, y1 = window
    kept = ~masks
    kept[:, :y0], kept[:, y1:], kept[:, :, :x0], kept[:, :, x1:] = True, True, True, True
    assert torch.equal(out.movedim(1, -1)[kept], picture.expand_as(out).movedim(1, -1)[kept])
    assert torch.equal(picture, before[0])
    assert torch.equal(masks, before[1])
    assert out.data_ptr() != picture.data_ptr()


@pytest.mark.parametrize("imputer", ALL, ids=lambda imputer: imputer.name)
def test_no_masks_give_no_pictures(imputer):
    picture = picture_of(12, 14)
    assert filled(imputer, picture, np.zeros((0, 12, 14), bool)).shape == (0, 3, 12, 14)


@pytest.mark.parametrize("imputer", ALL, ids=lambda imputer: imputer.name)
def test_pictures_are_new_each_time(imputer):
    picture, masks = picture_of(12, 14), torch.ones(2, 12, 14, dtype=torch.bool)
    fill = imputer.ready(picture, whole(picture))
    first = fill(masks)
    copy = first.clone()
    first.fill_(7)
    assert torch.equal(fill(masks), copy)


def test_padding_is_no_content():
    picture, window = picture_of(40, 50), (6, 5, 41, 38)
    bright = torch.full_like(picture, 99.0)
    bright[:, 5:38, 6:41] = picture[:, 5:38, 6:41]
    masks = [grid((40, 50), window) == unit for unit in (0, 5, 14, 35)]
    for imputer in (Blur(0.25), NoisyLinear(0.0)):
        before, after = (filled(imputer, one, masks, window)[:, :, 5:38, 6:41] for one in (picture, bright))
        assert torch.equal(before, after), imputer.name


def test_all_three_come_in_order_and_know_the_mean():
    assert [imputer.name for imputer in ALL] == ["mean", "blur", "noisy-linear"]
    assert (Mean(0.25), Blur(0.25), NoisyLinear(0.01, 0.25)) == ALL


def test_mean_is_one_value():
    picture, mask = picture_of(20, 30), np.zeros((20, 30), bool)
    mask[3:7, 2:9] = True
    assert set(filled(Mean(0.5), picture, mask[None])[0][:, mask].ravel().tolist()) == {0.5}


def test_blur_is_the_normalised_convolution_inside_the_window():
    picture, window = picture_of(50, 60), (4, 8, 52, 44)
    out = filled(Blur(0.3), picture, np.ones((1, 50, 60), bool), window)[0].double().numpy()
    down, across = np.mgrid[8:44, 4:52]
    for y, x in [(8, 4), (20, 30), (43, 51), (25, 4)]:
        weight = np.exp(-((down - y) ** 2 + (across - x) ** 2) / (2 * 3.0**2))
        expected = (weight * picture.numpy()[:, 8:44, 4:52]).sum((1, 2)) / weight.sum()
        assert out[:, y, x] == pytest.approx(expected, abs=1e-5)


def test_blur_wipes_out_stripes_as_wide_as_half_a_cell():
    across = torch.arange(120.0).expand(3, 120, 120)
    stripes = torch.sin(2 * math.pi * across / 20).contiguous()
    out = filled(Blur(0.0), stripes, np.ones((1, 120, 120), bool))[0]
    assert out[..., 30:90].abs().max() < 0.01


def test_blur_of_the_mean_is_the_mean():
    picture = torch.full((3, 33, 35), 128 / 255)
    assert torch.equal(filled(Blur(128 / 255), picture, np.ones((1, 33, 35), bool))[0], picture)


@pytest.mark.parametrize("imputer", [Blur(0.5), NoisyLinear(0.0, 0.5)], ids=lambda imputer: imputer.name)
def test_window_of_a_pixel_can_be_removed(imputer):
    picture = picture_of(9, 9)
    out = filled(imputer, picture, np.ones((1, 9, 9), bool), (4, 3, 5, 4))[0]
    expected = picture.clone()
    if imputer.name == "noisy-linear":
        expected[:, 3, 4] = 0.5
    np.testing.assert_allclose(out, expected, atol=1e-6)


def test_nothing_known_gives_the_training_mean_and_noise():
    picture = picture_of(60, 60)
    out = filled(NoisyLinear(0.01, 0.4), picture, np.ones((1, 60, 60), bool))[0]
    assert float((out - 0.4).abs().max()) < 0.06
    assert float(out.std()) == pytest.approx(0.01, rel=0.05)


@pytest.mark.parametrize("size", [0.01, 0.2])
def test_noise_has_the_standard_deviation_asked_for(size):
    picture, mask = picture_of(90, 90), masks_of(90, 90)["half of the pixels"][None]
    added = (filled(NoisyLinear(size), picture, mask) - filled(NoisyLinear(0.0), picture, mask))[0][:, mask[0]]
    assert float(added.std()) == pytest.approx(size, rel=0.05)
    assert abs(float(added.mean())) < 4 * size / math.sqrt(added.numel())
    assert abs(float(np.corrcoef(added.numpy())[0, 1])) < 0.1


def test_noise_follows_from_the_picture_alone():
    picture, masks = picture_of(30, 30), torch.ones(2, 30, 30, dtype=torch.bool)
    masks[1, 0, 0] = False
    torch.manual_seed(1)
    first = filled(NoisyLinear(0.1), picture, masks)
    torch.manual_seed(2)
    assert torch.equal(filled(NoisyLinear(0.1), picture.clone(), masks), first)
    other = picture.clone()
    other[0, 0, 0] += 0.001
    assert (filled(NoisyLinear(0.1), other, masks[:1]) - first[0]).abs().max() > 0.1


def test_noise_leaves_the_global_generator_alone():
    picture = picture_of(10, 10)
    state = torch.random.get_rng_state()
    filled(NoisyLinear(), picture, np.ones((1, 10, 10), bool))
    assert torch.equal(torch.random.get_rng_state(), state)


def test_noise_is_the_same_for_every_mask():
    picture, masks = picture_of(40, 40), np.zeros((2, 40, 40), bool)
    masks[0, 3:9, 3:9] = masks[1, 3:9, 3:30] = True
    noise = filled(NoisyLinear(0.1), picture, masks) - filled(NoisyLinear(0.0), picture, masks)
    np.testing.assert_allclose(noise[0, :, 3:9, 3:9], noise[1, :, 3:9, 3:9], atol=1e-6)


def test_pixels_that_are_not_finite_are_refused():
    picture = picture_of(20, 20)
    picture[1] = torch.nan
    with pytest.raises(ExplanationError, match="finite"):
        filled(NoisyLinear(), picture, masks_of(20, 20)["one cell"][None])
