"""Shear sense, forced and end to end (oracle 7 of the metrics)."""

from __future__ import annotations

import numpy as np
import pytest
from metric_examples import CCW, CW, NONE, certain, observe, value

SENSE = ("sense_forced", "sense_end_to_end", "sense_forced_accuracy", "sense_end_to_end_accuracy")


def test_mirror_invariant_network_has_forced_accuracy_one_half_on_mirrored_pairs():
    one_of_each_pair = np.random.default_rng(0).dirichlet(np.ones(3), size=20)
    seen = observe([CW] * 20 + [CCW] * 20, np.vstack([one_of_each_pair, one_of_each_pair]))
    assert value("sense_forced", seen) == 0.5
    assert value("sense_forced_accuracy", seen) == 0.5


def test_network_that_always_says_none_still_has_a_forced_accuracy():
    seen = observe([CW, CW, CCW, CCW], [[0.8, 0.15, 0.05], [0.8, 0.05, 0.15], [0.8, 0.05, 0.15], [0.9, 0.04, 0.06]])
    assert value("sense_forced", seen) == 0.75
    assert value("sense_end_to_end", seen) == 0.0
    assert value("sense_end_to_end_accuracy", seen) == 0.0


def test_tie_between_the_senses_is_half_right():
    seen = observe([CW, CCW], [[0.2, 0.4, 0.4], [0.2, 0.1, 0.7]])
    assert value("sense_forced", seen) == 0.75


def test_tie_of_all_classes_goes_to_the_first_one():
    seen = observe([CW, CCW, NONE], np.full((3, 3), 1 / 3))
    assert value("recall_none", seen) == 1.0
    assert value("sense_end_to_end", seen) == 0.0


def test_always_the_commoner_sense_scores_the_majority_rate_unbalanced_and_one_half_balanced():
    seen = observe([CW] * 14 + [CCW] * 6 + [NONE] * 20, certain([CW] * 40))
    assert value("majority_rate", seen) == 0.7
    assert [value(name, seen) for name in SENSE] == [0.5, 0.5, 0.7, 0.7]


@pytest.mark.parametrize("name", SENSE)
def test_images_without_sense_and_without_truth_do_not_enter(name):
    sensed = observe([CW, CCW, CW], certain([CW, CW, NONE]))
    crowd = observe([CW, CCW, CW, NONE, -1, -1], certain([CW, CW, NONE, CW, CW, CCW]), present=[1, 1, 1, 0, 1, 1])
    assert value(name, crowd) == value(name, sensed)


@pytest.mark.parametrize("name", SENSE)
def test_oracle_scores_one(name):
    truth = [CW, CCW, CCW, NONE]
    assert value(name, observe(truth, certain(truth))) == 1.0
