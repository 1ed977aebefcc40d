"""Pages that say how far maps are to be believed: trust, gates, faithfulness with curves, changed pictures."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from made_up import DIGEST, changed_suite, exhibit, gallery, photographs, prediction, record
from made_up_maps import CELLS, METHOD, Inputs, explained, inputs_of, located, maps, removed, trials
from tables_of_pages import Tables

from clastbench.metrics import FAITHFULNESS, GATES
from clastbench.records import EXTERNAL, Cell, MapScores, Trial
from clastbench.report.cards import Card
from clastbench.report.curve_figure import draw_curves
from clastbench.report.curves import bands
from clastbench.report.evidence import removed_by_photograph, with_evidence
from clastbench.report.exhibits import Removed
from clastbench.report.gallery import write_gallery
from clastbench.report.leaderboard import build
from clastbench.report.map_board import map_rows
from clastbench.report.map_columns import faithful_lines
from clastbench.report.pages import number
from clastbench.report.site import SystemPage, write_report
from clastbench.report.trust_board import gate_marks
from clastbench.results import slug

PHOTOS = photographs(12)
IDS = [photo.id for photo in PHOTOS]
SEEN = inputs_of(PHOTOS)
HOSTILE = "<img src=x onerror=alert(1)>\"'&"
SECTIONS = ("trust", "faithful", "mirror", "effects", "cues")


def records_of(name: str):
    """One with everything, one that follows a cue, one of which nobody asked, one of elsewhere, one photograph only."""
    one = Inputs(SEEN.image_id[:1], SEEN.group[:1], SEEN.truth[:1])
    ours = replace(record("ours", PHOTOS), cell=Cell(EXTERNAL, "ours", 0, "f0"))
    return [
        explained(record(name, PHOTOS, wrong=1), PHOTOS),
        explained(record("cued", PHOTOS, wrong=1), PHOTOS, cue=0.0),
        record("bare", PHOTOS),
        replace(ours, maps=(located(SEEN, EXTERNAL, "sense", 0.6),)),
        replace(record("single", PHOTOS), maps=maps(one, half=False), trials=trials(one)),
        replace(record("floor", PHOTOS), maps=(MapScores(METHOD, "sense", reason=f"needs {HOSTILE}"),)),
    ]


def written(folder: Path, name: str = "full"):
    records = records_of(name)
    suite = changed_suite(folder, IDS).model_copy(update={"explainers": (METHOD,)})
    board = build(suite, DIGEST, records)
    systems = []
    for row in board.rows:
        (own,) = (one for one in records if one.cell.system == row.system)
        shown = exhibit(PHOTOS[0], prediction(PHOTOS[0], "CW"), "right", own.cell)
        failures = replace(gallery([own], PHOTOS), exhibits=(shown,))
        systems.append(SystemPage(row, (own,), failures, (shown,), map_rows([own])))
    write_report(folder / "report", board, systems, [], pixels=True, rights=None)
    return board, folder / "report"


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    return written(tmp_path_factory.mktemp("evidence"))


def page_of(report, system: str, folder: str = "systems") -> Path:
    return report[1] / folder / f"{slug(system)}.html"


def tables_on(report, name: str):
    return Tables(page_of(report, name if " + " in name else f"whole-image + {name}")).tables


def row_of(report, name: str):
    (row,) = (row for row in report[0].rows if row.backbone == name)
    return row


def test_gates_stand_with_verdict_value_and_rule(report):
    _, *lines = tables_on(report, "cued")["trust"]
    for place, (line, (name, gate)) in enumerate(zip(lines, GATES.items(), strict=True), start=1):
        assert line[0] == f"{place} {gate.title}"
        assert line[2].startswith(number(row_of(report, "cued").scores[name].value))
        assert gate.asks in line[5]
    assert [line[1][0] for line in lines] == list(gate_marks(row_of(report, "cued").scores))
    assert lines[1][1] == "✗failed"


def test_trust_stands_with_its_parts_and_its_rank(report):
    text = page_of(report, "whole-image + full").read_text(encoding="utf-8")
    scores = row_of(report, "full").scores
    for name in ("trust", "cpf", "srg", "lift_sense"):
        assert f'<span class="value">{number(scores[name].value)}</span>' in text
    assert "Rank 1 by trust" in text
    assert "fails gate 2 (planted cue)" in page_of(report, "whole-image + cued").read_text(encoding="utf-8")


@pytest.mark.parametrize("target", ["sense", "presence"])
def test_faithfulness_is_a_line_a_method(report, target):
    head, *lines = tables_on(report, "full")[f"faithful-{target}"]
    (line,) = lines
    assert line[0] == METHOD
    found = {one.target: one.scores for one in map_rows([records_of("full")[0]]) if one.method == METHOD}[target]
    assert line[1] == str(found["cpf"].n_images) == str(len(SEEN.image_id) // 2)
    for title, name in (("CPF", "cpf"), ("SRG", "srg"), ("ROAD", "road"), ("average drop", "average_drop")):
        assert line[head.index(title)].startswith(number(found[name].value))
    (both,) = (text for title, text in zip(head, line, strict=True) if "below: control" in title)
    assert both.endswith(number(found["srg_control"].value))


def test_diagnostics_have_columns_where_they_were_asked_for(tmp_path, report):
    assert "infidelity" not in tables_on(report, "full")["faithful-sense"][0]
    asked = removed(SEEN, METHOD, "sense", infidelity=0.7, max_sensitivity=0.2)
    own = replace(record("net", PHOTOS), maps=(asked,))
    board = build(changed_suite(tmp_path, IDS).model_copy(update={"explainers": (METHOD,)}), DIGEST, [own])
    page = SystemPage(board.rows[0], (own,), gallery([own], PHOTOS), (), map_rows([own]))
    write_report(tmp_path / "report", board, [page], [], pixels=False, rights=None)
    head, line = Tables(tmp_path / "report" / "systems" / f"{slug(page.row.system)}.html").tables["faithful-sense"]
    assert line[head.index("infidelity")].startswith(".700")
    assert line[head.index("max-sensitivity")].startswith(".200")


def test_changed_pictures_stand_beside_the_heat_on_what_was_changed(report):
    _, _, *lines = tables_on(report, "full")["effects"]
    scores = row_of(report, "full").scores
    shares = {one.target: one.scores for one in map_rows([records_of("full")[0]]) if one.method == METHOD}
    by_title = {line[0]: line for line in lines}
    assert len(by_title) == 7
    line = by_title["tails taken away"]
    assert line[1].startswith(number(scores["effect_tails_sense"].value))
    assert line[2].startswith(number(shares["sense"]["share_tails"].value))
    assert line[2].endswith(number(shares["sense"]["area_tails"].value))
    assert line[3].startswith(number(scores["effect_tails_presence"].value))
    assert by_title["another light"][2] == "–1"


def test_the_mirror_has_antisymmetry_rotation_and_maps_against_their_null(report):
    lines = {line[0]: line for line in tables_on(report, "full")["mirror"][1:]}
    assert lines["Label antisymmetry"][1].startswith("1.000")
    assert lines["Mirror equivariance of the maps"][1].startswith(".800")
    assert lines["Mirror equivariance of the maps"][1].endswith("against .200")


def test_planted_cues_stand_with_their_fall(report):
    lines = {line[0]: line for line in tables_on(report, "cued")["cues"][1:]}
    assert lines["Planted cue: scale bar"][1].startswith("1.000")


@pytest.mark.parametrize(("name", "missing"), [("bare", SECTIONS), ("external + ours", SECTIONS[1:])])
def test_what_nobody_asked_for_has_no_table(report, name, missing):
    found = tables_on(report, name)
    assert not {"faithful-sense", *missing} & set(found)


def test_a_page_of_a_system_that_nobody_asked_says_so(report):
    text = page_of(report, "whole-image + bare").read_text(encoding="utf-8")
    assert "Nobody asked: no cells were removed" in text
    assert "Nobody asked: there are neither maps for the sense nor changed pictures" in text


def test_a_page_of_a_system_without_maps_says_why_no_cells_were_removed(report):
    text = page_of(report, "whole-image + floor").read_text(encoding="utf-8")
    assert 'No cells were removed: <span class="reason">needs ' in text
    assert "Nobody asked" not in text


def test_one_photograph_has_curves_without_bands(report):
    text = page_of(report, "whole-image + single").read_text(encoding="utf-8")
    assert "mean over 1 map of 1 group;" in text
    assert "Bands" not in text


def test_curves_are_saved_as_png_and_pdf_beside_the_page(report):
    stem = slug("whole-image + full")
    for target in ("sense", "presence"):
        assert (report[1] / "systems" / f"{stem}-{target}.png").read_bytes().startswith(b"\x89PNG")
        assert (report[1] / "systems" / f"{stem}-{target}.pdf").read_bytes().startswith(b"%PDF")
    assert "logits" in page_of(report, "whole-image + full").read_text(encoding="utf-8")


def test_the_first_page_marks_who_fails_a_gate(report):
    head, *lines = Tables(report[1] / "index.html").tables["board"]
    by_name = {re.sub("fails.*", "", line[1]): line for line in lines}
    assert by_name["whole-image + cued"][head.index("gates")] == gate_marks(row_of(report, "cued").scores)
    assert "fails gate 2" in "".join(line[1] for line in lines if "cued" in line[1])
    assert by_name["whole-image + full"][head.index("trust")].endswith("rank 1")
    text = (report[1] / "index.html").read_text(encoding="utf-8")
    assert "Quality and trust are two things" in text
    assert "Gates: 1 passed, 2 failed, 3 passed, 4 " in text


def page_alone(folder: Path, own, *, in_index: bool = True) -> str:
    board = build(changed_suite(folder, IDS).model_copy(update={"explainers": (METHOD,)}), DIGEST, [own])
    page = SystemPage(board.rows[0], (own,), gallery([own], PHOTOS), (), map_rows([own]))
    write_report(folder / "report", board, [page], [], pixels=False, rights=None)
    assert in_index == ("out of ink" in (folder / "report" / "index.html").read_text(encoding="utf-8"))
    return (folder / "report" / "systems" / f"{slug(page.row.system)}.html").read_text(encoding="utf-8")


def test_what_failed_stands_on_the_page_with_its_reason(tmp_path):
    broken = MapScores(METHOD, "sense", reason="out of ink")
    one = replace(record("net", PHOTOS), maps=(located(SEEN, METHOD, "sense", 0.4), broken, broken))
    text = page_alone(tmp_path, replace(one, trials=(Trial("", reason="out of ink"),)))
    for said in ("Removing cells", "Maps of mirror images", "Asking about changed pictures"):
        assert f"{said} failed in 1 of 1 cells: out of ink" in text
    assert "Nobody asked" not in text


def test_what_failed_of_a_further_method_stands_in_its_line(tmp_path):
    own = explained(record("net", PHOTOS), PHOTOS)
    further = located(SEEN, "d-rise", "sense", 0.4)
    broken = MapScores("d-rise", "sense", values=dict.fromkeys(FAITHFULNESS, ()), reason="out of ink")
    failed = (*own.maps, further, broken)
    text = page_alone(tmp_path, replace(own, maps=failed), in_index=False)
    assert "Removing cells failed in 1 of 1 cells: out of ink" in text
    assert text.count("out of ink") == 1
    tested = removed(inputs_of(PHOTOS), "d-rise", "sense")
    other = replace(own, cell=replace(own.cell, fold="f1"), maps=(*own.maps, further, tested))
    (row,) = [one for one in map_rows([replace(own, maps=failed), other]) if one.method == "d-rise"]
    assert row.lacking == {"cpf": "1 of 2 cells: out of ink"}
    assert {line.row.method for line in faithful_lines([row], "sense")} == {"d-rise"}


def test_a_cue_that_nobody_has_heard_of_has_a_page(tmp_path):
    one = explained(record("net", PHOTOS), PHOTOS)
    plain = next(trial for trial in one.trials if trial.change == "")
    stamps = [replace(plain, change=f"stamp={state}") for state in ("agrees", "reversed")]
    row = build(changed_suite(tmp_path, IDS), DIGEST, [replace(one, trials=(*one.trials, *stamps))]).rows[0]
    assert row.scores["cue_stamp_fall"].value is not None
    page = SystemPage(row, (one,), gallery([one], PHOTOS), (), map_rows([one]))
    board = build(changed_suite(tmp_path, IDS), DIGEST, [one])
    write_report(tmp_path / "report", board, [page], [], pixels=False, rights=None)
    text = (tmp_path / "report" / "systems" / f"{slug(row.system)}.html").read_text(encoding="utf-8")
    assert text.count("stamp") >= 1


def test_maps_in_the_mirror_stand_though_changed_pictures_failed(tmp_path):
    text = page_alone(
        tmp_path, replace(explained(record("net", PHOTOS), PHOTOS), trials=(Trial("", reason="out of ink"),))
    )
    assert "Mirror equivariance of the maps" in text
    assert "Asking about changed pictures failed" in text


def test_effects_are_said_to_be_means(report):
    text = page_of(report, "whole-image + full").read_text(encoding="utf-8")
    assert "mean over scenes; opposite changes cancel" in text
    assert "Much heat without an effect" not in text


def test_ranks_by_trust_are_said_to_start_anew(report):
    for path in (page_of(report, "whole-image + full"), report[1] / "index.html"):
        assert "start anew for each kind of input" in path.read_text(encoding="utf-8")


def test_a_suite_that_nobody_explained_has_no_word_of_trust(tmp_path):
    own = record("net", PHOTOS)
    board = build(changed_suite(tmp_path, IDS), DIGEST, [own])
    page = SystemPage(board.rows[0], (own,), gallery([own], PHOTOS))
    write_report(tmp_path / "report", board, [page], [], pixels=False, rights=None)
    head = Tables(tmp_path / "report" / "index.html").tables["board"][0]
    assert not {"trust", "gates"} & set(head)


def test_hostile_names_and_reasons_stay_text(tmp_path):
    _, folder = written(tmp_path, HOSTILE)
    for path in folder.rglob("*.html"):
        images = Tables(path).images
        assert all("../systems/" in one for one in images)
        assert "onerror=alert(1)>" not in path.read_text(encoding="utf-8")


# Galleries


def test_a_gallery_begins_with_trust_and_gates(report):
    text = page_of(report, "whole-image + cued", "galleries").read_text(encoding="utf-8")
    assert "2 planted cue failed" in text
    assert "Trust " in text


def test_a_card_says_what_removal_showed_of_its_photograph(report):
    own = records_of("full")[0]
    shown = removed_by_photograph([own], METHOD)
    assert {image_id for _, image_id in shown} == set(SEEN.image_id[: len(SEEN.image_id) // 2])
    found = shown[own.cell, PHOTOS[0].id] if PHOTOS[0].truth != "none" else None
    text = page_of(report, "whole-image + full", "galleries").read_text(encoding="utf-8")
    assert ("CPF, true sense" in text) == (found is not None)
    if found:
        assert f"<dd>{number(found.cpf)}</dd>" in text
        assert f"<dd>{number(found.gap)}</dd>" in text


def test_a_card_says_why_removal_came_to_nothing():
    shown = replace(exhibit(PHOTOS[0], prediction(PHOTOS[0], "CW"), "right"), removed=Removed(None, None, None))
    why = [said for _, _, said in Card("a", shown, None, (), None).removals]
    assert why[1:] == ["the map or an answer is not finite", "an answer is not finite"]


def test_values_of_several_clasts_of_a_photograph_are_their_mean():
    twice = Inputs(("a", "a", "b"), ("a", "a", "b"), ("CW", "CCW", "CW"))
    table = replace(removed(twice, METHOD, "sense"), values={
        "cpf": (0.2, 0.4, None), "srg_map": (1.0, 2.0, 3.0), "srg_control": (2.0, 2.0, 3.0),
    })  # fmt: skip
    own = replace(record("net", PHOTOS), maps=(table,))
    shown = removed_by_photograph([own], METHOD)
    assert shown[own.cell, "a"].cpf == pytest.approx(0.3)
    assert (shown[own.cell, "a"].gap, shown[own.cell, "b"].cpf) == (1.5, None)


def test_a_gallery_of_its_own_says_the_same(tmp_path):
    own = explained(record("net", PHOTOS), PHOTOS)
    shown = with_evidence(gallery([own], PHOTOS), [own], METHOD)
    text = write_gallery(shown, tmp_path, pixels=False).read_text(encoding="utf-8")
    assert shown.standing is not None
    assert shown.standing.split(",", maxsplit=1)[0] in text
    assert any(one.removed for one in shown.exhibits)


def test_a_gallery_of_a_system_that_nobody_asked_has_no_such_line():
    own = record("net", PHOTOS)
    shown = with_evidence(gallery([own], PHOTOS), [own], METHOD)
    assert shown.standing is None
    assert not any(one.removed for one in shown.exhibits)


# Curves


def test_a_band_is_the_mean_with_an_interval_over_groups():
    table = removed(SEEN, METHOD, "sense")
    band = bands([table])["morf"]
    values = np.asarray(table.curves["morf"])
    assert band.mean == pytest.approx(values.mean(axis=0))
    assert band.share == pytest.approx(CELLS)
    assert (band.low <= band.mean + 1e-9).all()
    assert (band.high >= band.mean - 1e-9).all()


def test_a_band_of_equal_curves_has_no_width():
    table = removed(SEEN, METHOD, "sense")
    same = replace(table, curves={"morf": (table.curves["morf"][0],) * len(SEEN.image_id)})
    band = bands([same])["morf"]
    assert band.low == pytest.approx(band.mean)
    assert band.high == pytest.approx(band.mean)


def test_maps_without_a_curve_take_no_part():
    table = removed(SEEN, METHOD, "sense")
    first = table.curves["morf"][0]
    holed = (first, None, (float("nan"),) * len(first), *(None,) * (len(SEEN.image_id) - 3))
    band = bands([replace(table, curves={"morf": holed, "lerf": (None,) * len(holed)})])
    assert list(band) == ["morf"]
    assert band["morf"].n_maps == 1
    assert band["morf"].low is None


def test_a_figure_of_curves_is_drawn_byte_for_byte_and_fits_a_page():
    found = bands([removed(SEEN, METHOD, "sense")])
    png, pdf = draw_curves(found, "sense")
    assert (png, pdf) == draw_curves(found, "sense")
    assert int.from_bytes(png[16:20], "big") <= 7.2 * 300 + 1
    (_, density) = png.split(b"pHYs")
    assert round(int.from_bytes(density[:4], "big") * 0.0254) == 300


def test_a_figure_leaves_out_panels_without_curves():
    found = {name: one for name, one in bands([removed(SEEN, METHOD, "sense")]).items() if name == "deletion"}
    png, _ = draw_curves(found, "sense")
    assert int.from_bytes(png[16:20], "big") < 4 * 300
