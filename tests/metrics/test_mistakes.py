"""TIDE's kinds of error: which proposal is of which kind, and what an oracle would give back."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from detection_examples import any_finds, coco_scores, reordered, sense_columns
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from clastbench.metrics.finds import NOT_JUDGED, Finds
from clastbench.metrics.mistakes import (
    IGNORED,
    KINDS,
    RIGHT,
    UNCOUNTED,
    error_impacts,
    find_mistakes,
    judge,
)

NONE, CW, CCW = range(3)
HERE = (0, 0, 10, 10)
THERE = (100, 0, 110, 10)
NOWHERE = (50, 50, 60, 60)


def part_of(box, share):
    """Return a box within a box of 10 by 10, so that their IoU is the share."""
    x0, y0, x1, _ = box
    return x0, y0, x1, y0 + 10 * share


def photographs(*pictures, threshold=np.nan) -> Finds:
    """Put photographs together: of each its proposals (box, class, score) and its clasts (box, class[, "ignore"])."""
    proposals = [(at, *one) for at, (found, _) in enumerate(pictures) for one in found]
    clasts = [(at, *one) for at, (_, true) in enumerate(pictures) for one in true]
    names = tuple(f"image-{at}" for at in range(len(pictures)))
    return Finds(
        image_id=names,
        group=names,
        detector_threshold=np.full(len(names), threshold),
        threshold=np.full(len(names), threshold),
        photo=np.asarray([one[0] for one in proposals], np.intp),
        xyxy=np.asarray([one[1] for one in proposals], np.float64).reshape(-1, 4),
        score=np.asarray([one[3] for one in proposals], np.float64),
        probabilities=np.eye(3)[[one[2] for one in proposals]].reshape(-1, 3),
        true_photo=np.asarray([one[0] for one in clasts], np.intp),
        true_xyxy=np.asarray([one[1] for one in clasts], np.float64).reshape(-1, 4),
        true_class=np.asarray([one[2] for one in clasts], np.int8),
        true_ignore=np.asarray([len(one) > 3 for one in clasts], np.bool_),
    )


def outcomes(proposals, clasts) -> list[str]:
    return judge(photographs((proposals, clasts)), at_threshold=False).outcome.tolist()


def n_missed(proposals, clasts) -> int:
    return judge(photographs((proposals, clasts)), at_threshold=False).count("miss")


def given_back(proposals, clasts) -> dict[str, float | None]:
    return {name: impact.ap50_back for name, impact in error_impacts(photographs((proposals, clasts))).items()}


def only(**back) -> dict[str, float]:
    """Return what each kind gives back when all but the named ones give nothing."""
    return {name: pytest.approx(back.get(name, 0.0), abs=1e-12) for name in KINDS}


# Which kind it is


def test_kinds_have_tides_names_in_tides_order():
    assert tuple(KINDS) == ("cls", "loc", "both", "dupe", "bkg", "miss")
    assert all(name == kind.name for name, kind in KINDS.items())


def test_right_and_well_placed_proposal_is_no_mistake():
    finds = photographs(([(part_of(HERE, 0.5), CW, 0.9)], [(HERE, CW)]))
    assert judge(finds).outcome.tolist() == [RIGHT]
    assert find_mistakes(finds) == ()


@pytest.mark.parametrize(
    ("kind", "proposal", "clast", "iou"),
    [
        ("cls", (part_of(HERE, 0.5), CW, 0.9), (HERE, CCW), 0.5),
        ("cls", (part_of(HERE, 0.8), CCW, 0.9), (HERE, CW), 0.8),
        ("loc", (part_of(HERE, 0.1), CW, 0.9), (HERE, CW), 0.1),
        ("loc", (part_of(HERE, 0.4), CCW, 0.9), (HERE, CCW), 0.4),
        ("both", (part_of(HERE, 0.1), CW, 0.9), (HERE, CCW), 0.1),
        ("both", (part_of(HERE, 0.4), CCW, 0.9), (HERE, CW), 0.4),
        ("bkg", (part_of(HERE, 0.05), CW, 0.9), (HERE, CW), None),
        ("bkg", (NOWHERE, CW, 0.9), (HERE, CW), None),
    ],
)
def test_single_proposal_is_of_its_kind(kind, proposal, clast, iou):
    found = find_mistakes(photographs(([proposal], [clast])))
    mistake = found[0].mistake
    name = {CW: "CW", CCW: "CCW"}
    assert (mistake.kind, mistake.image_id, mistake.prediction) == (kind, "image-0", name[proposal[1]])
    assert mistake.truth == (None if iou is None else name[clast[1]])
    assert mistake.iou == pytest.approx(0.0 if iou is None else iou)
    assert mistake.score == 0.9
    assert mistake.box_xyxy == proposal[0]
    explained = kind in ("cls", "loc")
    assert [one.mistake.kind for one in found[1:]] == ([] if explained else ["miss"])


def test_second_proposal_on_a_matched_clast_is_a_duplicate():
    finds = photographs(([(HERE, CW, 0.6), (part_of(HERE, 0.7), CW, 0.9)], [(HERE, CW)]))
    (found,) = find_mistakes(finds)
    assert (found.mistake.kind, found.mistake.score, found.mistake.truth, found.mistake.iou) == ("dupe", 0.6, "CW", 1.0)


def test_clast_that_nothing_touches_is_missed():
    finds = photographs(([], []), ([(HERE, CW, 0.9)], [(HERE, CW), (THERE, CCW)]))
    (found,) = find_mistakes(finds)
    assert found.photo == 1
    assert (found.mistake.kind, found.mistake.truth, found.mistake.box_xyxy) == ("miss", "CCW", THERE)
    assert (found.mistake.prediction, found.mistake.score, found.mistake.iou) == (None, None, 0.0)


def test_clast_is_missed_where_only_background_and_both_errors_are_near():
    assert n_missed([(part_of(HERE, 0.3), CCW, 0.9), (part_of(HERE, 0.05), CW, 0.8)], [(HERE, CW)]) == 1


def test_proposal_of_equal_score_that_comes_first_matches():
    assert outcomes([(part_of(HERE, 0.6), CW, 0.5), (HERE, CW, 0.5)], [(HERE, CW)]) == [RIGHT, "dupe"]


def test_proposal_matches_the_clast_of_largest_overlap_that_is_free():
    clasts = [(HERE, CW), (part_of(HERE, 0.8), CW)]
    assert outcomes([(HERE, CW, 0.9), (HERE, CW, 0.8), (HERE, CW, 0.7)], clasts) == [RIGHT, RIGHT, "dupe"]


def test_proposals_match_no_clast_of_another_photograph():
    finds = photographs(([(HERE, CW, 0.9)], []), ([], [(HERE, CW)]))
    assert [(one.photo, one.mistake.kind) for one in find_mistakes(finds)] == [(0, "bkg"), (1, "miss")]


def test_mistakes_come_by_photograph_then_surest_first_then_missed():
    finds = photographs(([(NOWHERE, CW, 0.3), (NOWHERE, CCW, 0.7)], [(HERE, CW)]), ([(NOWHERE, CW, 0.9)], []))
    assert [(one.photo, one.mistake.score) for one in find_mistakes(finds)] == [(0, 0.7), (0, 0.3), (0, None), (1, 0.9)]


# Where two kinds would do


def test_bad_box_goes_before_wrong_class():
    assert outcomes([(HERE, CW, 0.9)], [(part_of(HERE, 0.3), CW), (HERE, CCW)]) == ["loc"]


def test_wrong_class_goes_before_duplicate():
    assert outcomes([(HERE, CW, 0.9), (HERE, CW, 0.8)], [(HERE, CW), (HERE, CCW)]) == [RIGHT, "cls"]


def test_bad_box_goes_before_both():
    assert outcomes([(HERE, CW, 0.9)], [(part_of(HERE, 0.2), CW), (part_of(HERE, 0.4), CCW)]) == ["loc"]


def test_match_goes_before_everything():
    assert outcomes([(HERE, CW, 0.9)], [(part_of(HERE, 0.5), CW), (HERE, CCW), (HERE, CW, "ignore")]) == [RIGHT]


# Clasts that are no positives


def test_sense_on_a_symmetric_clast_is_a_wrong_class():
    (found,) = find_mistakes(photographs(([(HERE, CW, 0.9)], [(HERE, NONE)])))
    assert (found.mistake.kind, found.mistake.prediction, found.mistake.truth) == ("cls", "CW", "none")


def test_badly_placed_sense_on_a_symmetric_clast_is_both():
    assert outcomes([(part_of(HERE, 0.3), CW, 0.9)], [(HERE, NONE)]) == ["both"]


@pytest.mark.parametrize("clast", [(HERE, NONE), (HERE, NOT_JUDGED), (HERE, CW, "ignore")])
def test_clast_that_is_no_positive_is_never_missed(clast):
    finds = photographs(([], [clast]))
    assert find_mistakes(finds) == ()
    assert judge(finds).ap50 is None


@pytest.mark.parametrize("region", [(HERE, NOT_JUDGED), (HERE, CW, "ignore"), (HERE, NONE, "ignore")])
def test_proposal_half_in_an_ignore_region_is_ignored(region):
    half_in, less_than_half_in = (0, 5, 10, 15), (0, 5.1, 10, 15.1)
    assert outcomes([(half_in, CW, 0.9), (less_than_half_in, CW, 0.8)], [region]) == [IGNORED, "bkg"]


def test_small_proposal_within_a_large_ignore_region_is_ignored():
    assert outcomes([((4, 4, 5, 5), CCW, 0.9)], [((0, 0, 100, 100), CW, "ignore")]) == [IGNORED]


@pytest.mark.parametrize(("proposal", "kind"), [(CW, "dupe"), (CCW, "cls")])
def test_proposal_that_matches_nothing_is_ignored_whatever_it_would_have_been(proposal, kind):
    sure, doubted, clast = (HERE, CW, 0.9), (HERE, proposal, 0.8), (HERE, CW)
    assert outcomes([sure, doubted], [clast]) == [RIGHT, kind]
    assert outcomes([sure, doubted], [clast, (HERE, NONE, "ignore")]) == [RIGHT, IGNORED]


def test_ignored_proposal_explains_no_missed_clast():
    assert n_missed([(part_of(HERE, 0.3), CW, 0.9)], [(HERE, CW), (HERE, NONE, "ignore")]) == 1


# Which proposals count


def test_threshold_is_reached_by_equal_scores():
    finds = photographs(([(HERE, CW, 0.5), (THERE, CW, 0.4)], [(HERE, CW), (THERE, CW)]), threshold=0.5)
    assert judge(finds).outcome.tolist() == [RIGHT, UNCOUNTED]
    assert judge(finds, at_threshold=False).outcome.tolist() == [RIGHT, RIGHT]
    assert [one.mistake.kind for one in find_mistakes(finds)] == ["miss"]


def test_threshold_is_on_the_score_with_the_sense_in_it():
    finds = photographs(([(HERE, CW, 0.8)], [(HERE, CW)]), threshold=0.5)
    doubted = replace(finds, probabilities=np.asarray([[0.1, 0.5, 0.4]]))
    assert judge(doubted).outcome.tolist() == [UNCOUNTED]


def test_without_threshold_proposals_called_none_do_not_count():
    finds = photographs(([(HERE, CW, 1.0), (HERE, CW, 1.0)], [(HERE, CW)]))
    called = replace(finds, probabilities=np.asarray([[0.6, 0.4, 0.0], [0.3, 0.4, 0.3]]))
    assert judge(called).outcome.tolist() == [UNCOUNTED, RIGHT]
    assert judge(called, at_threshold=False).outcome.tolist() == [RIGHT, "dupe"]


def test_impact_counts_at_the_threshold_and_costs_ap_everywhere():
    finds = photographs(([(NOWHERE, CW, 0.9), (HERE, CW, 0.8)], [(HERE, CW)]), threshold=0.95)
    impacts = error_impacts(finds)
    assert (impacts["bkg"].count, impacts["bkg"].ap50_back) == (0, pytest.approx(0.5))
    assert (impacts["miss"].count, impacts["miss"].ap50_back) == (1, 0.0)


# What an oracle gives back


def test_fixing_a_wrong_sense_gives_both_senses_their_due():
    proposals = [(HERE, CCW, 0.9), (THERE, CCW, 0.8)]
    assert given_back(proposals, [(HERE, CW), (THERE, CCW)]) == only(cls=1.0 - (0.0 + 0.5) / 2)


def test_fixing_a_sense_on_a_symmetric_clast_takes_it_out_of_the_senses():
    assert given_back([(HERE, CW, 0.9), (THERE, CW, 0.8)], [(HERE, NONE), (THERE, CW)]) == only(cls=0.5)


def test_fixing_a_bad_box_makes_it_a_hit():
    assert given_back([(part_of(HERE, 0.3), CW, 0.9)], [(HERE, CW)]) == only(loc=1.0)


def test_fixing_both_drops_the_proposal():
    proposals = [(part_of(HERE, 0.3), CW, 0.9), (HERE, CCW, 0.8), (THERE, CW, 0.7)]
    assert given_back(proposals, [(HERE, CCW), (THERE, CW)]) == only(both=1.0 - (0.5 + 1.0) / 2)


def test_fixing_a_duplicate_drops_the_proposal():
    proposals = [(HERE, CW, 0.9), (HERE, CW, 0.8), (THERE, CW, 0.7)]
    before = (51 * 1.0 + 50 * 2 / 3) / 101
    assert given_back(proposals, [(HERE, CW), (THERE, CW)]) == only(dupe=1.0 - before)


def test_fixing_the_background_drops_the_proposal():
    assert given_back([(NOWHERE, CW, 0.9), (HERE, CW, 0.8)], [(HERE, CW)]) == only(bkg=0.5)


def test_fixing_a_miss_takes_the_clast_from_the_positives():
    assert given_back([(HERE, CW, 0.9)], [(HERE, CW), (THERE, CW)]) == only(miss=50 / 101)


def test_sense_of_which_all_are_missed_leaves_the_mean():
    assert given_back([(HERE, CW, 0.9)], [(HERE, CW), (THERE, CCW)]) == only(miss=0.5)


def test_of_two_bad_boxes_on_one_clast_the_surest_is_corrected_and_the_other_dropped():
    proposals = [(part_of(HERE, 0.4), CW, 0.6), (part_of(HERE, 0.2), CW, 0.9), (NOWHERE, CW, 0.7)]
    assert given_back(proposals, [(HERE, CW)]) == only(loc=1.0)


def test_corrected_proposal_takes_the_place_of_a_less_sure_match():
    proposals = [(HERE, CCW, 0.9), (NOWHERE, CW, 0.7), (HERE, CW, 0.5)]
    assert given_back(proposals, [(HERE, CW)]) == only(cls=0.5, bkg=0.5)


def test_corrected_proposal_yields_to_a_surer_match():
    proposals = [(HERE, CW, 0.9), (part_of(HERE, 0.3), CW, 0.8), (THERE, CW, 0.7)]
    before = (51 * 1.0 + 50 * 2 / 3) / 101
    assert given_back(proposals, [(HERE, CW), (THERE, CW)]) == only(loc=1.0 - before)


def test_ap_is_undefined_without_any_clast_that_has_a_sense():
    impacts = error_impacts(photographs(([(HERE, CW, 0.9)], [(HERE, NONE)])))
    assert {impact.ap50_back for impact in impacts.values()} == {None}
    assert {impact.reason for impact in impacts.values()} == {"no clast has a sense"}
    assert impacts["cls"].count == 1


def test_what_misses_cost_is_undefined_when_everything_is_missed():
    impacts = error_impacts(photographs(([(NOWHERE, CW, 0.9)], [(HERE, CW)])))
    assert (impacts["miss"].ap50_back, impacts["bkg"].ap50_back) == (None, 0.0)
    assert impacts["miss"].reason == "every clast was missed: none is left to be found"


def test_no_photographs_have_no_mistakes():
    finds = photographs()
    assert find_mistakes(finds) == ()
    assert [(one.count, one.ap50_back) for one in error_impacts(finds).values()] == [(0, None)] * 6


# What holds for anything


def boxes():
    corner, side = st.integers(0, 12), st.integers(1, 12)
    return st.builds(lambda x, y, w, h: (x, y, x + w, y + h), corner, corner, side, side)


def pictures():
    scores = st.integers(0, 5).map(lambda tenths: tenths / 5)
    proposals = st.lists(st.tuples(boxes(), st.sampled_from([CW, CCW]), scores), max_size=8)
    judged = st.tuples(boxes(), st.sampled_from([NOT_JUDGED, NONE, CW, CCW]))
    ignored = st.tuples(boxes(), st.sampled_from([NONE, CW, CCW]), st.just("ignore"))
    return st.tuples(proposals, st.lists(judged | ignored, max_size=6))


def anything():
    thresholds = st.sampled_from([np.nan, 0.0, 0.4, 1.0])
    return st.builds(
        lambda some, level: photographs(*some, threshold=level), st.lists(pictures(), max_size=3), thresholds
    )


@settings(deadline=None)
@given(anything(), st.booleans())
def test_every_proposal_that_counts_is_right_or_ignored_or_one_mistake(finds, at_threshold):
    verdicts = judge(finds, at_threshold=at_threshold)
    counted = verdicts.outcome != UNCOUNTED
    passed = ~(finds.sense_score < finds.threshold[finds.photo]) if at_threshold else np.ones(len(finds.photo), bool)
    assert counted.tolist() == passed.tolist()
    known = (RIGHT, IGNORED, *KINDS)
    assert set(verdicts.outcome[counted].tolist()) <= set(known)
    n_mistakes = sum(one.mistake.kind != "miss" for one in find_mistakes(finds, at_threshold=at_threshold))
    assert n_mistakes == counted.sum() - verdicts.count(RIGHT) - verdicts.count(IGNORED)


def test_exactly_one_rule_holds_for_a_proposal_that_matches_nothing():
    same, other = np.meshgrid(*[[0.0, 0.05, 0.1, 0.3, 0.5, 0.9, 1.0]] * 2)
    held = np.sum([kind.rule(same, other) for name, kind in KINDS.items() if name != "miss"], axis=0)
    assert (held == 1).all()


@settings(deadline=None)
@given(anything())
def test_every_positive_is_matched_or_missed_or_meant_by_an_error(finds):
    verdicts = judge(finds)
    matched = verdicts.clast[verdicts.outcome == RIGHT].tolist()
    meant = set(verdicts.clast[np.isin(verdicts.outcome, ("cls", "loc"))].tolist())
    assert len(matched) == len(set(matched))
    for clast in np.flatnonzero(verdicts.positive).tolist():
        assert verdicts.missed[clast] == (clast not in matched and clast not in meant)


@settings(deadline=None)
@given(anything())
def test_oracle_never_takes_ap_away_nor_exceeds_one(finds):
    before = judge(finds, at_threshold=False).ap50
    for impact in error_impacts(finds).values():
        assert (impact.ap50_back is None) == (impact.reason is not None)
        if impact.ap50_back is not None:
            assert -1e-12 <= impact.ap50_back <= 1.0 - before + 1e-12


@settings(deadline=None)
@given(anything())
def test_kind_that_never_occurs_costs_nothing(finds):
    verdicts = judge(finds, at_threshold=False)
    for name, impact in error_impacts(finds).items():
        if verdicts.count(name) == 0 and verdicts.ap50 is not None:
            assert impact.ap50_back == 0.0


@settings(deadline=None)
@given(anything())
def test_perfect_detections_have_no_mistakes(finds):
    true = (finds.true_class > NONE) & ~finds.true_ignore
    perfect = replace(
        finds,
        threshold=np.full(len(finds), 0.5),
        photo=finds.true_photo[true],
        xyxy=finds.true_xyxy[true],
        score=np.ones(true.sum()),
        probabilities=np.eye(3)[finds.true_class[true]],
    )
    assert find_mistakes(perfect) == ()
    assert judge(perfect).ap50 == (1.0 if true.any() else None)


def crowd(seed: int, n_photographs: int = 20) -> Finds:
    """Return proposals scattered around the clasts of some photographs, each with a score of its own."""
    rng = np.random.default_rng(seed)
    some = []
    for _ in range(n_photographs):
        corners, sides = rng.uniform(0, 300, (4, 2)), rng.uniform(40, 90, (4, 2))
        clasts = [(tuple(box), rng.choice([CW, CCW])) for box in np.hstack([corners, corners + sides]).round()]
        found = []
        for _ in range(15):
            box, true = clasts[rng.integers(4)]
            moved = np.asarray(box) + rng.normal(0, rng.choice([2.0, 15.0, 100.0]), 2)[[0, 1, 0, 1]]
            found.append((tuple(moved), true if rng.random() < 0.7 else 3 - true, rng.random()))
        some.append((found, clasts))
    return photographs(*some)


@pytest.mark.parametrize("seed", range(3))
def test_ap50_is_that_of_pycocotools(seed):
    finds = crowd(seed)
    expected = coco_scores(finds, sense_columns(finds))[1]
    assert judge(finds, at_threshold=False).ap50 == pytest.approx(expected, abs=1e-12)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(any_finds())
def test_ap50_is_that_of_pycocotools_where_scores_and_overlaps_are_equal(finds):
    expected = coco_scores(finds, sense_columns(finds))[1]
    assert judge(finds, at_threshold=False).ap50 == (None if expected is None else pytest.approx(expected, abs=1e-12))


def test_order_of_photographs_changes_no_impact_where_all_scores_are_equal():
    finds = crowd(0)
    finds = replace(finds, score=np.ones_like(finds.score))
    expected = error_impacts(finds)
    for seed in range(5):
        assert error_impacts(reordered(finds, np.random.default_rng(seed).permutation(len(finds)))) == expected


def test_all_kinds_occur_in_a_crowd_of_thousands_of_proposals():
    finds = crowd(seed=0, n_photographs=200)
    kinds = [one.mistake.kind for one in find_mistakes(finds)]
    assert set(kinds) == set(KINDS)
    assert [kinds.count(name) for name in KINDS] == [impact.count for impact in error_impacts(finds).values()]


@pytest.mark.parametrize(
    ("hits", "n_positive", "expected"),
    [
        ([], 0, None),
        ([0, 0], 0, None),
        ([], 3, 0.0),
        ([0, 0], 3, 0.0),
        ([1, 1], 2, 1.0),
        ([0, 1], 1, 0.5),
        ([1, 0, 1], 4, (26 * 1 + 25 * 2 / 3) / 101),
    ],
)
def test_average_precision_by_hand(hits, n_positive, expected):
    clasts = [((20 * at, 0, 20 * at + 10, 10), CW) for at in range(n_positive)]
    free, scores = iter(clasts), np.linspace(0.9, 0.1, len(hits))
    proposals = [(next(free)[0] if hit else NOWHERE, CW, score) for hit, score in zip(hits, scores, strict=True)]
    found = judge(photographs((proposals, clasts)), at_threshold=False).ap50
    assert found == (None if expected is None else pytest.approx(expected))
