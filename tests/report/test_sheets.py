"""Print sheets and their captions."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest
from made_up import exhibit, gallery, low_map, photographs, prediction, record
from PIL import Image

from clastbench.errors import UsageError
from clastbench.report.captions import letter
from clastbench.report.drawing import nice_length
from clastbench.report.sheets import write_panel, write_sheet


@pytest.fixture(scope="module")
def shown():
    """A gallery of two exhibits, one of which has a scale."""
    return few(2)


@pytest.fixture(scope="module")
def pngs(tmp_path_factory, shown) -> list[tuple[Path, Path]]:
    """The same sheet, drawn twice."""
    told = replace(shown, rights="Mind the rights.")
    return [write_sheet(told, tmp_path_factory.mktemp("png") / "sheet.png", pixels=True) for _ in range(2)]


@pytest.fixture(scope="module")
def pdfs(tmp_path_factory) -> list[tuple[Path, Path]]:
    """The same sheet of two pages, drawn twice."""
    return [write_sheet(few(7), tmp_path_factory.mktemp("pdf") / "sheet.pdf", pixels=False) for _ in range(2)]


def few(n: int):
    made = gallery([record("net", photographs())], photographs())
    photos = (photographs()[2], photographs()[0]) * n
    return replace(made, exhibits=tuple(exhibit(photo, prediction(photo, "none"), "fn") for photo in photos[:n]))


def test_a_png_has_three_hundred_dots_an_inch_and_a_caption_beside_it(pngs):
    picture, text = pngs[0]
    assert (picture.name, text.name) == ("sheet.png", "sheet.txt")
    with Image.open(picture) as image:
        assert image.info["dpi"] == pytest.approx((300, 300), abs=0.1)
        assert image.width == pytest.approx(7.2 * 300, abs=1)


def test_the_caption_tells_rule_counts_digests_and_colours(pngs, shown):
    text = pngs[0][1].read_text(encoding="utf-8")
    assert shown.selection.rule in text
    for words in ("d1" * 32, "9f" * 32, "whole-image + net", "Seed of the selection: 0", "outline of the clast",
                  "purple", "sheet.png", f"light: {photographs()[2].light}", "(a) 00002", "(b) 00000",
                  "Mind the rights.",
                  *shown.counts):  # fmt: skip
        assert words in text


def test_a_pdf_embeds_its_face_as_truetype_and_tells_no_date(pdfs):
    content = pdfs[0][0].read_bytes()
    assert b"/FontFile2" in content
    assert b"/Type3" not in content
    assert b"CreationDate" not in content


@pytest.mark.parametrize("form", ["pngs", "pdfs"])
def test_the_same_gallery_gives_the_same_bytes(request, form):
    (one, one_text), (two, two_text) = request.getfixturevalue(form)
    assert one.read_bytes() == two.read_bytes()
    assert one_text.read_bytes() == two_text.read_bytes()


def test_more_than_six_rows_take_another_page(tmp_path, pdfs):
    path, text = write_sheet(few(7), tmp_path / "sheet.png", pixels=False)
    assert sorted(one.name for one in tmp_path.iterdir()) == ["sheet-01.png", "sheet-02.png", "sheet.txt"]
    assert path.name == "sheet-01.png"
    assert "sheet-01.png, sheet-02.png" in text.read_text(encoding="utf-8")
    assert len(re.findall(rb"/Type /Page\b", pdfs[0][0].read_bytes())) == 2


def test_without_pixels_the_sheet_is_the_same_whatever_the_photograph_shows(tmp_path, shown):
    def repainted(one):
        black = np.zeros_like(one.photo.load())
        changed = tuple(replace(each, map=-each.map) for each in one.explanations)
        return replace(one, photo=replace(one.photo, pixels=lambda: black), explanations=changed)

    other = replace(shown, exhibits=tuple(repainted(one) for one in shown.exhibits))
    paths = [write_sheet(each, tmp_path / name / "sheet.png", pixels=False)
             for name, each in (("a", shown), ("b", other))]  # fmt: skip
    assert paths[0][0].read_bytes() == paths[1][0].read_bytes()
    assert "No photograph and no map is shown" in paths[0][1].read_text(encoding="utf-8")


def test_an_odd_name_is_drawn_as_it_can_be(tmp_path, shown):
    odd = replace(shown.exhibits[0].photo, id="$x^2$ 薄片\n<b>")
    one = replace(shown, title="$\\frac$ 剪切", exhibits=(replace(shown.exhibits[0], photo=odd),))
    assert write_sheet(one, tmp_path / "sheet.png", pixels=False)[0].is_file()


def test_a_gallery_of_nothing_is_a_sheet_that_says_so(tmp_path, shown):
    assert write_sheet(replace(shown, exhibits=()), tmp_path / "sheet.png", pixels=True)[0].is_file()


def test_an_exhibit_without_maps_is_drawn_with_the_reason(tmp_path, shown):
    photo = photographs()[0]
    bare = exhibit(photo, prediction(photo, "none"), "fn", maps=False)
    _, text = write_sheet(replace(shown, exhibits=(bare,)), tmp_path / "sheet.png", pixels=True)
    assert "needs a layer with positions" in text.read_text(encoding="utf-8")


@pytest.mark.parametrize(("name", "dpi"), [("sheet.gif", 300), ("sheet", 300), ("sheet.png", 150)])
def test_what_no_journal_prints_is_refused(tmp_path, shown, name, dpi):
    with pytest.raises(UsageError):
        write_sheet(shown, tmp_path / name, pixels=True, dpi=dpi)


def test_a_panel_shows_several_methods_of_one_photograph(tmp_path):
    photo = photographs()[2]
    maps = [replace(low_map(photo, target), method=method) for method in ("a", "b") for target in ("sense", "presence")]
    path = write_panel(
        photo, prediction(photo, "CW"), maps[:3], tmp_path / "x" / "panel.png", title="t", notes=["c: no"]
    )
    with Image.open(path) as image:
        assert image.width > image.height
        assert image.info["dpi"] == pytest.approx((300, 300), abs=0.1)


def test_the_settings_of_the_callers_plots_are_left_alone_and_change_nothing(tmp_path):
    plain, _ = write_sheet(few(1), tmp_path / "a.png", pixels=False)
    with mpl.rc_context({"savefig.bbox": "tight", "font.size": 20, "text.usetex": False}):
        odd, _ = write_sheet(few(1), tmp_path / "b.png", pixels=False)
        assert mpl.rcParams["font.size"] == 20
    assert plain.read_bytes() == odd.read_bytes()


@pytest.mark.parametrize(("longest", "nice"), [(1, 1), (2.4, 2), (499, 200), (500, 500), (0.07, 0.05)])
def test_scale_bars_have_round_lengths(longest, nice):
    assert nice_length(longest) == pytest.approx(nice)


def test_panel_letters_go_on_after_z():
    assert [letter(at) for at in (0, 25, 26, 27, 52)] == ["a", "z", "aa", "ab", "ba"]
