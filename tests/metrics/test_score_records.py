"""What `score_all` reports: values, intervals, counts and reasons."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from metric_examples import CCW, CW, NONE, certain, observations, observe, random_observations, value

from clastbench.metrics import METRICS, Observations, metrics_for, score_all, wilson


def scored(seen, **options):
    return {score.metric: score for score in score_all(seen, n_resamples=499, **options)}


def test_every_metric_is_reported_once_and_in_order():
    assert [score.metric for score in score_all(random_observations(30), n_resamples=99)] == list(METRICS)


@pytest.mark.parametrize("metric", METRICS.values(), ids=METRICS)
def test_every_metric_states_what_chance_and_an_oracle_score(metric):
    assert "chance" in metric.description.lower()
    assert "oracle" in metric.description.lower()


@settings(deadline=None, max_examples=25)
@given(seen=observations(), shuffle=st.randoms(use_true_random=False))
def test_order_of_observations_changes_nothing(seen, shuffle):
    order = list(range(len(seen)))
    shuffle.shuffle(order)
    for a, b in zip(
        score_all(seen, n_resamples=39), score_all(seen.subset(np.array(order)), n_resamples=39), strict=True
    ):
        assert a.value == pytest.approx(b.value, abs=1e-12)
        assert (a.low, a.high) == pytest.approx((b.low, b.high), abs=1e-5)
        assert (a.reason, a.n_images, a.n_groups) == (b.reason, b.n_images, b.n_groups)


@settings(deadline=None, max_examples=25)
@given(seen=observations())
def test_doubling_all_observations_changes_no_value(seen):
    twice = seen.subset(np.tile(np.arange(len(seen)), 2))
    for once, doubled in zip(score_all(seen, n_resamples=19), score_all(twice, n_resamples=19), strict=True):
        assert doubled.value == pytest.approx(once.value, abs=1e-9)
        assert (doubled.n_images, doubled.n_groups) == (once.n_images, once.n_groups)


def test_same_seed_gives_the_same_scores_and_another_seed_other_intervals():
    seen = random_observations(40)
    assert score_all(seen, n_resamples=99) == score_all(seen, n_resamples=99)
    assert scored(seen)["macro_f1"].low != scored(seen, seed=1)["macro_f1"].low


@pytest.mark.parametrize("seed", range(5))
def test_bounds_enclose_the_value(seed):
    for score in score_all(random_observations(80, seed), n_resamples=499):
        assert score.low <= score.value <= score.high, score


def test_number_of_seeds_is_recorded():
    assert {score.n_seeds for score in score_all(random_observations(9), n_resamples=9, n_seeds=3)} == {3}


def test_only_images_that_enter_a_score_are_counted():
    seen = observe([NONE, CW, CCW, CW, -1], certain([NONE, CW, CW, CW, CW]), groups="aabcd", present=[0, 1, 1, 1, 1])
    scores = scored(seen)
    counts = {name: (scores[name].n_images, scores[name].n_groups) for name in scores}
    assert counts["accuracy"] == (4, 3)
    assert counts["presence_auroc"] == (5, 4)
    assert counts["sense_forced"] == (3, 3)
    assert counts["recall_CCW"] == (1, 1)
    assert counts["precision_CW"] == (3, 3)


def test_repeated_images_count_once():
    seen = random_observations(30)
    repeated = seen.subset(np.tile(np.arange(30), 5))
    assert (scored(repeated)["accuracy"].n_images, scored(repeated)["accuracy"].n_groups) == (30, 30)


def test_proportion_of_independent_images_has_wilsons_interval():
    seen = random_observations(50)
    found = scored(seen)["accuracy"]
    assert (found.low, found.high) == pytest.approx(wilson(found.value * 50, 50))


def test_proportion_of_grouped_images_is_bootstrapped():
    seen = random_observations(50, groups=[f"g{i // 5}" for i in range(50)])
    found = scored(seen)["accuracy"]
    assert (found.low, found.high) != pytest.approx(wilson(found.value * 50, 50))


def test_perfect_accuracy_on_few_groups_is_not_reported_as_certain():
    truth = [NONE, CW, CCW] * 10
    found = scored(observe(truth, certain(truth), groups=[f"g{i // 6}" for i in range(30)]))["accuracy"]
    assert (found.low, found.high) == pytest.approx(wilson(5, 5))


UNDEFINED = [
    ("no observations", [], [], dict.fromkeys(METRICS, "no observations")),
    (
        "no truth", [-1, -1], [NONE, CW],
        {**dict.fromkeys(("accuracy", "macro_f1", "brier", "ece", "aurc"), "no image has"), "sense_forced": "CW"},
    ),
    (
        "one class", [NONE, NONE, NONE], [NONE, NONE, NONE],
        {"mcc": "one class", "auroc_none": "another class", "auroc_CW": "images of CW", "recall_CW": "no image is CW",
         "precision_CW": "called CW", "f1_CW": "none was called so", "presence_auroc": "without a clast",
         "sense_forced": "CCW", "majority_rate": "CW or CCW"},
    ),
    ("one sense", [CW, CW, NONE], [CW, CCW, NONE], {"sense_forced": "CCW", "sense_end_to_end": "CCW"}),
]  # fmt: skip


@pytest.mark.parametrize(("truth", "said", "reasons"), [case[1:] for case in UNDEFINED], ids=[c[0] for c in UNDEFINED])
def test_undefined_score_is_none_with_its_reason(truth, said, reasons):
    seen = observe(np.array(truth, dtype=int), certain(np.array(said, dtype=int)))
    scores = scored(seen)
    for name, reason in reasons.items():
        assert (scores[name].value, scores[name].low, scores[name].high) == (None, None, None), name
        assert reason in scores[name].reason, name


def test_class_that_exists_and_is_never_predicted_has_f1_zero():
    assert value("f1_CCW", observe([CCW, CW], certain([CW, CW]))) == 0.0


def test_value_on_one_group_has_no_interval_but_a_reason():
    truth = [NONE, CW, CCW, CW]
    found = scored(observe(truth, certain([NONE, CW, CW, CW]), groups=["thin section"] * 4))["macro_f1"]
    assert found.value is not None
    assert (found.low, found.high) == (None, None)
    assert "fewer than two groups" in found.reason


def test_value_undefined_in_many_resamples_has_no_interval_but_a_reason():
    seen = observe([CW, CCW, *[NONE] * 20], certain([CW, CCW, *[NONE] * 20]))
    found = scored(seen)["sense_forced"]
    assert (found.value, found.low, found.high) == (1.0, None, None)
    assert "undefined in" in found.reason


@pytest.mark.parametrize(
    ("row", "rule"),
    [
        ([np.nan, 0.5, 0.5], "finite"),
        ([np.inf, 0.0, 0.0], "finite"),
        ([1.2, -0.2, 0.0], "0..1"),
        ([0.5, 0.1, 0.1], "sum to 1"),
    ],
)
def test_what_is_no_distribution_is_refused_by_name(row, rule):
    with pytest.raises(ValueError, match=f"image-0001.*{rule}"):
        observe([NONE, CW], [[1.0, 0.0, 0.0], row])


def test_single_precision_probabilities_are_accepted():
    probabilities = np.random.default_rng(0).dirichlet(np.ones(3), 20).astype(np.float32)
    assert len(observe([NONE] * 20, probabilities)) == 20


@pytest.mark.parametrize("field", ["group", "truth", "present", "probabilities"])
def test_lengths_that_differ_are_refused(field):
    seen = random_observations(5)
    with pytest.raises(ValueError, match=field):
        dataclasses.replace(seen, **{field: getattr(seen, field)[:-1]})


def test_truth_outside_the_classes_is_refused():
    with pytest.raises(ValueError, match="truth must be"):
        observe([3], [[1.0, 0.0, 0.0]])


def test_image_in_two_groups_is_refused():
    with pytest.raises(ValueError, match="two groups"):
        Observations(("a", "a"), ("g", "h"), np.array([0, 0]), np.zeros(2, dtype=bool), certain([0, 0]))


def test_other_class_lists_have_no_sense_scores():
    names = metrics_for(("granite", "basalt"))
    assert "f1_basalt" in names
    assert not {name for name in names if "sense" in name or "presence" in name}
    seen = Observations(("a", "b"), ("a", "b"), np.array([0, 1]), np.ones(2, bool), np.eye(2), ("granite", "basalt"))
    assert scored(seen)["macro_f1"].value == 1.0
