"""The published table (poster, AGU 2021) comes back from its confusion matrices to three digits (oracle 8)."""

from __future__ import annotations

import numpy as np
import pytest

from clastbench.metrics import METRICS, Observations, classification_report, confusion, confusion_scores, score_all

CLASSES = ("CCW", "CW", "none")
# name: matrix, accuracy, per class (precision, recall, F1), macro, weighted, senses right of 20
TABLE = {
    "InceptionV3": (
        [[5, 0, 1], [4, 9, 1], [0, 1, 19]], 0.825,
        [(0.556, 0.833, 0.667), (0.9, 0.643, 0.75), (0.905, 0.95, 0.927)],
        (0.787, 0.809, 0.781), (0.851, 0.825, 0.826), 14,
    ),
    "ResNet50": (
        [[2, 4, 0], [1, 11, 2], [0, 0, 20]], 0.825,
        [(0.667, 0.333, 0.444), (0.733, 0.786, 0.759), (0.909, 1.0, 0.952)],
        (0.77, 0.706, 0.718), (0.811, 0.825, 0.808), 13,
    ),
    "InceptionV3, regularised": (
        [[2, 0, 4], [4, 9, 1], [0, 2, 18]], 0.725,
        [(0.333, 0.333, 0.333), (0.818, 0.643, 0.72), (0.783, 0.9, 0.837)],
        (0.645, 0.625, 0.63), (0.728, 0.725, 0.721), 11,
    ),
    "VGG19": (
        [[6, 0, 0], [6, 7, 1], [8, 0, 12]], 0.625,
        [(0.3, 1.0, 0.462), (1.0, 0.5, 0.667), (0.923, 0.6, 0.727)],
        (0.741, 0.7, 0.618), (0.857, 0.625, 0.666), 13,
    ),
    "ResNet50, regularised": (
        [[3, 0, 3], [1, 6, 7], [1, 3, 16]], 0.625,
        [(0.6, 0.5, 0.545), (0.667, 0.429, 0.522), (0.615, 0.8, 0.696)],
        (0.627, 0.576, 0.588), (0.631, 0.625, 0.612), 9,
    ),
    "VGG19, regularised": (
        [[0, 0, 6], [0, 4, 10], [0, 0, 20]], 0.600,
        [(0.0, 0.0, 0.0), (1.0, 0.286, 0.444), (0.556, 1.0, 0.714)],
        (0.519, 0.429, 0.386), (0.628, 0.6, 0.513), 4,
    ),
}  # fmt: skip

each_model = pytest.mark.parametrize("model", TABLE)


def to_three_digits(expected):
    return pytest.approx(expected, abs=0.0005 + 1e-9)


@each_model
def test_published_accuracy_comes_back(model):
    matrix, accuracy, *_ = TABLE[model]
    assert confusion_scores(matrix, CLASSES)["accuracy"] == to_three_digits(accuracy)


@each_model
def test_published_values_by_class_come_back(model):
    matrix, _, by_class, *_ = TABLE[model]
    report = classification_report(matrix, CLASSES, zero_division=0.0)
    for name, expected in zip(CLASSES, by_class, strict=True):
        row = report.per_class[name]
        assert (row.precision, row.recall, row.f1) == to_three_digits(expected)
    assert [row.support for row in report.per_class.values()] == [6, 14, 20]


@each_model
def test_published_means_come_back(model):
    matrix, _, _, macro, weighted, _ = TABLE[model]
    report = classification_report(matrix, CLASSES, zero_division=0.0)
    assert (report.macro.precision, report.macro.recall, report.macro.f1) == to_three_digits(macro)
    assert (report.weighted.precision, report.weighted.recall, report.weighted.f1) == to_three_digits(weighted)


@each_model
def test_macro_f1_and_balanced_accuracy_are_the_published_macro_values(model):
    matrix, _, _, macro, *_ = TABLE[model]
    scores = confusion_scores(matrix, CLASSES)
    assert (scores["balanced_accuracy"], scores["macro_f1"]) == to_three_digits(macro[1:])


@each_model
def test_number_of_senses_read_rightly_comes_back(model):
    matrix, *_, right = TABLE[model]
    scores = confusion_scores(matrix, CLASSES)
    assert scores["sense_end_to_end_accuracy"] == pytest.approx(right / 20)
    assert scores["majority_rate"] == pytest.approx(0.7)


@pytest.mark.parametrize(("model", "expected"), [("VGG19", 0.75), ("InceptionV3", 0.74)])
def test_balanced_shear_sense_of_the_best_published_models_comes_back(model, expected):
    assert confusion_scores(TABLE[model][0], CLASSES)["sense_end_to_end"] == pytest.approx(expected, abs=0.005)


@each_model
def test_scores_of_a_matrix_are_those_of_observations_with_the_same_counts(model):
    matrix = np.array(TABLE[model][0])
    truth, predicted = (np.repeat(index.ravel(), matrix.ravel()) for index in np.indices((3, 3)))
    names = tuple(f"image-{i}" for i in range(40))
    seen = Observations(names, names, truth, truth < 2, np.eye(3)[predicted], CLASSES)
    assert np.array_equal(confusion(seen), matrix)
    found = {score.metric: score.value for score in score_all(seen, n_resamples=49)}
    for name, value in confusion_scores(matrix, CLASSES).items():
        if value is not None:
            assert found[name] == pytest.approx(value), name


def test_scores_that_need_probabilities_are_none():
    scores = confusion_scores(TABLE["InceptionV3"][0], CLASSES)
    assert set(scores) == set(METRICS)
    missing = {name for name, value in scores.items() if value is None}
    assert missing == {
        "auroc_CCW", "auroc_CW", "auroc_none", "presence_auroc", "brier", "ece", "aurc", "sense_forced",
        "sense_forced_accuracy",
    }  # fmt: skip


def test_precision_of_a_class_never_predicted_is_undefined_unless_told_otherwise():
    matrix = TABLE["VGG19, regularised"][0]
    assert confusion_scores(matrix, CLASSES)["precision_CCW"] is None
    assert confusion_scores(matrix, CLASSES)["f1_CCW"] == 0.0
    report = classification_report(matrix, CLASSES)
    assert report.per_class["CCW"].precision is None
    assert report.macro.precision is None
    assert report.macro.recall == to_three_digits(0.429)


def test_report_of_an_empty_matrix_is_undefined():
    report = classification_report(np.zeros((3, 3)), CLASSES)
    assert (report.accuracy, report.macro.f1, report.weighted.f1) == (None, None, None)


@pytest.mark.parametrize("matrix", [[[1, 2], [3, 4]], np.full((3, 3), -1), np.full((3, 3), 0.5)])
def test_what_is_no_confusion_matrix_is_refused(matrix):
    with pytest.raises(ValueError, match="3 x 3 non-negative counts"):
        confusion_scores(matrix, CLASSES)
