"""Trust and gates on the leaderboard: values, ranks, marks, and what stands where nobody asked."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace

import pytest
from made_up import DIGEST, changed_suite, photographs, record
from made_up_maps import METHOD, Inputs, explained, inputs_of, located, maps, removed, trials

from clastbench.metrics import GATES, TRIAL_METRICS
from clastbench.records import EXTERNAL, TARGETS, Cell, MapScores, Trial, untrained
from clastbench.report.leaderboard import Leaderboard, Row, build
from clastbench.report.site import columns
from clastbench.report.tables import FORMATS
from clastbench.report.trust_board import gate_lines, gate_marks, standing
from clastbench.suite import Suite

PHOTOS = photographs(30)
SEEN = inputs_of(PHOTOS)


def sure(name: str, **levels):
    """A system that is always right, explained."""
    return explained(record(name, PHOTOS, wrong=1), PHOTOS, **levels)


@pytest.fixture(scope="module")
def suite(tmp_path_factory) -> Suite:
    made = changed_suite(tmp_path_factory.mktemp("trust"), [photo.id for photo in PHOTOS])
    return made.model_copy(update={"explainers": (METHOD,)})


@pytest.fixture(scope="module")
def records():
    """Two that pass, one that follows a cue, one that guesses, one without a network, one of which nobody asked."""
    why = tuple(MapScores(METHOD, target, reason="needs a network") for target in TARGETS)
    ours = replace(record("ours", PHOTOS, wrong=1), cell=Cell(EXTERNAL, "ours", 0, "f0"))
    return [
        sure("best", better=0.2, lift=0.6),
        sure("good", lift=0.3),
        sure("cued", better=0.4, lift=0.9, cue=0.0),
        explained(record("guess", PHOTOS, wrong=3), PHOTOS),
        replace(record("floor", PHOTOS, wrong=1), maps=why),
        record("bare", PHOTOS, wrong=1),
        replace(ours, maps=(located(SEEN, EXTERNAL, "sense", 0.6),)),
    ]


@pytest.fixture(scope="module")
def board(suite, records) -> Leaderboard:
    return build(suite, DIGEST, records, "trust")


def rows(board: Leaderboard) -> dict[str, Row]:
    return {row.backbone: row for row in board.rows}


def test_trust_is_the_mean_of_its_parts(board):
    scores = rows(board)["best"].scores
    assert [scores[one].value for one in ("cpf", "srg", "lift_sense")] == pytest.approx([0.6, 2.4 / 3, 0.6])
    assert scores["trust"].value == pytest.approx((0.6 + 0.8 + 0.6) / 3)
    assert scores["trust"].low < scores["trust"].value < scores["trust"].high


def test_systems_rank_by_trust_and_those_that_fail_a_gate_do_not(board):
    assert {name: row.rank for name, row in rows(board).items()} == {
        "best": 1, "good": 2, "cued": None, "guess": None, "floor": None, "bare": None, "ours": None,
    }  # fmt: skip
    assert [row.backbone for row in board.rows][:4] == ["best", "good", "cued", "guess"]


def test_the_rank_by_trust_is_there_whatever_the_order(suite, records, board):
    by_quality = rows(build(suite, DIGEST, records))
    assert {name: row.trust_rank for name, row in by_quality.items()} == {
        name: row.rank for name, row in rows(board).items()
    }
    assert by_quality["best"].trust_stability == 1.0
    assert by_quality["cued"].trust_stability is None
    assert by_quality["cued"].rank is not None


def test_a_failed_gate_is_named_and_its_value_stays(board):
    row = rows(board)["cued"]
    assert row.failed_gates == ("gate_cue",)
    assert row.scores["trust"].value is not None
    assert row.unranked == "fails gate 2 (planted cue)"
    for form in ("table", "md"):
        assert "NOT RANKED whole-image + cued: fails gate 2 (planted cue)." in FORMATS[form](board)


@pytest.mark.parametrize(
    ("name", "marks"),
    [("best", "✓–✓✓✓"), ("cued", "✓✗✓✓✓"), ("guess", "✓–✓✗✓"), ("floor", "–––✓–"), ("bare", "–")],
)
def test_gates_are_marked_one_to_five(board, name, marks):
    assert gate_marks(rows(board)[name].scores) == marks
    (line,) = (one for one in FORMATS["md"](board).splitlines() if one.startswith("|") and f"+ {name} " in one)
    assert f" {marks} " in line


def test_gates_without_a_score_are_one_dash():
    assert gate_marks({}) == "–"


@pytest.mark.parametrize(("name", "why"), [("floor", "needs a network"), ("ours", "no cells were removed")])
def test_trust_that_is_undefined_says_why(board, name, why):
    score = rows(board)[name].scores["trust"]
    assert score.value is None
    assert why in score.reason


@pytest.mark.parametrize("metric", ["trust", "cpf", "srg"])
def test_systems_without_removal_stand_below_and_are_not_ranked(suite, records, metric):
    made = build(suite, DIGEST, records, metric)
    assert {row.backbone for row in made.rows[4:]} == {"floor", "bare", "ours"}
    assert {row.rank for row in made.rows[4:]} == {None}
    assert made.rows[0].rank == 1


def test_removal_of_other_inputs_is_compared_apart(suite):
    close = [
        replace(one, values={**one.values, "rho": (0.6,) * len(one.image_id)}) if "rho" in one.values else one
        for one in maps(SEEN, better=-0.3)
    ]
    crop = replace(sure("crop"), maps=tuple(close), cell=Cell("ground-truth", "crop", 0, "f0"))
    by_name = rows(build(suite, DIGEST, [sure("one", better=0.2), sure("other"), crop], "cpf"))
    assert {name: row.rank for name, row in by_name.items()} == {"one": 1, "other": 2, "crop": 1}


def test_the_order_of_the_tables_changes_nothing(suite, records, board):
    turned = [replace(one, maps=one.maps[::-1]) for one in records]
    found = rows(build(suite, DIGEST, turned, "trust"))
    for name, row in rows(board).items():
        assert (found[name].rank, found[name].scores) == (row.rank, row.scores)


def test_removal_that_failed_takes_no_lift_and_no_rank_by_lift_away(suite):
    broken = (located(SEEN, METHOD, "sense", 0.5), MapScores(METHOD, "sense", reason="out of memory"))
    made = [replace(record("half", PHOTOS, wrong=1), maps=broken), sure("whole")]
    by_lift = rows(build(suite, DIGEST, made, "lift_sense"))["half"]
    assert (by_lift.rank, by_lift.unmapped) == (1, None)
    by_trust = rows(build(suite, DIGEST, made, "trust"))["half"]
    assert by_trust.rank is None
    assert "out of memory" in by_trust.scores["trust"].reason
    assert by_trust.scores["cpf"].reason == "out of memory"


def test_one_photograph_is_no_sample(suite):
    one = Inputs(SEEN.image_id[:1], SEEN.group[:1], SEEN.truth[:1])
    made = replace(record("single", PHOTOS, wrong=1), maps=maps(one, half=False), trials=trials(one))
    row = build(suite, DIGEST, [made], "trust").rows[0]
    assert row.scores["trust"].value is None
    assert not row.failed_gates


def test_gate_4_is_asked_of_those_who_are_asked_anything(suite, records, board):
    """A system without a network has changed pictures, and reasons in the place of maps."""
    assert "gate_reads" not in rows(board)["bare"].scores
    assert "gate_reads" in rows(board)["floor"].scores
    tried = replace(record("tried", PHOTOS, wrong=1), trials=trials(SEEN))
    assert gate_marks(rows(build(suite, DIGEST, [tried]))["tried"].scores) == "–––✓✓"  # 2: too few groups
    assert "gates" not in [one.name for one in columns(build(suite, DIGEST, [records[5]]))]
    assert "gates" in [one.name for one in columns(build(suite, DIGEST, [records[4]]))]


def test_systems_of_which_one_only_has_trust_have_no_stability(suite, records, board):
    assert rows(board)["best"].trust_stability is not None
    alone = rows(build(suite, DIGEST, [records[0], *records[4:]]))["best"]
    assert (alone.trust_rank, alone.trust_stability) == (1, None)


# What was asked and failed


def with_failed(name: str, kind: str):
    """A system of which one question failed, as `run.record` writes it."""
    one = sure(name)
    if kind == "trials":
        return replace(one, trials=(Trial("", reason="out of ink"),))
    broken = tuple(MapScores(METHOD, target, values={kind: ()}, reason="out of ink") for target in TARGETS)
    held = tuple(table for table in one.maps if table.method != METHOD or kind not in table.values)
    return replace(one, maps=(*held, *broken))


def another_fold(one):
    """The same of other photographs."""

    def renamed(held):
        return replace(held, image_id=tuple(f"b{name}" for name in held.image_id))

    return replace(
        one, cell=replace(one.cell, fold="f1"), predictions=(),
        maps=tuple(map(renamed, one.maps)), trials=tuple(map(renamed, one.trials)),
    )  # fmt: skip


def test_a_mirror_that_failed_leaves_gate_3_undecided_and_says_why(suite):
    row = build(suite, DIGEST, [with_failed("net", "equivariance")]).rows[0]
    line = gate_lines(row.scores)[2]
    assert (line.said, line.score.value, line.score.reason) == ("undecided", None, "out of ink")
    assert row.trust_rank == 1
    assert row.unanswered == {"maps of mirror images": "1 of 1 cells: out of ink"}


def test_two_questions_that_failed_have_a_reason_each(suite):
    one = sure("net")
    reasons = {"equivariance": "out of ink", "cpf": "out of paper"}
    broken = [MapScores(METHOD, "sense", values={asked: ()}, reason=why) for asked, why in reasons.items()]
    held = [table for table in one.maps if not table.values.keys() & {"cpf", "equivariance"}]
    for tables in ((*held, *broken), (*broken[::-1], *held)):
        row = build(suite, DIGEST, [replace(one, maps=tables)]).rows[0]
        assert row.unanswered == {
            "removal of cells": "1 of 1 cells: out of paper",
            "maps of mirror images": "1 of 1 cells: out of ink",
        }
        assert row.scores["cpf"].reason == "out of paper"
        assert row.scores["gate_mirror"].reason == "out of ink"
        assert row.scores["lift_sense"].value is not None


def test_trials_that_failed_leave_gates_2_and_5_undecided_and_say_why(suite):
    row = build(suite, DIGEST, [with_failed("net", "trials")]).rows[0]
    for line in (gate_lines(row.scores)[1], gate_lines(row.scores)[4]):
        assert (line.said, line.score.value, line.score.reason) == ("undecided", None, "out of ink")
    assert row.unanswered == {"changed pictures": "1 of 1 cells: out of ink"}


@pytest.mark.parametrize(
    ("kind", "asked"),
    [("trials", "changed pictures"), ("cpf", "removal of cells"), ("equivariance", "maps of mirror images")],
)
def test_a_fold_that_failed_is_named_below_the_leaderboard(suite, kind, asked):
    made = [sure("net"), another_fold(with_failed("net", kind))]
    board = build(suite, DIGEST, made)
    for name in ("trust", "gate_mirror", "gate_cue"):
        assert board.rows[0].scores[name].value is not None
    for form in ("table", "md"):
        assert f"NOT EXPLAINED whole-image + net: {asked}, 1 of 2 cells: out of ink" in FORMATS[form](board)


def test_a_question_that_failed_is_not_blamed_on_another(suite):
    """Lift is defined nowhere; that the mirror failed is another matter."""
    own = with_failed("net", "equivariance")
    cold = tuple(
        replace(one, values={**one.values, "lift": (None,) * len(one.image_id)}) if "lift" in one.values else one
        for one in own.maps
    )
    score = build(suite, DIGEST, [replace(own, maps=cold)]).rows[0].scores["trust"]
    assert score.reason.startswith("Lift is undefined:")
    assert "out of ink" not in score.reason


def test_what_a_fold_left_undefined_is_not_blamed_on_a_fold_that_failed(suite):
    flat = tuple(
        replace(one, values={**one.values, "cpf": (None,) * len(one.image_id)}) if "cpf" in one.values else one
        for one in sure("net").maps
    )
    failed = another_fold(with_failed("net", "cpf"))
    score = build(suite, DIGEST, [replace(sure("net"), maps=flat), failed]).rows[0].scores["trust"]
    assert score.reason.startswith("CPF is undefined: no map has a correlation")


def test_a_system_with_too_few_answers_is_told_so_where_it_has_no_rank(suite):
    def answered(one, n):
        return replace(
            one,
            maps=tuple(
                replace(own, values={**own.values, "cpf": (*own.values["cpf"][:n], *(None,) * (len(own.image_id) - n))})
                if "cpf" in own.values
                else own
                for own in one.maps
            ),
        )

    row = build(suite, DIGEST, [answered(sure("net"), 2), sure("other")], "cpf").rows
    (few,) = [one for one in row if one.backbone == "net"]
    assert few.rank is None
    assert few.unranked.startswith("CPF is undefined on")


def test_gate_1_blames_no_other_question_for_what_it_lacks(suite):
    own = with_failed("net", "equivariance")
    bare = tuple(table for table in own.maps if table.method != untrained(METHOD))
    (line, *_) = gate_lines(build(suite, DIGEST, [replace(own, maps=bare)]).rows[0].scores)
    assert line.score.reason == "no network of random weights was explained"


def test_trust_without_a_rank_says_what_is_lacking(suite):
    made = [sure("net"), another_fold(with_failed("net", "cpf"))]
    for metric in ("trust", "cpf"):
        row = build(suite, DIGEST, made, metric).rows[0]
        assert row.scores["trust"].value is not None
        assert (row.rank, row.unranked, row.untrusted) == (None, "out of ink", "out of ink")


def test_a_failed_cell_has_no_trust(suite):
    dead = replace(record("dead", ()), status="failed", reason="out of ink", scores=(), predictions=())
    row = build(suite, DIGEST, [dead], "trust").rows[0]
    assert (row.rank, row.trust_rank, row.scores) == (None, None, {})


def test_csv_has_trust_gates_and_changed_pictures(board):
    lines = {row["backbone"]: row for row in csv.DictReader(io.StringIO(FORMATS["csv"](board)))}
    for name in ("trust", "cpf", "srg", *GATES, *TRIAL_METRICS):
        score = rows(board)["best"].scores.get(name)
        said = [lines["best"][f"{name}{end}"] for end in ("", "_low", "_high")]
        wanted = (score.value, score.low, score.high) if score else (None,) * 3
        assert said == ["" if value is None else str(value) for value in wanted]
    assert (lines["best"]["trust_rank"], lines["best"]["trust_stability"]) == ("1", "1.0")
    assert (lines["cued"]["trust_rank"], lines["cued"]["failed_gates"]) == ("", "gate_cue")
    assert lines["bare"]["trust"] == ""


def test_json_has_ranks_gates_and_stability(board):
    found = {row["backbone"]: row for row in json.loads(FORMATS["json"](board))["rows"]}
    assert found["best"]["trust_rank"] == 1
    assert found["cued"]["failed_gates"] == ["gate_cue"]
    assert found["best"]["scores"]["effect_tails_sense"]["value"] is not None


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("metric", ["macro_f1", "trust", "cpf", "srg"])
def test_every_format_is_written_in_every_order(suite, records, form, metric):
    text = FORMATS[form](build(suite, DIGEST, records, metric))
    assert all(name in text for name in ("best", "cued", "floor", "bare", "ours"))


def test_a_terminal_s_note_is_the_key_to_the_gates(board):
    text = FORMATS["table"](board)
    assert "Gates 1 to 5: weight randomisation, planted cue, mirror, reads the sense, not the matrix." in text
    assert "✓ passed, ✗ failed (not ranked by trust), – undecided or not asked." in text


def test_standing_is_said_in_words(board):
    said = standing(rows(board)["cued"].scores)
    assert said.startswith("Trust .8")
    assert "2 planted cue failed, 3 mirror passed" in said
    assert standing(rows(board)["floor"].scores).startswith("Trust undefined: CPF is undefined: needs a network")
    assert standing({}) is None


def test_an_undefined_scale_leaves_srg_and_trust_open(suite):
    flat = (located(SEEN, METHOD, "sense", 0.5), removed(SEEN, METHOD, "sense", srg_control=0.0))
    row = build(suite, DIGEST, [replace(record("flat", PHOTOS, wrong=1), maps=flat)], "srg").rows[0]
    assert row.rank is None
    for name in ("srg", "trust"):
        assert row.scores[name].value is None
        assert "contains 0" in row.scores[name].reason
