"""Predictions from elsewhere: scored as the harness scores its own, refused with file and line."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from clastbench.cli import main
from clastbench.errors import DataError
from clastbench.metrics import DETECTION_METRICS, LOSSES
from clastbench.records import CLASSES
from clastbench.results import read_all
from clastbench.run.external import read_predictions, write_predictions

SYSTEM = ("ground-truth", "small_vgg@scratch")


@pytest.fixture(scope="module")
def own(tiny_run):
    """The harness's own records of one system, one a fold."""
    return [r for r in tiny_run.records() if (r.cell.detector, r.cell.backbone) == SYSTEM]


@pytest.fixture
def predictions(tmp_path, own) -> Path:
    path = tmp_path / "mine.csv"
    write_predictions(own, path)
    return path


@pytest.fixture
def score(tmp_path, tiny_run):
    """Return a function that scores a file and gives the command's result."""

    def call(path: Path, *more: str):
        command = ["score", str(tiny_run.path), str(path), "--out", str(tmp_path / "results"), *more]
        return CliRunner().invoke(main, command)

    return call


def scored(tmp_path):
    return list(read_all(tmp_path / "results" / "tiny"))


def refusal(result) -> str:
    assert isinstance(result.exception, SystemExit), repr(result.exception)
    assert result.exit_code == 2
    (line,) = result.stderr.splitlines()
    return line


def test_a_system_scores_from_a_file_what_it_scored_in_the_harness(tmp_path, own, predictions, score):
    assert score(predictions).exit_code == 0
    found = scored(tmp_path)
    assert [r.cell.fold for r in found] == [r.cell.fold for r in own] == ["f0", "f1"]
    for here, there in zip(found, own, strict=True):
        own_of_boxes = {*DETECTION_METRICS, *LOSSES}  # a file of probabilities has no boxes
        assert here.scores == tuple(one for one in there.scores if one.metric not in own_of_boxes)
        assert here.predictions == there.predictions


def test_what_is_written_is_read_back_exactly(predictions, own):
    said = read_predictions(predictions)
    for record in own:
        assert said[record.cell.fold] == {p.image_id: p.probabilities for p in record.predictions}


def test_the_leaderboard_shows_the_name_of_the_file_or_the_one_given(predictions, score):
    assert "mine" in score(predictions).stdout
    assert "my model" in score(predictions, "--name", "my model").stdout


def test_the_order_of_rows_changes_nothing(tmp_path, predictions, score):
    score(predictions)
    before = scored(tmp_path)
    header, *rows = predictions.read_text(encoding="utf-8").splitlines()
    random.Random(0).shuffle(rows)
    predictions.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    score(predictions)
    after = scored(tmp_path)
    assert [(r.key, r.scores, r.predictions) for r in after] == [(r.key, r.scores, r.predictions) for r in before]


def test_the_order_of_columns_a_byte_order_mark_and_more_columns_change_nothing(tmp_path, predictions, score):
    score(predictions)
    before = [r.scores for r in scored(tmp_path)]
    rows = [line.split(",") for line in predictions.read_text(encoding="utf-8").splitlines()]
    turned = [",".join([*row[::-1], "x"]) for row in rows]
    predictions.write_text("\ufeff" + "\r\n".join(turned), encoding="utf-8")
    assert score(predictions).exit_code == 0
    assert [r.scores for r in scored(tmp_path)] == before


def test_without_a_fold_the_predictions_count_in_every_fold(tmp_path, predictions, score):
    names = [f"{index:05d}" for index in range(60)]
    predictions.write_text("id,none,CW,CCW\n" + "".join(f"{n},0.2,0.5,0.3\n" for n in names), encoding="utf-8")
    assert score(predictions).exit_code == 0
    assert [len(r.predictions) for r in scored(tmp_path)] == [15, 15]


def test_a_sum_that_is_off_by_rounding_is_divided_out(tmp_path):
    path = tmp_path / "x.csv"
    path.write_text("id,none,CW,CCW\na,0.333,0.333,0.3335\n", encoding="utf-8")
    assert sum(read_predictions(path)[""]["a"]) == pytest.approx(1, abs=1e-12)


