"""Average precision equals that of pycocotools and of faster-coco-eval."""

from __future__ import annotations

import numpy as np
import pytest
from detection_examples import agnostic_columns, any_finds, box, coco_scores, found, random_finds, sense_columns
from hypothesis import HealthCheck, given, settings

from clastbench.metrics.average_precision import Precision, agnostic_outcomes, sense_outcomes

EVERY, HALF, TIGHT = np.arange(10), np.array([0]), np.array([5])
MANY = settings(
    max_examples=250, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)


def ours(classes, weights=None, *, recall=False):
    """AP, AP50, AP75 and, of one class, AR, with one weight a photograph; None where undefined."""
    n = len(classes[0].positives)
    weights = np.ones((1, n)) if weights is None else np.atleast_2d(weights)
    tallies = [Precision(classes, at) for at in (EVERY, HALF, TIGHT)] + [own.recall() for own in classes if recall]
    values = [tally.statistic(np.arange(n))(weights)[0] for tally in tallies]
    return tuple(None if np.isnan(value) else value for value in values)


def same(mine, theirs):
    return [one is None for one in mine] == [one is None for one in theirs] and all(
        one is None or one == pytest.approx(other, abs=1e-12) for one, other in zip(mine, theirs, strict=True)
    )


@MANY
@given(any_finds())
def test_one_class_scores_as_pycocotools_does(finds):
    assert same(ours([agnostic_outcomes(finds)], recall=True), coco_scores(finds, agnostic_columns(finds)))


@MANY
@given(any_finds())
def test_one_class_scores_as_faster_coco_eval_does(finds):
    assert same(ours([agnostic_outcomes(finds)], recall=True), coco_scores(finds, agnostic_columns(finds), faster=True))


@MANY
@given(any_finds())
def test_two_senses_score_as_pycocotools_does(finds):
    assert same(ours(sense_outcomes(finds)), coco_scores(finds, sense_columns(finds))[:3])


@MANY
@given(any_finds())
def test_two_senses_score_as_faster_coco_eval_does(finds):
    assert same(ours(sense_outcomes(finds)), coco_scores(finds, sense_columns(finds), faster=True)[:3])


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("faster", [False, True])
def test_many_photographs_score_as_coco_does(seed, faster):
    finds = random_finds(100, seed)
    theirs = coco_scores(finds, agnostic_columns(finds), faster=faster)
    assert same(ours([agnostic_outcomes(finds)], recall=True), theirs)
    theirs = coco_scores(finds, sense_columns(finds), faster=faster)
    assert same(ours(sense_outcomes(finds)), theirs[:3])


@pytest.mark.parametrize("n_clasts", [7, 50, 99, 100, 101])
def test_recall_meets_its_points_with_coco_s_rounding(n_clasts):
    """7 of 100 clasts are a recall of .07, but the seventh point is 7 * .01 = .07000000000000001."""
    finds = found([([(box(0), 1 - i / 1000)], [(box(0),)]) if i % 3 else ([], [(box(0),)]) for i in range(n_clasts)])
    assert same(ours([agnostic_outcomes(finds)], recall=True), coco_scores(finds, agnostic_columns(finds)))


def test_only_the_surest_hundred_of_a_photograph_count():
    crowd = [(box(20.0 * i), 1.0 - i / 1000, (0.0, 1.0, 0.0)) for i in range(130)]
    finds = found([(crowd[::-1], [(box(20.0 * i),) for i in (3, 99, 100, 129)]), (crowd[:5], [(box(20.0),)])])
    assert same(ours([agnostic_outcomes(finds)], recall=True), coco_scores(finds, agnostic_columns(finds)))
    assert ours([agnostic_outcomes(finds)], recall=True)[3] == pytest.approx(3 / 5)


@pytest.mark.parametrize("faster", [False, True])
def test_of_clasts_that_overlap_alike_the_last_is_taken(faster):
    """The surest lies midway between two clasts; the next lies on the last, and does not reach the first."""
    finds = found([([(box(2), 0.9), (box(4), 0.8)], [(box(0),), (box(4),)])])
    assert ours([agnostic_outcomes(finds)])[1] == pytest.approx(51 / 101)
    assert same(ours([agnostic_outcomes(finds)]), coco_scores(finds, agnostic_columns(finds), faster=faster)[:3])


@pytest.mark.parametrize("seed", range(8))
def test_whole_weights_equal_copies_of_the_photographs(seed):
    finds = random_finds(25, seed)
    copies = np.random.default_rng(seed).integers(0, 4, len(finds))
    theirs = coco_scores(finds, agnostic_columns(finds), copies.tolist())
    assert same(ours([agnostic_outcomes(finds)], copies.astype(float), recall=True), theirs)
    theirs = coco_scores(finds, sense_columns(finds), copies.tolist())
    assert same(ours(sense_outcomes(finds), copies.astype(float)), theirs[:3])


@pytest.mark.parametrize("seed", range(8))
def test_weight_zero_equals_removal(seed):
    finds = random_finds(25, seed)
    kept = np.random.default_rng(seed).random(len(finds)) < 0.5
    rest = finds.subset(kept)
    assert same(
        ours([agnostic_outcomes(finds)], kept.astype(float), recall=True),
        ours([agnostic_outcomes(rest)], recall=True),
    )
    assert same(ours(sense_outcomes(finds), kept.astype(float)), ours(sense_outcomes(rest)))


def test_weights_in_single_precision_give_the_same_resamples():
    finds = random_finds(60)
    unit = np.arange(60) % 20
    weights = np.random.default_rng(0).multinomial(20, np.full(20, 1 / 20), 300)
    for classes in ([agnostic_outcomes(finds)], sense_outcomes(finds)):
        statistic = Precision(classes, EVERY).statistic(unit)
        np.testing.assert_allclose(statistic(weights.astype(np.float32)), statistic(weights * 1.0), atol=1e-6)
