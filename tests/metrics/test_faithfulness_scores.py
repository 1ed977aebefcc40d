"""Faithfulness of one map: closed forms on linear models, and what is undefined."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from removal_examples import IMPUTERS, removals
from scipy import stats

from clastbench.metrics import CURVES, FAITHFULNESS, curves, faithfulness
from clastbench.metrics.faithfulness import spearman

CELLS = st.integers(2, 40)
NUMBERS = st.integers(-50, 50).map(lambda n: n / 10)


def some(n: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=n)


@st.composite
def models(draw):
    """Contributions of the cells, any map, and f(x)."""
    n = draw(CELLS)
    contributions, relevance = (draw(hnp.arrays(np.float64, n, elements=NUMBERS)) for _ in range(2))
    return contributions, relevance, draw(NUMBERS)


def test_every_score_and_curve_has_its_name():
    found = removals(some(36), some(36, 1), steps=9)
    assert tuple(faithfulness(found)) == FAITHFULNESS
    assert tuple(curves(found)) == CURVES
    assert {curve.shape for curve in curves(found).values()} == {(10,)}


@given(models())
def test_insertion_and_deletion_add_up_to_both_ends_for_any_map(model):
    contributions, relevance, whole = model
    found = faithfulness(removals(contributions, relevance, whole=whole))
    assert found["insertion"] + found["deletion"] == pytest.approx(2 * whole - contributions.sum(), abs=1e-9)


@given(models())
def test_deletion_of_the_best_order_is_the_closed_form(model):
    contributions, _, whole = model
    best, n = np.sort(contributions)[::-1], len(contributions)
    found = faithfulness(removals(contributions, contributions, whole=whole))
    assert found["deletion"] == pytest.approx(whole - (best * (n - np.arange(n) - 0.5)).sum() / n, abs=1e-9)


@given(models())
def test_relevance_gain_of_the_signed_map_is_the_closed_form(model):
    contributions, _, whole = model
    best, n = np.sort(contributions)[::-1], len(contributions)
    found = faithfulness(removals(contributions, contributions, whole=whole))
    assert found["srg_map"] == pytest.approx((best * (n - 2 * np.arange(n) - 1)).sum() / n, abs=1e-9)
    assert found["srg_map"] == pytest.approx(found["srg_control"], abs=1e-9)


@given(models())
def test_no_map_gains_more_than_the_control_on_a_linear_model(model):
    contributions, relevance, whole = model
    found = faithfulness(removals(contributions, relevance, whole=whole))
    assert abs(found["srg_map"]) <= found["srg_control"] + 1e-9


@given(models())
def test_pixel_flipping_is_the_running_sum(model):
    contributions, _, whole = model
    found = curves(removals(contributions, contributions, whole=whole))
    expected = whole - np.concatenate([[0.0], np.cumsum(np.sort(contributions)[::-1])])
    np.testing.assert_allclose(found["morf"], expected, atol=1e-9)


@given(models())
def test_aopc_is_the_mean_of_the_running_sums(model):
    contributions, _, whole = model
    sums = np.concatenate([[0.0], np.cumsum(np.sort(contributions)[::-1])])
    assert faithfulness(removals(contributions, contributions, whole=whole))["aopc"] == pytest.approx(sums.mean())


def test_true_map_has_a_correlation_of_one():
    contributions = some(36)
    assert faithfulness(removals(contributions, contributions, steps=9))["cpf"] == pytest.approx(1.0)


def test_scale_of_the_map_changes_nothing():
    contributions, relevance = some(36), some(36, 1)
    small, large = (faithfulness(removals(contributions, relevance * by, steps=9)) for by in (1e-12, 1e6))
    assert small == pytest.approx(large)


@given(models())
def test_reversed_map_negates_gain_correlation_and_road(model):
    contributions, relevance, whole = model
    there = removals(contributions, relevance, whole=whole)
    back = dataclasses.replace(there, relevance=-there.relevance, morf=there.lerf, lerf=there.morf)
    ours, theirs = faithfulness(there), faithfulness(back)
    for name in ("cpf", "srg_map", "road"):
        assert ours[name] == pytest.approx(-theirs[name], abs=1e-9, nan_ok=True)


def test_random_maps_score_nothing_on_average():
    contributions = some(36)
    found = [faithfulness(removals(contributions, some(36, seed), steps=9)) for seed in range(1, 401)]
    for name in ("cpf", "srg_map", "road"):
        values = np.array([one[name] for one in found])
        assert abs(values.mean()) < 4 * values.std() / 20


def test_random_orders_average_half_of_both_ends():
    contributions, whole = some(36), 2.0
    found = [faithfulness(removals(contributions, some(36, seed), whole=whole, steps=9)) for seed in range(1, 401)]
    for name in ("morf", "lerf", "insertion", "deletion"):
        values = np.array([one[name] for one in found])
        assert abs(values.mean() - (2 * whole - contributions.sum()) / 2) < 4 * values.std() / 20


def test_constant_model_has_no_correlation_and_gains_nothing():
    found = faithfulness(removals(np.zeros(36), some(36), steps=9))
    assert np.isnan(found["cpf"])
    assert (found["aopc"], found["srg_map"], found["srg_control"], found["road"]) == (0.0, 0.0, 0.0, 0.0)


def test_model_that_is_constant_to_rounding_has_no_correlation():
    assert np.isnan(faithfulness(removals(some(36) * 1e-7, some(36), steps=9))["cpf"])
    assert np.isnan(faithfulness(removals(some(36) * 1e-5, some(36), whole=30.0, steps=9))["cpf"])


@pytest.mark.parametrize("level", [0.0, 1.0, -3.0])
def test_constant_map_has_no_correlation_and_no_drop(level):
    flat = faithfulness(removals(some(36), np.full(36, level) + some(36, 1) * 1e-8 * abs(level), steps=9))
    assert np.isnan(flat["cpf"])


@pytest.mark.parametrize("level", [1.0, 0.07, 0.55])
def test_constant_map_keeps_no_cell_and_has_no_drop(level):
    assert np.isnan(faithfulness(removals(some(36), np.full(36, level), steps=9))["average_drop"])


def test_cells_without_an_effect_are_tied_whatever_their_rounding():
    """A dozen cells count, two dozen differ by the rounding of f = 5, which changes with the batch."""
    falls = np.concatenate([np.linspace(0.2, 1, 12), np.zeros(24)])
    noise = np.random.default_rng(1).normal(0, 1e-6, (4, 36))
    found = {faithfulness(removals(falls + one, some(36), whole=5.0))["cpf"] for one in (0.0, *noise)}
    assert len(found) == 1


def test_map_that_is_not_finite_has_only_its_control():
    found = faithfulness(removals(some(36), np.full(36, np.nan), steps=9))
    assert {name for name, value in found.items() if not np.isnan(value)} == {"srg_control"}


def test_each_curve_belongs_to_its_imputer():
    own = np.stack([some(8, seed) for seed in range(3)])
    one = removals(own, some(8, 5))
    found = curves(one)
    np.testing.assert_array_equal(found["deletion"], one.morf[0])
    np.testing.assert_array_equal(found["insertion"], one.lerf[1][::-1])
    np.testing.assert_array_equal(found["road_morf"], one.morf[2])
    np.testing.assert_array_equal(found["road_lerf"], one.lerf[2])
    np.testing.assert_allclose(found["control_morf"], one.control_morf.mean(axis=0))


def test_order_of_imputers_changes_nothing():
    own = np.stack([some(12, seed) for seed in range(3)])
    there = faithfulness(removals(own, some(12, 5)))
    back = faithfulness(removals(own[::-1], some(12, 5), imputers=IMPUTERS[::-1]))
    assert there == pytest.approx(back)


def test_score_of_an_imputer_that_is_not_at_hand_is_undefined():
    found = faithfulness(removals(some(12), some(12, 1), whole=9.0, imputers=("mean",)))
    assert {name for name, value in found.items() if np.isnan(value)} == {"insertion", "road"}


def test_road_is_the_mean_of_half_the_gap_between_the_ends():
    one = removals(some(36), some(36, 1), steps=9)
    gap = one.lerf[2] - one.morf[2]
    assert gap[0] == 0
    assert faithfulness(one)["road"] == pytest.approx(gap[1:-1].mean() / 2)


def test_drop_is_nothing_when_all_that_counts_is_kept():
    contributions = np.where(np.arange(36) < 8, 0.5, 0.0)
    found = removals(contributions, contributions, whole=4.0, steps=9)
    assert faithfulness(found)["average_drop"] == pytest.approx(0.0)


def test_drop_is_whole_when_all_that_counts_is_lost():
    contributions = np.where(np.arange(36) < 8, 0.5, 0.0)
    assert faithfulness(removals(contributions, -contributions, whole=4.0, steps=9))["average_drop"] == 1.0


def test_drop_reads_between_steps():
    contributions = np.full(36, 1.0)
    found = removals(contributions, np.where(np.arange(36) < 6, 1.0, 0.0), whole=36.0, steps=9)
    assert faithfulness(found)["average_drop"] == pytest.approx(30 / 36)


def test_rise_of_f_is_no_drop():
    found = removals(-np.ones(36), some(36), whole=4.0, steps=9)
    assert faithfulness(found)["average_drop"] == 0.0


@pytest.mark.parametrize("whole", [0.0, -1.0])
def test_drop_needs_something_to_lose(whole):
    assert np.isnan(faithfulness(removals(some(36), some(36), whole=whole, steps=9))["average_drop"])


def test_areas_count_the_share_that_was_truly_removed():
    one = removals([1.0, 1.0, 1.0], [3, 2, 1], whole=3.0, steps=2)
    np.testing.assert_allclose(one.shares, [0, 2 / 3, 1])
    assert faithfulness(one)["deletion"] == pytest.approx(1.5)


@given(st.data())
def test_rank_correlation_is_that_of_scipy(data):
    n = data.draw(st.integers(2, 30))
    a, b = (data.draw(hnp.arrays(np.float64, n, elements=st.integers(-3, 3))) for _ in range(2))
    found = spearman(a, b)
    if np.ptp(a) == 0 or np.ptp(b) == 0:
        assert np.isnan(found)
    else:
        assert found == pytest.approx(stats.spearmanr(a, b).statistic)


@pytest.mark.parametrize("name", ["single", "morf", "lerf", "control_morf", "control_lerf"])
def test_values_that_do_not_fit_are_refused(name):
    one = removals(some(9), some(9))
    with pytest.raises(ValueError, match="has shape"):
        dataclasses.replace(one, **{name: getattr(one, name)[:, :-1]})
