"""Thresholds that are chosen on validation photographs."""

from __future__ import annotations

import numpy as np
import pytest
from detection_examples import CCW, CW, NONE, box, found, random_finds
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import f1_score

from clastbench.metrics.detection import score_detections
from clastbench.metrics.finds import finds
from clastbench.metrics.thresholds import choose_detector_threshold, choose_threshold

CLAST = [(box(0),)]
REGION = [(box(0), CW, True)]


def detector(photographs):
    return choose_detector_threshold(found(photographs))


def near(value):
    return pytest.approx(value, abs=1e-12)


def test_a_detector_that_separates_gets_the_middle_of_the_gap():
    shown = [([(box(0), score)], CLAST) for score in (0.7, 0.9)]
    clean = [([(box(0), score)], []) for score in (0.1, 0.3)]
    assert detector(shown + clean).value == near(0.5)


def test_photographs_without_proposals_stay_below_every_threshold():
    assert detector([([(box(0), 0.8)], CLAST), ([], [])]).value == near(0.4)  # any up to .8 is perfect


def test_only_the_surest_proposal_of_a_photograph_decides():
    shown = ([(box(50), 0.2), (box(0), 0.8)], CLAST)
    assert detector([shown, ([(box(0), 0.4), (box(9), 0.1)], [])]).value == near(0.6)


def test_the_sum_of_what_is_found_and_what_stays_clean_decides():
    clean = [([(box(0), score)], []) for score in (0.2, 0.4, 0.45)]
    shown = [([(box(0), score)], CLAST) for score in (0.3, 0.5)]
    # from .1 .25 .35 .425 .475 .75 on: 1 + 0, 1 + 1/3, 1/2 + 1/3, 1/2 + 2/3, 1/2 + 1, 0 + 1
    assert detector(clean + shown).value == near(0.475)


def test_of_several_best_thresholds_the_middle_of_the_longest_run_is_taken():
    clean = [([(box(0), score)], []) for score in (0.1, 0.5, 0.7)]
    shown = [([(box(0), score)], CLAST) for score in (0.3, 0.7, 0.9)]
    # from .05 .2 .4 .6 .8 .95 on, in thirds: 3 + 0, 3 + 1, 2 + 1, 2 + 2, 1 + 3, 0 + 3
    assert detector(clean + shown).value == near(0.6)


def test_of_equal_runs_the_first_is_taken():
    # from .05 .2 .65 on: 1 + 0, 0 + 0, 0 + 1
    assert detector([([(box(0), 0.1)], CLAST), ([(box(0), 0.3)], [])]).value == near(0.05)


def test_proposals_on_ignore_regions_do_not_alarm():
    assert detector([([(box(0), 0.5)], CLAST), ([(box(0), 0.9), (box(50), 0.1)], REGION)]).value == near(0.3)


def test_the_chosen_threshold_is_the_best_for_the_shares_it_maximises():
    own = random_finds(80, seed=3, n_proposals=4)
    own = own.subset(np.bincount(own.true_photo[own.true_ignore], minlength=80) == 0)
    clasts = np.bincount(own.true_photo, minlength=len(own)) > 0
    best = np.full(len(own), -1.0)
    np.maximum.at(best, own.photo, own.score)

    def youden(threshold):
        return ((best[clasts] >= threshold).mean() + (best[~clasts] < threshold).mean()) / 2

    chosen = choose_detector_threshold(own).value
    assert youden(chosen) == near(max(youden(t) for t in np.linspace(0, 1, 2001)))


def test_without_clast_free_photographs_clasts_are_balanced_by_f1():
    # .9 hit, .8 hit, .6 alarm, .2 hit of 3: F1 = 2/4, 4/5, 4/6, 6/7
    photographs = [([(box(0), 0.9), (box(50), 0.6)], CLAST), ([(box(0), 0.8)], CLAST), ([(box(0), 0.2)], CLAST)]
    assert detector(photographs).value == near(0.1)
    # without the last hit: 2/4, 4/5, 4/6
    assert detector([*photographs[:2], ([], CLAST)]).value == near(0.7)


