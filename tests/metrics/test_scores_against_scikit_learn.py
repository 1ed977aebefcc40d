"""Every score that scikit-learn has too, weighted and unweighted."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from metric_examples import CW, NONE, observations, observe, random_observations, value, weights_for

from clastbench.metrics import METRICS, confusion

sklearn = pytest.importorskip("sklearn.metrics")

HARD = {
    "accuracy": sklearn.accuracy_score,
    "balanced_accuracy": sklearn.balanced_accuracy_score,
    "mcc": sklearn.matthews_corrcoef,
    "macro_f1": lambda y, p, sample_weight: sklearn.f1_score(
        y, p, labels=occurring(y, p, sample_weight), average="macro", sample_weight=sample_weight
    ),
}
BY_CLASS = {"precision": sklearn.precision_score, "recall": sklearn.recall_score, "f1": sklearn.f1_score}


def occurring(truth, predicted, weight):
    return sorted({*truth[weight > 0].tolist(), *predicted[weight > 0].tolist()})


def quietly(score, *arguments, **keywords) -> float:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return float(score(*arguments, **keywords))


def weighted_sample(data):
    seen = data.draw(observations(min_size=2))
    weight = weights_for(data, len(seen))
    known = seen.known & (weight > 0)
    assume(known.any())
    return seen, weight, known


@pytest.mark.parametrize("name", sorted(HARD))
@settings(deadline=None, max_examples=60)
@given(data=st.data())
def test_weighted_score_of_predicted_classes_is_that_of_scikit_learn(name, data):
    seen, weight, known = weighted_sample(data)
    ours = value(name, seen, weight)
    theirs = quietly(HARD[name], seen.truth[known], seen.predicted[known], sample_weight=weight[known])
    if name == "mcc" and np.isnan(ours):
        assert theirs == 0.0
    else:
        assert ours == pytest.approx(theirs, abs=1e-9)


@pytest.mark.parametrize("name", sorted(BY_CLASS))
@settings(deadline=None, max_examples=60)
@given(data=st.data())
def test_weighted_score_of_one_class_is_that_of_scikit_learn(name, data):
    seen, weight, known = weighted_sample(data)
    theirs = BY_CLASS[name](
        seen.truth[known], seen.predicted[known], labels=[CW], average=None, sample_weight=weight[known],
        zero_division=np.nan,
    )  # fmt: skip
    assert value(f"{name}_CW", seen, weight) == pytest.approx(theirs[0], abs=1e-9, nan_ok=True)


@settings(deadline=None, max_examples=60)
@given(data=st.data())
def test_weighted_one_vs_rest_auroc_is_that_of_scikit_learn(data):
    seen, weight, known = weighted_sample(data)
    positive = seen.truth[known] == CW
    assume(0 < positive.sum() < len(positive))
    theirs = sklearn.roc_auc_score(positive, seen.probabilities[known, CW], sample_weight=weight[known])
    assert value("auroc_CW", seen, weight) == pytest.approx(theirs, abs=1e-9)


@settings(deadline=None, max_examples=60)
@given(data=st.data())
def test_weighted_presence_auroc_is_that_of_scikit_learn_on_all_images(data):
    seen = data.draw(observations(min_size=2))
    weight = weights_for(data, len(seen))
    kept = weight > 0
    assume(0 < seen.present[kept].sum() < kept.sum())
    theirs = sklearn.roc_auc_score(seen.present[kept], -seen.probabilities[kept, NONE], sample_weight=weight[kept])
    assert value("presence_auroc", seen, weight) == pytest.approx(theirs, abs=1e-9)


@settings(deadline=None, max_examples=60)
@given(data=st.data())
def test_weighted_brier_score_is_the_mean_squared_error_summed_over_classes(data):
    seen, weight, known = weighted_sample(data)
    binary = [
        sklearn.brier_score_loss(seen.truth[known] == k, seen.probabilities[known, k], sample_weight=weight[known],
                                 pos_label=True)
        for k in range(3)
    ]  # fmt: skip
    assert value("brier", seen, weight) == pytest.approx(sum(binary), abs=1e-9)


def test_confusion_matrix_has_true_classes_as_rows():
    seen = random_observations(100)
    assert np.array_equal(confusion(seen), sklearn.confusion_matrix(seen.truth, seen.predicted))


@settings(deadline=None, max_examples=30)
@given(data=st.data())
def test_weight_two_is_the_same_as_seeing_an_image_twice(data):
    seen = data.draw(observations(min_size=3))
    times = data.draw(st.lists(st.integers(0, 3), min_size=len(seen), max_size=len(seen)))
    repeated = seen.subset(np.repeat(np.arange(len(seen)), times))
    again = observe(repeated.truth, repeated.probabilities, present=repeated.present)
    for name in METRICS:
        assert value(name, seen, times) == pytest.approx(value(name, again), abs=1e-9, nan_ok=True), name


def test_float32_resamples_agree_with_float64():
    seen = random_observations(90)
    weights = np.random.default_rng(0).multinomial(90, np.full(90, 1 / 90), size=50).astype(np.float64)
    for metric in METRICS.values():
        statistic = metric.statistic(seen)
        single = statistic(weights.astype(np.float32))
        assert single == pytest.approx(statistic(weights), abs=2e-6, nan_ok=True), metric.name


def test_confident_predictions_keep_their_order_in_the_presence_auroc():
    rest = np.array([1e-30, 1e-25, 1e-20, 1e-18])
    seen = observe([NONE, NONE, CW, CW], np.column_stack([1.0 - rest, rest, np.zeros(4)]))
    assert value("presence_auroc", seen) == 1.0
