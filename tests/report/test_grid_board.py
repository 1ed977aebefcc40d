"""Detection on the leaderboard: pooled scores, one row a detector, completeness, ranks, and the text tables."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace

import pytest
from made_up import DIGEST, changed_suite
from made_up_boxes import DROPPED, IDS, boxed, fallen, whole

from clastbench.errors import UnknownNameError
from clastbench.metrics import DETECTION_METRICS, KINDS, LOSSES, finds, score_detections, score_senses
from clastbench.records import EXTERNAL, OWN_HEAD
from clastbench.report.clast_table import clast_rows
from clastbench.report.detectors import OF_BOXES, WHOLE
from clastbench.report.leaderboard import build
from clastbench.report.tables import FORMATS
from clastbench.run.scoring import LEFT_OPEN, NO_SENSE, score_read
from clastbench.suite import Detection

TWO = ("f0", "f1")


@pytest.fixture
def suite(tmp_path):
    return changed_suite(tmp_path, IDS)


@pytest.fixture
def records():
    return [
        whole("net"),
        whole("other"),
        boxed("ground-truth"),
        boxed("ground-truth", "other"),
        boxed("good", skill=0.95),
        boxed("good", "other", skill=0.95),
        boxed("good", OWN_HEAD, skill=0.95),
        boxed("messy", skill=0.2),
        fallen("messy", "other"),
    ]


@pytest.fixture
def board(suite, records):
    return build(suite, DIGEST, records)


def rows_of(board):
    return {(row.detector, row.backbone): row for row in board.rows}


def test_a_single_cell_keeps_its_stored_scores(board, records):
    rows = rows_of(board)
    for one in records:
        for score in one.scores:
            assert rows[one.cell.detector, one.cell.backbone].scores[score.metric] == score


def test_there_is_one_row_a_detector_and_one_for_an_own_head(board):
    names = [row.name for row in board.detectors]
    assert sorted(names) == ["good", "good, own head", "ground-truth", "messy", "whole-image"]
    values = [row.scores["ap"].value for row in board.detectors[:-1]]
    assert values == sorted(values, reverse=True)


def test_a_detector_s_scores_are_those_of_its_boxes_whoever_reads_them(board, records):
    found = {row.name: row.scores for row in board.detectors}
    for one in records:
        if one.detections:
            name = one.cell.detector + (", own head" if one.cell.backbone == OWN_HEAD else "")
            assert found[name] == {score.metric: score for score in one.scores if score.metric in OF_BOXES}


def test_an_own_head_s_boxes_are_not_those_of_the_detector(board):
    found = {row.name: row.scores["ap"].value for row in board.detectors}
    assert found["good"] != found["good, own head"]


def test_whole_photographs_have_no_average_precision_and_say_why(board):
    row = board.detectors[-1]
    assert row.detector == "whole-image"
    assert {(score.value, score.reason) for score in row.scores.values()} == {(None, WHOLE)}
    assert rows_of(board)["whole-image", "net"].scores["sense_ap50"].reason == WHOLE


def test_proposals_that_were_dropped_are_counted_once_a_detector(suite):
    board = build(suite, DIGEST, [boxed("messy"), boxed("messy", "other")])
    assert board.detectors[0].n_dropped == DROPPED


def test_folds_and_seeds_are_pooled(tmp_path):
    cells = [boxed("good", name, fold=fold, seed=seed) for name in ("net", "other") for fold in TWO for seed in (0, 1)]
    board = build(changed_suite(tmp_path, IDS, folds=TWO), DIGEST, cells)
    for name in ("net", "other"):
        by_seed = sorted(cells, key=lambda one: one.cell)
        own = finds([(one.predictions, one.detections) for one in by_seed if one.cell.backbone == name])
        expected = {score.metric: score for score in (*score_detections(own, 2), *score_senses(own, 2))}
        found = rows_of(board)["good", name].scores
        for metric in DETECTION_METRICS:
            assert found[metric].value == pytest.approx(expected[metric].value)
            assert found[metric].n_seeds == 2
    (row,) = board.detectors
    assert (row.n_cells, row.n_images) == (4, len(IDS))
    assert row.scores["ap"] == rows_of(board)["good", "net"].scores["ap"]


def test_what_is_lost_adds_up_over_folds(tmp_path):
    cells = [boxed("good", fold=fold) for fold in TWO]
    (row,) = build(changed_suite(tmp_path, IDS, folds=TWO), DIGEST, cells).rows
    lost = sum(row.scores[name].value for name in LOSSES)
    assert lost == pytest.approx(1 - row.scores["macro_f1"].value)


def test_a_detector_whose_backbone_lacks_a_fold_has_all_of_its_own(tmp_path):
    cells = [boxed("good", fold="f0"), boxed("good", fold="f1"), boxed("good", "other", fold="f0")]
    board = build(changed_suite(tmp_path, IDS, folds=TWO), DIGEST, cells)
    assert board.detectors[0].n_cells == 2
    assert rows_of(board)["good", "other"].scores["ap"].value == next(
        score.value for score in cells[2].scores if score.metric == "ap"
    )


@pytest.mark.parametrize("told", [True, False])
def test_boxes_of_an_old_and_a_new_detector_are_not_shared(tmp_path, told):
    """Results of two versions of a plugin lie side by side: each system has the scores and the rank of its own."""
    cells = []
    for backbone, skill in (("net", 0.2), ("other", 0.95), ("third", 0.95)):
        cells += [boxed("good", backbone, skill=skill, fold=fold, file=f"{fold}/{skill}" * told) for fold in TWO]
    board = build(changed_suite(tmp_path, IDS, folds=TWO), DIGEST, cells, "ap50")
    rows = rows_of(board)
    for backbone in ("net", "other", "third"):
        own = finds([(one.predictions, one.detections) for one in cells if one.cell.backbone == backbone])
        expected = next(score.value for score in score_detections(own) if score.metric == "ap50")
        assert rows["good", backbone].scores["ap50"].value == pytest.approx(expected)
    assert [rows["good", name].rank for name in ("net", "other", "third")] == [3, 1, 1]
    assert [(row.name, row.n_cells) for row in board.detectors] == [("good", 2)] * 2
    values = [rows["good", name].scores["ap50"] for name in ("other", "net")]
    assert [row.scores["ap50"] for row in board.detectors] == values


@pytest.mark.parametrize(("once", "ranked"), [(True, True), (False, False)])
def test_one_repeat_completes_a_system_that_proposes_where_the_suite_says_so(tmp_path, once, ranked):
    suite = changed_suite(tmp_path, IDS, folds=TWO).model_copy(update={"detection": Detection(one_repeat=once)})
    assert suite.one_repeat == ("f0",)
    board = build(suite, DIGEST, [boxed("good"), whole("net"), whole("net", fold="f1"), whole("half")])
    rows = rows_of(board)
    assert (rows["good", "net"].rank is not None) is ranked
    assert rows["whole-image", "net"].rank is not None
    assert rows["whole-image", "half"].rank is None


@pytest.mark.parametrize("metric", ["ap", "ap50", "sense_ap", "sense_ap50", "clast_recall", "false_alarm_confidence"])
def test_systems_with_boxes_are_ranked_by_them(suite, records, metric):
    board = build(suite, DIGEST, records, metric)
    rows = rows_of(board)
    ranked = {pair for pair, row in rows.items() if row.rank is not None}
    assert ranked == {
        pair for pair, row in rows.items() if metric in row.scores and row.scores[metric].value is not None
    }  # fmt: skip
    assert not {pair for pair in ranked if pair[0] == "whole-image"}
    values = [row.scores[metric].value for row in board.rows if row.rank is not None]
    assert values == sorted(values, reverse=DETECTION_METRICS[metric].higher_is_better)


def test_a_rank_counts_all_systems_of_a_better_detector(suite, records):
    rows = rows_of(build(suite, DIGEST, records, "ap50"))
    assert rows["ground-truth", "net"].rank == rows["ground-truth", "other"].rank == 1
    assert rows["good", "net"].rank == rows["good", "other"].rank
    better = sum(row.rank < rows["messy", "net"].rank for row in rows.values() if row.rank is not None)
    assert rows["messy", "net"].rank == 1 + better


def test_systems_of_different_photographs_are_compared_where_they_meet(tmp_path):
    suite = changed_suite(tmp_path, IDS, folds=TWO).model_copy(update={"detection": Detection(one_repeat=True)})
    cells = [boxed("good", ids=IDS[:12]), whole("net", ids=IDS[:12]), whole("net", fold="f1", ids=IDS[12:])]
    assert all(row.rank is not None for row in build(suite, DIGEST, cells).rows)


def test_an_unknown_metric_is_answered_with_those_of_boxes(suite, records):
    with pytest.raises(UnknownNameError, match=r"Did you mean 'sense_ap50'\?.*clast_recall.*sense_ap, sense_ap50"):
        build(suite, DIGEST, records, "sense_ap5")


def test_models_from_outside_are_detectors_of_their_own(suite):
    board = build(suite, DIGEST, [boxed(EXTERNAL, "one"), boxed(EXTERNAL, "two", skill=0.1)])
    assert {row.name for row in board.detectors} == {f"{EXTERNAL} + one", f"{EXTERNAL} + two"}
    for row in board.rows:
        (own,) = (one for one in board.detectors if one.name == row.system)
        assert own.scores["ap"] == row.scores["ap"]
    ranked = build(suite, DIGEST, [boxed(EXTERNAL, "one"), boxed(EXTERNAL, "two", skill=0.1)], "ap")
    assert len({row.scores["ap"].value for row in ranked.rows}) == 2


@pytest.mark.parametrize("folds", [("f0",), TWO])
def test_boxes_whose_sense_is_left_open_have_no_score_of_senses(tmp_path, folds):
    suite = changed_suite(tmp_path, IDS, folds=folds)
    cells = [left_open(boxed(EXTERNAL, "open", fold=fold)) for fold in folds]
    cells += [boxed("good", fold=fold) for fold in folds]
    row = rows_of(build(suite, DIGEST, cells, "sense_ap50"))[EXTERNAL, "open"]
    assert (row.rank, row.errors) == (None, {})
    assert (row.scores["sense_ap50"].value, row.scores["sense_ap50"].reason) == (None, NO_SENSE)
    assert row.scores["ap"].value is not None
    assert clast_rows(cells[: len(folds)]) == ()


def test_a_fold_without_detections_tells_no_senses_either(tmp_path):
    silent = boxed(EXTERNAL, "open", fold="f1")
    nothing = replace(silent.detections, image_id=(), xyxy=(), score=(), probabilities=())
    cells = [left_open(boxed(EXTERNAL, "open")), scored_anew(replace(silent, detections=nothing))]
    assert {score.metric: score for score in cells[1].scores}["sense_ap50"].value == 0.0
    cells += [boxed("good", fold=fold) for fold in TWO]
    board = build(changed_suite(tmp_path, IDS, folds=TWO), DIGEST, cells, "sense_ap50")
    row = rows_of(board)[EXTERNAL, "open"]
    assert (row.rank, row.errors, row.scores["sense_ap50"].value) == (None, {}, None)
    assert clast_rows(cells[:2]) == ()


def left_open(one):
    """Say of no clast of which sense it is."""
    found = replace(one.detections, probabilities=(LEFT_OPEN,) * len(one.detections.score))
    return scored_anew(replace(one, detections=found))


def scored_anew(one):
    """Replace the scores of senses."""
    read = score_read([(one.predictions, one.detections)])
    rest = [score for score in one.scores if score.metric not in {other.metric for other in read}]
    return replace(one, scores=(*rest, *read))


def test_without_boxes_no_table_speaks_of_them(suite):
    board = build(suite, DIGEST, [whole("net"), whole("other")])
    assert board.detectors == ()
    for form in ("table", "md"):
        text = FORMATS[form](board)
        assert "Detectors" not in text
        assert "sense\nAP50" not in text
        assert "| sense AP50" not in text


@pytest.mark.parametrize("form", ["table", "md"])
def test_text_has_the_detectors_and_where_points_are_lost(board, form):
    _, detectors = FORMATS[form](board).split("Detectors", 1)
    detectors, losses = detectors.split("Where the points are lost", 1)
    for name in ("good", "own head", "messy", "whole-image", "dropped"):
        assert name in detectors
    for name in (*KINDS, "good", "own-head", "messy"):
        assert name in losses
    assert "ground-truth" not in losses


def test_markdown_tables_keep_their_columns_with_an_odd_name(suite):
    lines = FORMATS["md"](build(suite, DIGEST, [boxed("a|b<i>"), whole("net")])).splitlines()
    tables = [line.replace("\\|", "") for line in lines if line.startswith("|")]
    assert len(tables) == 4 + 4 + 3
    assert [line.count("|") for line in tables[4:8]] == [tables[4].count("|")] * 4
    assert "<i>" not in "".join(tables)


def test_csv_has_every_detection_score_and_the_errors_by_kind(board):
    rows = csv.DictReader(io.StringIO(FORMATS["csv"](board)))
    for line, row in zip(rows, board.rows, strict=True):
        for name in (*DETECTION_METRICS, *LOSSES):
            score = row.scores.get(name)
            assert line[name] == ("" if score is None or score.value is None else str(score.value))
        for kind in KINDS:
            assert line[f"{kind}_count"] == (str(row.errors[kind].count) if row.errors else "")
            assert f"{kind}_ap50_back" in line


def test_json_has_the_detectors_and_errors(board):
    said = json.loads(FORMATS["json"](board))
    assert [one["detector"] for one in said["detectors"]] == [row.detector for row in board.detectors]
    assert said["detectors"][0]["scores"]["ap"]["value"] == board.detectors[0].scores["ap"].value
    for one, row in zip(said["rows"], board.rows, strict=True):
        assert {kind: found["count"] for kind, found in one["errors"].items()} == {
            kind: found.count for kind, found in row.errors.items()
        }
