"""Scores by condition: what an id says, which conditions a suite has, and what a system is worth in each."""

from __future__ import annotations

from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from metric_examples import CCW, CW, NONE, random_observations

from clastbench.metrics import BASE, METRICS, Condition, Observations, condition_of, find_conditions, score_by_condition
from clastbench.metrics.conditions import SCORED, by_condition

CHANGES = ("", "~blur=2.5", "~light=plane", "~turned")
NAMES = st.text("abcdefghijklmnopqrstuvwxyz-", min_size=1)
VALUES = st.text(min_size=1).filter(lambda text: "~" not in text)


def changed(n: int, seed: int = 0, groups: int = 40) -> Observations:
    """Observations of so many photographs, dealt to the conditions of CHANGES."""
    plain = random_observations(n, seed=seed)
    scenes = [f"{row // len(CHANGES) % groups:05d}" for row in range(n)]
    ids = tuple(scene + CHANGES[row % len(CHANGES)] for row, scene in enumerate(scenes))
    return Observations(ids, tuple(scenes), plain.truth, plain.present, plain.probabilities)


def forced(observations: Observations, change: str) -> float:
    """Balanced accuracy of the sense, photograph by photograph."""
    hits: dict[int, list[float]] = {CW: [], CCW: []}
    for image_id, truth, said in zip(
        observations.image_id, observations.truth.tolist(), observations.probabilities.tolist(), strict=True
    ):
        if image_id[5:] == change and truth != NONE:
            other = CCW if truth == CW else CW
            hits[truth].append(0.5 if said[truth] == said[other] else float(said[truth] > said[other]))
    return float(np.mean([np.mean(hits[CW]), np.mean(hits[CCW])]))


@pytest.mark.parametrize(
    ("image_id", "factor", "value"),
    [
        ("00012", "", ""),
        ("00012~blur=2.5", "blur", "2.5"),
        ("00012~light=plane", "light", "plane"),
        ("00012~scale-bar=reversed", "scale-bar", "reversed"),
        ("00012~foliation=-30", "foliation", "-30"),
        ("00012~turned", "turned", ""),
    ],
)
def test_an_id_says_its_condition(image_id, factor, value):
    assert condition_of(image_id) == Condition(factor, value)


@given(NAMES, VALUES)
def test_every_factor_and_value_is_read_back(factor, value):
    assert condition_of(f"00001~{factor}={value}") == Condition(factor, value)


@pytest.mark.parametrize(
    "name", ["IMG~2.jpg", "0001", "00012~", "00012~blur=", "00012~a=1~b=2", "00012~Blur=1", "٠٠٠١٢", ""]
)
def test_an_id_that_the_generator_does_not_give_is_refused(name):
    with pytest.raises(ValueError, match="no id of a generated photograph"):
        condition_of(name)


@given(st.text())
def test_an_id_is_read_or_refused_and_nothing_else(name):
    with suppress(ValueError):
        assert condition_of(name).factor in name


def test_the_base_comes_first_and_factors_as_they_are_met():
    found = find_conditions(["00001~light=plane", "00001~blur=2", "00001", "00002~light=crossed", "00001~turned"])
    assert [one.label for one in found] == ["base", "light = plane", "light = crossed", "blur = 2", "turned"]


def test_numbers_ascend():
    found = find_conditions([f"00001~blur={value}" for value in ("10", "2.5", "-3", "1e1", "0")])
    assert [one.value for one in found] == ["-3", "0", "2.5", "10", "1e1"]


def test_states_of_a_cue_go_from_agreement_to_reversal():
    found = find_conditions([f"00001~frame={value}" for value in ("reversed", "odd", "agrees", "independent")])
    assert [one.value for one in found] == ["agrees", "independent", "reversed", "odd"]


def test_words_that_python_takes_for_numbers_are_states():
    assert Condition("blur", "nan").number is Condition("blur", "inf").number is None


@pytest.mark.parametrize(
    "ids",
    [
        [],
        ["00001", "00002"],
        ["CW/a~b.jpg", "00001~blur=2"],
        ["00001~blur=2", "photo"],
        ["00001~1.png", "00002~blur=1"],
    ],
)
def test_there_are_no_conditions_without_changes_or_among_names_of_files(ids):
    assert find_conditions(ids) == ()


def test_every_photograph_falls_into_one_condition():
    found = by_condition(changed(101))
    assert {one.label: len(own) for one, own in found.items()} == {
        "base": 26, "blur = 2.5": 25, "light = plane": 25, "turned": 25,
    }  # fmt: skip
    for condition, own in found.items():
        assert {condition_of(image_id) for image_id in own.image_id} == {condition}


@pytest.mark.parametrize("seed", range(3))
def test_sense_forced_is_what_counting_photographs_gives(seed):
    seen = changed(240, seed)
    scored = score_by_condition(seen, find_conditions(seen.image_id), n_resamples=50)
    found = {cell.condition: cell.scores["sense_forced"].value for cell in scored}
    assert found == {condition_of(f"00000{change}"): pytest.approx(forced(seen, change)) for change in CHANGES}


def test_every_score_is_the_usual_one_on_the_photographs_of_the_condition():
    seen = changed(200)
    for cell in score_by_condition(seen, find_conditions(seen.image_id), n_resamples=50):
        own = by_condition(seen)[cell.condition]
        assert tuple(sorted(cell.scores)) == tuple(sorted(SCORED))
        for name, score in cell.scores.items():
            assert score.value == pytest.approx(float(METRICS[name].statistic(own)(np.ones((1, len(own))))[0]))
            assert score.low < score.value < score.high


def test_a_photograph_that_comes_in_two_seeds_is_one_image():
    one = changed(80, groups=20)
    twice = one.subset(np.tile(np.arange(80), 2))
    (cell,) = score_by_condition(twice, [BASE], n_resamples=50, n_seeds=2)
    assert cell.n_images == 20
    assert cell.scores["sense_forced"].n_seeds == 2


def test_a_condition_with_one_sense_has_no_value_but_a_reason():
    seen = changed(80)
    turned = np.asarray([image_id.endswith("turned") for image_id in seen.image_id])
    one_sense = seen.subset(~turned | (seen.truth != CCW))
    (cell,) = score_by_condition(one_sense, [Condition("turned")], n_resamples=50)
    assert cell.scores["sense_forced"].value is None
    assert cell.scores["sense_forced"].reason == "needs images of CW and images of CCW"
    assert cell.scores["accuracy"].value is not None


def test_a_condition_without_predictions_has_no_value_but_a_reason():
    (cell,) = score_by_condition(changed(8), [Condition("frame", "agrees")], n_resamples=50)
    assert cell.n_images == 0
    assert {score.value for score in cell.scores.values()} == {None}
    assert {score.reason for score in cell.scores.values()} == {"there are no observations"}
