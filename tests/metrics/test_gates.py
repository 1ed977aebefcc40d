"""The five gates: what passes, what fails, and what cannot be said."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from faithful_tables import table
from trial_examples import TRUTH, N, always, answers, noise, trial

from clastbench.errors import UnknownNameError
from clastbench.metrics import (
    GATES,
    TRIAL_METRICS,
    Observations,
    gate_cue,
    gate_matrix,
    gate_mirror,
    gate_passed,
    gate_randomisation,
    gate_reads,
    score_all,
)
from clastbench.records import CLASSES, MapScores, Score, Trial

FAST = {"n_resamples": 999}


def cue(right, name: str = "scale-bar", **said) -> list[Trial]:
    """A cue that costs nothing where `right` bool[n] is true, and the answer elsewhere."""
    aligned, against = always(True, len(right)), answers(np.asarray(right))
    return [trial(f"{name}=agrees", aligned, **said), trial(f"{name}=reversed", against, **said)]


def lost(k: int, n: int = N) -> np.ndarray:
    """All right but k of n, of both senses alike."""
    return np.arange(n) >= k


def mirror(own, null=None, **said) -> MapScores:
    own = np.asarray(own, float)
    return table({"equivariance": own, "equivariance_null": np.zeros(len(own)) if null is None else null}, **said)


def test_gates_are_numbered():
    assert tuple(GATES) == ("gate_randomisation", "gate_cue", "gate_mirror", "gate_reads", "gate_matrix")


@pytest.mark.parametrize("name", GATES)
def test_each_gate_says_what_it_asks_and_when_it_is_passed(name):
    gate = GATES[name]
    assert gate.name == name
    assert gate.asks.endswith("?")
    assert gate.rule.startswith("passed when")
    assert "andom" in gate.description
    assert "oracle" in gate.description


@pytest.mark.parametrize("name", GATES)
def test_gate_without_a_value_is_undecided(name):
    assert gate_passed(Score(name, None, reason="nothing was tried")) is None


def test_score_that_is_no_gates_is_refused():
    with pytest.raises(UnknownNameError, match="Did you mean 'gate_cue'"):
        gate_passed(Score("gate_cues", 0.0))


@pytest.mark.parametrize(
    ("name", "value", "low", "high", "passed"),
    [
        ("gate_randomisation", 0.2, 0.1, 0.3, True),
        ("gate_randomisation", 0.2, -0.1, 0.3, False),
        ("gate_randomisation", 0.2, None, None, None),
        ("gate_randomisation", 0.0, None, None, False),
        ("gate_cue", 0.01, -0.02, 0.05, True),
        ("gate_cue", 0.01, -0.02, 0.06, None),
        ("gate_cue", 0.05, 0.0, 0.1, None),
        ("gate_cue", 0.04, 0.01, 0.06, False),
        ("gate_cue", 0.06, -0.02, 0.1, False),
        ("gate_cue", 0.02, 0.01, 0.03, True),
        ("gate_cue", 0.01, None, None, None),
        ("gate_cue", 0.1, None, None, False),
        ("gate_mirror", 0.2, 0.1, 0.3, True),
        ("gate_mirror", 0.2, 0.0, 0.3, False),
        ("gate_mirror", -0.2, None, None, False),
        ("gate_reads", 0.7, 0.6, 0.8, True),
        ("gate_reads", 0.7, 0.5, 0.8, False),
        ("gate_reads", 0.5, None, None, False),
        ("gate_reads", 0.9, None, None, None),
        ("gate_matrix", 0.55, 0.4, 0.65, True),
        ("gate_matrix", 0.55, 0.4, 0.7, None),
        ("gate_matrix", 0.7, 0.33, 0.93, None),
        ("gate_matrix", 0.55, 0.52, 0.6, False),
        ("gate_matrix", 0.5, 0.5, 0.5, True),
        ("gate_matrix", 0.8, 0.6, 0.9, False),
        ("gate_matrix", 0.2, 0.1, 0.4, False),
        ("gate_matrix", 0.5, None, None, None),
    ],
)
def test_rule_of_each_gate(name, value, low, high, passed):
    assert gate_passed(Score(name, value, low, high)) is passed


def test_network_that_ignores_the_cue_passes():
    found = gate_cue(cue(lost(0)))
    assert (found.metric, found.value, found.higher_is_better) == ("gate_cue", 0.0, False)
    assert found.high == pytest.approx(1 - 0.05 ** (1 / N))
    assert gate_passed(found) is True


def test_network_that_reads_the_cue_alone_fails():
    found = gate_cue(cue(np.zeros(N, bool)), **FAST)
    assert found.value == 1.0
    assert gate_passed(found) is False


def test_network_that_loses_too_much_fails():
    assert gate_passed(gate_cue(cue(lost(8)), **FAST)) is False


def test_network_that_loses_one_picture_of_many_passes():
    n = 300
    truth = ("CW", "CCW") * (n // 2)
    trials = [dataclasses.replace(one, truth=truth) for one in cue_of_many(n, truth)]
    found = gate_cue(trials, **FAST)
    assert 0 < found.value < found.high < 0.05
    assert gate_passed(found) is True


def cue_of_many(n: int, truth, *, fallen: int = 1) -> list[Trial]:
    against = answers(lost(fallen, n), truth=truth)
    return [
        trial("lean=agrees", answers(lost(0, n), truth=truth), truth=truth),
        trial("lean=reversed", against, truth=truth),
    ]


def test_network_that_gains_by_the_reversal_passes():
    aligned, against = cue(lost(30))
    turned = [dataclasses.replace(against, change=aligned.change), dataclasses.replace(aligned, change=against.change)]
    found = gate_cue(turned, **FAST)
    assert found.value < 0
    assert gate_passed(found) is True


@pytest.mark.parametrize(("n", "passed"), [(60, True), (61, True), (59, None), (58, None), (6, None)])
def test_perfect_network_passes_once_there_are_enough_pictures(n, passed):
    found = gate_cue(cue(lost(0, n)), **FAST)
    assert found.value == 0.0
    assert gate_passed(found) is passed
    if passed is None:
        assert f"{n // 2} groups with CW and {n - n // 2} with CCW cannot exclude" in found.reason


def test_few_pictures_of_one_sense_prove_little_however_many_there_are_of_the_other():
    found = gate_cue(cue_of_many(100, ("CW",) * 3 + ("CCW",) * 97, fallen=0), **FAST)
    assert found.high == pytest.approx(1 - 0.05 ** (1 / 6))
    assert "3 groups with CW and 97 with CCW" in found.reason
    assert gate_passed(found) is None


def test_pictures_of_one_group_count_once():
    found = gate_cue(cue(lost(0), groups=[f"g{i // 2}" for i in range(N)]), **FAST)
    assert found.high == pytest.approx(1 - 0.05 ** (2 / N))
    assert gate_passed(found) is None


def test_one_lucky_answer_is_no_evidence():
    """Nothing falls in 10 pictures and one improves: the bootstrap alone would exclude every fall."""
    found = gate_cue([one_and_other(lost(1, 10), "agrees"), one_and_other(lost(0, 10), "reversed")], **FAST)
    assert found.value == pytest.approx(-0.1)
    assert found.low < found.value
    assert found.high == pytest.approx(1 - 0.05 ** (1 / 10))
    assert "5 groups with CW and 5 with CCW" in found.reason
    assert gate_passed(found) is None


def one_and_other(right, state: str) -> Trial:
    return trial(f"scale-bar={state}", answers(right))


@pytest.mark.parametrize(("n", "fallen", "risen"), [(40, 1, 0), (60, 2, 2)])
def test_honest_network_does_not_fail_on_thin_evidence(n, fallen, risen):
    aligned, against = lost(risen, n), lost(fallen, n)[::-1]
    found = gate_cue([one_and_other(aligned, "agrees"), one_and_other(against, "reversed")], **FAST)
    assert found.value == pytest.approx((fallen - risen) / n)
    assert found.high > 0.05
    assert gate_passed(found) is None


def test_upper_bound_is_never_smaller_than_without_any_fall():
    n = 80
    aligned, against = lost(12, n), lost(1, n)[::-1]
    found = gate_cue([one_and_other(aligned, "agrees"), one_and_other(against, "reversed")], **FAST)
    assert found.value < -0.1
    assert found.high == pytest.approx(1 - 0.05 ** (1 / n))


def test_worst_cue_decides():
    found = gate_cue([*cue(lost(0)), *cue(lost(20), "frame"), *cue(lost(4), "lean")], **FAST)
    assert found.value == pytest.approx(0.25)
    assert gate_passed(found) is False


def test_every_cue_has_to_pass_by_itself():
    good = cue(lost(0))
    few = cue(lost(0, 10), "lean")
    found = gate_cue([*good, *few], **FAST)
    assert gate_passed(found) is None
    assert "5 groups with CW" in found.reason
    assert gate_passed(gate_cue([*few, *cue(lost(40), "frame")], **FAST)) is False


def test_cue_that_failed_to_be_tried_leaves_the_gate_undecided():
    found = gate_cue([*cue(lost(0)), cue(lost(0), "lean")[0]], **FAST)
    assert found.reason == "nothing was tried under 'lean=reversed'"
    assert gate_passed(found) is None


def test_of_several_undecided_cues_the_greatest_fall_is_shown():
    mixed = np.ones(N, bool)
    mixed[:8] = False
    unsure = [trial("lean=agrees", answers(mixed)), trial("lean=reversed", answers(mixed[::-1]))]
    found = gate_cue([*cue(lost(1)), *unsure], **FAST)
    assert found.value == pytest.approx(1 / N)
    assert found.high > 0.05
    assert gate_passed(found) is None


def test_cues_do_not_fail_together_where_none_fails_alone():
    """One falls surely but little, the other may fall much but need not."""
    n = 1000
    little = cue_of_many(n, ("CCW", "CW") * (n // 2), fallen=30)
    unsure = [trial("frame=agrees", answers(lost(2, 40))), trial("frame=reversed", answers(lost(2, 40)[::-1]))]
    assert gate_cue(little, **FAST).low > 0
    assert gate_passed(gate_cue(little, **FAST)) is True
    found = gate_cue([*little, *unsure], **FAST)
    assert found.value == 0.0
    assert gate_passed(found) is None


def test_without_cues_nothing_is_said():
    found = gate_cue([trial("", noise())])
    assert found.reason == GATES["gate_cue"].undefined
    assert gate_passed(found) is None


@pytest.mark.parametrize("gate", [gate_cue, gate_matrix])
def test_trials_that_failed_say_why(gate):
    found = gate([Trial("", reason="out of memory")])
    assert found.reason == "out of memory"
    assert gate_passed(found) is None


def test_fold_whose_photographs_could_not_be_changed_leaves_the_gates_undecided():
    why = "not all folds have photographs that could be changed"
    erased = trial("without=clasts", always(True))
    planted, fallen = cue(lost(0)), cue(lost(40), "frame")
    for gate, trials in ((gate_matrix, [erased]), (gate_cue, planted), (gate_cue, fallen)):
        assert gate_passed(gate(trials, **FAST)) is not None
        found = gate([Trial(trials[-1].change), *trials], **FAST)
        assert (found.value, found.reason) == (None, why)
        assert gate_passed(found) is None
    beside = gate_cue([*planted, *fallen, Trial("frame=agrees")], **FAST)
    assert (beside.value, beside.high, beside.reason) == (0.0, None, why)
    assert gate_passed(gate_cue([*planted, *fallen, Trial("scale-bar=agrees")], **FAST)) is False


def test_change_that_no_fold_could_make_says_so():
    found = gate_matrix([Trial("without=clasts")], **FAST)
    assert found.reason == TRIAL_METRICS["erased_forced"].undefined


def test_cue_planted_one_way_only_says_nothing():
    found = gate_cue(cue(lost(0))[:1])
    assert found.reason == "nothing was tried under 'scale-bar=reversed'"


def test_cue_in_scenes_of_one_sense_says_nothing():
    found = gate_cue([dataclasses.replace(one, truth=("CW",) * N) for one in cue(lost(0))], **FAST)
    assert found.value is None
    assert "CCW" in found.reason


def test_maps_that_turn_with_the_picture_pass():
    found = gate_mirror([mirror(0.8 + noise()[:, 0] / 10)], **FAST)
    assert found.metric == "gate_mirror"
    assert gate_passed(found) is True


def test_maps_that_are_the_same_for_every_picture_fail():
    found = gate_mirror([mirror(np.ones(N), np.ones(N) - 1e-9)], **FAST)
    assert (found.value, found.low, found.high) == (0.0, 0.0, 0.0)
    assert gate_passed(found) is False


def test_random_maps_fail_the_mirror():
    assert gate_passed(gate_mirror([mirror(noise()[:, 0], noise()[:, 1])], **FAST)) is False


def test_maps_without_a_null_say_nothing():
    found = gate_mirror([mirror([0.5], [None])], **FAST)
    assert found.reason == GATES["gate_mirror"].undefined
    assert gate_passed(found) is None
    assert gate_mirror([]).reason == "there are no maps"


def test_mirror_finds_its_values_among_tables_of_other_metrics():
    found = gate_mirror([table({"lift": [0.5] * N}), mirror(0.8 + noise()[:, 0] / 10)], **FAST)
    assert found.n_images == N
    assert gate_passed(found) is True


def test_method_that_cannot_work_passes_its_reason_to_the_mirror():
    assert gate_mirror([MapScores("grad-cam", "sense", reason="no layer")]).reason == "no layer"


def test_reading_the_sense_is_the_score_of_the_system():
    found = gate_reads(Score("sense_forced", 0.8, 0.7, 0.9, 40, 30))
    assert found == Score("gate_reads", 0.8, 0.7, 0.9, 40, 30)
    assert gate_passed(found) is True


def ties(decided: int, right: int, n: int = 64) -> np.ndarray:
    """Answers of n pictures, of which `decided` do not tie and `right` of these are right."""
    said = answers(np.arange(n) < right)
    said[decided:, 1:] = 0.0
    return said


def reading(logits) -> tuple[Score, Observations]:
    """Forced balanced accuracy of a system that says this of the photographs, and `none` of one more."""
    n = len(logits)
    said = np.exp(np.vstack([logits, [5.0, 0.0, 1.0]]))
    names = tuple(f"image-{i}" for i in range(n + 1))
    truth = np.array([CLASSES.index(name) for name in (*TRUTH[:n], "none")])
    seen = Observations(names, names, truth, truth > 0, said / said.sum(axis=1, keepdims=True))
    (score,) = score_all(seen, names=["sense_forced"], **FAST)
    return score, seen


def test_few_answers_among_ties_do_not_show_that_the_sense_is_read():
    score, seen = reading(ties(3, 3))
    assert gate_passed(gate_reads(score)) is True
    found = gate_reads(score, seen)
    assert (found.value, found.low, found.high) == (score.value, 0.5, score.high)
    assert gate_passed(found) is False


@pytest.mark.parametrize(("decided", "right", "passed"), [(5, 5, False), (6, 6, True), (64, 60, True)])
def test_reading_the_sense_needs_more_than_a_coin_would_give(decided, right, passed):
    assert gate_passed(gate_reads(*reading(ties(decided, right)))) is passed


def test_few_answers_among_ties_do_not_show_that_the_matrix_is_read():
    found = gate_matrix([trial("without=clasts", ties(3, 3))], **FAST)
    assert found.value == pytest.approx(0.5 + 1.5 / 64, abs=1e-3)
    assert found.low == 0.5
    assert found.high < 0.6
    assert gate_passed(found) is True
    assert gate_passed(gate_matrix([trial("without=clasts", ties(6, 6))], **FAST)) is False
    wrong = gate_matrix([trial("without=clasts", ties(3, 0))], **FAST)
    assert (wrong.value < 0.5, wrong.high) == (True, 0.5)


def test_inputs_of_one_group_are_one_answer_of_the_sign_test():
    whole = trial("without=clasts", ties(12, 12))
    thirds = [name if at >= 12 else f"section-{at // 4}" for at, name in enumerate(whole.image_id)]
    assert gate_matrix([whole], **FAST).low > 0.5
    assert gate_matrix([dataclasses.replace(whole, group=tuple(thirds))], **FAST).low == 0.5


def test_little_data_does_not_pass_the_matrix():
    found = gate_matrix([trial("without=clasts", answers(lost(3, 10)))], **FAST)
    assert found.low < 0.5 < 0.65 < found.high
    assert gate_passed(found) is None


def test_guess_without_clasts_passes():
    right = np.random.default_rng(0).random(N) < 0.5
    found = gate_matrix([trial("without=clasts", answers(right))], **FAST)
    assert found.metric == "gate_matrix"
    assert gate_passed(found) is True


def test_network_that_always_says_one_sense_passes():
    found = gate_matrix([trial("without=clasts", np.tile([0.0, 1.0, -1.0], (N, 1)))], **FAST)
    assert (found.value, found.low, found.high) == (0.5, 0.5, 0.5)
    assert gate_passed(found) is True


@pytest.mark.parametrize("right", [True, False])
def test_sense_read_without_clasts_fails(right):
    found = gate_matrix([trial("without=clasts", always(right))], **FAST)
    assert found.value == float(right)
    assert gate_passed(found) is False


def test_three_right_answers_say_nothing():
    found = gate_matrix([trial("without=clasts", always(True, 3))], **FAST)
    assert found.value == 1.0
    assert gate_passed(found) is None


def test_without_erased_clasts_nothing_is_said():
    found = gate_matrix([trial("", noise())])
    assert found.reason == "no scene was drawn with its clasts erased"
    assert gate_passed(found) is None


def test_erased_clasts_of_one_sense_say_nothing():
    found = gate_matrix([trial("without=clasts", noise(), truth=("CW",) * N)], **FAST)
    assert found.value is None
    assert gate_passed(found) is None


def test_gate_of_the_weights_keeps_its_place():
    lifts = 0.3 + noise()[:, 0] / 10
    found = gate_randomisation([table({"lift": lifts})], [table({"lift": lifts - 0.2})], **FAST)
    assert gate_passed(found) is True


def test_order_of_inputs_changes_no_gate():
    mixed = np.random.default_rng(3).permutation(N)
    right = np.random.default_rng(0).random(N) < 0.8
    whole = [*cue(right), trial("without=clasts", noise())]
    again = [
        dataclasses.replace(
            one,
            image_id=tuple(one.image_id[i] for i in mixed),
            group=tuple(one.group[i] for i in mixed),
            truth=tuple(TRUTH[i] for i in mixed),
            logits=tuple(one.logits[i] for i in mixed),
        )
        for one in whole
    ]
    for gate in (gate_cue, gate_matrix):
        one, other = gate(whole, **FAST), gate(again, **FAST)
        assert (one.value, one.low, one.high) == pytest.approx((other.value, other.low, other.high))
