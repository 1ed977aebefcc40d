"""Anybody's model and maps: the scores of a linear model are known."""

import numpy as np
import pytest
import torch

import clastbench
from clastbench.errors import ExplanationError

CELLS = 6


@pytest.fixture(scope="module")
def linear():
    """A linear model with one weight for each of 6 x 6 cells of 4 x 4 pixels, and pictures without texture."""
    rng = np.random.default_rng(0)
    weights = np.kron(rng.normal(size=(CELLS, CELLS)), np.ones((4, 4)))
    heights = np.kron(rng.normal(size=(5, 3, CELLS, CELLS)), np.ones((1, 1, 4, 4)))
    w = torch.tensor(weights, dtype=torch.float32)
    return (lambda x: (x.mean(1) * w).sum((1, 2))), heights, weights


def worth(linear):
    _, pictures, weights = linear
    return (pictures.mean(1) * weights).astype(np.float32)


def under_mean_alone(linear, maps, monkeypatch):
    from clastbench.explain import faithful
    from clastbench.explain.imputers import imputers

    monkeypatch.setattr(faithful, "imputers", lambda mean: imputers(mean)[:1])
    return clastbench.faithfulness(linear[0], linear[1], maps)


def test_a_map_of_what_each_cell_is_worth_is_perfect(linear, monkeypatch):
    found = under_mean_alone(linear, worth(linear), monkeypatch)
    np.testing.assert_allclose(found["cpf"], 1, atol=1e-6)
    np.testing.assert_allclose(found["srg_map"], found["srg_control"], rtol=1e-4)


def test_the_reversed_map_is_as_wrong_as_can_be(linear, monkeypatch):
    found = under_mean_alone(linear, worth(linear), monkeypatch)
    reversed_ = under_mean_alone(linear, -worth(linear), monkeypatch)
    np.testing.assert_allclose(reversed_["cpf"], -1, atol=1e-6)
    np.testing.assert_allclose(reversed_["srg_map"], -found["srg_map"], rtol=1e-4)


def test_random_maps_are_worth_nothing_on_average(linear):
    rng = np.random.default_rng(1)
    pictures = np.repeat(linear[1], 12, axis=0)
    found = clastbench.faithfulness(linear[0], pictures, rng.normal(size=(60, 6, 6)))
    assert abs(found["cpf"].mean()) < 4 / np.sqrt(60 * 35)
    assert abs(found["srg_map"].sum() / found["srg_control"].sum()) < 0.2


def test_a_constant_model_has_no_faithfulness():
    found = clastbench.faithfulness(
        lambda x: torch.zeros(len(x)), np.random.default_rng(0).normal(size=(2, 3, 24, 24)), np.ones((2, 3, 3))
    )
    assert np.isnan(found["cpf"]).all()
    assert (found["aopc"] == 0).all()


def test_batches_change_nothing(linear):
    maps = np.random.default_rng(2).normal(size=(5, 4, 7))
    one, seven = (clastbench.faithfulness(*linear[:2], maps, batch=batch) for batch in (1, 7))
    for name in one:
        np.testing.assert_allclose(one[name], seven[name], atol=1e-5)


def test_tensors_with_gradients_are_taken_as_arrays(linear):
    maps = np.random.default_rng(2).normal(size=(5, 4, 7)).astype(np.float32)
    f, pictures = linear[:2]
    tensors = torch.as_tensor(pictures).clone().requires_grad_(), torch.from_numpy(maps).requires_grad_()
    plain, found = clastbench.faithfulness(f, pictures, maps), clastbench.faithfulness(f, *tensors)
    for name in plain:
        np.testing.assert_array_equal(found[name], plain[name])


def test_maps_that_do_not_fit_are_refused(linear):
    with pytest.raises(ValueError, match="maps finite"):
        clastbench.faithfulness(*linear[:2], np.full((5, 3, 3), np.nan))
    with pytest.raises(ValueError, match="got"):
        clastbench.faithfulness(*linear[:2], np.ones((4, 3, 3)))


def test_a_model_that_is_not_finite_is_refused(linear):
    with pytest.raises(ExplanationError):
        clastbench.faithfulness(lambda x: torch.full((len(x),), float("nan")), linear[1], np.ones((5, 3, 3)))


def test_no_pictures_have_no_scores(linear):
    assert clastbench.faithfulness(linear[0], np.zeros((0, 3, 24, 24)), np.zeros((0, 3, 3))) == {}
