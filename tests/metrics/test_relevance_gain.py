"""Relevance gain of a system: a ratio of sums over maps, its interval, its scale, and ranks by it."""

from __future__ import annotations

import numpy as np
import pytest
from faithful_tables import faithful, rows, table
from removal_examples import removals

from clastbench.metrics import bootstrap_interval, compare_maps, faithfulness, group_index, group_weights, score_maps
from clastbench.records import MapScores

N = 60


def gain(tables, **said):
    return {score.metric: score for score in score_maps(tables, **said)}["srg"]


def linear(relevance_of, *, n: int = N, seed: int = 0) -> MapScores:
    """Faithfulness of maps of n linear models; `relevance_of` makes the map from the contributions and a generator."""
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(n):
        contributions = rng.normal(size=36)
        found.append(faithfulness(removals(contributions, relevance_of(contributions, rng), whole=3.0, steps=9)))
    return table({name: [one[name] for one in found] for name in found[0]})


def test_true_maps_of_linear_models_gain_all_there_is():
    found = {score.metric: score for score in score_maps([linear(lambda own, _: own)])}
    assert found["srg"].value == pytest.approx(1.0)
    assert found["cpf"].value == pytest.approx(1.0, abs=1e-5)  # falls that differ by rounding only are tied


def test_reversed_maps_of_linear_models_lose_it():
    assert gain([linear(lambda own, _: -own)]).value == pytest.approx(-1.0)


def test_random_maps_gain_nothing():
    found = {score.metric: score for score in score_maps([linear(lambda own, rng: rng.normal(size=len(own)))])}
    for name in ("srg", "cpf", "road"):
        assert found[name].low < 0.0 < found[name].high


def test_value_is_a_ratio_of_sums():
    found = gain([table({"srg_map": [1.0, 3.0], "srg_control": [4.0, 1.0]})], n_resamples=99)
    assert found.value == pytest.approx(4 / 5)


def test_single_saturated_map_does_not_explode_it():
    ours, control = np.ones(N), np.ones(N)
    control[0] = 1e-9
    assert gain([table({"srg_map": ours, "srg_control": control})]).value == pytest.approx(1.0, abs=0.05)


def test_interval_resamples_both_sums_together():
    one = faithful(srg=0.4, groups=[f"g{i // 3:02}" for i in range(N)])
    above, below = (np.array(one.values[name]) for name in ("srg_map", "srg_control"))
    expected = bootstrap_interval(
        lambda weights: weights @ above / (weights @ below), group_index(one.group)[0], group_weights(one.group)
    )
    found = gain([one])
    assert (found.low, found.high) == pytest.approx(expected, abs=1e-5)
    assert found.low < found.value < found.high


def test_control_whose_interval_contains_zero_is_no_scale():
    noise = np.random.default_rng(0).normal(size=N)
    found = gain([table({"srg_map": noise, "srg_control": noise - noise.mean()})])
    assert (found.value, found.low, found.high) == (None, None, None)
    assert "contains 0" in found.reason
    assert found.n_images == N


def test_constant_model_has_no_scale():
    flat = faithfulness(removals(np.zeros(36), np.arange(36.0), steps=9))
    found = gain([table({name: [flat[name]] * N for name in ("srg_map", "srg_control", "aopc")})])
    assert found.value is None
    assert "contains 0" in found.reason


def test_rounding_errors_of_a_constant_model_are_no_scale():
    found = gain([table({"srg_map": np.full(N, 1e-7), "srg_control": np.full(N, 1e-7)})])
    assert found.value is None
    assert "contains 0" in found.reason


def test_control_below_zero_is_no_scale():
    found = gain([table({"srg_map": [1.0] * N, "srg_control": [-1.0] * N})])
    assert found.value is None
    assert "lies below 0" in found.reason


def test_one_group_has_no_scale_that_could_be_trusted():
    found = gain([faithful(groups=["x"] * N)])
    assert found.value is None
    assert "no interval" in found.reason


def test_gain_of_a_method_that_cannot_work_passes_its_reason_on():
    broken = MapScores("grad-cam", "sense", values={"srg_map": (), "srg_control": ()}, reason="no layer")
    assert gain([broken]).reason == "no layer"


def test_table_without_the_control_has_no_gain():
    found = score_maps([table({"srg_map": [1.0, 1.0]})], n_resamples=99)
    assert [score.metric for score in found] == ["srg_map"]


def test_several_tables_of_a_fold_hold_different_metrics():
    whole = faithful()
    faith, place = rows(whole, range(20), "cpf", "srg_map", "srg_control"), rows(whole, range(N), "lift")
    found = {score.metric: score for score in score_maps([place, faith])}
    assert (found["lift"].n_images, found["cpf"].n_images, found["srg"].n_images) == (N, 20, 20)
    assert found["lift"].value == pytest.approx(np.mean(whole.values["lift"]))


def test_order_of_maps_and_tables_changes_nothing():
    whole = faithful()
    mixed = np.random.default_rng(1).permutation(N)
    again = [rows(whole, mixed[30:]), rows(whole, mixed[:30])]
    for one, other in zip(score_maps([whole]), score_maps(again), strict=True):
        assert (one.value, one.low, one.high) == pytest.approx((other.value, other.low, other.high), abs=1e-6)


def test_systems_are_ranked_by_the_ratio_of_sums():
    found = compare_maps({"low": [faithful(srg=0.2)], "high": [faithful(srg=0.8, seed=1)]}, "srg")
    assert found.ranks == (2, 1)
    assert found.values == pytest.approx(
        tuple(gain([faithful(srg=srg, seed=seed)]).value for srg, seed in ((0.2, 0), (0.8, 1)))
    )


def test_large_gain_on_a_small_scale_is_no_lead():
    small, large = (table({"srg_map": scale * np.ones(N), "srg_control": scale * np.ones(N)}) for scale in (0.1, 10.0))
    assert compare_maps({"small": [small], "large": [large]}, "srg").ranks == (1, 1)


def test_system_without_a_scale_ranks_last():
    noise = np.random.default_rng(0).normal(size=N)
    flat = table({"srg_map": 5 + noise, "srg_control": noise - noise.mean()})
    found = compare_maps({"flat": [flat], "poor": [faithful(srg=-0.5)]}, "srg")
    assert found.values[0] is None
    assert found.ranks == (2, 1)
