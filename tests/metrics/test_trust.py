"""Trust: the mean of three parts, its interval, ranks, and how much they owe to the weights."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from faithful_tables import faithful, rows, table

from clastbench.metrics import MAP_METRICS, TRUST_PARTS, compare_maps, compare_trust, score_maps, trust
from clastbench.records import MapScores

N = 60
FAST = {"n_resamples": 999}


def test_value_is_the_mean_of_the_three_parts():
    one = faithful(cpf=0.6, srg=0.3, lift=0.2)
    parts = {score.metric: score.value for score in score_maps([one], names=TRUST_PARTS)}
    found = trust([one])
    assert found.metric == "trust"
    assert found.value == pytest.approx(np.mean(list(parts.values())))
    assert found.low < found.value < found.high
    assert (found.n_images, found.n_groups, found.reason) == (N, N, None)


@pytest.mark.parametrize(("srg", "clipped"), [(1.5, 1.0), (-0.5, 0.0)])
def test_gain_is_clipped(srg, clipped):
    found = trust([faithful(cpf=0.6, srg=srg, lift=0.3)], **FAST)
    assert found.value == pytest.approx((0.6 + clipped + 0.3) / 3, abs=0.02)


def test_oracle_is_trusted_fully():
    ones = dict.fromkeys(("cpf", "srg_map", "srg_control", "lift"), np.ones(N))
    found = trust([table(ones)], **FAST)
    assert (found.value, found.low, found.high) == (1.0, 1.0, 1.0)


def test_random_map_is_not_trusted():
    assert trust([faithful(cpf=0.0, srg=0.0, lift=0.0)], **FAST).value == pytest.approx(0.0, abs=0.03)


def test_interval_is_wider_when_parts_vary_together():
    base = np.random.default_rng(0).normal(scale=0.2, size=N)
    base -= base.mean()
    together = {"cpf": 0.3 + base, "lift": 0.3 + base, "srg_map": 0.5 + base, "srg_control": np.ones(N)}
    apart = together | {"lift": 0.3 - base}
    one, other = (trust([table(values)], **FAST) for values in (together, apart))
    assert one.value == pytest.approx(other.value)
    assert one.high - one.low > 2 * (other.high - other.low)


@pytest.mark.parametrize("part", TRUST_PARTS)
def test_trust_without_a_part_is_undefined_and_names_it(part):
    whole = faithful()
    held = MAP_METRICS[part].parts or (part,)
    lacking = dataclasses.replace(whole, values={k: v for k, v in whole.values.items() if k not in held})
    found = trust([lacking], **FAST)
    assert (found.value, found.low, found.high) == (None, None, None)
    assert MAP_METRICS[part].title in found.reason


def test_trust_without_a_scale_is_undefined():
    flat = faithful()
    flat = dataclasses.replace(flat, values={**flat.values, "srg_control": (0.0,) * N})
    assert "contains 0" in trust([flat], **FAST).reason


def test_a_few_maps_do_not_stand_for_a_system():
    """A model that answers nothing on most inputs has a CPF on the others only."""
    whole = faithful()
    few, enough = (
        dataclasses.replace(whole, values={**whole.values, "cpf": (*whole.values["cpf"][:n], *(None,) * (N - n))})
        for n in (N // 2 - 1, N // 2)
    )
    assert f"undefined on {N // 2 + 1} of {N} maps" in trust([few], **FAST).reason
    assert trust([enough], **FAST).value is not None
    ranked = compare_trust({"few": [few], "whole": [whole]}, 5, **FAST)
    assert (ranked.values[0], ranked.ranks) == (None, (2, 1))


def test_trust_falls_below_minus_two_thirds_where_masks_are_large():
    """Lift falls to -rho / (1 - rho), rho being the mask's share of the area."""
    worst = {"cpf": [-1.0] * N, "srg_map": [-1.0] * N, "srg_control": [1.0] * N, "lift": [-0.8 / 0.2] * N}
    assert trust([table(worst)], **FAST).value == pytest.approx(-5 / 3)


def test_method_that_cannot_work_says_so():
    found = trust([MapScores("grad-cam", "sense", reason="no layer")], **FAST)
    assert found.value is None
    assert "no layer" in found.reason


def test_no_tables_have_no_trust():
    assert trust([]).value is None


def test_trust_is_of_the_sense_only():
    with pytest.raises(ValueError, match="presence"):
        trust([faithful(target="presence")])


def test_parts_may_rest_on_different_maps():
    whole = faithful()
    found = trust([rows(whole, range(N), "lift"), rows(whole, range(20), "cpf", "srg_map", "srg_control")], **FAST)
    expected = [np.mean(whole.values["cpf"][:20]), np.mean(whole.values["lift"])]
    expected += [np.sum(whole.values["srg_map"][:20]) / np.sum(whole.values["srg_control"][:20])]
    assert found.value == pytest.approx(np.mean(expected))
    assert (found.n_images, found.n_groups) == (20, 20)
    assert found.low < found.value < found.high


