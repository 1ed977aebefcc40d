"""What is said about each clast, counted by hand."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from detection_examples import CCW, CW, NONE, SURE, box, found, random_finds

from clastbench.metrics.clasts import MEANT, SAID, clast_confusion
from clastbench.metrics.detection import score_senses
from clastbench.metrics.finds import NOT_JUDGED, finds


def table(**cells: int) -> np.ndarray:
    """Counts by `said_meant`."""
    out = np.zeros((4, 4), int)
    for name, count in cells.items():
        said, meant = name.split("_")
        out[SAID.index(said), MEANT.index(meant)] = count
    return out


def confusion(proposals, clasts, **said):
    return clast_confusion(found([(proposals, clasts)], **said))


def check(got, **cells):
    assert got.dtype == np.int64
    np.testing.assert_array_equal(got, table(**cells))


def test_each_clast_is_found_called_or_missed():
    proposals = [
        (box(0), 0.9, SURE["CW"]), (box(50), 0.9, SURE["CW"]), (box(100), 0.9, SURE["CCW"]),
        (box(150), 0.9, SURE["CW"]), (box(500), 0.9, SURE["CCW"]), (box(200), 0.4, SURE["CCW"]),
    ]  # fmt: skip
    clasts = [(box(0), CW), (box(50), CCW), (box(100), CCW), (box(150), NONE), (box(200), CCW), (box(250), NONE)]
    check(
        confusion(proposals, clasts),
        CW_CW=1, CW_CCW=1, CCW_CCW=1, CW_none=1, CCW_background=1, missed_CCW=1, missed_none=1,
    )  # fmt: skip


def test_the_score_that_counts_is_that_of_the_sense():
    hesitant = (0.0, 0.5, 0.5)  # .9 times .5
    check(confusion([(box(0), 0.9, hesitant)], [(box(0), CW)]), missed_CW=1)
    check(confusion([(box(0), 0.9, hesitant)], [(box(0), CW)], threshold=0.45), CW_CW=1)


def test_with_a_threshold_even_a_doubtful_proposal_says_a_sense():
    check(confusion([(box(0), 1.0, (0.6, 0.1, 0.3))], [(box(0), CW)], threshold=0.2), CCW_CW=1)


def test_without_a_threshold_all_proposals_say_their_most_probable_class():
    proposals = [(box(0), 0.01, SURE["CCW"]), (box(50), 1.0, (0.6, 0.4, 0.0)), (box(500), 0.01, SURE["CW"])]
    check(
        confusion(proposals, [(box(0), CW), (box(50), CW)], threshold=None),
        CCW_CW=1, none_CW=1, CW_background=1,
    )  # fmt: skip


def test_without_a_threshold_none_said_of_nothing_is_no_mistake():
    check(confusion([(box(0), 1.0, SURE["none"])], [(box(50), CW)], threshold=None), missed_CW=1)


def test_the_surest_of_two_proposals_finds_the_clast_and_the_other_is_background():
    proposals = [(box(0), 0.8, SURE["CCW"]), (box(0), 0.9, SURE["CW"])]
    check(confusion(proposals, [(box(0), CW)]), CW_CW=1, CCW_background=1)


@pytest.mark.parametrize("clast", [(box(0), CW, True), (box(0), NOT_JUDGED)])
def test_ignored_and_unjudged_clasts_are_neither_rewarded_nor_punished(clast):
    check(confusion([(box(0), 0.9)], [clast]))
    check(confusion([(box(0), 0.9), (box(1), 0.9)], [clast], threshold=None))
    check(confusion([], [clast]))


def test_every_clast_and_every_counted_proposal_is_counted_once():
    own = random_finds(60)
    got = clast_confusion(own)
    judged = ~own.true_ignore & (own.true_class != NOT_JUDGED)
    for name, number in (("none", NONE), ("CW", CW), ("CCW", CCW)):
        assert got[:, MEANT.index(name)].sum() == (judged & (own.true_class == number)).sum()
    assert got[:3].sum() <= (own.sense_score >= 0.2).sum()
    assert got[SAID.index("missed"), MEANT.index("background")] == 0


def test_photographs_with_and_without_a_threshold_mix():
    one = found([([(box(0), 0.4)], [(box(0), CW)])] * 2)
    check(clast_confusion(dataclasses.replace(one, threshold=np.array([0.5, np.nan]))), CW_CW=1, missed_CW=1)


def test_no_photographs_give_an_empty_table():
    check(clast_confusion(finds([])))


def test_sense_and_recall_follow_from_the_table():
    own = random_finds(60)
    got = clast_confusion(own)
    value = {score.metric: score.value for score in score_senses(own, n_resamples=9)}
    cw, ccw = got[0, 0] / got[:3, 0].sum(), got[1, 1] / got[:3, 1].sum()
    assert value["clast_sense"] == pytest.approx((cw + ccw) / 2)
    assert value["clast_recall_end_to_end"] == pytest.approx((got[0, 0] + got[1, 1]) / got[:, :2].sum())


def test_the_sense_of_a_found_clast_is_read_even_where_none_is_said():
    doubtful = (0.5, 0.3, 0.2)
    photographs = [([(box(0), 0.9, doubtful), (box(50), 0.9, SURE["CCW"])], [(box(0), CW), (box(50), CCW)])]
    value = {score.metric: score.value for score in score_senses(found(photographs, threshold=None), n_resamples=9)}
    assert (value["clast_sense"], value["clast_recall_end_to_end"]) == (1, 0.5)
