"""Where detectors look: one line a detector, method and kind of box, taken once a seed and fold."""

from __future__ import annotations

from dataclasses import replace

import pytest
from made_up import DIGEST, changed_suite, gallery, record
from made_up_boxes import IDS, boxed, whole
from made_up_maps import METHOD, Inputs, box_maps, located
from tables_of_pages import Tables

from clastbench.records import BOX_TARGETS, OWN_HEAD, MapScores
from clastbench.report.box_maps import box_map_rows
from clastbench.report.leaderboard import build
from clastbench.report.pages import number
from clastbench.report.site import SystemPage, write_report
from clastbench.report.tables import FORMATS

SOME = IDS[:8]
HOSTILE = "<img src=x onerror=alert(1)>\"'&"


def looking(detector: str, backbone: str = "net", tables=None, **said):
    return replace(boxed(detector, backbone, **said), box_maps=box_maps(SOME) if tables is None else tables)


def by_target(rows, detector: str):
    return {row.target: row for row in rows if row.detector == detector}


@pytest.fixture(scope="module")
def records():
    """One that looks, with two backbones and a head of its own, one that missed nothing, one that cannot be asked."""
    none = tuple(MapScores(METHOD, target, reason=f"{HOSTILE} needs a network") for target in BOX_TARGETS)
    return [
        looking("sees"),
        looking("sees", "other"),
        looking("sees", OWN_HEAD, box_maps(SOME, lift=0.9)),
        looking("keen", tables=box_maps(SOME, missed=False)),
        looking("rules", tables=none),
        whole("net"),
    ]


def test_backbones_share_the_maps_of_their_detector(records):
    alone, shared = box_map_rows(records[:1]), box_map_rows(records[:2])
    assert alone == shared
    assert {row.n_maps for row in shared} == {len(SOME)}


def test_an_own_head_is_another_detector(records):
    rows = box_map_rows(records)
    assert by_target(rows, "sees")["found"].scores["lift"].value == pytest.approx(0.3)
    assert by_target(rows, "sees, own head")["found"].scores["lift"].value == pytest.approx(0.9)


def test_folds_and_seeds_are_taken_together():
    rows = box_map_rows([looking("sees"), looking("sees", fold="f1"), looking("sees", "other", fold="f1")])
    assert {row.n_maps for row in rows} == {2 * len(SOME)}


def test_kinds_of_boxes_stand_in_their_order(records):
    assert [row.target for row in box_map_rows(records[:1])] == list(BOX_TARGETS)


def test_removal_is_known_of_found_clasts_only(records):
    rows = by_target(box_map_rows(records), "sees")
    assert rows["found"].scores["cpf"].value == pytest.approx(0.4)
    assert "cpf" not in rows["missed"].scores


def test_a_kind_of_box_that_never_came_says_so(records):
    row = by_target(box_map_rows(records), "keen")["missed"]
    assert (row.n_maps, row.scores) == (0, {})
    assert row.reason == "no clast of the explained photographs was missed"


def test_a_method_that_cannot_work_is_one_line_with_its_reason(records):
    (row,) = [row for row in box_map_rows(records) if row.detector == "rules"]
    assert row.target == "any"
    assert "needs a network" in row.reason


def test_a_kind_that_nobody_stored_says_so():
    rows = by_target(box_map_rows([looking("sees", tables=box_maps(SOME)[:1])]), "sees")
    assert rows["found"].reason is None
    assert rows["false alarm"].reason == "no box of the explained photographs was a false alarm"


def test_controls_stand_below_the_methods():
    seen = Inputs(SOME, SOME, ("CW",) * len(SOME))
    rows = box_map_rows([looking("sees", tables=(located(seen, "random", "found", 0.0), *box_maps(SOME)))])
    assert [(row.method, row.target) for row in rows] == [*((METHOD, one) for one in BOX_TARGETS), ("random", "found")]


def test_without_maps_of_detectors_there_is_nothing():
    assert box_map_rows([whole("net"), boxed("blobs")]) == ()


@pytest.fixture(scope="module")
def report(tmp_path_factory, records):
    folder = tmp_path_factory.mktemp("looking")
    board = build(changed_suite(folder, IDS), DIGEST, records)
    shown = gallery([record("net", ())], ())
    pages = [SystemPage(row, (), replace(shown, system=row.system)) for row in board.rows]
    write_report(folder / "report", board, pages, [], pixels=True, rights=None)
    return board, folder / "report"


def test_the_page_has_the_values_of_the_maps(report):
    _, head, *lines = Tables(report[1] / "index.html").tables["box-maps"]
    assert head[:5] == ["detector", "method", "box", "boxes", "lift"]
    assert len(lines) == len(report[0].box_maps)
    for line, row in zip(lines, report[0].box_maps, strict=True):
        assert line[:3] == [row.detector, row.method, row.target]
        if row.reason:
            assert row.reason.split()[-1] in line[3]
            continue
        for name, text in (("lift", line[4]), ("share_core", line[5]), ("share_artefacts", line[10])):
            assert text.startswith(number(row.scores[name].value))
        assert line[11].startswith(number(row.scores["cpf"].value) if row.target == "found" else "–")


def test_reasons_stay_text(report):
    page = Tables(report[1] / "index.html")
    assert not page.images
    assert HOSTILE.split(maxsplit=1)[0] in str(page.tables["box-maps"])


@pytest.mark.parametrize("form", ["table", "md"])
def test_tables_in_text_say_where_detectors_look(report, form):
    text = FORMATS[form](report[0])
    assert "Where detectors look" in text
    assert "No maps of keen, missed: no clast of the explained photographs was missed." in text


def test_json_holds_the_maps_of_detectors(report):
    assert '"n_maps": 8' in FORMATS["json"](report[0])


def test_a_reason_is_no_markup_in_markdown(report):
    assert "<img" not in FORMATS["md"](report[0])