def test_one_group_has_no_trust_since_its_scale_has_no_interval():
    assert trust([faithful(groups=["x"] * N)], **FAST).value is None


def test_order_of_maps_and_tables_changes_nothing():
    whole = faithful()
    mixed = np.random.default_rng(1).permutation(N)
    one, other = trust([whole], **FAST), trust([rows(whole, mixed[30:]), rows(whole, mixed[:30])], **FAST)
    assert (one.value, one.low, one.high) == pytest.approx((other.value, other.low, other.high), abs=1e-6)


def test_planted_order_is_found():
    systems = {f"system {level}": [faithful(cpf=level, srg=level, lift=level)] for level in (0.2, 0.8, 0.5)}
    found = compare_trust(systems, **FAST)
    assert found.systems == tuple(systems)
    assert found.ranks == (3, 1, 2)
    assert found.values == pytest.approx(tuple(trust(tables, **FAST).value for tables in systems.values()))


def test_rank_of_a_system_that_leads_in_all_parts_is_stable():
    found = compare_trust(
        {"good": [faithful(cpf=0.9, srg=0.9, lift=0.9)], "poor": [faithful(cpf=0.1, srg=0.1)]}, **FAST
    )
    assert found.ranks == (1, 2)
    assert found.stability == (1.0, 1.0)


def test_rank_that_hangs_on_the_weights_is_less_stable():
    one, other = faithful(cpf=0.9, srg=0.1, lift=0.6), faithful(cpf=0.1, srg=0.9, lift=0.4, seed=1)
    found = compare_trust({"one": [one], "other": [other]}, **FAST)
    assert found.ranks == (1, 2)
    assert 0.2 < found.stability[0] < 0.9
    assert found.stability[1] <= found.stability[0]  # where the lead is not significant, the second is first, too


def test_equal_systems_share_the_first_rank_whatever_the_weights():
    found = compare_trust({name: [faithful()] for name in "abc"}, n_weightings=20, **FAST)
    assert found.ranks == (1, 1, 1)
    assert found.stability == (1.0, 1.0, 1.0)


def test_system_without_trust_ranks_last_and_disturbs_nobody():
    whole = {"good": [faithful(cpf=0.9, srg=0.9, lift=0.9)], "poor": [faithful(cpf=0.1, srg=0.1, lift=0.1)]}
    lacking = rows(faithful(cpf=1.0), range(N), "cpf", "lift")
    found = compare_trust({"none": [lacking], **whole, "broken": [MapScores("grad-cam", "sense", reason="no")]}, **FAST)
    assert found.ranks == (3, 1, 2, 3)
    assert (found.values[0], found.stability[0], found.values[3]) == (None, None, None)
    assert found.stability[1:3] == (1.0, 1.0)


def test_systems_are_compared_on_the_photographs_both_have():
    easy = faithful(cpf=0.9, srg=0.9, lift=0.9, n=40)
    hard = faithful(cpf=0.1, srg=0.1, lift=0.1, n=40, images=[f"hard-{i}" for i in range(40)])
    ours = [rows(easy, range(20)), hard]
    found = compare_trust({"ours": ours, "theirs": [easy]}, **FAST)
    assert found.values[0] < found.values[1] - 0.3
    assert found.ranks == (1, 1)


def test_small_but_steady_lead_is_found_since_maps_are_paired():
    one = faithful()
    more = {name: tuple(v + 0.02 for v in one.values[name]) for name in ("cpf", "lift", "srg_map")}
    better = dataclasses.replace(one, values={**one.values, **more})
    assert compare_trust({"a": [one], "b": [better]}, n_weightings=1, **FAST).ranks == (2, 1)


def test_ranks_are_those_of_a_part_where_all_parts_are_alike():
    systems = {}
    for seed, level in enumerate((0.30, 0.33, 0.36, 0.5, 0.52, 0.7)):
        values = level + np.random.default_rng(seed).normal(scale=0.1, size=N)
        alike = dict.fromkeys(("cpf", "lift", "srg_map"), values)
        systems[str(level)] = [table(alike | {"srg_control": np.ones(N)})]
    found = compare_trust(systems, n_weightings=10, **FAST)
    assert found.ranks == compare_maps(systems, "lift", **FAST).ranks
    assert set(found.stability) == {1.0}
    assert len(set(found.ranks)) > 2


def test_same_call_gives_the_same_ranks():
    systems = {str(seed): [faithful(seed=seed)] for seed in range(4)}
    assert dataclasses.astuple(compare_trust(systems, **FAST)) == dataclasses.astuple(compare_trust(systems, **FAST))


def test_nobody_and_one_system_alone_are_ranked():
    assert compare_trust({}).ranks == ()
    alone = compare_trust({"a": [faithful()]}, **FAST)
    assert (alone.ranks, alone.stability) == ((1,), (1.0,))


def test_systems_that_disagree_about_a_group_are_refused():
    with pytest.raises(ValueError, match="image-000"):
        compare_trust({"a": [faithful()], "b": [faithful(groups=["elsewhere"] * N)]})
