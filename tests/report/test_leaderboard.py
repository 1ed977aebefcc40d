"""The leaderboard: its order, its formats, and the result files behind it."""

from __future__ import annotations

import csv
import io
import json
import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clastbench import results
from clastbench.errors import DataError, UnknownNameError
from clastbench.metrics import score_all
from clastbench.records import CLASSES, Cell, CellRecord, Prediction
from clastbench.report.leaderboard import Leaderboard, build, read_records
from clastbench.report.tables import FORMATS
from clastbench.run.scoring import observe
from clastbench.suite import load_suite

TRUTHS = tuple(CLASSES[index % 3] for index in range(30))


def predicted(right: int) -> tuple[Prediction, ...]:
    """Say the truth of the first `right` photographs, and the next class of the others."""
    said = []
    for index, truth in enumerate(TRUTHS):
        called = CLASSES.index(truth) if index < right else (CLASSES.index(truth) + 1) % 3
        probabilities = tuple(0.8 if k == called else 0.1 for k in range(3))
        said.append(Prediction(f"{index:05d}", f"{index:05d}", truth, truth != "none", probabilities))
    return tuple(said)


def record(backbone="net", *, right: int | None = 30, fold="f0", seed=0, reason="it fell over") -> CellRecord:
    """A cell that answered `right` photographs rightly, or a failed one when that is None."""
    said = () if right is None else predicted(right)
    return CellRecord(
        schema=results.SCHEMA,
        key="k" * 64,
        suite="tiny",
        suite_version=1,
        suite_digest="d" * 64,
        cell=Cell("whole-image", backbone, seed, fold),
        status="failed" if right is None else "ok",
        reason=reason if right is None else None,
        plugins={"detector": {"name": "whole-image"}, "backbone": {"name": backbone}},
        scores=score_all(observe(said)) if said else (),
        predictions=said,
        detections=None,
        maps=(),
        box_maps=(),
        trials=(),
        map_key="",
        artefacts={},
        timings={"fit_s": 2.0, "ms_per_image": 4.0} if said else {},
        environment={"python": "3"},
    )


@pytest.fixture
def suite(tiny_suite):
    return load_suite(str(tiny_suite))


@pytest.fixture
def board(suite):
    """Three systems of falling quality, one that failed, one that failed in one of two folds."""
    records = [
        record("poor", right=8),
        record("dead", right=None),
        record("good", right=28),
        record("fair", right=18),
        record("half", right=30, fold="f0"),
        record("half", right=None, fold="f1"),
    ]
    return build(suite, "d" * 64, records)


def test_rows_come_best_first_and_failed_ones_last(board):
    assert [row.backbone for row in board.rows] == ["good", "fair", "poor", "half", "dead"]


def test_failed_systems_have_no_rank_and_a_reason(board):
    ranks = {row.backbone: row.rank for row in board.rows}
    assert ranks["half"] is ranks["dead"] is None
    assert ranks["good"] == 1
    assert {row.backbone: row.reason for row in board.rows if row.n_failed} == {
        "half": "it fell over",
        "dead": "it fell over",
    }


def test_a_system_is_behind_only_whom_it_is_significantly_worse_than(suite):
    board = build(suite, "d" * 64, [record("a", right=20), record("b", right=20), record("c", right=1)])
    assert [(row.backbone, row.rank) for row in board.rows] == [("a", 1), ("b", 1), ("c", 3)]


def test_a_metric_that_is_better_when_lower_is_ranked_upwards(suite):
    board = build(suite, "d" * 64, [record("poor", right=3), record("good", right=29)], "brier")
    assert [row.backbone for row in board.rows] == ["good", "poor"]


def test_folds_and_seeds_are_pooled(suite):
    cells = [record(fold="f0", right=30), record(fold="f1", right=15), record(seed=1, right=0)]
    (row,) = build(suite, "d" * 64, cells).rows
    assert (row.n_cells, row.n_images) == (3, 30)
    assert row.scores["accuracy"].value == pytest.approx(0.5)
    assert row.fit_s == pytest.approx(6)
    assert row.ms_per_image == pytest.approx(4)