def test_f1_leaves_out_what_lies_on_ignore_regions():
    photographs = [([(box(50), 0.9), (box(0), 0.5)], [(box(0),), (box(50), CW, True)])]
    assert detector(photographs).value == near(0.25)


@pytest.mark.parametrize(
    ("photographs", "reason"),
    [
        ([], "has a clast"),
        ([([(box(0), 0.9)], [])], "has a clast"),
        ([([(box(0), 0.9)], REGION)], "has a clast"),
        ([([], CLAST)], "found nothing"),
        ([([], CLAST), ([], [])], "found nothing"),
        ([([], CLAST), ([(box(0), 0.9)], REGION)], "found nothing"),
    ],
)
def test_without_clasts_or_proposals_there_is_no_threshold(photographs, reason):
    chosen = choose_detector_threshold(found(photographs) if photographs else finds([]))
    assert chosen.value is None
    assert reason in chosen.reason


@pytest.mark.parametrize("scores", [(1.0, 1.0), (1.0, 0.0), (0.0, 0.0), (np.nextafter(0.5, 1), 0.5)])
def test_extreme_and_neighbouring_scores_are_told_apart(scores):
    shown, clean = scores
    chosen = detector([([(box(0), shown)], CLAST), ([(box(0), clean)], [])]).value
    assert 0 <= chosen <= 1
    if shown > clean:
        assert clean < chosen <= shown


def test_the_chosen_threshold_does_well_where_it_was_chosen():
    photographs = [([(box(0), 0.3)], CLAST), ([(box(0), 0.2)], [])] * 5
    own = found(photographs, detector_threshold=detector(photographs).value)
    got = {score.metric: score.value for score in score_detections(own, n_resamples=9)}
    assert (got["clast_recall"], got["clean_share"]) == (1, 1)


def test_the_systems_threshold_separates_none_from_the_senses():
    chosen = choose_threshold([0.9, 0.8, 0.2, 0.1], [CW, CCW, CW, CCW], [CW, CCW, NONE, NONE])
    assert chosen.value == near(0.5)


def test_photographs_without_a_truth_do_not_choose():
    assert choose_threshold([0.9, 0.6, 0.2], [CW, CW, CW], [CW, -1, NONE]).value == near(0.55)


@pytest.mark.parametrize("nothing", [(np.nan, CW), (0.0, NONE)])
def test_photographs_where_nothing_is_found_are_none_at_any_threshold(nothing):
    score, sense = nothing
    assert choose_threshold([0.9, score], [CW, sense], [CW, NONE]).value == near(0.45)


@settings(max_examples=100, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from([np.nan, 0.0, 0.1, 0.5, 0.7, 1.0]), st.sampled_from([CW, CCW]), st.integers(-1, 2)),
        min_size=1,
        max_size=12,
    )
)
def test_no_other_threshold_has_a_higher_macro_f1(rows):
    scores, senses, truth = (np.array(column) for column in zip(*rows, strict=True))
    chosen = choose_threshold(scores.tolist(), senses.tolist(), truth.tolist())
    known = truth >= 0
    if not known.any() or np.isnan(scores[known]).all():
        assert chosen.value is None
        assert chosen.reason
        return

    def macro_f1(threshold):
        predicted = np.where(scores >= threshold, senses, NONE)
        return f1_score(truth[known], predicted[known], average="macro", zero_division=0)

    top = [] if (scores[known] == 1).any() else [1.0]
    assert macro_f1(chosen.value) == near(max(macro_f1(t) for t in [0.0, 0.05, 0.3, 0.6, 0.9, *top]))


def test_without_truth_there_is_no_threshold():
    assert "truth" in choose_threshold([0.5], [CW], [-1]).reason
    assert "truth" in choose_threshold([], [], []).reason
