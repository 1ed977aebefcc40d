"""Galleries of mistakes about clasts: which are shown in which order, and what is drawn of them."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_up import DIGEST, exhibit, photographs, record
from PIL import Image

from clastbench.errors import UnknownNameError, UsageError
from clastbench.metrics import error_impacts, finds
from clastbench.metrics.mistakes import KINDS
from clastbench.records import Cell, Detections, Photomicrograph, Prediction, TrueClasts
from clastbench.report.captions import caption
from clastbench.report.exhibits import Exhibit
from clastbench.report.finds.labels import labels
from clastbench.report.finds.marks import Mark, marks
from clastbench.report.finds.mistakes import DetectionMistake
from clastbench.report.gallery import Gallery, write_gallery
from clastbench.report.selection import ALL_KINDS, FAILURES, default_kinds, select
from clastbench.report.sheets import write_sheet

THRESHOLD = 0.3
TRUE = (
    ((10, 10, 40, 40), "CW", False),
    ((60, 10, 90, 40), "CCW", False),
    ((10, 60, 40, 90), "none", False),
    ((60, 60, 90, 90), "none", True),
    ((100, 60, 120, 90), None, False),
)
FOUND = (
    ((10, 10, 40, 40), "CW", 0.95),  # right
    ((11, 10, 40, 40), "CW", 0.8),  # dupe
    ((10, 62, 40, 90), "CCW", 0.7),  # cls
    ((10, 30, 40, 60), "CW", 0.6),  # loc
    ((60, 30, 90, 55), "CW", 0.5),  # both
    ((100, 10, 120, 30), "CCW", 0.4),  # bkg
    ((65, 65, 85, 85), "CW", 0.9),  # in an ignore region: counts for nothing
    ((100, 40, 120, 50), "CW", 0.2),  # below the threshold
)
HOSTILE = "<img src=x onerror=alert(1)>\"'&{{ 7 * 7 }}"


def told(image_id: str) -> Prediction:
    return Prediction(image_id, image_id, "CW", True, (0.1, 0.8, 0.1))


def detected(found, true=TRUE, *, threshold: float | None = THRESHOLD) -> Detections:
    """Put proposals (box, sense, score) and clasts (box, sense, ignored) by photograph into columns."""
    proposals = [(name, *one) for name, some in found.items() for one in some]
    clasts = [(name, *one) for name in found for one in true]
    return Detections(
        image_id=tuple(name for name, *_ in proposals),
        xyxy=tuple(box for _, box, _, _ in proposals),
        score=tuple(score / 0.8 for *_, score in proposals),
        probabilities=tuple((0.1, 0.8, 0.1) if sense == "CW" else (0.1, 0.1, 0.8) for _, _, sense, _ in proposals),
        truth=TrueClasts(
            image_id=tuple(name for name, *_ in clasts),
            xyxy=tuple(box for _, box, _, _ in clasts),
            sense=tuple(sense for _, _, sense, _ in clasts),
            ignore=tuple(ignore for *_, ignore in clasts),
        ),
        detector_threshold=threshold,
        threshold=threshold,
    )


def cell(found, true=TRUE, *, threshold: float | None = THRESHOLD, fold="f0"):
    made = record("net", ())
    return replace(
        made,
        cell=Cell("blobs", "net", 0, fold),
        predictions=tuple(told(name) for name in found),
        detections=detected(found, true, threshold=threshold),
    )


def alarms(*scores: float):
    """Proposals where there is no clast, with these scores."""
    return tuple(((200, 20 * at, 220, 20 * at + 10), "CW", score) for at, score in enumerate(scores))


def mistakes(records, *kinds: str, **how) -> list[DetectionMistake]:
    return [one.mistake for one in select(records, kinds, **how).chosen]


def the(kind: str) -> DetectionMistake:
    (found,) = mistakes([cell({"a": FOUND})], kind)
    return found


def photo(name: str = "a") -> Photomicrograph:
    """A generated photograph of 192 by 128 pixels under another name."""
    return replace(photographs()[0], id=name)


def shown(records, kinds=tuple(KINDS), photos=(), maps=True) -> Gallery:
    selection = select(records, kinds)
    by_id = {one.id: one for one in photos or [photo(one.prediction.image_id) for one in selection.chosen]}
    exhibits = tuple(
        Exhibit(by_id[one.prediction.image_id], one.prediction, one.cell, one.kind, mistake=one.mistake)
        if one.mistake
        else exhibit(by_id[one.prediction.image_id], one.prediction, one.kind, one.cell, maps=maps)
        for one in selection.chosen
    )
    return Gallery("blobs + net", "demo", 1, DIGEST, "blobs + net", selection, exhibits)


# Which mistakes, in which order


def test_every_kind_is_found_once():
    assert select([cell({"a": FOUND})], list(KINDS)).counts == dict.fromkeys(KINDS, 1)


@pytest.mark.parametrize(
    ("kind", "box", "true", "sense", "iou"),
    [
        ("cls", (10, 62, 40, 90), "none", "CCW", pytest.approx(28 / 30)),
        ("loc", (10, 30, 40, 60), "CW", "CW", pytest.approx(0.2)),
        ("both", (60, 30, 90, 55), "CCW", "CW", pytest.approx(300 / 1350)),
        ("dupe", (11, 10, 40, 40), "CW", "CW", pytest.approx(29 / 30)),
        ("bkg", (100, 10, 120, 30), None, "CCW", None),
        ("miss", (60, 10, 90, 40), "CCW", None, None),
    ],
)
def test_a_mistake_knows_what_was_said_of_what(kind, box, true, sense, iou):
    found = the(kind)
    assert found.box == box
    assert (found.clast and found.clast.sense) == true
    assert (found.proposal and found.proposal.sense) == sense
    assert found.iou == iou


def test_a_proposal_knows_both_scores():
    found = the("cls").proposal
    assert (found.score, found.detector_score) == (pytest.approx(0.7), pytest.approx(0.875))


def test_all_other_boxes_that_count_stand_beside_a_mistake():
    found = the("cls")
    assert {one.xyxy for one in found.other_proposals} == {box for box, _, _ in FOUND[:2] + FOUND[3:7]}
    assert {one.xyxy for one in found.other_clasts} == {box for box, _, _ in TRUE} - {found.clast.xyxy}


def test_two_proposals_in_one_place_are_two_mistakes_that_show_each_other():
    twice = ((10, 110, 30, 130), "CW", 0.5)
    first, second = mistakes([cell({"a": (twice, twice)})], "bkg")
    assert len(first.other_proposals) == len(second.other_proposals) == 1


def test_the_surest_mistakes_come_first_and_equals_by_id():
    found = select([cell({"b": alarms(0.5, 0.9), "a": alarms(0.7, 0.5)})], ["bkg"]).chosen
    assert [(one.prediction.image_id, round(one.confidence, 6)) for one in found] == [
        ("b", 0.9),
        ("a", 0.7),
        ("a", 0.5),
        ("b", 0.5),
    ]


def test_the_largest_missed_clasts_come_first():
    true = [((0, 0, size, 10), "CW", False) for size in (20, 50, 30)]
    assert [one.box[2] for one in mistakes([cell({"a": ()}, true)], "miss")] == [50, 30, 20]


def test_a_kind_is_counted_in_full_and_shown_in_part():
    found = select([cell({"a": alarms(*[0.5] * 9), "b": FOUND})], ["bkg", "cls"], n=3)
    assert Counter(one.kind for one in found.chosen) == {"bkg": 3, "cls": 1}
    assert found.counts == {"bkg": 10, "cls": 1}


def test_a_random_draw_depends_on_the_seed_alone():
    found = {f"{at:02d}": alarms(0.5 + at / 100) for at in range(20)}
    turned = dict(reversed(found.items()))
    drawn = [mistakes([cell(some)], "bkg", n=5, order="random", seed=s) for s in range(3) for some in (found, turned)]
    assert drawn[0::2] == drawn[1::2]
    assert drawn[0] != drawn[2]


def test_the_rule_says_what_was_chosen_how():
    records = [cell({"a": FOUND})]
    assert "mistakes about clasts" in select(records, ["cls"]).rule
    assert "photographs or mistakes about clasts" in select(records, ["fp", "cls"]).rule
    assert "clasts" not in select(records, ["fp"]).rule
    assert "largest" in select(records, ["miss"]).rule


def test_kinds_of_photographs_and_of_clasts_come_in_the_order_asked_for():
    found = select([cell({"a": FOUND})], ["cls", "right", "miss"]).chosen
    assert [(one.kind, one.mistake is None) for one in found] == [("cls", False), ("right", True), ("miss", False)]


def test_each_fold_has_its_own_threshold():
    records = [cell({"a": alarms(0.5)}, threshold=0.6), cell({"b": alarms(0.5)}, threshold=0.4, fold="f1")]
    (found,) = select(records, ["bkg"]).chosen
    assert (found.cell.fold, found.mistake.threshold) == ("f1", 0.4)


def test_a_photograph_speaks_once_from_its_first_fold():
    first, again = cell({"a": alarms(0.5)}), cell({"a": alarms(0.9), "b": alarms(0.7)}, fold="f1")
    found = select([again, first], ["bkg"]).chosen
    assert [(one.prediction.image_id, one.cell.fold) for one in found] == [("b", "f1"), ("a", "f0")]


boxes = st.tuples(*[st.integers(0, 90)] * 2, *[st.integers(5, 60)] * 2).map(
    lambda said: (said[0], said[1], said[0] + said[2], said[1] + said[3])
)
proposals = st.lists(st.tuples(boxes, st.sampled_from(["CW", "CCW"]), st.floats(0.05, 0.8)), max_size=6)
clasts = st.lists(st.tuples(boxes, st.sampled_from(["CW", "CCW", "none", None]), st.booleans()), max_size=4)


@settings(max_examples=40, deadline=None)
@given(proposals, proposals, clasts)
def test_a_gallery_counts_as_the_report_does(one, other, true):
    made = cell({"a": one, "b": other}, true)
    impacts = error_impacts(finds([(made.predictions, made.detections)]))
    selection = select([made], list(KINDS), n=100)
    assert selection.counts == {name: impact.count for name, impact in impacts.items()}
    assert len(selection.chosen) == sum(selection.counts.values())


# Kinds that are there and kinds that are not


def test_systems_that_propose_boxes_show_both_sorts_of_kinds():
    assert default_kinds([cell({"a": FOUND})]) == (*FAILURES, *KINDS)


@pytest.mark.parametrize("made", [record("net", ()), cell({"a": ()}, threshold=None)])
def test_systems_without_proposals_of_their_own_show_photographs_alone(made):
    assert default_kinds([made]) == FAILURES
    with pytest.raises(UsageError, match=r"\+ net: proposes no boxes .* of kind cls, miss; .* fp, fn, wrong-sense"):
        select([made], ["cls", "fp", "miss"])


def test_an_unknown_kind_is_refused_with_all_names():
    with pytest.raises(UnknownNameError) as refused:
        select([cell({"a": ()})], ["clas"])
    assert "Did you mean 'cls'?" in str(refused.value)
    assert all(name in str(refused.value) for name in ALL_KINDS)
    assert len(ALL_KINDS) == 10


# What is drawn


def test_the_mistake_lies_above_and_every_box_says_what_it_is():
    *others, last = marks(the("cls"))
    assert (last.role, last.words, last.box) == ("mistaken", "CCW .70", (10, 62, 40, 90))
    words = Counter((mark.role, mark.words) for mark in others)
    assert words["true", "true CW"] == words["true", "true CCW"] == words["true", "true none"] == 1
    assert words["ignored", "ignored"] == words["ignored", "not judged"] == 1
    assert words["proposed", "CW .95"] == words["proposed", "CW .90"] == 1
    assert sum(words.values()) == len(TRUE) + len(FOUND) - 2  # the mistake, and one below the threshold


def test_a_missed_clast_is_marked_once():
    drawn = marks(the("miss"))
    assert [mark.words for mark in drawn if mark.box == (60, 10, 90, 40)] == ["missed CCW"]
    assert drawn[-1].role == "mistaken"


@settings(max_examples=40, deadline=None)
@given(st.lists(boxes, min_size=1, max_size=8))
def test_words_stay_on_the_photograph(some):
    for label in labels([Mark(box, "proposed", "CW .50") for box in some], 150, 150, 5):
        assert 0 <= label.x <= 150 - 5 * 0.6 * 6
        assert 5 * 0.7 <= label.y <= 150


def test_words_of_boxes_in_one_place_do_not_cover_one_another():
    placed = labels([Mark((40, 40, 90, 90), "proposed", f"CW .{at}0") for at in range(5)], 150, 150, 5)
    assert len({(label.x, label.y) for label in placed}) == 5


def rectangles(text: str) -> list[tuple[str, tuple[float, ...]]]:
    """Role and sides (x, y, width, height) of the boxes on a page."""
    found = re.findall(r'<rect class="line (\w+)" x="(\S+)" y="(\S+)" width="(\S+)" height="(\S+)"', text)
    return [(role, tuple(map(float, sides))) for role, *sides in found]


def page(gallery: Gallery, folder: Path, *, pixels: bool = True) -> str:
    return write_gallery(gallery, folder, pixels=pixels).read_text(encoding="utf-8")


def test_a_page_draws_boxes_in_coordinates_of_the_photograph(tmp_path):
    text = page(shown([cell({"a": FOUND})], ["cls"]), tmp_path)
    drawn = rectangles(text)
    assert drawn[-1] == ("mistaken", (10, 62, 30, 28))
    assert ("true", (60, 10, 30, 30)) in drawn
    assert ("ignored", (60, 60, 30, 30)) in drawn
    assert len(drawn) == len(TRUE) + len(FOUND) - 1  # one is below the threshold
    height, width = photo().load().shape[:2]
    assert text.count(f'viewBox="0 0 {width} {height}"') == 2
    assert f'width="{width}" height="{height}"/>' in text


def test_a_page_tells_kind_figures_and_counts(tmp_path):
    text = page(shown([cell({"a": FOUND})], ["cls", "bkg", "miss"]), tmp_path)
    words = " ".join(re.sub(r"<[^>]*>", " ", text).split())
    for said in ("Wrong class (cls)", "true none , said CCW .700", "IoU .933", "Score .700", "Threshold .300",
                 "Detector&#39;s score .875", "Wrong class: 1 of 1 shown.", "no clast , said CCW .400",
                 "true CCW , said nothing", "Missed: 1 of 1 shown."):  # fmt: skip
        assert said in words


def test_a_photograph_that_comes_often_has_an_address_for_each_mistake(tmp_path):
    text = page(shown([cell({"a": FOUND})], ["right", *KINDS]), tmp_path)
    names = re.findall(r' id="([^"]+)"', text)
    assert len(names) == len(set(names))
    assert len(re.findall(r'<article class="exhibit"', text)) == 7


def test_hostile_names_stay_text(tmp_path):
    text = page(shown([cell({HOSTILE: FOUND})]), tmp_path)
    assert "<img" not in text
    assert "{{ 7 * 7 }}" in text


def test_without_pixels_a_page_shows_boxes_on_grey(tmp_path):
    text = page(shown([cell({"a": FOUND})], ["right", *KINDS]), tmp_path, pixels=False)
    assert "<image" not in text
    assert [path.name for path in tmp_path.iterdir() if path.suffix] == ["index.html"]
    assert ("mistaken", (10, 62, 30, 28)) in rectangles(text)


def test_a_photograph_is_loaded_once_a_page_and_once_a_sheet(tmp_path):
    loads = []
    watched = replace(photo(), pixels=lambda: loads.append(1) or photographs()[0].load())
    gallery = shown([cell({"a": FOUND})], ["right", *KINDS], [watched], maps=False)
    page(gallery, tmp_path)
    assert len(loads) == 1
    write_sheet(gallery, tmp_path / "sheet.png", pixels=True)
    assert len(loads) == 2


# Sheets


def test_the_same_gallery_gives_the_same_bytes(tmp_path):
    gallery = shown([cell({"a": FOUND})], ["right", "cls", "miss"])
    for form in ("png", "pdf"):
        drawn = [write_sheet(gallery, tmp_path / at / f"sheet.{form}", pixels=True) for at in "ab"]
        assert drawn[0][0].read_bytes() == drawn[1][0].read_bytes()
        assert drawn[0][1].read_bytes() == drawn[1][1].read_bytes()


def test_boxes_of_a_sheet_lie_where_the_page_has_them(tmp_path):
    gallery = shown([cell({"a": FOUND})], ["cls"])
    path, _ = write_sheet(gallery, tmp_path / "sheet.png", pixels=False)
    with Image.open(path) as image:
        pixels = np.asarray(image.convert("RGB")).astype(int)
    vermilion = np.abs(pixels - (0xD5, 0x5E, 0x00)).max(axis=2) < 3
    rows, columns = np.flatnonzero(vermilion.any(axis=1)), np.flatnonzero(vermilion.any(axis=0))
    ground = (pixels == 0x8C).all(axis=2)
    lines, stripes = (np.flatnonzero(ground.mean(axis=axis) > 0.3) for axis in (1, 0))
    top, left, high, wide = lines[0], stripes[0], np.ptp(lines), np.ptp(stripes)
    height, width = photo().load().shape[:2]
    found = [(columns[0] - left) / wide * width, (rows[0] - top) / high * height,
             (columns[-1] - left) / wide * width, (rows[-1] - top) / high * height]  # fmt: skip
    assert found == pytest.approx([10, 62, 40, 90], abs=1.5)


def test_without_pixels_the_sheet_is_the_same_whatever_the_photograph_shows(tmp_path):
    black = replace(photo(), pixels=lambda: np.zeros_like(photographs()[0].load()))
    made = [write_sheet(shown([cell({"a": FOUND})], ["cls"], [one]), tmp_path / name / "sheet.png", pixels=False)
            for name, one in (("a", photo()), ("b", black))]  # fmt: skip
    assert made[0][0].read_bytes() == made[1][0].read_bytes()
    assert "no photograph is shown" in made[0][1].read_text(encoding="utf-8")


def test_six_mistakes_fill_a_page_and_answers_about_photographs_have_pages_of_their_own(tmp_path):
    gallery = shown([cell({"a": FOUND})], ["right", *KINDS])
    write_sheet(gallery, tmp_path / "sheet.png", pixels=True)
    assert sorted(path.name for path in tmp_path.glob("*.png")) == ["sheet-01.png", "sheet-02.png"]


def test_the_caption_tells_what_is_seen_and_every_figure():
    gallery = shown([cell({"a": FOUND})], ["cls", "miss"])
    text = caption(gallery, ["sheet.png"], pixels=True)
    for said in (
        "(a) Wrong class (cls) · a · true none, said CCW · IoU .933 · score .700 · threshold .300 · detector's",
        "detector's score .875 · light: ",
        "(b) Missed (miss) · a · true CCW, said nothing · threshold .300",
        "vermilion with a thick line",
        "Wrong class: 1 of 1 shown.",
        gallery.selection.rule,
    ):
        assert said in text
    assert "Heat" not in text


def test_the_caption_of_both_sorts_explains_both():
    text = caption(shown([cell({"a": FOUND})], ["right", "cls"]), ["sheet.png"], pixels=True)
    assert "Heat:" in text
    assert "Boxes:" in text


def test_a_long_name_is_cut_so_that_the_verdict_stays(tmp_path):
    assert write_sheet(shown([cell({"x" * 200: FOUND})], ["both"]), tmp_path / "s.pdf", pixels=False)[0].is_file()


def test_answers_about_photographs_are_as_they_were(tmp_path):
    made = record("net", photographs())
    text = page(shown([made], FAILURES, photographs()), tmp_path)
    assert "clast with its true sense" not in text
