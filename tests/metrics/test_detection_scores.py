"""Detection scores of made cases, whose values follow by hand."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from detection_examples import CCW, CW, NONE, SURE, box, found, random_finds, reordered

from clastbench.errors import UnknownNameError
from clastbench.metrics.detection import compare_detections, score_detections, score_senses
from clastbench.metrics.detection_metrics import DETECTION_METRICS
from clastbench.metrics.finds import NOT_JUDGED, finds

BOXES = tuple(name for name, metric in DETECTION_METRICS.items() if not metric.of_senses)
SENSES = tuple(name for name, metric in DETECTION_METRICS.items() if metric.of_senses)
CLAST = [(box(0),)]


def scores(own, **said):
    both = (*score_detections(own, n_resamples=199, **said), *score_senses(own, n_resamples=199, **said))
    return {score.metric: score for score in both}


def values(photographs, **said):
    return {name: score.value for name, score in scores(found(photographs, **said)).items()}


def near(value):
    return pytest.approx(value, abs=1e-12)


@pytest.mark.parametrize("name", DETECTION_METRICS)
def test_each_metric_says_what_chance_and_an_oracle_score(name):
    metric = DETECTION_METRICS[name]
    assert metric.name == name
    assert "racle: 1." in metric.description or name == "false_alarm_confidence"
    assert (
        "hance" in metric.description
        or "without information" in metric.description
        or "No proposals" in metric.description
    )


def test_scores_come_in_the_order_of_the_catalogue():
    own = random_finds(20)
    assert tuple(score.metric for score in score_detections(own, n_resamples=9)) == BOXES
    assert tuple(score.metric for score in score_senses(own, n_resamples=9)) == SENSES


def test_a_false_alarm_between_two_hits_costs_a_third_of_the_second():
    got = values([([(box(0), 0.9)], CLAST), ([(box(50), 0.8), (box(0), 0.7)], CLAST)])
    # precision 1 up to recall .50, which is 51 of 101 points, and 2 / 3 on the other 50
    assert (got["ap"], got["ap50"], got["ap75"]) == near(((51 + 50 * 2 / 3) / 101,) * 3)
    assert got["ar"] == near(1)


def test_false_alarms_behind_the_last_hit_cost_nothing():
    got = values([([(box(0), 0.9), (box(50), 0.8), (box(0), 0.7)], CLAST), ([(box(0), 0.6)], [])])
    assert got["ap"] == near(1)


def test_half_the_clast_is_enough_only_at_the_loosest_threshold():
    got = values([([(box(0, width=5), 0.9)], CLAST)])
    assert (got["ap"], got["ap50"], got["ap75"], got["ar"]) == near((0.1, 1, 0, 0.1))


def test_the_best_placed_clast_is_taken_and_the_other_is_left_for_the_next():
    clasts = [(box(0),), (box(2),)]
    got = values([([(box(2), 0.9), (box(0), 0.8)], clasts)])
    assert (got["ap"], got["clast_recall"]) == near((1, 1))


def test_a_proposal_in_an_ignore_region_does_not_count():
    region = (box(0, width=100, height=100), CW, True)
    inside, outside = (box(40), 0.99), (box(95), 0.98)  # half of the second one lies in the region
    clast = (box(200), CW)
    got = values([([inside, inside, outside, (box(200), 0.6)], [region, clast])])
    assert got["ap50"] == near(1)
    assert got["hit_confidence"] == near(0.6)


def test_a_clast_in_an_ignore_region_is_preferred_to_it():
    region = (box(0, width=100, height=100), CW, True)
    got = values([([(box(40), 0.9)], [region, (box(40, width=6), CW)])])
    assert got["ap50"] == near(1)


def test_a_photograph_with_only_an_ignore_region_is_clast_free_and_stays_clean():
    region = (box(0), CW, True)
    got = values([([(box(0), 0.9)], [region]), ([(box(0), 0.9)], [])])
    assert got["clean_share"] == near(0.5)
    assert got["false_alarm_confidence"] == near(0.9)


def test_the_published_protocol_gives_back_figures_in_the_style_of_yolo_v3():
    """9 of 10 clasts found with a mean confidence of .966; 72 of 100 clast-free photographs clean, alarms at .78."""
    hits = [([(box(1), score), (box(70), 0.3)], CLAST) for score in np.linspace(0.932, 1.0, 9)]
    alarms = [([(box(30), score)], []) for score in np.linspace(0.70, 0.86, 28)]
    quiet = [([(box(30), 0.2)], [])] * 72
    got = scores(found([*hits, ([(box(80), 0.6)], CLAST), *alarms, *quiet]))
    assert got["clast_image_recall"].value == got["clast_recall"].value == near(0.9)
    assert got["clean_share"].value == near(0.72)
    assert got["hit_confidence"].value == near(0.966)
    assert got["false_alarm_confidence"].value == near(0.78)
    assert (got["clean_share"].n_images, got["clast_recall"].n_images, got["hit_confidence"].n_images) == (100, 10, 9)
    assert (got["clean_share"].low, got["clean_share"].high) == pytest.approx((0.6251, 0.7986), abs=1e-4)  # Wilson


def test_a_score_at_the_threshold_counts():
    assert values([([(box(0), 0.5)], CLAST)])["clast_recall"] == near(1)
    assert values([([(box(0), np.nextafter(0.5, 0))], CLAST)])["clast_recall"] == near(0)


def test_an_image_is_recalled_by_one_of_its_clasts():
    got = values([([(box(0), 0.9)], [(box(0),), (box(50),), (box(80),)]), ([], CLAST)])
    assert (got["clast_recall"], got["clast_image_recall"]) == near((1 / 4, 1 / 2))


def test_a_sense_called_wrongly_is_an_alarm_for_the_other():
    photographs = [
        ([(box(0), 0.9, SURE["CW"])], [(box(0), CW)]),
        ([(box(0), 0.8, SURE["CW"])], [(box(0), CCW)]),
        ([(box(0), 0.7, SURE["CCW"])], [(box(0), CCW)]),
        ([(box(0), 0.6, SURE["CW"])], [(box(0), CW)]),
    ]
    got = values(photographs)
    cw, ccw = (51 + 50 * 2 / 3) / 101, 51 / 101  # CW: hit, alarm, hit of 2; CCW: hit of 2
    assert (got["sense_ap"], got["sense_ap50"]) == near(((cw + ccw) / 2,) * 2)
    assert got["clast_sense"] == near((1 + 1 / 2) / 2)
    assert got["clast_recall_end_to_end"] == near(3 / 4)


def test_the_sense_score_is_that_of_the_detector_times_the_probability():
    weak, strong = (0.0, 0.6, 0.4), (0.0, 0.9, 0.1)
    got = values([([(box(50), 0.9, weak), (box(0), 0.7, strong)], [(box(0), CW)])])  # .54 and .63
    assert (got["ap50"], got["sense_ap50"]) == near((0.5, 1))


def test_only_senses_in_the_truth_enter_the_mean():
    got = values([([(box(0), 0.9, SURE["CW"]), (box(50), 0.95, SURE["CCW"])], [(box(0), CW)])])
    assert got["sense_ap"] == near(1)


def test_a_symmetric_clast_is_background_and_an_unjudged_one_neither():
    proposals = [(box(50), 0.9), (box(0), 0.8)]
    symmetric = values([(proposals, [(box(0), CW), (box(50), NONE)])])
    unjudged = values([(proposals, [(box(0), CW), (box(50), NOT_JUDGED)])])
    assert (symmetric["sense_ap"], unjudged["sense_ap"]) == near((0.5, 1))
    assert (symmetric["ap"], unjudged["ap"]) == near((1, 1))


@pytest.mark.parametrize("threshold", [None, 0.5])
def test_an_oracle_scores_one(threshold):
    truth = [(box(0), CW), (box(50), CCW)]
    proposals = [(box(0), 1.0, SURE["CW"]), (box(50), 1.0, SURE["CCW"])]
    got = values([(proposals, truth), ([], [])] * 3, threshold=threshold)
    assert got.pop("false_alarm_confidence") is None
    assert set(got.values()) == {1.0}


def test_no_proposals_score_zero_and_leave_everything_clean():
    got = values([([], [(box(0), CW), (box(50), CCW)]), ([], [])] * 3)
    assert got.pop("clean_share") == 1
    undefined = {"hit_confidence", "false_alarm_confidence", "clast_sense"}
    assert {name for name, value in got.items() if value is None} == undefined
    assert {value for value in got.values() if value is not None} == {0.0}


def test_without_photographs_every_score_is_undefined():
    got = scores(finds([]))
    assert {score.value for score in got.values()} == {None}
    assert {score.reason for score in got.values()} == {"there are no photographs"}
    assert {(score.n_images, score.n_groups) for score in got.values()} == {(0, 0)}


def test_without_clasts_only_what_concerns_clast_free_photographs_is_defined():
    got = scores(found([([(box(0), 0.9)], []), ([], [])]))
    assert {name for name, score in got.items() if score.value is not None} == {"clean_share", "false_alarm_confidence"}
    assert got["ap"].reason == got["clast_recall"].reason == "no photograph has a clast"
    assert got["sense_ap"].reason == "no clast is CW or CCW"


def test_without_clast_free_photographs_there_is_no_clean_share():
    assert scores(found([([(box(0), 0.9)], CLAST)] * 3))["clean_share"].reason == "no photograph is free of clasts"


def test_without_a_threshold_on_every_photograph_the_protocol_is_undefined():
    one = found([([(box(0), 0.9)], CLAST), ([], [])])
    some = dataclasses.replace(one, detector_threshold=np.array([0.5, np.nan]))
    got = scores(some)
    unset = {name for name, score in got.items() if score.reason == "no threshold was chosen on validation photographs"}
    assert unset == {name for name, metric in DETECTION_METRICS.items() if metric.at_threshold}
    assert {got[name].value for name in unset} == {None}
    assert got["ap"].value == 1


def test_one_group_gives_values_without_intervals():
    got = scores(found([([(box(0), 0.9)], CLAST), ([], [])], groups=["a", "a"]))
    assert got["ap"].value == 1
    assert (got["ap"].low, got["ap"].reason) == (None, "no interval: fewer than two groups")


def test_intervals_enclose_values_and_count_what_they_rest_on():
    own = random_finds(60, groups=[f"section-{i % 15}" for i in range(60)])
    got = scores(own, n_seeds=3)
    for score in got.values():
        assert score.low < score.value < score.high, score
        assert score.n_seeds == 3
        assert score.n_images <= 60
        assert score.n_groups <= 15
    assert (got["ap"].n_images, got["ap"].n_groups) == (60, 15)


def test_a_photograph_seen_by_two_models_is_one_image():
    own = random_finds(20)
    twice = dataclasses.replace(own, image_id=own.image_id[:10] * 2, group=own.group[:10] * 2)
    assert scores(twice)["ap"].n_images == 10


def test_order_of_photographs_and_proposals_changes_nothing():
    own = random_finds(40)
    rng = np.random.default_rng(1)
    rows, clasts = rng.permutation(len(own.photo)), rng.permutation(len(own.true_photo))
    shuffled = dataclasses.replace(
        own,
        photo=own.photo[rows], xyxy=own.xyxy[rows], score=own.score[rows], probabilities=own.probabilities[rows],
        true_photo=own.true_photo[clasts], true_xyxy=own.true_xyxy[clasts], true_class=own.true_class[clasts],
        true_ignore=own.true_ignore[clasts],
    )  # fmt: skip
    assert_same(scores(reordered(shuffled, rng.permutation(len(own)))), scores(own))


@pytest.mark.parametrize("seed", range(3))
def test_order_of_photographs_changes_nothing_where_all_scores_are_equal(seed):
    own = random_finds(40, groups=[f"section-{i % 10}" for i in range(40)])
    own = dataclasses.replace(
        own, score=np.ones(len(own.photo)), probabilities=np.tile(SURE["CW"], (len(own.photo), 1))
    )
    other = reordered(own, np.random.default_rng(seed).permutation(len(own)))
    assert_same(scores(other), scores(own))


def test_sorted_names_that_tell_the_class_are_worth_nothing_to_a_detector_that_is_always_sure():
    """All boxes have the score 1, and one in five is right: counted in the order of names all right ones came first."""
    own = found([([(box(0), 1.0)], CLAST)] * 40 + [([(box(0), 1.0)], [])] * 160)
    told = [f"with/{at}" for at in range(40)] + [f"without/{at}" for at in range(160)]
    assert scores(dataclasses.replace(own, image_id=tuple(told)))["ap50"].value == pytest.approx(0.2, abs=0.1)


def assert_same(after, before):
    for name, score in before.items():
        # resamples go by the groups' names, so that bounds agree as well
        assert dataclasses.astuple(after[name])[1:4] == pytest.approx(dataclasses.astuple(score)[1:4], abs=1e-9)


def test_a_photograph_that_comes_twice_keeps_its_order_where_scores_are_equal():
    own = found([([(box(0), 1.0)], CLAST), ([(box(50), 1.0)], CLAST)])
    twice = dataclasses.replace(own, image_id=("one", "one"))
    assert twice.turn.tolist() == [0, 1]
    assert scores(twice)["ap50"].value == near(51 / 101)
    assert scores(reordered(twice, np.array([1, 0])))["ap50"].value == near(51 / 101 / 2)


READINGS = {"cw": (0.0, 1.0, 0.0), "open": (0.0, 0.5, 0.5), "none": (1.0, 0.0, 0.0), "unsure": (0.4, 0.3, 0.3)}


@pytest.mark.parametrize(
    ("readings", "expected"),
    [
        ([], False),
        (["open"], True),
        (["open", "open"], True),
        (["open", "none"], True),
        (["open", "cw"], False),
        (["none"], False),
        (["unsure"], False),
    ],
)
def test_senses_are_left_open_where_no_proposal_prefers_one(readings, expected):
    own = found([([(box(0), 0.9, READINGS[name]) for name in readings], CLAST), ([], CLAST)])
    assert own.senses_left_open is expected


def test_thousands_of_proposals_are_scored():
    rng = np.random.default_rng(0)
    crowd = [(box(*rng.uniform(0, 500, 2)), float(rng.random())) for _ in range(3000)]
    got = values([(crowd, [(box(*rng.uniform(0, 500, 2)),) for _ in range(50)]), (crowd, [])])
    assert 0 <= got["ap"] < 0.5
    assert got["clean_share"] == 0


@pytest.mark.parametrize("name", DETECTION_METRICS)
def test_systems_are_compared_under_every_metric(name):
    same = random_finds(80)
    compared = compare_detections({"one": same, "other": same}, name, n_resamples=99)
    assert compared.ranks == (1, 1)
    assert compared.p[0, 1] == 1
    assert compared.values[0] == pytest.approx({**scores(same)}[name].value)


@pytest.mark.parametrize("name", ["ap", "ap50", "ap75", "ar", "clast_recall", "sense_ap", "sense_ap50"])
def test_a_detector_that_finds_what_another_misses_ranks_first(name):
    good = random_finds(100)
    found_some = np.arange(len(good.photo)) % 3 > 0
    poor = dataclasses.replace(
        good, photo=good.photo[found_some], xyxy=good.xyxy[found_some] + 200 * (good.photo[found_some, None] % 2),
        score=good.score[found_some], probabilities=good.probabilities[found_some],
    )  # fmt: skip
    compared = compare_detections({"poor": poor, "good": good}, name, n_resamples=999)
    assert compared.ranks == (2, 1)
    assert compared.n_common[0, 1] == 100


def test_systems_are_compared_on_the_photographs_both_have():
    own = random_finds(30)
    part = own.subset(np.arange(30) < 20)
    compared = compare_detections({"all": own, "part": part}, "ap50", n_resamples=99)
    assert compared.differences[0, 1] == 0
    assert compared.n_common[0, 1] == 20
    assert compared.values[0] != compared.values[1]


def test_systems_that_disagree_about_clasts_are_not_compared():
    own = random_finds(10)
    moved = dataclasses.replace(own, true_xyxy=own.true_xyxy + 1)
    with pytest.raises(ValueError, match=r"has \(group, clasts\)"):
        compare_detections({"one": own, "other": moved}, "ap")


def test_an_unknown_metric_is_named_with_its_neighbours():
    with pytest.raises(UnknownNameError, match="ap50"):
        compare_detections({"one": random_finds(3)}, "ap5")
