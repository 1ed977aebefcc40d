"""What a model says of changed pictures: symmetry, effects of parts, planted cues."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from trial_examples import TRUTH, N, always, answers, noise, swapped, trial

from clastbench.errors import UnknownNameError
from clastbench.metrics import CUES, PART_CHANGES, TRIAL_METRICS, Measure, cues_of, score_trials, trial_metric
from clastbench.metrics.group_sums import ratio_of
from clastbench.records import Score, Trial


def scores(*trials: Trial, **said) -> dict[str, Score]:
    return {score.metric: score for score in score_trials(trials, **({"n_resamples": 999} | said))}


@pytest.mark.parametrize("name", TRIAL_METRICS)
def test_each_score_says_what_a_random_network_and_an_oracle_have(name):
    metric = trial_metric(name)
    assert isinstance(metric, Measure)
    assert metric.name == name
    assert "andom network" in metric.description
    assert "oracle" in metric.description
    assert metric.undefined


def test_every_cue_has_a_meaning():
    assert trial_metric("cue_wet_paint_fall").title == "Planted cue: wet paint"
    with pytest.raises(UnknownNameError, match="Did you mean 'label_antisymmetry'"):
        trial_metric("label_antisymetry")


def test_antisymmetric_network_is_perfect():
    said = noise()
    found = scores(trial("", said), trial("mirrored", swapped(said)), trial("turned", said))
    assert found["label_antisymmetry"].value == 1.0
    assert found["logit_antisymmetry_error"].value == pytest.approx(0.0, abs=1e-12)
    assert found["rotation_consistency"].value == 1.0


def test_constant_of_all_logits_is_no_antisymmetry_error():
    said = noise()
    found = scores(trial("", said), trial("mirrored", swapped(said) + noise(seed=1)[:, :1]))
    assert found["logit_antisymmetry_error"].value == pytest.approx(0.0, abs=1e-12)


def test_network_blind_to_mirroring_has_no_antisymmetry():
    said = noise()
    found = scores(trial("", said), trial("mirrored", said))
    assert found["label_antisymmetry"].value == 0.0
    assert found["label_antisymmetry"].high > 0.0
    assert 0.0 < found["logit_antisymmetry_error"].value <= 2.0


def test_network_that_says_the_opposite_has_the_greatest_error():
    said = noise()
    found = scores(trial("", said), trial("mirrored", -swapped(said)))
    assert found["logit_antisymmetry_error"].value == pytest.approx(2.0)


def test_unrelated_answers_have_the_error_that_is_promised():
    truth = ("CW", "CCW") * 1000
    found = scores(trial("", noise(2000), truth=truth), trial("mirrored", noise(2000, seed=1), truth=truth))
    assert found["logit_antisymmetry_error"].value == pytest.approx(2**0.5, abs=0.1)


def test_network_blind_to_mirroring_is_half_right_on_mirrored_pairs():
    said = np.repeat(noise(N // 2), 2, axis=0)
    found = scores(trial("without=clasts", said))
    assert found["erased_forced"].value == 0.5


def test_inputs_predicted_none_say_nothing_of_symmetry():
    said = noise()
    said[:, 0] = 9.0
    found = scores(trial("", said), trial("mirrored", said), trial("turned", said))
    for name in ("label_antisymmetry", "logit_antisymmetry_error", "rotation_consistency"):
        assert found[name].value is None
        assert found[name].reason == TRIAL_METRICS[name].undefined


def test_network_that_always_says_none_still_has_a_forced_accuracy():
    said = always(True)
    said[:, 0] = 99.0
    assert scores(trial("without=clasts", said))["erased_forced"].value == 1.0


def test_ties_are_half_right():
    assert scores(trial("without=clasts", np.zeros((N, 3))))["erased_forced"].value == 0.5


def test_erased_forced_is_balanced():
    truth = ["CW"] * 60 + ["CCW"] * 20
    said = np.tile([0.0, 1.0, -1.0], (80, 1))
    assert scores(trial("without=clasts", said, truth=truth))["erased_forced"].value == 0.5


def test_one_sense_alone_has_no_balanced_accuracy():
    found = scores(trial("without=clasts", noise(), truth=["CW"] * N))["erased_forced"]
    assert found.value is None
    assert "CW and scenes of CCW" in found.reason


@pytest.mark.parametrize(("part", "change"), PART_CHANGES.items())
def test_effect_is_the_mean_fall_of_f(part, change):
    before, after = noise(), noise(seed=1)
    sign = np.where(np.array(TRUTH) == "CW", 1, -1)
    found = scores(trial("", before), trial(change, after))
    word = part.replace(" ", "_")
    sense = [(z[:, 1] - z[:, 2]) * sign for z in (before, after)]
    presence = [np.log(np.exp(z[:, 1]) + np.exp(z[:, 2])) - z[:, 0] for z in (before, after)]
    assert found[f"effect_{word}_sense"].value == pytest.approx((sense[0] - sense[1]).mean())
    assert found[f"effect_{word}_presence"].value == pytest.approx((presence[0] - presence[1]).mean())


def test_change_without_consequences_has_no_effect():
    found = scores(trial("", noise()), trial("other=light", noise()))
    assert [found[f"effect_light_{name}"].value for name in ("sense", "presence")] == [0.0, 0.0]


def test_swapped_tails_turn_what_is_read_in_them():
    found = scores(trial("", always(True)), trial("other=tails", always(False)))
    assert found["effect_swapped_tails_sense"].value == pytest.approx(4.0)
    assert found["effect_swapped_tails_presence"].value == pytest.approx(0.0)


def test_fall_of_a_cue_is_what_its_reversal_costs():
    right = np.ones(N, bool)
    right[:8] = False
    found = scores(trial("scale-bar=agrees", always(True)), trial("scale-bar=reversed", answers(right)))
    assert found["cue_scale_bar_fall"].value == pytest.approx(0.1)
    assert found["cue_scale_bar_fall"].low < 0.1 < found["cue_scale_bar_fall"].high


def test_fall_is_paired():
    right = np.random.default_rng(0).random(N) < 0.7
    found = scores(trial("lean=agrees", answers(right)), trial("lean=reversed", answers(right, lead=2.0)))
    assert (found["cue_lean_fall"].value, found["cue_lean_fall"].high) == (0.0, 0.0)


def test_network_that_reads_the_cue_alone_falls_by_one():
    found = scores(trial("frame=agrees", always(True)), trial("frame=reversed", always(False)))
    assert found["cue_frame_fall"].value == 1.0


def test_cues_are_found_by_their_states():
    changes = ("", "mirrored", "without=tails", "other=light", "lean=agrees", "lean=reversed", "frame=reversed")
    assert cues_of(changes) == ("lean", "frame")


@pytest.mark.parametrize("cue", CUES)
def test_known_cues_are_in_the_catalogue(cue):
    (name,) = scores(trial(f"{cue}=agrees", noise()), trial(f"{cue}=reversed", noise()))
    assert name in TRIAL_METRICS


def test_cue_that_was_planted_one_way_only_has_no_fall():
    found = scores(trial("lean=agrees", noise()))["cue_lean_fall"]
    assert found.value is None
    assert found.reason == "nothing was tried under 'lean=reversed'"


def test_only_changes_that_were_tried_are_scored():
    assert list(scores(trial("", noise()))) == []
    assert list(scores(trial("", noise()), trial("turned", noise()))) == ["rotation_consistency"]


def test_pictures_as_they_are_are_missed():
    found = scores(trial("mirrored", noise()))["label_antisymmetry"]
    assert found.value is None
    assert found.reason == "nothing was tried without a change"


def test_trial_that_said_nothing_says_why():
    found = scores(trial("", noise()), Trial("turned", reason="out of memory"))["rotation_consistency"]
    assert (found.value, found.reason) == (None, "out of memory")


def test_scores_come_in_the_order_of_the_catalogue():
    planted = (f"{cue}={state}" for cue in CUES for state in ("agrees", "reversed"))
    changes = ("", "mirrored", "turned", *PART_CHANGES.values(), *planted)
    assert tuple(scores(*(trial(change, noise()) for change in changes), n_resamples=9)) == tuple(TRIAL_METRICS)


def test_change_may_hold_fewer_photographs():
    before, after = noise(), noise(10, seed=1)
    found = scores(trial("", before), trial("other=matrix", after))["effect_matrix_sense"]
    assert (found.n_images, found.n_groups) == (10, 10)


def test_inputs_of_one_photograph_pair_by_their_order():
    images = ["a", "b", "a", "a"]
    before = np.array([[0, 1, 0], [0, 2, 0], [0, 4, 0], [0, 8, 0]], float)
    turned = before[[1, 0, 2, 3]]
    found = scores(
        trial("", before, images=images, truth=["CW"] * 4),
        trial("other=light", turned, images=["b", "a", "a", "a"], truth=["CW"] * 4),
    )
    assert found["effect_light_sense"].value == 0.0
    assert found["effect_light_sense"].n_images == 2


def test_folds_are_pooled_whatever_their_order():
    def halves(change, said):
        names = tuple(f"image-{i:03}" for i in range(N))
        return [trial(change, said[own], truth=TRUTH[own], images=names[own]) for own in (slice(0, 30), slice(30, N))]

    before, after = noise(), noise(seed=1)
    whole = scores(trial("", before), trial("mirrored", after))
    folds = scores(*halves("", before), *reversed(halves("mirrored", after)))
    for name, one in whole.items():
        assert dataclasses.astuple(folds[name]) == pytest.approx(dataclasses.astuple(one))


def test_groups_are_resampled_whole():
    before, after = np.repeat(noise(N // 4), 4, axis=0), np.repeat(noise(N // 4, seed=1), 4, axis=0)
    pairs = trial("", before, truth=["CW"] * N), trial("other=light", after, truth=["CW"] * N)
    groups = tuple(f"g{i // 4:02}" for i in range(N))
    alone = scores(*pairs)["effect_light_sense"]
    together = scores(*(dataclasses.replace(one, group=groups) for one in pairs))["effect_light_sense"]
    assert together.high - together.low > 1.5 * (alone.high - alone.low)
    assert together.n_groups == N // 4


@given(st.lists(st.integers(0, 3), min_size=3, max_size=8))
def test_weights_are_copies(weights):
    n = len(weights)
    above, below = noise(n)[:, 0], np.abs(noise(n)[:, 1])
    names = tuple(map(str, range(n)))
    weighed = ratio_of(names, names, above, below).statistic(np.arange(n))(np.array([weights], float))
    copies = np.repeat(np.arange(n), weights)
    ones = ratio_of(tuple(names[i] for i in copies), (), above[copies], below[copies])
    expected = ones.statistic(np.arange(len(copies)))(np.ones((1, len(copies))))
    np.testing.assert_allclose(weighed, expected)


def test_photograph_in_two_trials_of_a_change_is_refused():
    with pytest.raises(ValueError, match="image-000"):
        score_trials([trial("", noise()), trial("", noise())])


@pytest.mark.parametrize("changed", [{"group": ("x",) * N}, {"truth": TRUTH[::-1]}])
def test_changes_that_contradict_each_other_are_refused(changed):
    with pytest.raises(ValueError, match="image-000"):
        score_trials([trial("", noise()), dataclasses.replace(trial("turned", noise()), **changed)])


def test_truth_that_is_no_sense_is_refused():
    with pytest.raises(ValueError, match="none"):
        score_trials([trial("", noise(), truth=["none"] * N)])


def test_trial_that_lost_an_input_is_refused():
    with pytest.raises(ValueError, match="one group, truth and row"):
        score_trials([dataclasses.replace(trial("", noise()), group=("x",))])
