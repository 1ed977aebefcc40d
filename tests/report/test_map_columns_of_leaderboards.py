"""Maps on the leaderboard: their columns, the order by one of them, and what stands where a system has none."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from made_up import photographs, record
from made_up_maps import inputs_of, removed

from clastbench.errors import UnknownNameError
from clastbench.records import EXTERNAL, TARGETS, Cell, CellRecord, MapScores, untrained
from clastbench.report.leaderboard import Leaderboard, Row, build
from clastbench.report.map_board import MAP_COLUMNS, map_rows, map_scores
from clastbench.report.tables import FORMATS
from clastbench.suite import Suite, load_suite

DIGEST = "d1" * 32
SENSES = tuple(photo for photo in photographs() if photo.truth in ("CW", "CCW"))
GATE = "gate_randomisation"
SPREAD = 0.01


def spread(level: float, seed: int) -> tuple[float, ...]:
    """Values about a level, their mean exactly there."""
    drawn = np.random.default_rng(seed).normal(0, SPREAD, len(SENSES))
    return tuple(float(value) for value in level + drawn - drawn.mean())


def table(method: str, target: str, level: float | None, seed: int = 0, **more: float) -> MapScores:
    """Scores of maps whose lift is about a level; None: undefined everywhere."""
    ids = tuple(photo.id for photo in SENSES)
    values = {"lift": level, "share_tails": level, **more}
    columns = {"rho": (0.2,) * len(ids), "area_tails": (0.1,) * len(ids)} | {
        name: (None,) * len(ids) if value is None else spread(value, seed + place)
        for place, (name, value) in enumerate(values.items())
    }
    return MapScores(method, target, ids, tuple(photo.group for photo in SENSES), columns)


def cell(name: str, maps: Sequence[MapScores] = (), *, fold: str = "f0", detector: str = "whole-image") -> CellRecord:
    made = record(name, photographs(), fold=fold)
    return replace(made, maps=tuple(maps), cell=Cell(detector, name, 0, fold))


def explained(level: float, method: str = "grad-cam", *, random: float | None = 0.0, tails: float = 0.3, seed: int = 0):
    """Tables of one method for both targets, of what removal showed and, if asked for, of random weights."""
    found = [table(method, "sense", level, seed, share_tails=tails), table(method, "presence", level / 2, seed + 10)]
    found += [removed(inputs_of(SENSES), method, "sense", better=level / 2, seed=seed)]
    return [*found, *([table(untrained(method), "sense", random, seed + 20)] if random is not None else [])]


def unexplained(reason: str) -> list[MapScores]:
    return [MapScores("grad-cam", target, reason=reason) for target in ("sense", "presence")]


@pytest.fixture(scope="module")
def suite(tmp_path_factory, write_suite) -> Suite:
    return load_suite(str(write_suite(tmp_path_factory.mktemp("columns"), split="fold,role,id\nf0,train,00000\n")))


@pytest.fixture(scope="module")
def records() -> list[CellRecord]:
    """Systems with high, middle and low lift, one without a network, one without maps, one of elsewhere, one dead."""
    dead = replace(cell("dead"), status="failed", reason="out of ink", scores=(), predictions=())
    return [
        cell("low", explained(0.1, random=0.1, tails=0.9, seed=1)),
        cell("high", explained(0.8, seed=2, tails=0.1)),
        cell("middle", explained(0.5, random=None, seed=3)),
        cell("floor", unexplained("needs a network")),
        cell("bare"),
        dead,
        cell("ours", [table(EXTERNAL, "sense", 0.6, 4, share_tails=0.5)], detector=EXTERNAL),
    ]


def ranked(suite: Suite, records, metric: str = "lift_sense") -> Leaderboard:
    return build(suite, DIGEST, records, metric)


@pytest.fixture(scope="module")
def board(suite, records) -> Leaderboard:
    return ranked(suite, records)


def rows(board: Leaderboard) -> dict[str, Row]:
    return {row.backbone: row for row in board.rows}


# Order and ranks


def test_systems_stand_in_the_order_of_their_lift(board):
    assert [row.backbone for row in board.rows][:4] == ["high", "ours", "middle", "low"]


def test_a_rank_is_one_and_the_number_of_those_significantly_better(board):
    assert [row.rank for row in board.rows][:4] == [1, 2, 3, 4]


def test_systems_that_cannot_be_told_apart_share_a_rank(suite):
    same = [cell("one", explained(0.5, seed=1)), cell("other", explained(0.5, seed=1))]
    assert {row.rank for row in ranked(suite, same).rows} == {1}


@pytest.mark.parametrize("name", ["floor", "bare", "dead"])
@pytest.mark.parametrize("metric", MAP_COLUMNS)
def test_a_system_without_maps_has_no_rank_by_maps(suite, records, name, metric):
    assert rows(ranked(suite, records, metric))[name].rank is None


@pytest.mark.parametrize("name", ["floor", "bare"])
def test_a_system_without_maps_keeps_its_rank_by_what_it_said(suite, records, name):
    assert rows(ranked(suite, records, "macro_f1"))[name].rank is not None


def test_systems_without_maps_stand_below_those_with_maps(board):
    assert {row.backbone for row in board.rows[4:]} == {"floor", "bare", "dead"}


def test_the_tail_share_ranks_otherwise_than_the_lift(suite, records):
    assert [row.backbone for row in ranked(suite, records, "tail_share").rows][:4] == ["low", "ours", "middle", "high"]


def test_maps_of_one_target_only_are_ranked_by_that_target_only(suite, records):
    by_presence = rows(ranked(suite, records, "lift_presence"))
    assert by_presence["ours"].rank is None
    assert by_presence["high"].rank == 1


def test_systems_explained_on_other_inputs_are_ranked_apart(suite, records):
    """A tight crop makes lift another question: its maps are compared with those of the same crops only."""
    close = [replace(one, values={**one.values, "rho": (0.6,) * len(SENSES)}) for one in explained(0.1, random=None)]
    by_name = rows(ranked(suite, [*records, cell("crop", close, detector="ground-truth")]))
    assert by_name["crop"].rank == 1
    assert {name: by_name[name].rank for name in ("high", "low")} == {"high": 1, "low": 4}


def test_the_order_of_the_records_changes_no_rank(suite, records, board):
    turned = ranked(suite, records[::-1])
    assert [(row.backbone, row.rank) for row in turned.rows] == [(row.backbone, row.rank) for row in board.rows]


def test_a_system_without_a_defined_map_has_no_rank(suite, records):
    nowhere = cell("nowhere", [table("grad-cam", "sense", None)])
    row = rows(ranked(suite, [*records, nowhere]))["nowhere"]
    assert row.rank is None
    assert row.scores["lift_sense"].value is None
    assert row.scores["lift_sense"].reason


def test_where_nobody_has_maps_nobody_has_a_rank(suite):
    assert [row.rank for row in ranked(suite, [cell("one"), cell("other")]).rows] == [None, None]


def test_an_unknown_metric_is_answered_with_the_columns_of_maps(suite, records):
    with pytest.raises(UnknownNameError, match=r"lift_presence, lift_sense, .*tail_share"):
        ranked(suite, records, "lift")


@pytest.mark.parametrize(
    ("metric", "near"), [("lift_sens", "lift_sense"), ("lift-presence", "lift_presence"), ("tails_share", "tail_share")]
)
def test_a_misspelt_column_of_maps_is_answered_with_the_nearest(suite, records, metric, near):
    with pytest.raises(UnknownNameError, match=f"Did you mean '{near}'"):
        ranked(suite, records, metric)


# Values


@pytest.mark.parametrize(("column", "value"), [("lift_sense", 0.8), ("lift_presence", 0.4), ("tail_share", 0.1)])
def test_a_column_is_the_mean_over_the_maps(board, column, value):
    score = rows(board)["high"].scores[column]
    assert score.value == pytest.approx(value, abs=1e-9)
    assert score.low < value < score.high
    assert score.n_images == len(SENSES)


def test_folds_are_pooled_map_by_map(suite):
    first = table("grad-cam", "sense", 0.2)
    second = replace(
        first, image_id=tuple(f"b{name}" for name in first.image_id), values={**first.values, "lift": spread(0.6, 3)}
    )
    scores = map_scores([cell("net", [first]), cell("net", [second], fold="f1")], "grad-cam")
    assert scores["lift_sense"].value == pytest.approx(0.4)


def test_a_fold_with_nothing_to_explain_takes_no_score_and_no_rank_away(suite):
    nothing = [MapScores(method, target) for method in ("grad-cam", untrained("grad-cam")) for target in TARGETS]
    cells = [
        cell("one", explained(0.8, seed=1)),
        cell("one", nothing, fold="f1"),
        cell("other", explained(0.2, seed=2)),
    ]
    whole, holed = (rows(ranked(suite, chosen))["one"] for chosen in (cells[::2], cells))
    for name in (*MAP_COLUMNS, "gate_randomisation"):
        assert holed.scores[name].value == pytest.approx(whole.scores[name].value)
    assert (holed.rank, holed.unmapped) == (1, None)


def test_a_fold_whose_maps_failed_is_named_and_the_system_is_not_ranked_by_maps(suite):
    cells = [cell("one", explained(0.8, seed=1)), cell("one", unexplained("out of ink"), fold="f1")]
    board = ranked(suite, [*cells, cell("other", explained(0.2, seed=2))])
    assert rows(board)["one"].rank is None
    for write in (FORMATS["table"], FORMATS["md"]):
        assert "NOT EXPLAINED whole-image + one: 1 of 2 cells: out of ink" in write(board)


def test_only_the_ranked_method_enters_the_columns(suite):
    both = cell("net", [*explained(0.3), *explained(0.9, "layer-cam")])
    assert rows(ranked(suite, [both]))["net"].scores["lift_sense"].value == pytest.approx(0.3)


def test_the_first_method_of_the_suite_is_the_ranked_one(suite):
    other = suite.model_copy(update={"explainers": ("layer-cam", "grad-cam")})
    both = cell("net", [*explained(0.3), *explained(0.9, "layer-cam")])
    assert rows(ranked(other, [both]))["net"].scores["lift_sense"].value == pytest.approx(0.9)


def test_a_suite_without_methods_shows_maps_from_elsewhere_all_the_same(suite, records):
    none = suite.model_copy(update={"explainers": ()})
    by_name = rows(ranked(none, records))
    assert by_name["ours"].rank == 1
    assert "lift_sense" not in by_name["high"].scores


def test_a_system_that_cannot_be_explained_says_why(board):
    assert rows(board)["floor"].scores["lift_sense"].reason == "needs a network"


def test_undefined_maps_are_left_out_of_the_mean():
    some = table("grad-cam", "sense", 0.5)
    half = tuple(None if at % 2 else value for at, value in enumerate(some.values["lift"]))
    kept = [value for value in half if value is not None]
    score = map_scores([cell("net", [replace(some, values={**some.values, "lift": half})])], "grad-cam")["lift_sense"]
    assert score.value == pytest.approx(np.mean(kept))
    assert score.n_images == len(kept)


def test_every_method_and_control_has_a_line_of_its_own():
    lines = map_rows([cell("net", [*explained(0.3), table("truth", "any", 0.9)])])
    assert {(line.method, line.target) for line in lines} == {
        ("grad-cam", "sense"), ("grad-cam", "presence"), (untrained("grad-cam"), "sense"), ("truth", "any"),
    }  # fmt: skip


# Gate 1


def shown_gate(board: Leaderboard, name: str) -> str:
    (line,) = (line for line in FORMATS["md"](board).splitlines() if line.startswith("|") and f"+ {name} " in line)
    header = next(line for line in FORMATS["md"](board).splitlines() if line.startswith("| rank"))
    place = [word.strip() for word in header.split("|")].index("gates")
    return line.split("|")[place].strip()[0]


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("high", "✓"),
        ("low", "✗"),
        ("middle", "–"),
        ("floor", "–"),
        ("bare", "–"),
        ("dead", "–"),
        ("ours", "–"),
    ],
)
def test_the_gate_is_passed_failed_or_not_known(board, name, said):
    assert shown_gate(board, name) == said


def test_maps_that_random_weights_make_as_well_fail_the_gate(suite):
    worse = cell("worse", explained(0.2, random=0.6))
    assert shown_gate(ranked(suite, [worse]), "worse") == "✗"


# Formats


@pytest.mark.parametrize("name", ["floor", "bare", "dead"])
def test_a_table_has_dashes_where_there_are_no_maps(board, name):
    """On the terminal a system takes two lines; its values stand in the first, beside the detector."""
    lines = FORMATS["table"](board).splitlines()
    at = next(place for place, line in enumerate(lines) if f"+ {name} " in line and "│" in line)
    cells = [word.strip() for word in lines[at - 1].split("│")][1:-1]
    assert cells[0] == "–"
    assert [cells[8], *cells[10:15]] == ["–"] * 6


@pytest.mark.parametrize("name", ["floor", "bare", "dead"])
def test_markdown_has_dashes_where_there_are_no_maps(board, name):
    (line,) = (line for line in FORMATS["md"](board).splitlines() if line.startswith("|") and f"+ {name} " in line)
    cells = [word.strip() for word in line.split("|")][1:-1]
    assert cells[0] == "–"
    assert [cells[8], *cells[10:15]] == ["–"] * 6


@pytest.mark.parametrize("name", ["floor", "bare", "dead"])
def test_csv_is_empty_where_there_are_no_maps(board, name):
    found = {row["backbone"]: row for row in csv.DictReader(io.StringIO(FORMATS["csv"](board)))}
    columns = [f"{one}{end}" for one in (*MAP_COLUMNS, GATE) for end in ("", "_low", "_high")]
    assert [found[name][column] for column in ("rank", *columns)] == [""] * (1 + len(columns))


@pytest.mark.parametrize("name", ["floor", "bare", "dead"])
def test_json_has_null_where_there_are_no_maps(board, name):
    found = {row["backbone"]: row for row in json.loads(FORMATS["json"](board))["rows"]}
    assert found[name]["rank"] is None
    assert all(found[name]["scores"].get(one, {}).get("value") is None for one in (*MAP_COLUMNS, GATE))


def test_csv_has_the_columns_of_maps_in_full_precision(board):
    found = {row["backbone"]: row for row in csv.DictReader(io.StringIO(FORMATS["csv"](board)))}
    for column in (*MAP_COLUMNS, GATE):
        score = rows(board)["high"].scores[column]
        said = [float(found["high"][f"{column}{end}"]) for end in ("", "_low", "_high")]
        assert said == [score.value, score.low, score.high]


def test_json_holds_value_and_interval_of_every_column(board):
    found = {row["backbone"]: row for row in json.loads(FORMATS["json"](board))["rows"]}
    for column in (*MAP_COLUMNS, GATE):
        score = rows(board)["high"].scores[column]
        said = found["high"]["scores"][column]
        assert (said["value"], said["low"], said["high"]) == (score.value, score.low, score.high)


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("metric", MAP_COLUMNS)
def test_every_format_can_be_ordered_by_every_column_of_maps(suite, records, form, metric):
    made = ranked(suite, records, metric)
    text = FORMATS[form](made)
    order = [row.backbone for row in made.rows]
    named = {"csv": r"whole-image,(\w+)|external,(\w+)", "json": r'"backbone": "(\w+)"'}.get(form, r"\+ (\w+) ")
    found = ["".join(groups) if isinstance(groups, tuple) else groups for groups in re.findall(named, text)]
    assert [name for name in dict.fromkeys(found) if name in order] == order


@pytest.mark.parametrize("form", ["table", "md"])
@pytest.mark.parametrize("metric", MAP_COLUMNS)
def test_the_metric_of_the_order_is_named_and_its_column_comes_once(suite, records, form, metric):
    text = FORMATS[form](ranked(suite, records, metric))
    assert f"ranked by {metric}" in text
    header = next(line for line in text.splitlines() if "rank" in line and ("│" in line or "┃" in line or "|" in line))
    assert header.count("gates") == 1


@pytest.mark.parametrize("form", ["table", "md"])
def test_a_system_without_maps_is_not_said_to_miss_folds(board, form):
    text = FORMATS[form](board)
    assert not [line for line in text.splitlines() if "NOT RANKED" in line]


@pytest.mark.parametrize("form", ["table", "md"])
def test_a_system_with_maps_in_some_folds_only_is_not_ranked_and_that_is_said(write_suite, tmp_path, form):
    split = "fold,role,id\nf0,train,00000\nf0,test,00001\nf1,train,00000\nf1,test,00002\n"
    two = load_suite(str(write_suite(tmp_path, split=split)))
    board = ranked(two, [cell("half", explained(0.5))])
    assert board.rows[0].rank is None
    assert "NOT RANKED whole-image + half: some folds or seeds are missing." in FORMATS[form](board)


@pytest.mark.parametrize("form", FORMATS)
def test_a_leaderboard_without_any_maps_can_be_ordered_by_them(suite, form):
    assert "one" in FORMATS[form](ranked(suite, [cell("one"), cell("other")]))


def test_negative_lift_is_shown_with_its_sign(suite):
    text = FORMATS["md"](ranked(suite, [cell("wrong", explained(-0.25))]))
    assert "-.250 [" in text
