"""Pages of a grid: squares, detectors, losses and errors hold the values of the records, and names stay text."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from made_up import DIGEST, changed_suite, gallery, record
from made_up_boxes import IDS, boxed, fallen, whole
from tables_of_pages import Tables

from clastbench.metrics import KINDS, LOSSES, clast_confusion
from clastbench.records import OWN_HEAD
from clastbench.report.clast_table import clast_rows
from clastbench.report.detection_tables import DETECTOR_COLUMNS
from clastbench.report.detectors import pooled
from clastbench.report.grid import FAILED, NOT_ENTERED, grid
from clastbench.report.grid_figure import draw_grid
from clastbench.report.leaderboard import build
from clastbench.report.loss_bars import bar
from clastbench.report.pages import number
from clastbench.report.scale import COLOURS, black_reads_better, colour, level, luminance
from clastbench.report.site import SystemPage, write_report
from clastbench.results import slug

HOSTILE = "<img src=x onerror=alert(1)>\"'&"


def made(folder: Path, name: str = "good"):
    records = [
        whole("net"), whole("other"), boxed("ground-truth"), boxed("ground-truth", "other"),
        boxed(name, skill=0.9), boxed(name, OWN_HEAD, skill=0.9), boxed("messy", skill=0.3),
        fallen("messy", "other", reason="weights are nowhere to be had"),
    ]  # fmt: skip
    board = build(changed_suite(folder, IDS), DIGEST, records)
    systems = []
    for row in board.rows:
        own = tuple(one for one in records if one.cell.system == row.system)
        shown = replace(gallery([record("net", ())], ()), system=row.system)
        systems.append(SystemPage(row=row, records=own, gallery=shown))
    write_report(folder / "report", board, systems, [], pixels=True, rights=None)
    return board, {page.row.system: page for page in systems}, folder / "report"


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    return made(tmp_path_factory.mktemp("grid"))


@pytest.fixture(scope="module")
def index(report):
    return Tables(report[2] / "index.html").tables


def the(report, system):
    return Tables(report[2] / "systems" / f"{slug(system)}.html").tables


def value_of(board, system, metric):
    (row,) = (row for row in board.rows if row.system == system)
    return row.scores[metric].value


@pytest.mark.parametrize(("place", "metric"), [("grid", "macro_f1"), ("grid-sense", "sense_forced")])
def test_squares_hold_the_scores_of_their_systems(report, index, place, metric):
    head, *lines = index[place]
    for first, *cells in lines:
        detector = re.sub("(floor|ceiling)$", "", first)
        for backbone, text in zip(head[1:], cells, strict=True):
            if re.match(r"[.01]", text):
                assert text == number(value_of(report[0], f"{detector} + {backbone}", metric))


def test_the_floor_comes_first_the_ceiling_last_and_own_heads_in_the_last_column(index):
    head, *lines = index["grid"]
    assert [line[0] for line in lines] == ["whole-imagefloor", "messy", "good", "ground-truthceiling"]
    assert head[-1] == OWN_HEAD


def test_a_missing_square_says_why(report, index):
    found = {
        (line[0], name): text for line in index["grid"][1:] for name, text in zip(index["grid"][0], line, strict=True)
    }
    assert found["messy", "other"].startswith("failed")
    assert found["good", "other"] == "not entered"
    assert "weights are nowhere to be had" in (report[2] / "index.html").read_text(encoding="utf-8")


def test_a_square_knows_failed_from_not_entered(report):
    laid = grid(report[0], "macro_f1")
    squares = {one.system: one for row in laid.rows for one in row.squares}
    assert squares["messy + other"].missing == FAILED
    assert squares["good + other"].missing == NOT_ENTERED
    assert squares["good + net"].missing is None


def test_one_detector_is_no_grid(tmp_path):
    board = build(changed_suite(tmp_path, IDS), DIGEST, [whole("net"), whole("other")])
    assert grid(board, "macro_f1") is None


def test_figures_are_saved_beside_the_page_and_linked(report):
    text = (report[2] / "index.html").read_text(encoding="utf-8")
    for name in ("grid", "grid-sense"):
        assert (report[2] / f"{name}.png").read_bytes().startswith(b"\x89PNG")
        assert (report[2] / f"{name}.pdf").read_bytes().startswith(b"%PDF")
        assert f'href="{name}.png"' in text
        assert f'href="{name}.pdf"' in text


def test_a_figure_is_drawn_byte_for_byte_and_has_300_dots_an_inch(report):
    laid = grid(report[0], "macro_f1")
    png, pdf = draw_grid(laid, "macro-F1")
    assert (png, pdf) == draw_grid(laid, "macro-F1")
    (_, density) = png.split(b"pHYs")
    assert round(int.from_bytes(density[:4], "big") * 0.0254) == 300


@pytest.mark.parametrize("n", [1, 3, 12])
def test_a_figure_is_as_wide_as_a_page_at_most(tmp_path, n):
    names = [f"timm:a_network_with_a_name_of_its_own_{at}@finetune" for at in range(n)]
    cells = [whole(name) for name in names] + [boxed("file_of_mine.py:SomeDetector", name) for name in names]
    png, _ = draw_grid(grid(build(changed_suite(tmp_path, IDS), DIGEST, cells), "macro_f1"), "macro-F1")
    assert int.from_bytes(png[16:20], "big") <= 7.2 * 300 + 1


def test_detectors_on_the_page_have_the_values_of_the_records(report, index):
    _, *lines = index["detectors"]
    assert [line[0] for line in lines] == [row.name for row in report[0].detectors]
    for line, row in zip(lines, report[0].detectors, strict=True):
        for (name, _), text in zip(DETECTOR_COLUMNS, line[1:], strict=False):
            assert text.startswith(number(row.scores[name].value))


def test_losses_on_the_page_have_the_values_of_the_records(report, index):
    _, *lines = index["lost"]
    assert {line[0] for line in lines} == {"good + net", f"good + {OWN_HEAD}", "messy + net"}
    for line in lines:
        for name, text in zip(LOSSES, line[3:], strict=True):
            assert text.startswith(number(value_of(report[0], line[0], name)))


def test_errors_on_the_page_have_the_counts_of_the_records(report, index):
    for system, _, *cells in index["kinds"][1:]:
        (row,) = (row for row in report[0].rows if row.system == system)
        for kind, text in zip(KINDS, cells, strict=True):
            assert text.startswith(str(row.errors[kind].count))


def test_a_bar_is_a_hundred_long_and_to_scale(report):
    (row,) = (row for row in report[0].rows if row.system == "good + net")
    parts = bar(row)
    assert sum(part.width for part in parts) == pytest.approx(100)
    assert parts[0].name == "kept"
    assert parts[0].width == pytest.approx(100 * row.scores["macro_f1"].value, abs=0.1)


def test_a_bar_with_an_undefined_part_is_none(report):
    (row,) = (row for row in report[0].rows if row.backbone == OWN_HEAD)
    assert bar(row) == ()


def test_a_system_s_page_has_the_confusion_of_its_clasts(report):
    page = report[1]["good + net"]
    counts = clast_confusion(pooled(page.records))
    lines = clast_rows(page.records)
    assert [[0 if count is None else count for count, _ in line.cells] for line in lines] == counts.tolist()
    shown = the(report, "good + net")["clasts"][1:]
    assert [line[0] for line in shown] == ["said CW", "said CCW", "said none", "missed"]
    for line, found in zip(shown, counts.tolist(), strict=True):
        assert [text == "·" or text.startswith(str(count)) for text, count in zip(line[1:], found, strict=True)] == [
            True
        ] * 4


def test_shares_of_clasts_are_of_the_column(report):
    lines = clast_rows(report[1]["good + net"].records)
    columns = np.asarray([[share or 0.0 for _, share in line.cells] for line in lines]).sum(axis=0)
    assert columns[[0, 1]] == pytest.approx([1, 1])


def test_a_system_s_page_has_its_errors_and_what_they_cost(report):
    page = report[1]["messy + net"]
    for line, (kind, found) in zip(the(report, "messy + net")["errors"][1:], page.row.errors.items(), strict=True):
        assert line[1:3] == [str(found.count), number(found.ap50_back)]
        assert line[3] == KINDS[kind].description


def test_a_system_without_boxes_has_no_word_of_them(report):
    tables = the(report, "whole-image + net")
    assert not {"clasts", "errors", "losses"} & set(tables)
    assert "AP50" not in str(tables["scores"])


def test_true_boxes_lose_nothing_in_detection_and_are_not_asked(report):
    tables = the(report, "ground-truth + net")
    assert "clasts" in tables
    assert "losses" not in tables


def test_a_hostile_name_stays_text(tmp_path):
    _, _, folder = made(tmp_path, HOSTILE)
    for path in folder.rglob("*.html"):
        page = Tables(path)
        assert not page.images
    assert HOSTILE.replace(" ", "") in str(Tables(folder / "index.html").tables["grid"]).replace(" ", "").replace(
        "\\'", "'"
    )


def test_text_on_every_colour_has_the_contrast_of_wcag():
    for one in COLOURS:
        text = 0.0 if black_reads_better(one) else 1.0
        light, dark = max(text, luminance(one)), min(text, luminance(one))
        assert (light + 0.05) / (dark + 0.05) >= 4.5


def test_the_style_has_the_colours_of_the_scale_which_are_viridis():
    from matplotlib import colormaps
    from matplotlib.colors import to_hex

    style = (Path(__file__).parents[2] / "bench/report/templates/style.css").read_text(encoding="utf-8")
    for at, one in enumerate(COLOURS):
        ink = "#000" if black_reads_better(one) else "#fff"
        assert f".level-{at} {{ background: {one}; fill: {one}; color: {ink}; }}" in style
        assert to_hex(colormaps["viridis"](at / (len(COLOURS) - 1))) == one


def test_values_outside_the_scale_have_the_colour_of_its_ends():
    assert (level(-0.2), level(0.0), level(0.5), level(1.0), level(3.0)) == (0, 0, 10, 20, 20)
    assert colour(1.0) == COLOURS[-1]
