"""The table by condition: its lines and columns, its formats, its command, and its page in the report."""

from __future__ import annotations

import csv
import io
import json
import re
from dataclasses import replace

import pytest
from click.testing import CliRunner
from command_lines import modules_after, one_clear_line
from made_up import DIGEST, changed_ids, changed_record, changed_suite, report
from PIL import Image
from test_pages import HOSTILE, Page

from clastbench import rank_by_condition, results
from clastbench.cli import main
from clastbench.errors import DataError
from clastbench.metrics import BASE, Condition
from clastbench.report.condition_figures import MOST, STYLES, draw_factor, shown
from clastbench.report.condition_page import sentence
from clastbench.report.condition_tables import FORMATS
from clastbench.report.conditions import ConditionTable, build_by_condition, conditions_of
from clastbench.report.site import write_report
from clastbench.run.inputs import open_source
from clastbench.suite import load_suite

CHANGES = ("blur=10", "blur=2.5", "light=plane", "turned", "scale-bar=reversed", "scale-bar=agrees")
ORDER = ["base", "blur = 2.5", "blur = 10", "light = plane", "turned", "scale bar = agrees", "scale bar = reversed"]
IDS = changed_ids(60, CHANGES)
FEW = 60


def falling(level: float, at_worst: float = 0.5):
    """Right with one chance everywhere, with another one under the strongest blur and a reversed cue."""
    return lambda change: at_worst if change in ("blur=10", "scale-bar=reversed") else level


def built(folder, records, ids=IDS, **said) -> ConditionTable:
    return build_by_condition(changed_suite(folder, ids, **said), DIGEST, records, n_resamples=FEW)


@pytest.fixture
def table(tmp_path) -> ConditionTable:
    """A good system, a floor, one that failed, and photographs turned so that only one sense is left."""
    good, floor = changed_record("net", IDS, falling(0.95)), changed_record("chance", IDS, falling(0.5))
    one_sense = [
        replace(one, predictions=tuple(p for p in one.predictions if "turned" not in p.image_id or p.truth != "CCW"))
        for one in (good, floor)
    ]
    dead = replace(changed_record("dead", (), falling(0)), status="failed", reason="it | fell over")
    return built(tmp_path, [dead, *reversed(one_sense)])


def test_columns_come_base_first_and_then_factor_by_factor(table):
    assert [one.label for one in table.columns] == ORDER
    assert table.factors == ("blur", "light", "turned", "scale-bar")


def test_rows_come_best_first_by_the_base_and_failed_ones_last(table):
    assert [row.backbone for row in table.rows] == ["net", "chance", "dead"]


def test_an_undefined_condition_says_why(table):
    assert table.rows[0].score(Condition("turned")).reason == "needs images of CW and images of CCW"
    assert table.rows[2].score(BASE).reason == "there are no observations"


def test_folds_and_seeds_are_pooled_within_a_condition(tmp_path):
    half = len(IDS) // 2
    cells = [changed_record("net", IDS[:half], falling(0.9), fold="f0"),
             changed_record("net", IDS[half:], falling(0.9), fold="f1"),
             changed_record("net", IDS, falling(0.9), fold="f0", seed=1)]  # fmt: skip
    (row,) = built(tmp_path, cells, folds=("f0", "f1")).rows
    assert {cell.n_images for cell in row.cells} == {60}
    assert row.score(BASE).n_seeds == 2


def test_missing_folds_are_said(tmp_path):
    found = built(tmp_path, [changed_record("net", IDS, falling(0.9))], folds=("f0", "f1"))
    assert found.notes == ("NOT COMPLETE whole-image + net: some folds or seeds are missing.",)


def test_a_suite_that_tests_no_base_has_no_column_of_it(tmp_path):
    ids = [image_id for image_id in IDS if "~" in image_id]
    found = built(tmp_path, [changed_record("net", ids, falling(0.9))], ids)
    assert not found.has_base
    assert "base" not in FORMATS["md"](found).split("\n\n")[1]
    assert "base photographs" not in sentence(found, "blur")
    assert draw_factor(found, "blur")


def test_photographs_on_disk_have_no_conditions_whatever_their_names(tmp_path):
    assert conditions_of(changed_suite(tmp_path, IDS)) != ()
    assert conditions_of(changed_suite(tmp_path, IDS, source="folders")) == ()


