"""Equivariance of maps under mirroring, and its null between different pictures."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clastbench.metrics import equivariance


def maps(n: int = 20, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(n, 7, 5)).astype(np.float32)


def by_pairs(ours: np.ndarray, theirs: np.ndarray) -> np.ndarray:
    """All cosines, row: mirrored picture, column: mirrored map; one by one."""
    flat = [array.reshape(len(array), -1).astype(np.float64) for array in (theirs, ours[..., ::-1])]
    here, there = (rows / np.linalg.norm(rows, axis=1, keepdims=True) for rows in flat)
    return here @ there.T


def test_maps_that_turn_with_the_picture_score_one():
    own, _ = equivariance(maps(), maps()[..., ::-1])
    np.testing.assert_allclose(own, 1.0)


def test_maps_that_turn_their_sign_score_minus_one():
    own, _ = equivariance(maps(), -3 * maps()[..., ::-1])
    np.testing.assert_allclose(own, -1.0)


def test_maps_drawn_anew_score_nothing():
    own, null = equivariance(maps(400), maps(400, seed=1))
    for values in (own, null):
        assert abs(values.mean()) < 4 * values.std() / 20


def test_habit_scores_as_high_in_the_null():
    centre = np.zeros((8, 5, 5), np.float32)
    centre[:, 2, 2] = 1.0
    own, null = equivariance(centre, centre)
    np.testing.assert_allclose(own, 1.0)
    np.testing.assert_allclose(null, 1.0)


@given(st.integers(2, 8), st.integers(0, 99))
def test_both_are_those_of_all_pairs(n, seed):
    ours, theirs = maps(n, seed), maps(n, seed + 1000)
    cosines = by_pairs(ours, theirs)
    own, null = equivariance(ours, theirs)
    np.testing.assert_allclose(own, np.diag(cosines), atol=1e-9)
    np.testing.assert_allclose(null, [np.delete(cosines[i], i).mean() for i in range(n)], atol=1e-9)


def test_size_of_the_maps_changes_nothing():
    sizes = np.geomspace(1e-30, 1e30, 20, dtype=np.float32)[:, None, None]
    for small, large in zip(
        equivariance(maps(), maps(seed=1)), equivariance(maps() * sizes, maps(seed=1)), strict=True
    ):
        np.testing.assert_allclose(small, large, atol=1e-5)


def test_single_map_has_no_null():
    own, null = equivariance(maps(1), maps(1, seed=1))
    assert not np.isnan(own[0])
    assert np.isnan(null[0])


@pytest.mark.parametrize("nothing", [0.0, np.nan, np.inf])
@pytest.mark.parametrize("where", ["maps", "mirrored"])
def test_map_without_anything_in_it_is_undefined_and_left_out_of_the_null(where, nothing):
    ours, theirs = maps(6), maps(6, seed=1)
    (ours if where == "maps" else theirs)[2] = nothing
    own, null = equivariance(ours, theirs)
    assert np.flatnonzero(np.isnan(own)).tolist() == np.flatnonzero(np.isnan(null)).tolist() == [2]
    kept = [0, 1, 3, 4, 5]
    others = kept if where == "maps" else range(6)
    cosines = by_pairs(maps(6), maps(6, seed=1))
    np.testing.assert_allclose(null[0], np.mean([cosines[0, j] for j in others if j != 0]), atol=1e-9)


def test_no_maps_have_no_values():
    own, null = equivariance(np.empty((0, 7, 7)), np.empty((0, 7, 7)))
    assert (len(own), len(null)) == (0, 0)


def test_maps_of_other_shapes_are_refused():
    with pytest.raises(ValueError, match="one shape"):
        equivariance(maps(3), maps(4))
    with pytest.raises(ValueError, match="got shape"):
        equivariance(maps(3)[0], maps(3)[0])
