"""Maps of boxes lie where a detector looks, follow its gradients, and are empty where it says nothing."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from clastbench.data.letterbox import PAD, read_map
from clastbench.explain import drise
from clastbench.explain.box_cams import best_candidates, eigen_cam, grad_cams
from clastbench.explain.box_maps import box_values
from clastbench.explain.drise import Masks, best_answer, d_rise
from clastbench.explain.sight import Sight
from clastbench.records import Boxes

HEIGHT, WIDTH = 48, 64
WHOLE = (0.0, 0.0, float(WIDTH), float(HEIGHT))
PATCH = (40, 16, 56, 32)
"""The one window that is red."""
BOX = np.asarray([PATCH], np.float32)
ELSEWHERE = np.asarray([[0, 0, 16, 16]], np.float32)
WINDOWS = np.asarray([(x, y, x + 16, y + 16) for y in range(0, HEIGHT - 15, 8) for x in range(0, WIDTH - 15, 8)])


def photograph(mirrored: bool = False) -> np.ndarray:
    """Dark noise around a red patch."""
    pixels = np.random.default_rng(3).integers(5, 35, (HEIGHT, WIDTH, 3)).astype(np.uint8)
    x0, y0, x1, y1 = PATCH
    pixels[y0:y1, x0:x1] = (250, 30, 30)
    return np.ascontiguousarray(pixels[:, ::-1]) if mirrored else pixels


def scores(fine: torch.Tensor, coarse: torch.Tensor) -> torch.Tensor:
    """How red each window is, read from two levels: cells of 4 and of 8 pixels."""
    found = []
    for x0, y0, x1, y1 in WINDOWS.tolist():
        near = fine[0, 0, y0 // 4 : y1 // 4, x0 // 4 : x1 // 4].mean()
        far = coarse[0, 0, y0 // 8 : y1 // 8, x0 // 8 : x1 // 8].mean()
        found.append(torch.sigmoid(6 * near + 4 * far - 7))
    return torch.stack(found)


def levels(pixels: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
    picture = torch.from_numpy(pixels.astype(np.float32).transpose(2, 0, 1)[None] / 255)
    pool = torch.nn.functional.avg_pool2d
    return pool(picture, 4), pool(picture, 8)


def sight(pixels: np.ndarray) -> Sight:
    fine, coarse = (level.requires_grad_() for level in levels(pixels))
    return Sight(WINDOWS.astype(np.float32), scores(fine, coarse), (fine, coarse), (WHOLE, WHOLE))


def ask(pictures) -> list[Boxes]:
    """Propose the red windows."""
    found = []
    for pixels in pictures:
        said = scores(*levels(pixels)).numpy()
        sure = said > 0.2
        found.append(Boxes("p", WINDOWS[sure].astype(np.float32), said[sure]))
    return found


def share(saliency: np.ndarray, box=PATCH) -> float:
    """Return the share of the heat that lies in a box."""
    at = np.maximum(read_map(saliency, WHOLE, WHOLE, (HEIGHT, WIDTH)), 0)
    x0, y0, x1, y1 = box
    return float(at[y0:y1, x0:x1].sum() / at.sum())


AREA = 16 * 16 / (HEIGHT * WIDTH)


# Which candidate


def test_candidate_is_the_one_with_the_highest_overlap_times_score():
    seen = sight(photograph())
    assert WINDOWS[best_candidates(seen, BOX)[0]].tolist() == list(PATCH)
    beside = np.asarray([[34, 16, 50, 32]], np.float32)  # nearer to a window that is half red
    worth = [0.0] * 2
    for at, window in enumerate(([32, 16, 48, 32], list(PATCH))):
        k = WINDOWS.tolist().index(window)
        across = min(50, window[2]) - max(34, window[0])
        worth[at] = across / (32 - across) * float(seen.scores[k].detach())
    assert WINDOWS[best_candidates(seen, beside)[0]].tolist() == ([32, 16, 48, 32], list(PATCH))[int(np.argmax(worth))]


def test_box_that_no_candidate_touches_has_none_and_a_map_of_zeros():
    seen = replace(sight(photograph()), xyxy=np.tile(np.asarray([60, 40, 64, 48], np.float32), (len(WINDOWS), 1)))
    assert best_candidates(seen, ELSEWHERE) == [None]
    maps, _ = grad_cams(seen, ELSEWHERE)
    assert (maps.shape, np.abs(maps).max()) == ((1, 12, 16), 0)


def test_without_candidates_maps_are_zeros_and_without_boxes_there_are_none():
    seen = sight(photograph())
    none = replace(seen, xyxy=np.zeros((0, 4), np.float32), scores=seen.scores[:0])
    assert not grad_cams(none, BOX)[0].any()
    assert grad_cams(seen, BOX[:0])[0].shape == (0, 12, 16)
    assert eigen_cam(none)[0].shape == (12, 16)


def test_candidate_of_the_other_sense_is_not_taken():
    seen = sight(photograph())
    twice = replace(
        seen,
        xyxy=np.tile(seen.xyxy, (2, 1)),
        scores=torch.cat([seen.scores, seen.scores / 2]),
        labels=np.repeat(np.asarray([1, 2], np.int8), len(WINDOWS)),
    )
    at = WINDOWS.tolist().index(list(PATCH))
    labels = np.asarray([1, 2, 0], np.int8)
    assert best_candidates(twice, np.repeat(BOX, 3, axis=0), labels) == [at, at + len(WINDOWS), at]


# Class activation maps


def test_heat_of_grad_cam_lies_in_the_patch():
    maps, extent = grad_cams(sight(photograph()), BOX)
    assert (maps.shape, maps.dtype, extent) == ((1, 12, 16), np.float32, WHOLE)
    assert share(maps[0]) > 3 * AREA
    row, column = np.unravel_index(maps[0].argmax(), maps[0].shape)
    assert PATCH[0] <= 4 * column < PATCH[2]
    assert PATCH[1] <= 4 * row < PATCH[3]


def test_channel_weights_are_the_numerical_derivative_of_the_score():
    fine, coarse = levels(photograph())
    k, step = WINDOWS.tolist().index(list(PATCH)), 1e-3
    expected = np.zeros((12, 16), np.float32)
    for which, level in enumerate((fine, coarse)):
        for channel in range(3):
            moved = torch.zeros_like(level)
            moved[0, channel] = step
            pair = [
                [level + sign * moved if at == which else own for at, own in enumerate((fine, coarse))]
                for sign in (1, -1)
            ]
            ahead, behind = (float(scores(*one)[k]) for one in pair)
            weight = (ahead - behind) / (2 * step) / level[0, 0].numel()
            expected += read_map((weight * level[0, channel]).numpy(), WHOLE, WHOLE, (12, 16))
    maps, _ = grad_cams(sight(photograph()), BOX)
    assert maps[0] == pytest.approx(expected, rel=1e-2, abs=1e-6)


def test_level_without_a_gradient_takes_no_part():
    fine, coarse = (level.requires_grad_() for level in levels(photograph()))
    unread = torch.full((1, 2, 3, 4), 1e6, requires_grad=True)
    seen = Sight(WINDOWS.astype(np.float32), scores(fine, coarse), (fine, coarse, unread), (WHOLE,) * 3)
    assert np.array_equal(grad_cams(seen, BOX)[0], grad_cams(sight(photograph()), BOX)[0])


def test_levels_meet_in_the_photograph_and_not_in_their_cells():
    wide = (-64.0, 0.0, 128.0, 48.0)  # a level three times as wide, whose middle third is the photograph
    fine = torch.zeros(1, 1, 12, 16).requires_grad_()
    coarse = torch.zeros(1, 1, 6, 24)
    coarse[0, 0, 2, 13] = 1.0  # its cell 64..72 by 16..24 minus 64 px = 40..48
    coarse.requires_grad_()
    score = torch.sigmoid(fine.mean() + coarse.sum())[None]
    maps, extent = grad_cams(Sight(BOX, score, (fine, coarse), (WHOLE, wide)), BOX)
    row, column = np.unravel_index(maps[0].argmax(), maps[0].shape)
    assert extent == WHOLE
    assert 40 <= 4 * column < 48
    assert 16 <= 4 * row < 24


def test_eigen_cam_finds_what_stands_out_whatever_the_box_and_its_largest_value_is_positive():
    saliency, extent = eigen_cam(sight(photograph()))
    assert (saliency.shape, extent) == ((12, 16), WHOLE)
    assert saliency.max() == np.abs(saliency).max() > 0
    assert share(saliency) > 3 * AREA
    assert np.linalg.norm(saliency) <= 1 + 1e-6  # the mean of two of unit norm


def test_eigen_cam_is_the_projection_of_a_singular_value_decomposition():
    layer = torch.from_numpy(np.random.default_rng(0).normal(size=(1, 40, 5, 6)).astype(np.float32))
    for one in (layer, layer[:, :4]):  # more channels than cells, and fewer
        cells = one[0].reshape(one.shape[1], -1).T.double().numpy()
        centred = cells - cells.mean(axis=0)
        expected = (centred @ np.linalg.svd(centred, full_matrices=False)[2][0]).reshape(5, 6)
        expected *= np.sign(expected.flat[np.abs(expected).argmax()]) / np.linalg.norm(expected)
        saliency, _ = eigen_cam(Sight(BOX, torch.ones(1), (one,), (WHOLE,)))
        assert saliency == pytest.approx(expected, abs=1e-5)


def test_flat_activations_have_a_map_of_zeros():
    saliency, _ = eigen_cam(Sight(BOX, torch.ones(1), (torch.ones(1, 3, 4, 5),), (WHOLE,)))
    assert not saliency.any()


def test_mirror_image_has_the_mirrored_maps():
    mirrored = WIDTH - BOX[:, [2, 1, 0, 3]]
    mirrored[:, [1, 3]] = BOX[:, [1, 3]]
    here, there = sight(photograph()), sight(photograph(mirrored=True))
    assert grad_cams(there, mirrored)[0][0] == pytest.approx(grad_cams(here, BOX)[0][0][:, ::-1], abs=1e-6)
    assert eigen_cam(there)[0] == pytest.approx(eigen_cam(here)[0][:, ::-1], abs=1e-5)
    rise = d_rise(ask, photograph(mirrored=True), mirrored)[0]
    assert share(rise, (WIDTH - PATCH[2], PATCH[1], WIDTH - PATCH[0], PATCH[3])) > 3 * AREA


# D-RISE


def test_heat_of_d_rise_lies_in_the_patch():
    (saliency,) = d_rise(ask, photograph(), BOX)
    assert (saliency.shape, saliency.dtype) == ((48, 64), np.float32)
    assert share(saliency) > 3 * AREA
    row, column = np.unravel_index(saliency.argmax(), saliency.shape)
    assert PATCH[0] <= column < PATCH[2]
    assert PATCH[1] <= row < PATCH[3]


def test_d_rise_depends_neither_on_the_batch_nor_on_other_boxes_nor_on_what_was_asked_before(monkeypatch):
    both = d_rise(ask, photograph(), np.concatenate([ELSEWHERE, BOX]), n_masks=40)
    monkeypatch.setattr(drise, "AT_ONCE", 7)
    np.random.default_rng().random()
    assert np.array_equal(d_rise(ask, photograph(), BOX, n_masks=40)[0], both[1])
    other = np.roll(photograph(), 1, axis=0)
    assert not np.array_equal(Masks(other, 3).at(8, 8), Masks(photograph(), 3).at(8, 8))


def test_detector_that_never_answers_or_always_alike_has_a_map_of_zeros():
    def silent(pictures):
        return [Boxes("p", np.zeros((0, 4), np.float32), np.zeros(0, np.float32)) for _ in pictures]

    def stubborn(pictures):
        return [Boxes("p", BOX, np.asarray([0.7], np.float32)) for _ in pictures]

    for one in (silent, stubborn):
        assert not d_rise(one, photograph(), BOX, n_masks=21).any()
    assert d_rise(ask, photograph(), BOX[:0], n_masks=5).shape == (0, 48, 64)


def test_masks_hide_half_on_average_behind_the_photographs_own_pixels_in_random_order():
    masks = Masks(photograph(), 300)
    seen = masks.at(24, 32)
    assert seen.min() >= 0
    assert seen.max() <= 1
    assert seen.mean(axis=0) == pytest.approx(np.full((24, 32), 0.5), abs=0.12)
    everything = masks.at(HEIGHT, WIDTH)
    darkest = int((everything < 1e-3).sum(axis=(1, 2)).argmax())
    picture, full = masks.picture(darkest).astype(int), everything[darkest]
    assert (full < 1e-3).any()
    hidden, own = picture[full < 1e-3], {tuple(one) for one in photograph().reshape(-1, 3).tolist()}
    assert {tuple(one) for one in hidden.tolist()} <= own
    assert (hidden != photograph()[full < 1e-3]).any()
    assert (picture[full > 0.999] == photograph()[full > 0.999]).all()


def test_map_of_a_large_photograph_stays_small():
    large = np.zeros((300, 200, 3), np.uint8)
    silent = [Boxes("p", BOX, np.asarray([0.7], np.float32))]
    assert d_rise(lambda pictures: silent * len(pictures), large, BOX, n_masks=2).shape == (1, 64, 43)


def test_answer_of_another_sense_or_that_is_no_box_does_not_count():
    boxes = np.asarray([PATCH, PATCH, [0, 0, 4, 4], [np.nan, 0, 5, 5], PATCH], np.float32)
    score = np.asarray([0.5, 0.9, 0.8, 0.9, 1.5], np.float32)
    found = Boxes("p", boxes, score, np.asarray([1, 2, 1, 1, 1], np.int8))
    asked = np.repeat(BOX, 3, axis=0)
    assert best_answer(found, asked, np.asarray([1, 2, 0], np.int8)) == pytest.approx([0.5, 0.9, 0.9])
    assert best_answer(replace(found, label=None), asked, np.asarray([1, 2, 0], np.int8)) == pytest.approx([0.9] * 3)


# What faithfulness asks


def test_values_are_the_best_answer_for_each_box_and_fall_when_it_is_removed():
    pixels = photograph()
    gone = pixels.copy()
    gone[PATCH[1] : PATCH[3], PATCH[0] : PATCH[2]] = PAD
    inputs = torch.from_numpy(np.stack([pixels, gone]).transpose(0, 3, 1, 2).astype(np.float32) / 255)
    kept = inputs.clone()
    said = box_values(ask, np.concatenate([BOX, ELSEWHERE]))(inputs, np.zeros(2, np.int64))
    assert said.shape == (2, 2)
    assert torch.equal(inputs, kept)
    assert float(said[0, 0]) == pytest.approx(float(scores(*levels(pixels)).max()))
    assert float(said[1, 0]) < 0.1 < float(said[0, 0])
    assert float(said[0, 1]) == 0