def test_a_suite_without_conditions_is_refused_in_one_sentence(tmp_path):
    with pytest.raises(DataError, match=r"^demo: no conditions: .*\.$"):
        built(tmp_path, [], changed_ids(9, ()))


def test_the_terminal_shows_a_table_a_factor_with_the_base_beside_it(table):
    text = FORMATS["table"](table)
    heads = [line for line in text.splitlines() if line.startswith("┃ system")]
    assert [re.findall(r"[a-z0-9.]+", line)[1:] for line in heads] == [
        ["base", "2.5", "10"], ["base", "plane"], ["base", "turned"], ["base", "agrees", "reversed"],
    ]  # fmt: skip
    assert "FAILED whole-image + dead: 1 of 1 cells failed: it | fell over" in text
    assert "photographs with a sense" in text


def test_markdown_shows_every_value_with_its_interval_and_keeps_names_in_their_cells(table):
    text = FORMATS["md"](table)
    (line,) = re.findall(r"\| whole-image \+ net \| (.*) \|\n", text.split("\n\n")[1] + "\n")
    number = r"(\.\d{3}|1\.000)"
    assert all(re.fullmatch(rf"{number} \[{number}, {number}\]", cell) for cell in line.split(" | "))
    assert r"it \| fell over" in text
    assert "| whole-image + dead | – | – | – |" in text


def test_csv_has_a_line_a_system_and_condition_in_full_precision(table):
    lines = list(csv.DictReader(io.StringIO(FORMATS["csv"](table))))
    assert len(lines) == len(table.rows) * len(table.columns)
    for line in lines:
        (row,) = (row for row in table.rows if row.backbone == line["backbone"])
        score = row.score(Condition(line["factor"], line["value"]))
        assert line["sense_forced"] == ("" if score.value is None else str(score.value))
        assert line["reason"] == (score.reason or "")
        assert bool(line["macro_f1"]) is (row.backbone != "dead")


def test_json_holds_everything(table):
    said = json.loads(FORMATS["json"](table))
    assert [one["factor"] for one in said["columns"]] == [one.factor for one in table.columns]
    first = said["rows"][0]["cells"][2]
    assert first["condition"] == {"factor": "blur", "value": "10"}
    assert first["scores"]["sense_forced"]["value"] == table.rows[0].score(Condition("blur", "10")).value


def test_the_sentence_of_a_figure_says_where_the_best_system_is_weakest(table):
    said = sentence(table, "blur")
    assert "whole-image + net, is weakest at blur = 10" in said
    assert "0 of 2 systems drawn read" in said


def test_a_figure_shows_the_best_systems_and_tells_each_by_colour_and_marker(tmp_path):
    records = [changed_record(f"net{n}", IDS, falling(0.95 - 0.04 * n)) for n in range(MOST + 2)]
    found = built(tmp_path, records)
    assert shown(found, "blur") == found.rows[:MOST]
    assert len({colour for colour, _ in STYLES}) == len({marker for _, marker in STYLES}) == MOST


@pytest.mark.parametrize("factor", ["blur", "light", "scale-bar"])
def test_a_figure_is_a_picture_and_the_same_every_time(table, factor):
    first = draw_factor(table, factor)
    assert first == draw_factor(table, factor)
    with Image.open(io.BytesIO(first)) as picture:
        assert min(picture.size) > 900


@pytest.fixture
def site(table, tmp_path):
    write_report(tmp_path / "site", *report(), pixels=False, rights=None, conditions=table)
    return tmp_path / "site"


def test_the_report_has_a_page_of_conditions_that_the_first_page_leads_to(site):
    assert Page(site / "index.html").all("href").count("conditions.html") == 2
    page = Page(site / "conditions.html")
    for words in (
        "Sense, forced, by condition",
        "scale bar",
        "Undefined: needs images of CW and images of CCW",
        "dead",
    ):
        assert words in page.text
    assert "systems/whole-image_+_net" in " ".join(page.all("href"))
    for address in page.all("href"):
        path, _, fragment = address.partition("#")
        assert fragment in page.all("id") if not path else (site / path).is_file()


