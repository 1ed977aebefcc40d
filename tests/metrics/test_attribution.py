"""Points of macro-F1 lost by stage: which stage loses them, and what holds for any system."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from metric_examples import CCW, CW, NONE, certain, observations, observe, random_observations, value

from clastbench.metrics.attribution import LOSSES, NOT_ASKED, attribute

TRUTH = [NONE, NONE, CW, CW, CCW, CCW]
WRONG = [NONE, NONE, CW, NONE, CCW, NONE]
F1_WRONG = (4 / 6 + 2 / 3 + 2 / 3) / 3


def lost(said, snapped, at_truth, truth=TRUTH) -> list[float | None]:
    scores = attribute(observe(truth, certain(said)), certain(snapped), certain(at_truth), n_resamples=9)
    assert tuple(score.metric for score in scores) == LOSSES
    return [score.value for score in scores]


def test_only_detection_loses_when_true_boxes_in_place_of_proposals_mend_it():
    assert lost(WRONG, WRONG, TRUTH) == [pytest.approx(1 - F1_WRONG), 0.0, 0.0]


def test_only_the_crop_loses_when_true_boxes_of_what_was_found_mend_it():
    assert lost(WRONG, TRUTH, TRUTH) == [0.0, pytest.approx(1 - F1_WRONG), 0.0]


def test_only_classification_loses_when_true_boxes_mend_nothing():
    assert lost(WRONG, WRONG, WRONG) == [0.0, 0.0, pytest.approx(1 - F1_WRONG)]


def test_stage_where_the_truth_does_harm_loses_less_than_nothing():
    assert lost(TRUTH, WRONG, TRUTH) == [pytest.approx(1 - F1_WRONG), pytest.approx(F1_WRONG - 1), 0.0]


def test_perfect_system_loses_nothing():
    assert lost(TRUTH, TRUTH, TRUTH) == [0.0, 0.0, 0.0]


def test_images_without_truth_do_not_enter():
    unknown = [-1, -1]
    with_them = lost([*WRONG, CW, CW], [*TRUTH, CCW, CW], [*TRUTH, NONE, NONE], truth=[*TRUTH, *unknown])
    assert with_them == lost(WRONG, TRUTH, TRUTH)


@st.composite
def stages(draw):
    said = draw(observations())
    classes = hnp.arrays(np.int8, len(said), elements=st.integers(0, 2))
    return said, certain(draw(classes)), certain(draw(classes))


@settings(deadline=None, max_examples=50)
@given(stages())
def test_losses_sum_to_what_macro_f1_lacks(asked):
    said, snapped, at_truth = asked
    scores = attribute(said, snapped, at_truth, n_resamples=9)
    lacks = 1.0 - value("macro_f1", said)
    if np.isnan(lacks):
        assert [score.value for score in scores] == [None] * 3
        assert {score.reason for score in scores} == {"no image has an image-level truth"}
    else:
        assert sum(score.value for score in scores) == pytest.approx(lacks, abs=1e-9)


def test_intervals_enclose_the_values_and_are_paired():
    groups = [f"section-{at // 4}" for at in range(120)]
    said = random_observations(120, seed=1, skill=0.5, groups=groups)
    better = random_observations(120, seed=1, skill=2.0, groups=groups)
    detection, crop, classification = attribute(said, said.probabilities, better.probabilities, n_seeds=3)
    for score in (detection, classification):
        assert score.low < score.value < score.high
    assert (crop.low, crop.value, crop.high) == (0.0, 0.0, 0.0)
    assert (detection.n_images, detection.n_groups, detection.n_seeds) == (120, 30, 3)
    assert not detection.higher_is_better


def test_same_resamples_are_drawn_every_time():
    said = random_observations(40, seed=2)
    stage = random_observations(40, seed=3).probabilities
    assert attribute(said, stage, stage, n_resamples=99) == attribute(said, stage, stage, n_resamples=99)


@pytest.mark.parametrize("missing", ["snapped", "at_truth", "both"])
def test_stage_that_was_not_computed_leaves_all_three_undefined_with_the_reason_given(missing):
    said = observe(TRUTH, certain(WRONG))
    snapped = None if missing != "at_truth" else said.probabilities
    at_truth = None if missing != "snapped" else said.probabilities
    scores = attribute(said, snapped, at_truth, reason="the detector reads the sense by itself")
    assert tuple(score.metric for score in scores) == LOSSES
    assert {(score.value, score.low, score.reason) for score in scores} == {
        (None, None, "the detector reads the sense by itself")
    }


def test_stage_that_was_not_computed_says_so_by_itself():
    said = observe(TRUTH, certain(WRONG))
    assert {score.reason for score in attribute(said, None, None)} == {NOT_ASKED}


def test_no_observations_lose_nothing_that_is_defined():
    scores = attribute(observe([], np.empty((0, 3))), np.empty((0, 3)), np.empty((0, 3)), n_resamples=9)
    assert [(score.value, score.reason) for score in scores] == [(None, "there are no observations")] * 3


def test_single_group_has_values_without_interval():
    said = observe(TRUTH, certain(WRONG), groups=["one"] * 6)
    for score in attribute(said, certain(TRUTH), certain(TRUTH), n_resamples=9):
        assert score.value is not None
        assert (score.low, score.high, score.reason) == (None, None, "no interval: fewer than two groups")


def test_rows_that_are_no_probabilities_are_refused_by_name():
    said = observe(TRUTH, certain(TRUTH))
    with pytest.raises(ValueError, match="image-0000"):
        attribute(said, np.zeros((6, 3)), said.probabilities)
