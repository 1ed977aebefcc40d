"""Calibration error and the risk-coverage curve, against slow definitions."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from metric_examples import CCW, CW, NONE, certain, observations, observe, random_observations, value


def area_by_coverage(seen) -> float:
    order = np.argsort(-seen.probabilities.max(axis=1))
    wrong = (seen.predicted != seen.truth)[order]
    return float(np.mean([wrong[:k].mean() for k in range(1, len(seen) + 1)]))


def calibration_by_bins(seen) -> float:
    """Cut every image into 15 equal parts, so that 15 bins of n parts each have equal mass."""
    order = np.argsort(-seen.probabilities.max(axis=1))
    gap = (seen.probabilities.max(axis=1) - (seen.predicted == seen.truth))[order]
    parts = np.repeat(gap, 15).reshape(15, len(seen))
    return float(np.abs(parts.mean(axis=1)).mean())


@pytest.mark.parametrize("n", [1, 2, 7, 40, 101])
def test_area_without_ties_is_the_mean_risk_over_coverages(n):
    seen = random_observations(n, seed=n)
    assert value("aurc", seen) == pytest.approx(area_by_coverage(seen))


@pytest.mark.parametrize("n", [1, 2, 7, 15, 40, 101])
def test_calibration_error_is_the_mean_gap_of_fifteen_bins_of_equal_mass(n):
    seen = random_observations(n, seed=n)
    assert value("ece", seen) == pytest.approx(calibration_by_bins(seen))


def test_calibration_error_of_a_multiple_of_fifteen_is_the_textbook_one():
    seen = random_observations(90)
    order = np.argsort(seen.probabilities.max(axis=1))
    gap = (seen.probabilities.max(axis=1) - (seen.predicted == seen.truth))[order]
    assert value("ece", seen) == pytest.approx(np.mean([abs(part.mean()) for part in np.split(gap, 15)]))


def test_area_of_equal_confidence_is_the_error_rate():
    seen = observe([NONE, CW, CCW, CW], certain([NONE, CW, CW, NONE]))
    assert value("aurc", seen) == 0.5


def test_area_of_the_most_confident_tie_is_its_expected_value_over_orders():
    seen = observe([CW, CW, CW], [[0, 1, 0], [1, 0, 0], [0.1, 0.8, 0.1]])
    tied_first = (0 + 1) / 2
    assert value("aurc", seen) == pytest.approx((tied_first + tied_first + 1 / 3) / 3)


@pytest.mark.parametrize(("name", "expected"), [("ece", 0.0), ("aurc", 0.0), ("brier", 0.0)])
def test_oracle_has_neither_error_nor_miscalibration(name, expected):
    seen = observe([NONE, CW, CCW, NONE], certain([NONE, CW, CCW, NONE]))
    assert value(name, seen) == expected


def test_calibrated_predictor_scores_the_bias_that_the_description_tells_of():
    rng = np.random.default_rng(0)
    found = []
    for _ in range(200):
        truth = np.where(rng.random(150) < 0.7, CW, NONE)
        found.append(value("ece", observe(truth, np.tile([0.3, 0.7, 0.0], (150, 1)) + ripple(rng, 150))))
    assert np.mean(found) == pytest.approx(0.8 * (15 * 0.7 * 0.3 / 150) ** 0.5, rel=0.1)


def ripple(rng, n: int) -> np.ndarray:
    """Differences of confidence too small to matter, that break all ties."""
    small = rng.uniform(-1e-6, 1e-6, n)
    return np.column_stack([-small, small, np.zeros(n)])


def test_always_sure_and_always_wrong_is_worst():
    seen = observe([NONE, CW, CCW], certain([CW, CCW, NONE]))
    assert [value(name, seen) for name in ("ece", "aurc", "brier")] == pytest.approx([1.0, 1.0, 2.0])


def test_ranking_all_errors_last_beats_ranking_them_first():
    confidence = np.array([0.9, 0.8, 0.7, 0.6])
    probabilities = np.column_stack([1 - confidence, confidence, np.zeros(4)])
    assert value("aurc", observe([CW, CW, NONE, NONE], probabilities)) < value(
        "aurc", observe([NONE, NONE, CW, CW], probabilities)
    )


@settings(deadline=None, max_examples=40)
@given(seen=observations())
def test_both_stay_between_zero_and_one(seen):
    for name in ("ece", "aurc"):
        found = value(name, seen)
        assert np.isnan(found) or -1e-12 <= found <= 1.0 + 1e-12