def test_an_unknown_metric_is_refused(suite):
    with pytest.raises(UnknownNameError, match="Unknown metric 'f1'"):
        build(suite, "d" * 64, [record()], "f1")


def test_nothing_to_rank_is_said_so(tmp_path):
    with pytest.raises(DataError, match="no results yet"):
        read_records(tmp_path / "gone", "d" * 64)


def test_results_of_two_versions_of_a_suite_are_never_mixed(tmp_path):
    results.write(record("a"), tmp_path)
    odd = results.write(replace(record("b"), suite_digest="e" * 64), tmp_path)
    with pytest.raises(DataError, match=re.escape(str(odd))):
        read_records(tmp_path, "d" * 64)


@pytest.fixture
def agu():
    suite = load_suite("agu2021")
    return build(suite, "d" * 64, [record("good", right=28)])


# Accuracy and macro-F1 of the AGU 2021 poster, as printed.
PUBLISHED = {
    "InceptionV3": (0.825, 0.781),
    "ResNet50": (0.825, 0.718),
    "InceptionV3, regularised": (0.725, 0.63),
    "VGG19": (0.625, 0.618),
    "ResNet50, regularised": (0.625, 0.588),
    "VGG19, regularised": (0.600, 0.386),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_references_score_what_was_published(agu, name):
    (reference,) = (reference for reference in agu.references if reference.name == name)
    found = reference.scores["accuracy"], reference.scores["macro_f1"]
    assert found == pytest.approx(PUBLISHED[name], abs=5e-4)


def test_references_rest_on_forty_photographs_and_have_no_probabilities(agu):
    for reference in agu.references:
        assert reference.n_images == 40
        assert reference.scores["brier"] is None


def test_references_are_marked_in_every_line_of_markdown(agu):
    lines = FORMATS["md"](agu).splitlines()
    assert sum("not run here" in line for line in lines) >= len(PUBLISHED)
    for name in PUBLISHED:
        (line,) = (line for line in lines if f"| {name} (" in line)
        assert "not run here" in line


def test_references_are_marked_in_every_line_of_csv(agu):
    rows = {row["backbone"]: row for row in csv.DictReader(io.StringIO(FORMATS["csv"](agu)))}
    for name in PUBLISHED:
        assert "not run here" in rows[name]["detector"]
        assert rows[name]["rank"] == ""
    assert "not run here" not in str(rows["good"])


def test_references_are_marked_below_the_table_of_a_terminal(agu):
    assert "not run here" in FORMATS["table"](agu)


@pytest.mark.parametrize("form", FORMATS)
def test_every_format_names_every_system_and_why_it_failed(board, form):
    text = FORMATS[form](board)
    for name in ("good", "fair", "poor", "half", "dead", "it fell over"):
        assert name in text
    assert text.endswith("\n")


def test_csv_has_one_line_a_system_in_full_precision(board):
    rows = list(csv.DictReader(io.StringIO(FORMATS["csv"](board))))
    assert [row["backbone"] for row in rows] == [row.backbone for row in board.rows]
    for row, shown in zip(rows, board.rows, strict=True):
        score = shown.scores.get("macro_f1")
        if score:
            assert (float(row["macro_f1"]), float(row["macro_f1_low"])) == (score.value, score.low)
        else:
            assert row["macro_f1"] == ""


def test_json_says_everything(board):
    said = json.loads(FORMATS["json"](board))
    assert [row["backbone"] for row in said["rows"]] == [row.backbone for row in board.rows]
    assert said["rows"][0]["scores"]["macro_f1"]["value"] == board.rows[0].scores["macro_f1"].value
    assert said["digest"] == board.digest


def columns(line: str) -> int:
    """Cells of a Markdown row: bars that are not escaped part them."""
    return len(re.findall(r"(?<!\\)\|", line)) - 1


@pytest.mark.parametrize("name", ["a|b", "||", "<b>bold</b>|", "x\\y"])
def test_an_odd_name_stays_inside_its_markdown_cell(suite, name):
    table = [line for line in FORMATS["md"](build(suite, "d", [record(name)])).splitlines() if line.startswith("|")]
    assert len(table) == 3
    assert len({columns(line) for line in table}) == 1


@pytest.mark.parametrize("name", ["a,b", 'say "x"', "two\nlines", "=1+1"])
def test_an_odd_name_stays_inside_its_csv_field(suite, name):
    (row,) = csv.DictReader(io.StringIO(FORMATS["csv"](build(suite, "d", [record(name)]))))
    assert row["backbone"] == name


def test_markup_in_a_name_is_shown_as_it_is_on_a_terminal(suite):
    assert "[red]net[/red]" in FORMATS["table"](build(suite, "d", [record("[red]net[/red]")]))


def test_a_board_of_the_harness_itself_has_every_format(tiny_run):
    board = build(tiny_run.suite, "d", tiny_run.records())
    assert isinstance(board, Leaderboard)
    assert len(board.rows) == 8
    assert {row.n_cells for row in board.rows} == {2}
    for form in FORMATS.values():
        assert form(board)


def test_a_record_is_read_back_as_it_was_written(tmp_path):
    for said in (record(), record("dead", right=None)):
        assert results.read(results.write(said, tmp_path)) == said


def test_the_records_of_a_run_are_read_back_as_they_were_written(tmp_path, tiny_run):
    for said in tiny_run.records():
        assert results.read(results.write(said, tmp_path)) == said


def test_writing_again_leaves_one_file(tmp_path):
    path = results.write(record(), tmp_path)
    results.write(record(right=3), tmp_path)
    assert [p for p in tmp_path.rglob("*") if p.is_file()] == [path]
    assert results.read(path).predictions == predicted(3)


def broken(**changed) -> str:
    return json.dumps({"schema": results.SCHEMA, **changed})


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "3", "null", '"x"', "{}", broken(), broken(cell={}), "\x00", '{"schema": 4, "cell": 3}'],
)
def test_what_is_not_a_record_is_refused_by_name(tmp_path, text):
    path = tmp_path / "x.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match=r"x\.json"):
        results.read(path)


