"""Intervals: Wilson's, and those of the group bootstrap."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from metric_examples import random_observations

from clastbench.metrics import METRICS, bootstrap_interval, group_index, group_weights, spread, wilson
from clastbench.metrics.statistics import interval


def mean_of(numbers):
    return lambda weights: (weights @ numbers) / weights.sum(axis=1)


def interval_of_the_mean(numbers, groups, n_resamples=1999, seed=0):
    index, _ = group_index(groups)
    return bootstrap_interval(mean_of(numbers), index, group_weights(groups, n_resamples, seed))


def names(n):
    return [f"g{i:03}" for i in range(n)]


@pytest.mark.parametrize(
    ("successes", "n", "expected"),
    [(81, 263, (0.2553, 0.3662)), (15, 148, (0.0624, 0.1605)), (0, 20, (0.0, 0.1611)), (1, 29, (0.0061, 0.1718))],
)
def test_wilson_gives_the_published_intervals_of_newcombe_1998(successes, n, expected):
    assert wilson(successes, n) == pytest.approx(expected, abs=5e-5)


def test_wilson_of_everything_right_reaches_one():
    low, high = wilson(20, 20)
    assert high == 1.0
    assert low == pytest.approx(1 - 0.1611, abs=5e-5)


@pytest.mark.parametrize(("successes", "n"), [(1, 0), (-1, 5), (6, 5)])
def test_wilson_refuses_impossible_counts(successes, n):
    with pytest.raises(ValueError, match="wilson needs"):
        wilson(successes, n)


def test_weights_count_the_draws_of_each_group():
    weights = group_weights(["b", "a", "b", "c"], 200)
    assert weights.shape == (200, 3)
    assert weights.dtype == np.float32
    assert (weights.sum(axis=1) == 3).all()
    assert weights.mean(axis=0) == pytest.approx(1.0, abs=0.2)


def test_same_groups_share_one_set_of_resamples():
    assert group_weights(["a", "b", "b"], 50) is group_weights(["b", "a"], 50)
    assert not np.array_equal(group_weights(["a", "b"], 50), group_weights(["a", "b"], 50, seed=1))


def test_weights_cannot_be_changed_by_accident():
    with pytest.raises(ValueError, match="read-only"):
        group_weights(["a", "b"], 5)[0, 0] = 7


def test_observations_of_a_group_get_its_weight():
    index, found = group_index(["b", "a", "b"])
    assert found == ("a", "b")
    assert np.array_equal(spread(np.array([[1.0, 2.0]]), index), [[2.0, 1.0, 2.0]])


@pytest.mark.parametrize("skewed", [False, True])
def test_bounds_on_single_images_are_those_of_scipys_bca(skewed):
    scipy = pytest.importorskip("scipy.stats")
    rng = np.random.default_rng(3)
    numbers = rng.exponential(size=40) if skewed else rng.normal(size=40)
    ours = interval_of_the_mean(numbers, names(40), n_resamples=9999)
    theirs = scipy.bootstrap((numbers,), np.mean, n_resamples=9999, method="BCa", rng=rng).confidence_interval
    assert ours == pytest.approx(tuple(theirs), abs=0.1 * numbers.std() / 40**0.5)


def test_bounds_of_an_auroc_are_those_of_scipys_bca():
    scipy = pytest.importorskip("scipy.stats")
    sklearn = pytest.importorskip("sklearn.metrics")
    seen = random_observations(50, seed=1)
    index, _ = group_index(seen.group)
    ours = bootstrap_interval(METRICS["presence_auroc"].statistic(seen), index, group_weights(seen.group, 4999))
    theirs = scipy.bootstrap(
        (seen.present, 1 - seen.probabilities[:, 0]), sklearn.roc_auc_score, paired=True, vectorized=False,
        n_resamples=999, method="BCa", rng=np.random.default_rng(0),
    )  # fmt: skip
    assert ours == pytest.approx(tuple(theirs.confidence_interval), abs=0.2 * theirs.standard_error)


def test_copies_within_a_group_do_not_narrow_the_interval():
    numbers = np.random.default_rng(0).normal(size=30)
    once = interval_of_the_mean(numbers, names(30))
    grouped = interval_of_the_mean(np.repeat(numbers, 4), np.repeat(names(30), 4).tolist())
    naive = interval_of_the_mean(np.repeat(numbers, 4), names(120))
    assert grouped == pytest.approx(once)
    assert grouped[1] - grouped[0] > 1.6 * (naive[1] - naive[0])


def test_interval_covers_the_truth_about_as_often_as_it_says():
    rng = np.random.default_rng(0)
    groups = np.repeat(names(40), 3).tolist()
    hits = 0
    for _ in range(300):
        numbers = np.repeat(rng.normal(size=40), 3) + rng.normal(size=120)
        low, high = interval_of_the_mean(numbers, groups, n_resamples=499)
        hits += low <= 0.0 <= high
    assert 0.90 <= hits / 300 <= 0.98


def test_statistic_undefined_on_one_jackknife_sample_gets_percentile_bounds():
    resampled = np.arange(1000.0)
    found = interval(600.0, resampled, np.array([1.0, np.nan, 3.0]))
    assert found[:2] == pytest.approx(np.quantile(resampled, (0.025, 0.975)))


def test_constant_statistic_has_an_interval_of_no_width():
    assert interval_of_the_mean(np.full(10, 0.25), names(10)) == (0.25, 0.25)


@pytest.mark.parametrize(("undefined", "has_bounds"), [(50, True), (51, False)])
def test_few_undefined_resamples_are_dropped_but_not_many(undefined, has_bounds):
    resampled = np.linspace(0.0, 1.0, 1000)
    resampled[:undefined] = np.nan
    found = interval(0.5, resampled, np.array([0.4, 0.5, 0.7]))
    assert (found.low is not None) == has_bounds
    assert (found.reason is None) == has_bounds


def test_statistic_that_is_never_defined_has_no_bounds():
    index, _ = group_index(names(5))
    assert bootstrap_interval(lambda w: np.full(len(w), np.nan), index, group_weights(names(5), 99)) == (None, None)


def test_ranking_again_needs_numpy_and_nothing_heavier():
    heavy = ("scipy", "sklearn", "pandas", "torch", "statsmodels", "matplotlib")
    code = f"import sys, clastbench.metrics; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
