"""Scores of a system's maps: means with intervals, the gate of weight randomisation, and ranks."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from clastbench.errors import UnknownNameError
from clastbench.metrics import (
    FAITHFULNESS,
    LOCALISATION,
    MAP_METRICS,
    REGIONS,
    bootstrap_interval,
    compare_maps,
    gate_passed,
    gate_randomisation,
    group_index,
    group_weights,
    localise,
    score_maps,
    shares,
)
from clastbench.records import MapScores, Score

N = 60


def table(values, *, metric="lift", groups=None, images=None, method="grad-cam", target="sense") -> MapScores:
    """Values of one metric, None where undefined; each map of a photograph and a group of its own unless said."""
    names = tuple(f"image-{i:03}" for i in range(len(values))) if images is None else tuple(images)
    said = tuple(None if value is None else float(value) for value in values)
    return MapScores(method, target, names, names if groups is None else tuple(groups), {metric: said})


def lifts(mean: float, seed: int = 0, n: int = N) -> np.ndarray:
    return np.clip(np.random.default_rng(seed).normal(mean, 0.1, n), -1, 1)


def only(scores: tuple[Score, ...]) -> Score:
    (score,) = scores
    return score


def score(values, **said) -> Score:
    return only(score_maps([table(values, **said)], n_resamples=999))


def test_catalogue_holds_all_that_maps_are_scored_by():
    found = localise(np.ones((1, 2, 2)), np.ones((2, 2), bool))
    parts = shares(np.ones((1, 2, 2)), dict.fromkeys((*REGIONS, "box"), np.ones((2, 2), bool)))
    mirror, diagnostics = {"equivariance", "equivariance_null"}, {"infidelity", "max_sensitivity"}
    assert set(MAP_METRICS) == {*found, *parts, "cold", *FAITHFULNESS, "srg", *mirror, *diagnostics}
    assert tuple(MAP_METRICS)[: len(LOCALISATION)] == LOCALISATION


@pytest.mark.parametrize("name", MAP_METRICS)
def test_each_metric_says_what_a_random_map_and_an_oracle_score(name):
    metric = MAP_METRICS[name]
    assert metric.name == name
    assert "andom map" in metric.description
    assert "oracle" in metric.description or "all heat there: 1" in metric.description
    assert metric.undefined


@pytest.mark.parametrize("name", ["matrix", "border", "artefacts"])
def test_heat_elsewhere_is_worse(name):
    assert not MAP_METRICS[f"share_{name}"].higher_is_better
    assert not MAP_METRICS[f"lift_{name}"].higher_is_better


def test_value_is_the_mean_over_maps_where_it_is_defined():
    found = score([0.2, None, 0.4])
    assert found.value == pytest.approx(0.3)
    assert found.metric == "lift"
    assert (found.n_images, found.n_groups) == (2, 2)


def test_several_maps_of_a_photograph_are_one_image():
    found = score([0.2, 0.4, 0.6], images="aab", groups="xxy")
    assert found.value == pytest.approx(0.4)
    assert (found.n_images, found.n_groups) == (2, 2)


def test_folds_are_pooled():
    whole = table(lifts(0.3))
    folds = [table(lifts(0.3)[rows], images=whole.image_id[rows]) for rows in (slice(0, 20), slice(20, None))]
    assert score_maps(folds) == score_maps([whole])


def test_interval_is_that_of_the_group_bootstrap():
    values, groups = lifts(0.3), [f"g{i // 3:02}" for i in range(N)]
    found = only(score_maps([table(values, groups=groups)]))
    expected = bootstrap_interval(
        lambda weights: weights @ values / weights.sum(axis=1), group_index(groups)[0], group_weights(groups)
    )
    assert (found.low, found.high) == pytest.approx(expected, abs=1e-6)
    assert found.low < found.value < found.high


def test_same_call_gives_the_same_interval():
    assert score(lifts(0.3)) == score(lifts(0.3))


def test_metric_without_a_defined_value_says_why():
    found = score([None, None])
    assert (found.value, found.low, found.high, found.n_images) == (None, None, None, 0)
    assert found.reason == MAP_METRICS["lift"].undefined


def test_method_that_cannot_work_passes_its_reason_on():
    broken = MapScores("grad-cam", "sense", values={"lift": ()}, reason="the model has no layer")
    assert only(score_maps([broken])).reason == "the model has no layer"


def test_one_group_has_a_value_but_no_interval():
    found = score([0.2, 0.4], groups="xx")
    assert found.value == pytest.approx(0.3)
    assert found.low is None
    assert "fewer than two groups" in found.reason


def test_metrics_come_in_the_order_of_the_catalogue():
    values = dict.fromkeys(("pxap", "share_core", "rho"), (0.5, 0.25))
    found = score_maps([MapScores("grad-cam", "sense", ("a", "b"), ("a", "b"), values)], n_resamples=99)
    assert [score.metric for score in found] == ["rho", "pxap", "share_core"]


def test_metric_that_one_fold_lacks_is_undefined_there():
    lacking = table([0.5], metric="epg", images="x")
    found = {s.metric: s for s in score_maps([table([0.2, 0.4]), lacking], n_resamples=99)}
    assert (found["lift"].n_images, found["epg"].n_images) == (2, 1)


def test_only_the_metrics_that_are_named_are_scored():
    values = {"lift": (0.5, 0.25), "epg": (0.6, 0.7)}
    found = score_maps([MapScores("grad-cam", "sense", ("a", "b"), ("a", "b"), values)], names=["epg"], n_resamples=99)
    assert [score.metric for score in found] == ["epg"]


def test_no_tables_have_no_scores():
    assert score_maps([]) == ()


def test_pointing_game_that_always_hits_is_not_certain():
    found = score([1.0] * 20, metric="pointing_game")
    assert found.high == 1.0
    assert found.low == pytest.approx(0.8389, abs=1e-4)


def test_pointing_game_counts_groups_that_agree_as_single_trials():
    found = score([1.0] * 40, metric="pointing_game", groups=[f"g{i // 2}" for i in range(40)])
    assert found.low == pytest.approx(0.8389, abs=1e-4)


def test_unknown_metric_of_a_table_is_named_with_its_nearest():
    with pytest.raises(UnknownNameError, match=r"Unknown map metric 'lifts'\. Did you mean 'lift'"):
        score([0.5], metric="lifts")


def test_tables_of_two_targets_are_not_pooled():
    with pytest.raises(ValueError, match="one method and target"):
        score_maps([table([0.5]), table([0.5], target="presence")])


def test_photograph_in_two_groups_is_refused():
    with pytest.raises(ValueError, match="image 'a'"):
        score([0.5, 0.5], images="aa", groups="xy")


def test_table_that_lost_a_value_is_refused():
    whole = table([0.5, 0.5])
    with pytest.raises(ValueError, match="one value a map, got 2 and 1 for 2"):
        score_maps([dataclasses.replace(whole, values={"lift": (0.5,)})])


def test_gate_compares_map_by_map():
    trained, noise = lifts(0.3), lifts(0.0, seed=1, n=N) / 100
    found = gate_randomisation([table(trained)], [table(trained - 0.1 - noise)])
    assert found.metric == "gate_randomisation"
    assert found.value == pytest.approx(0.1 + noise.mean(), abs=1e-6)
    assert found.high - found.low < 0.01
    assert gate_passed(found) is True


def test_edge_detectors_map_fails_the_gate():
    same = [table(lifts(0.3))]
    found = gate_randomisation(same, same)
    assert (found.value, found.low, found.high) == (0.0, 0.0, 0.0)
    assert gate_passed(found) is False


def test_edge_detectors_map_fails_the_gate_despite_rounding_errors():
    found = gate_randomisation([table(lifts(0.3))], [table(lifts(0.3) - 1e-8)])
    assert gate_passed(found) is False


def test_edge_detectors_map_fails_the_gate_on_one_group():
    same = [table([0.5, 0.4], groups="xx")]
    assert gate_passed(gate_randomisation(same, same)) is False


def test_lift_that_grows_without_the_weights_fails_the_gate():
    assert gate_passed(gate_randomisation([table(lifts(0.0))], [table(lifts(0.3, seed=1))])) is False


def test_loss_of_one_group_says_nothing():
    found = gate_randomisation([table([0.5, 0.4], groups="xx")], [table([0.1, 0.1], groups="xx")])
    assert found.value == pytest.approx(0.35)
    assert gate_passed(found) is None


def test_gate_rests_on_maps_defined_in_both_networks():
    found = gate_randomisation([table([0.5, None, 0.3])], [table([0.1, 0.1, None])], n_resamples=99)
    assert found.value == pytest.approx(0.4)
    assert found.n_images == 1


def test_gate_without_a_defined_pair_is_undefined():
    found = gate_randomisation([table([0.5, None])], [table([None, 0.1])])
    assert found.value is None
    assert "both networks" in found.reason
    assert gate_passed(found) is None


def test_gate_without_maps_is_undefined():
    found = gate_randomisation([], [])
    assert found.reason == "there are no maps"
    assert gate_passed(found) is None


@pytest.mark.parametrize(
    "other", [table([0.1]), table([0.1, 0.1], images="ba"), table([0.1, 0.1], images="ab", groups="xy")]
)
def test_networks_whose_maps_do_not_pair_are_refused(other):
    with pytest.raises(ValueError, match="must pair"):
        gate_randomisation([table([0.5, 0.5], images="ab")], [other])


def test_clearly_separated_systems_are_ranked_apart():
    found = compare_maps({"poor": [table(lifts(0.0))], "good": [table(lifts(0.6, seed=1))]}, "lift")
    assert found.ranks == (2, 1)
    assert found.values == pytest.approx((lifts(0.0).mean(), lifts(0.6, seed=1).mean()))


def test_heat_on_artefacts_ranks_behind():
    systems = {name: [table(lifts(mean), metric="lift_artefacts")] for name, mean in (("on", 0.5), ("off", 0.0))}
    assert compare_maps(systems, "lift_artefacts").ranks == (2, 1)


def test_identical_systems_share_the_first_rank():
    assert compare_maps({name: [table(lifts(0.3))] for name in "abc"}, "lift").ranks == (1, 1, 1)


def test_small_but_steady_difference_is_found_since_maps_are_paired():
    found = compare_maps({"a": [table(lifts(0.3))], "b": [table(lifts(0.3) + 0.01)]}, "lift")
    assert found.ranks == (2, 1)


def test_systems_are_compared_on_common_photographs_with_all_their_maps():
    images = [f"image-{i // 2:03}" for i in range(N)]
    whole = table(lifts(0.3), images=images, groups=images)
    half = table(lifts(0.4, seed=1)[: N // 2], images=images[: N // 2], groups=images[: N // 2])
    found = compare_maps({"whole": [whole], "half": [half]}, "lift")
    assert found.n_common.tolist() == [[N // 2, N // 4], [N // 4, N // 4]]
    assert found.differences[1, 0] == pytest.approx(
        lifts(0.4, seed=1)[: N // 2].mean() - lifts(0.3)[: N // 2].mean(), abs=1e-9
    )


def test_undefined_map_takes_its_photograph_out_of_the_comparison():
    found = compare_maps({"a": [table([0.5, 0.1, 0.2])], "b": [table([None, 0.1, 0.2])]}, "lift")
    assert found.n_common[0, 1] == 2
    assert found.differences[0, 1] == 0.0


def test_system_without_maps_ranks_last():
    none = MapScores("grad-cam", "sense", reason="no layer")
    found = compare_maps({"none": [none], "poor": [table(lifts(-0.3))]}, "lift")
    assert found.values[0] is None
    assert found.ranks == (2, 1)


def test_systems_that_disagree_about_a_group_are_refused():
    other = table(lifts(0.3), groups=["elsewhere"] * N)
    with pytest.raises(ValueError, match="image-000"):
        compare_maps({"a": [table(lifts(0.3))], "b": [other]}, "lift")


def test_unknown_metric_is_named_with_its_nearest():
    with pytest.raises(UnknownNameError, match=r"Unknown map metric 'lifft'\. Did you mean 'lift'"):
        compare_maps({"a": [table([0.5])]}, "lifft")


def test_few_maps_with_a_cpf_are_shown_but_not_ranked_first():
    """A system that answers one input and no other is no better than one that answers all."""
    few = table([0.9, *(None,) * (N - 1)], metric="cpf")
    half = table([0.9, *lifts(0.9)[1 : N // 2], *(None,) * (N // 2)], metric="cpf")
    whole = table(lifts(0.3), metric="cpf")
    assert only(score_maps([few])).value == 0.9
    found = compare_maps({"few": [few], "whole": [whole], "half": [half]}, "cpf")
    assert (found.values[0], found.ranks) == (None, (3, 2, 1))
    lift = {
        name: [dataclasses.replace(one, values={"lift": one.values["cpf"]})] for name, one in (("f", few), ("w", whole))
    }
    assert compare_maps(lift, "lift").values[0] == 0.9
