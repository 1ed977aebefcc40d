"""Which photographs a gallery shows, and which nobody got right."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_up import record

from clastbench.errors import UnknownNameError, UsageError
from clastbench.records import CLASSES, Cell, Prediction
from clastbench.report.selection import KINDS, ORDERS, failed_by_every_system, said, select


def told(image_id: str, truth: str | None, called: str, sure: float = 0.8) -> Prediction:
    probabilities = np.full(3, (1 - sure) / 2)
    probabilities[CLASSES.index(called)] = sure
    return Prediction(image_id, image_id, truth, truth in ("CW", "CCW"), tuple(probabilities.tolist()))


def cell(*predictions: Prediction, backbone="net", fold="f0", seed=0):
    return replace(
        record(backbone, ()), cell=Cell("whole-image", backbone, seed, fold), predictions=predictions, scores=()
    )


@st.composite
def predictions(draw) -> tuple[Prediction, ...]:
    """Up to twelve photographs with any truth and any answer."""
    n = draw(st.integers(0, 12))
    truths, called = st.sampled_from([*CLASSES, None]), st.sampled_from(CLASSES)
    return tuple(
        told(f"{at:03d}", draw(truths), draw(called), draw(st.sampled_from([0.4, 0.6, 0.9]))) for at in range(n)
    )


@pytest.mark.parametrize(
    ("truth", "called", "kind"),
    [
        ("none", "CW", "fp"),
        ("none", "CCW", "fp"),
        ("CW", "none", "fn"),
        ("CCW", "none", "fn"),
        ("CW", "CCW", "wrong-sense"),
        ("CCW", "CW", "wrong-sense"),
        ("none", "none", "right"),
        ("CW", "CW", "right"),
        ("CCW", "CCW", "right"),
    ],
)
def test_every_answer_is_of_one_kind(truth, called, kind):
    assert [name for name, rule in KINDS.items() if rule.holds(told("a", truth, called))] == [kind]


@pytest.mark.parametrize("called", CLASSES)
def test_a_photograph_without_a_truth_is_of_no_kind(called):
    assert not any(kind.holds(told("a", None, called)) for kind in KINDS.values())


@settings(max_examples=30)
@given(predictions())
def test_every_photograph_with_a_truth_is_counted_once(found):
    selection = select([cell(*found)], list(KINDS), n=100)
    assert sum(selection.counts.values()) == sum(one.truth is not None for one in found)
    assert len({one.prediction.image_id for one in selection.chosen}) == len(selection.chosen)


@settings(max_examples=30)
@given(predictions(), st.randoms(use_true_random=False), st.sampled_from(ORDERS), st.integers(0, 5))
def test_the_order_of_records_and_rows_changes_nothing(found, shuffler, order, seed):
    records = [cell(*found[:5]), cell(*found[5:], fold="f1")]
    turned = [
        replace(one, predictions=tuple(shuffler.sample(one.predictions, len(one.predictions)))) for one in records
    ]
    assert select(records, list(KINDS), order=order, seed=seed) == select(
        turned[::-1], list(KINDS), order=order, seed=seed
    )


@settings(max_examples=30)
@given(predictions(), st.integers(1, 6), st.sampled_from(ORDERS))
def test_a_smaller_gallery_is_the_beginning_of_a_larger_one(found, n, order):
    few, many = (select([cell(*found)], ["fp"], n=limit, order=order) for limit in (n, n + 3))
    assert few.chosen == many.chosen[:n]
    assert few.counts == many.counts


@settings(max_examples=30)
@given(predictions())
def test_the_surest_mistakes_come_first_and_equals_by_id(found):
    chosen = select([cell(*found)], ["fn", "wrong-sense", "fp"]).chosen
    for kind in ("fn", "wrong-sense", "fp"):
        keys = [(-one.confidence, one.prediction.image_id) for one in chosen if one.kind == kind]
        assert keys == sorted(keys)
    assert [one.kind for one in chosen] == sorted((one.kind for one in chosen), key=["fn", "wrong-sense", "fp"].index)


def test_confidence_is_the_probability_of_what_was_said():
    (one,) = select([cell(told("a", "none", "CCW", 0.7))], ["fp"]).chosen
    assert (one.confidence, said(one.prediction)) == (pytest.approx(0.7), "CCW")


def test_a_photograph_comes_once_a_system_from_its_first_fold():
    first, again = told("a", "none", "CW", 0.6), told("a", "none", "CCW", 0.9)
    (one,) = select([cell(again, fold="f1"), cell(first, fold="f0")], ["fp"]).chosen
    assert (one.cell.fold, one.prediction) == ("f0", first)


def test_another_seed_draws_other_photographs():
    records = [cell(*(told(f"{at:03d}", "none", "CW") for at in range(40)))]
    drawn = {tuple(one.prediction.image_id for one in select(records, ["fp"], n=5, order="random", seed=seed).chosen)
             for seed in range(4)}  # fmt: skip
    assert len(drawn) == 4


def test_the_rule_says_how_photographs_were_chosen():
    records = [cell(told("a", "none", "CW"))]
    assert "surest" in select(records, ["fp"], n=7).rule
    assert "7" in select(records, ["fp"], n=7).rule
    assert "seed 3" in select(records, ["fp"], order="random", seed=3).rule


def test_an_unknown_kind_is_refused_by_name():
    with pytest.raises(UnknownNameError, match=r"Unknown kind 'wrong-sens'\. Did you mean 'wrong-sense'"):
        select([], ["wrong-sens"])


def test_an_unknown_order_and_an_empty_gallery_are_refused():
    with pytest.raises(UnknownNameError, match="order"):
        select([], ["fp"], order="best")
    with pytest.raises(UsageError, match="at least 1"):
        select([], ["fp"], n=0)


def test_only_photographs_that_every_system_predicted_and_none_got_right_are_unsolved():
    one = cell(told("a", "CW", "none"), told("b", "CW", "none"), told("c", "CW", "CCW"), told("d", None, "CW"))
    two = cell(told("a", "CW", "CCW"), told("b", "CW", "CW"), told("d", None, "CW"), backbone="other")
    (found,) = failed_by_every_system({"one": [one], "two": [two]})
    assert (found.image_id, found.truth) == ("a", "CW")
    assert {system: said(answer) for system, answer in found.said.items()} == {"one": "none", "two": "CCW"}


def test_a_system_that_said_nothing_has_no_vote():
    records = {"one": [cell(told("a", "CW", "none"))], "dead": [cell(backbone="dead")]}
    assert [found.image_id for found in failed_by_every_system(records)] == ["a"]
    assert failed_by_every_system({"dead": records["dead"]}) == ()
    assert failed_by_every_system({}) == ()