def test_a_record_of_another_schema_is_refused(tmp_path):
    path = results.write(record(), tmp_path)
    said = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps({**said, "schema": 99}), encoding="utf-8")
    with pytest.raises(DataError, match="schema 99; this version of clastbench reads 4"):
        results.read(path)


@pytest.mark.parametrize("field", ["scores", "predictions", "cell", "status", "key", "suite_digest"])
def test_a_record_that_lacks_a_field_is_refused(tmp_path, field):
    path = results.write(record(), tmp_path)
    said = json.loads(path.read_text(encoding="utf-8"))
    del said[field]
    path.write_text(json.dumps(said), encoding="utf-8")
    with pytest.raises(DataError, match=re.escape(str(path))):
        results.read(path)


def test_a_file_that_is_not_text_is_refused(tmp_path):
    path = tmp_path / "x.json"
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(DataError, match=r"x\.json"):
        results.read(path)


ODD = ["timm:x/y", "timm:x_y", "../x", "..", ".", "/etc/passwd", "a b", "a\\b", "a:b", "ä", "a\nb", "", "con", "x\x00y"]


@pytest.mark.parametrize("name", ODD)
def test_an_odd_name_has_a_file_inside_the_folder(tmp_path, name):
    path = results.path_of(tmp_path, Cell("whole-image", name, 0, name or "f0"))
    assert path.resolve().is_relative_to(tmp_path)
    assert path.parent.parent == tmp_path
    assert results.write(record(name), tmp_path).is_file()
    assert [r.cell.backbone for r in results.read_all(tmp_path)] == [name]


def test_odd_names_have_files_of_their_own(tmp_path):
    assert len({results.path_of(tmp_path, Cell("whole-image", name, 0, "f0")) for name in ODD}) == len(ODD)


@given(st.lists(st.text(max_size=12), min_size=2, max_size=6, unique=True))
def test_two_names_never_share_a_file(tmp_path_factory, names):
    folder = tmp_path_factory.getbasetemp()
    paths = {results.path_of(folder, Cell("d", name, 0, "f0")) for name in names}
    assert len(paths) == len(names)
    assert all(path.parent.parent == folder for path in paths)