HEADER = "id,none,CW,CCW\n"
GOOD = "00000,0.2,0.5,0.3\n"
WRONG = {
    "a missing column": ("id,none,CW\n00000,0.5,0.5\n", ["id, none, CW, CCW"]),
    "no header": (GOOD, ["header", "id, none, CW, CCW"]),
    "no rows": (HEADER, ["at least one row"]),
    "an empty file": ("", ["header"]),
    "the same photograph twice": (HEADER + GOOD + GOOD, ["line 3", "'00000'", "twice"]),
    "a word for a probability": (HEADER + GOOD + "00001,0.2,high,0.3\n", ["line 3", "CW is 'high'"]),
    "a negative probability": (HEADER + "00001,-0.5,1.0,0.5\n", ["line 2", "none is '-0.5'"]),
    "a probability beyond 1": (HEADER + "00001,0,1.5,0\n", ["line 2", "CW is '1.5'"]),
    "not a number": (HEADER + "00001,nan,0.5,0.5\n", ["line 2", "none is 'nan'"]),
    "infinity": (HEADER + "00001,0,0,inf\n", ["line 2", "CCW is 'inf'"]),
    "logits": (HEADER + "00001,0.9,0.9,0.9\n", ["line 2", "2.7", "expected 1"]),
    "a sum below 1": (HEADER + "00001,0.1,0.2,0.3\n", ["line 2", "0.6", "expected 1"]),
    "a row cut short": (HEADER + "00001,0.2,0.5\n", ["line 2", "CCW"]),
    "photographs left out": (HEADER + GOOD, ["no prediction for", "are missing"]),
}


@pytest.mark.parametrize(("text", "said"), WRONG.values(), ids=WRONG)
def test_a_file_that_is_wrong_is_refused_with_its_name_and_the_place(tmp_path, score, text, said):
    path = tmp_path / "wrong.csv"
    path.write_text(text, encoding="utf-8")
    line = refusal(score(path))
    assert str(path) in line
    for part in said:
        assert part in line
    assert not (tmp_path / "results").exists()


@pytest.mark.parametrize("content", [b"\x89PNG\r\n\x1a\n\x00\xff\xfe", b"\x00" * 100, b"PK\x03\x04\xff"])
def test_a_binary_file_is_refused(tmp_path, score, content):
    path = tmp_path / "wrong.csv"
    path.write_bytes(content)
    assert str(path) in refusal(score(path))


def test_a_folder_is_refused(tmp_path, score):
    assert str(tmp_path) in refusal(score(tmp_path))


fields = st.one_of(
    st.sampled_from(["id", *CLASSES, "fold", "a", "0.2", "0.5", "0.3", "1", "0", "nan", "-1", "", '"', "1e400", "½"]),
    st.text(max_size=6),
)
tables = st.lists(st.lists(fields, max_size=6).map(",".join), max_size=6).map("\n".join)


def read_or_refused(path: Path) -> dict | str:
    """Return what a file says, or why it is refused; anything else is an error of ours."""
    try:
        return read_predictions(path)
    except DataError as error:
        return str(error)


@given(st.one_of(tables, tables.map(lambda rows: HEADER + rows), st.text(max_size=60)))
def test_a_malformed_file_is_read_or_refused_but_never_breaks(tmp_path_factory, text):
    path = tmp_path_factory.getbasetemp() / "malformed.csv"
    path.write_text(text, encoding="utf-8", errors="replace")
    said = read_or_refused(path)
    if isinstance(said, str):
        assert str(path) in said
        return
    for rows in said.values():
        for probabilities in rows.values():
            assert all(0 <= p <= 1.001 for p in probabilities)
            assert sum(probabilities) == pytest.approx(1)


@given(st.binary(max_size=80))
def test_bytes_of_any_kind_are_read_or_refused_but_never_break(tmp_path_factory, content):
    path = tmp_path_factory.getbasetemp() / "malformed.bin"
    path.write_bytes(content)
    said = read_or_refused(path)
    assert isinstance(said, dict) or str(path) in said
