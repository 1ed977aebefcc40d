"""Paired tests, Holm's correction and ranks."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from metric_examples import certain, observe, random_observations
from scipy.stats import binomtest

from clastbench.errors import UnknownNameError
from clastbench.metrics import Observations, compare_all, group_weights, holm, paired_difference, ranks
from clastbench.metrics.comparison import sign_test

N = 120


def system(skill: float, seed: int, n: int = N) -> Observations:
    """A system on the same n images as every other."""
    truth = np.random.default_rng(99).choice(3, n)
    logits = np.random.default_rng(seed).normal(size=(n, 3))
    logits[np.arange(n), truth] += skill
    odds = np.exp(logits)
    return observe(truth, odds / odds.sum(axis=1, keepdims=True))


@pytest.mark.parametrize(("above", "below"), [(3, 0), (5, 0), (6, 0), (0, 6), (4, 4), (23, 57), (700, 800)])
def test_sign_test_is_the_exact_one(above, below):
    assert sign_test(above, below) == pytest.approx(binomtest(above, above + below).pvalue, rel=1e-9)


def test_sign_test_of_nothing_finds_nothing():
    assert sign_test(0, 0) == 1.0


def test_holm_gives_the_values_worked_by_hand():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])


def test_holm_never_exceeds_one():
    assert holm([0.5, 0.9, 0.6]) == pytest.approx([1.0, 1.0, 1.0])


def test_holm_does_not_count_what_was_not_tested():
    assert holm([0.01, np.nan, 0.04]) == pytest.approx([0.02, np.nan, 0.04], nan_ok=True)


def test_holm_of_nothing_is_nothing():
    assert len(holm([])) == 0


def test_equal_systems_differ_with_p_one():
    resampled = np.random.default_rng(0).random(999)
    assert paired_difference(resampled, resampled, 0.0) == 1.0


def test_least_p_value_is_one_over_the_resamples_plus_one():
    noise = np.random.default_rng(0).normal(scale=0.01, size=999)
    assert paired_difference(0.9 + noise, np.full(999, 0.1), 0.8) == pytest.approx(1 / 1000)


def test_p_value_is_the_same_in_both_directions():
    a, b = np.random.default_rng(0).normal(size=(2, 999))
    assert paired_difference(a + 1, b, 1.0) == paired_difference(b, a + 1, -1.0)


def test_difference_that_is_mostly_undefined_is_not_tested():
    resampled = np.full(100, 0.5)
    resampled[:6] = np.nan
    assert np.isnan(paired_difference(resampled, np.zeros(100), 0.5))


def test_equal_skill_is_called_different_about_as_often_as_alpha_says():
    rng = np.random.default_rng(0)
    weights = group_weights([f"g{i}" for i in range(40)], 499).astype(np.float64)
    found = []
    for _ in range(300):
        a, b = rng.normal(size=(2, 40))
        found.append(paired_difference(weights @ a / 40, weights @ b / 40, a.mean() - b.mean()))
    assert 0.02 <= np.mean(np.array(found) <= 0.05) <= 0.10


def test_rank_is_one_plus_the_number_of_significantly_better_systems():
    adjusted = np.array([[np.nan, 0.2, 0.01], [0.2, np.nan, 0.3], [0.01, 0.3, np.nan]])
    assert ranks((0.9, 0.8, 0.7), adjusted) == (1, 1, 2)
    assert ranks((0.9, 0.8, 0.7), adjusted, higher_is_better=False) == (2, 1, 1)


def test_system_without_a_value_ranks_last():
    assert ranks((0.5, None, 0.6), np.full((3, 3), np.nan)) == (1, 3, 1)


def test_clearly_separated_systems_are_ranked_apart():
    found = compare_all({"poor": system(0.0, 1), "good": system(3.0, 2), "perfect": system(12.0, 3)}, "macro_f1")
    assert found.ranks == (3, 2, 1)
    assert found.systems == ("poor", "good", "perfect")
    assert found.differences[2, 0] == pytest.approx(found.values[2] - found.values[0])


def test_lower_is_better_where_it_is():
    found = compare_all({"poor": system(0.0, 1), "good": system(4.0, 2)}, "brier")
    assert found.ranks == (2, 1)
    assert not found.higher_is_better


def test_identical_systems_share_the_first_rank():
    found = compare_all({name: system(1.0, 1) for name in "abc"}, "macro_f1")
    assert found.ranks == (1, 1, 1)
    assert np.nanmin(found.adjusted) == 1.0


def test_order_of_the_images_within_a_system_does_not_matter():
    a, b = system(0.5, 1), system(1.5, 2)
    shuffled = b.subset(np.random.default_rng(0).permutation(N))
    found, again = (compare_all({"a": a, "b": other}, "macro_f1") for other in (b, shuffled))
    assert np.array_equal(found.p, again.p, equal_nan=True)


def test_systems_that_lack_images_are_compared_on_the_common_ones():
    whole, good = system(0.5, 1), system(3.0, 2)
    half = good.subset(np.arange(N // 2))
    found = compare_all({"whole": whole, "half": half}, "accuracy")
    common = compare_all({"whole": whole.subset(np.arange(N // 2)), "half": half}, "accuracy")
    assert found.n_common.tolist() == [[N, N // 2], [N // 2, N // 2]]
    assert found.differences[0, 1] == pytest.approx(common.differences[0, 1])
    assert found.ranks == (2, 1)


def test_systems_without_a_common_image_are_not_tested():
    whole = system(1.0, 1)
    found = compare_all({"a": whole.subset(np.arange(60)), "b": whole.subset(np.arange(60, N))}, "accuracy")
    assert np.isnan(found.adjusted).all()
    assert found.ranks == (1, 1)


def test_many_systems_can_still_be_told_apart():
    poor = {f"poor {i}": system(0.0, i, 60) for i in range(39)}
    found = compare_all({"perfect": system(20.0, 99, 60), **poor}, "accuracy")
    assert set(found.ranks[1:]) == {2}


def test_one_system_ranks_first():
    assert compare_all({"only": system(1.0, 1)}, "macro_f1").ranks == (1,)


def test_system_whose_metric_is_undefined_ranks_last():
    truth = [0, 1, 2] * 10
    found = compare_all(
        {"constant": observe(truth, certain([0] * 30)), "poor": observe(truth, certain([1, 0, 0] * 10))}, "mcc"
    )
    assert found.values[0] is None
    assert found.ranks == (2, 1)


@pytest.mark.parametrize("changes", [{"group": ("elsewhere",) * N}, {"truth": np.zeros(N)}])
def test_systems_that_disagree_about_an_image_are_refused(changes):
    with pytest.raises(ValueError, match="image-0"):
        compare_all({"a": system(1.0, 1), "b": dataclasses.replace(system(1.0, 2), **changes)}, "accuracy")


def test_unknown_metric_is_named_with_its_nearest():
    with pytest.raises(UnknownNameError, match="Did you mean 'macro_f1'"):
        compare_all({"a": random_observations(5)}, "macro_f2")