def test_every_factor_with_a_value_has_a_figure_with_words_for_who_cannot_see_it(site):
    pictures = [said for tag, said in Page(site / "conditions.html").tags if tag == "img"]
    assert [said["src"] for said in pictures] == [f"figures/{name}.png" for name in ("blur", "light", "scale-bar")]
    for said in pictures:
        assert (site / said["src"]).is_file()
        assert "is weakest at" in said["alt"]
    assert "nothing to draw" in Page(site / "conditions.html").text


def test_without_conditions_there_is_no_page_and_no_link_and_an_earlier_one_is_removed(site):
    write_report(site, *report(), pixels=False, rights=None)
    assert not (site / "conditions.html").exists()
    assert not (site / "figures").exists()
    assert "onditions" not in Page(site / "index.html").text


def test_hostile_names_of_systems_stay_text(tmp_path):
    bad = replace(changed_record(HOSTILE, (), falling(0)), status="failed", reason=HOSTILE)
    found = built(tmp_path, [bad, changed_record(f"{HOSTILE}x", IDS, falling(0.9))])
    write_report(tmp_path / "site", *report(), pixels=False, rights=None, conditions=found)
    page = Page(tmp_path / "site" / "conditions.html")
    assert {said["src"].split("/")[0] for tag, said in page.tags if tag == "img"} == {"figures"}
    assert "onerror=alert(1)" in page.text
    assert "{{ 7 * 7 }}" in page.text


@pytest.fixture
def ranked(tmp_path, write_suite):
    """A suite file with results under conditions; returns suite and results folder."""
    split = "\n".join(["fold,role,id", *(f"f0,test,{image_id}" for image_id in IDS)]) + "\n"
    path = write_suite(tmp_path / "suite", split=split)
    suite = load_suite(str(path))
    digest = suite.digest(open_source(suite, None).digest)
    for backbone, level in (("net", 0.9), ("chance", 0.5)):
        one = changed_record(backbone, IDS, falling(level))
        results.write(replace(one, suite="tiny", suite_digest=digest), tmp_path / "results" / "tiny")
    return path, tmp_path / "results"


def call(*arguments):
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


@pytest.mark.parametrize("form", list(FORMATS))
def test_rank_by_condition_prints_the_table_in_every_format(ranked, form):
    path, out = ranked
    said = call("rank", path, "--out", out, "--by", "condition", "--format", form)
    assert said.exit_code == 0, said.output
    assert said.stdout == FORMATS[form](rank_by_condition(str(path), out=out))


def test_rank_alone_still_prints_the_leaderboard(ranked):
    path, out = ranked
    assert call("rank", path, "--out", out, "--format", "csv").stdout.startswith("rank,detector,backbone,accuracy,")


def test_ranking_by_condition_imports_no_torch_and_no_plotting(ranked, tmp_path):
    path, out = ranked
    modules, said = modules_after("rank", path, "--out", out, "--by", "condition", cwd=tmp_path)
    assert said.returncode == 0, said.stderr
    assert not modules & {"torch", "torchvision", "timm", "matplotlib"}


def test_a_metric_and_a_condition_cannot_both_be_asked_for(ranked):
    path, out = ranked
    assert "leave one of them out" in one_clear_line(
        call("rank", path, "--out", out, "--by", "condition", "--metric", "mcc")
    )


def test_ranking_by_condition_where_there_is_none_ends_in_one_clear_line(tiny_run):
    said = call("rank", tiny_run.path, "--out", tiny_run.home / "results", "--by", "condition")
    assert one_clear_line(said).startswith("Error: tiny: no conditions:")


def test_the_end_of_a_run_tells_how_to_see_scores_by_condition(tiny_run, monkeypatch):
    monkeypatch.setattr("clastbench.report.conditions.conditions_of", lambda suite: (BASE, Condition("blur", "2")))
    places = ["--store", tiny_run.store, "--out", tiny_run.home / "results"]
    said = call("run", tiny_run.path, "--device", "cpu", "--jobs", "0", *places)
    (line,) = [line for line in said.stderr.splitlines() if "condition" in line]
    assert line.startswith(f"Scores by condition: clastbench rank {tiny_run.path} --out ")
    assert line.endswith("--by condition")


def test_a_run_without_conditions_says_nothing_of_them(tiny_run):
    places = ["--store", tiny_run.store, "--out", tiny_run.home / "results"]
    said = call("run", tiny_run.path, "--device", "cpu", "--jobs", "0", *places)
    assert said.exit_code == 0
    assert "condition" not in said.output
