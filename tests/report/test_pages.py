"""The static report and galleries as files: safe, complete, and silent where pixels may not be shown."""

from __future__ import annotations

import base64
import hashlib
import re
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

import pytest
from made_up import FAILURES, exhibit, gallery, leaderboard, photographs, prediction, record, report, row

from clastbench.errors import UsageError
from clastbench.report.exhibits import Unsolved
from clastbench.report.gallery import provenance, write_gallery
from clastbench.report.pages import number
from clastbench.report.shelf import HEADER, LIST, Shelf
from clastbench.report.site import SystemPage, columns, write_report

HOSTILE = "../../<img src=x onerror=alert(1)>\"'&{{ 7 * 7 }}"
RIGHTS = "Nobody may copy them."


class Page(HTMLParser):
    """Every tag with its attributes, and the text of style and script."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: dict[str, list[str]] = {"style": [], "script": []}
        self.words: list[str] = []
        self._inside = ""
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self._inside = tag

    def handle_endtag(self, tag):
        self._inside = ""

    def handle_data(self, data):
        if self._inside in self.texts:
            self.texts[self._inside].append(data)
        else:
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())

    def all(self, name: str) -> list[str]:
        return [said[name] for _, said in self.tags if said.get(name) is not None]


def pages(folder: Path) -> dict[str, Page]:
    return {str(path.relative_to(folder)): Page(path) for path in sorted(folder.rglob("*.html"))}


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    """A report with all its pixels. Look, but do not touch."""
    folder = tmp_path_factory.mktemp("site") / "report"
    board, systems, unsolved = report()
    assert write_report(folder, board, systems, unsolved, pixels=True, rights=RIGHTS) == folder / "index.html"
    return folder


@pytest.fixture(scope="module")
def bare(tmp_path_factory) -> Path:
    """A report without pixels."""
    folder = tmp_path_factory.mktemp("bare") / "report"
    write_report(folder, *report(), pixels=False, rights=RIGHTS)
    return folder


@pytest.fixture(scope="module")
def hostile(tmp_path_factory) -> Path:
    """A report whose every name is an attack."""
    folder = tmp_path_factory.mktemp("hostile") / "a" / "b" / "report"
    photos = tuple(replace(photo, id=f"{HOSTILE}{at}", light=HOSTILE) for at, photo in enumerate(photographs()[:4]))
    board, systems, unsolved = report((HOSTILE, f"{HOSTILE}/x"), photos)
    systems = [replace(page, gallery=replace(page.gallery, title=HOSTILE, provenance={HOSTILE: HOSTILE}))
               for page in systems]  # fmt: skip
    rows = tuple(replace(line, reason=HOSTILE if line.n_failed else None) for line in board.rows)
    board = replace(board, suite=HOSTILE, rows=rows, left_out=(HOSTILE,))
    write_report(folder, board, systems, unsolved, pixels=True, rights=HOSTILE)
    return folder


@pytest.mark.parametrize("name", ["site", "bare", "hostile"])
def test_every_link_leads_to_a_file_and_a_place_in_it(name, request):
    folder = request.getfixturevalue(name)
    found = pages(folder)
    for where, page in found.items():
        for address in [*page.all("href"), *page.all("src")]:
            if address.startswith("data:image/png;base64,"):
                continue
            assert ":" not in address, (where, address)
            path, _, fragment = address.partition("#")
            target = ((folder / where).parent / unquote(path)).resolve() if path else folder / where
            assert target.is_relative_to(folder.resolve()), (where, address)
            assert target.is_file(), (where, address)
            if fragment:
                assert fragment in found[str(target.relative_to(folder.resolve()) if path else where)].all("id")


@pytest.mark.parametrize("name", ["site", "bare", "hostile"])
def test_ids_on_a_page_are_unique(name, request):
    for where, page in pages(request.getfixturevalue(name)).items():
        twice = [one for one, times in Counter(page.all("id")).items() if times > 1]
        assert not twice, where


@pytest.mark.parametrize("name", ["site", "bare", "hostile"])
def test_pages_allow_nothing_but_their_own_style_script_and_pictures(name, request):
    for where, page in pages(request.getfixturevalue(name)).items():
        (policy,) = [said["content"] for tag, said in page.tags if said.get("http-equiv") == "Content-Security-Policy"]
        assert policy.startswith("default-src 'none'")
        assert "unsafe" not in policy
        assert "http" not in policy
        for kind in ("style", "script"):
            (text,) = page.texts[kind]
            digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
            assert f"{kind}-src 'sha256-{digest}'" in policy, where
        names = {name for _, said in page.tags for name in said}
        assert "style" not in names
        assert not [name for name in names if name.startswith("on")]
        assert not {"iframe", "object", "embed", "base", "form", "link"} & {tag for tag, _ in page.tags}


def test_hostile_names_stay_text(hostile):
    for where, page in pages(hostile).items():
        assert not [said for tag, said in page.tags if tag == "img" and not said["src"].startswith("../systems/")], (
            where
        )
        assert "onerror=alert(1)" in page.text, where
        assert "{{ 7 * 7 }}" in page.text, where


def test_hostile_names_write_nothing_outside_the_folder(hostile):
    above = hostile.parents[2]
    outside = [path for path in above.rglob("*") if path.is_file() and not path.is_relative_to(hostile)]
    assert not outside
    assert len(list(hostile.rglob("*.html"))) == 2 + 2 * 3


def test_a_photograph_is_loaded_once_and_saved_once(tmp_path):
    loads: Counter[str] = Counter()

    def counted(photo):
        def pixels():
            loads[photo.id] += 1
            return photo.pixels()

        return replace(photo, pixels=pixels)

    photos = tuple(counted(photo) for photo in photographs())
    made = report(photos=photos)
    loads.clear()
    write_report(tmp_path, *made, pixels=True, rights=None)
    assert set(loads.values()) == {1}
    assert len(list((tmp_path / "pictures").iterdir())) == len(loads)


def test_without_pixels_there_are_only_pages_and_none_holds_a_picture(bare):
    drawn = {path for ending in ("png", "pdf") for path in bare.glob(f"systems/*net*-*.{ending}")}
    assert len(drawn) == 2 * 2, "figures of curves, for either target"
    assert {path.suffix for path in bare.rglob("*") if path.is_file() and path not in drawn} == {".html", ""}
    for path in bare.rglob("*.html"):
        text = path.read_text(encoding="utf-8")
        assert "base64," not in text
        assert "<image" not in text
        assert text.count("<img") == text.count('class="curve"')
        assert "count as pixels" in text


def test_without_pixels_outlines_and_numbers_are_still_there(bare):
    (path,) = bare.glob("galleries/*net-*.html")
    page = Page(path)
    assert [said for tag, said in page.tags if tag == "path" and said.get("d", "").startswith("M")]
    assert "Maps are not shown" in page.text
    assert RIGHTS not in page.text


def test_pixels_of_an_earlier_report_are_removed(tmp_path):
    write_report(tmp_path, *report(), pixels=True, rights=None)
    (tmp_path / "mine.jpg").write_bytes(b"not the report's")
    write_report(tmp_path, *report(), pixels=False, rights=None)
    assert [path.name for path in tmp_path.rglob("*.jpg")] == ["mine.jpg"]


def test_pages_of_systems_that_are_gone_are_removed(tmp_path):
    for names in (("net", "other"), ("net",)):
        write_report(tmp_path, *report(names), pixels=True, rights=None)
    assert not list(tmp_path.glob("systems/*other*"))


def test_a_report_that_was_cut_short_leaves_no_picture_to_one_without_pixels(tmp_path):
    shelf = Shelf(tmp_path)
    shelf.write("pictures/a.jpg", b"pixels")
    write_report(tmp_path, *report(), pixels=False, rights=RIGHTS)
    assert not list(tmp_path.rglob("*.jpg"))


def test_files_of_somebody_else_are_left_alone_and_their_page_is_not_written_over(tmp_path):
    for name in ("files.txt", "a.jpg", "index.html"):
        (tmp_path / name).write_text("a.jpg\n", encoding="utf-8")
    with pytest.raises(UsageError, match="choose another folder"):
        write_report(tmp_path, *report(), pixels=False, rights=RIGHTS)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.jpg", "files.txt", "index.html"]


@pytest.mark.parametrize("name", ["../x", "/etc/x", "a/../../x", "", ".", "a\\b"])
def test_nothing_is_shelved_outside_the_folder(tmp_path, name):
    shelf = Shelf(tmp_path / "in")
    with pytest.raises(ValueError, match="no path below"):
        shelf.write(name, "x")
    (tmp_path / "in" / LIST).write_text(f"{HEADER}\n{name}\n", encoding="utf-8")
    (tmp_path / "x").write_text("keep", encoding="utf-8")
    Shelf(tmp_path / "in")
    assert (tmp_path / "x").is_file()


def test_the_same_report_is_written_byte_for_byte(tmp_path):
    for name in ("a", "b"):
        write_report(tmp_path / name, *report(), pixels=True, rights=RIGHTS)
    files = [{str(p.relative_to(tmp_path / name)): p.read_bytes() for p in (tmp_path / name).rglob("*") if p.is_file()}
             for name in ("a", "b")]  # fmt: skip
    assert files[0] == files[1]


def test_the_index_tells_failures_references_and_definitions(site):
    text = Page(site / "index.html").text
    for words in ("looked in 3 places", "not run here", "AGU 2021 poster", "of another version", RIGHTS,
                  "Mean F1 of the classes", "Holm", "Failed by every system", "passed"):  # fmt: skip
        assert words in text


def test_an_undefined_score_is_a_dash_with_a_reason_that_can_be_read(site):
    (path,) = site.glob("systems/*net-*.html")
    page = Page(path)
    dashes = [said for tag, said in page.tags if tag == "a" and said.get("class") == "undefined"]
    assert dashes
    assert all(said["title"] for said in dashes)
    assert "Undefined: no finite map has a known region 'artefacts'" in page.text
    assert "No maps: it needs a layer with positions" in page.text


def test_controls_stand_beside_both_targets_with_their_roles(site):
    (path,) = site.glob("systems/*net-*.html")
    text = Page(path).text
    assert len(re.findall(r"random floor", text)) == 2
    assert len(re.findall(r"grad-cam, truth ceiling", text)) == 2


def test_an_exhibit_tells_what_was_said_and_why_there_is_no_heat(tmp_path):
    shown = gallery([record("net", photographs())], photographs(), maps=False)
    page = Page(write_gallery(shown, tmp_path, pixels=True))
    assert "needs a layer with positions" in page.text
    for one in shown.exhibits:
        assert one.photo.id in page.text
    assert not [said for tag, said in page.tags if said.get("class") == "heat"]


def test_a_heat_overlay_stands_at_the_extent_of_its_map(tmp_path):
    shown = gallery([record("net", photographs())], photographs())
    page = Page(write_gallery(shown, tmp_path, pixels=True))
    heats = [said for tag, said in page.tags if tag == "image" and said.get("class") == "heat"]
    extents = [one.extent_xyxy for each in shown.exhibits for one in each.explanations]
    placed = [tuple(float(said[name]) for name in ("x", "y", "width", "height")) for said in heats]
    assert placed == [(x0, y0, x1 - x0, y1 - y0) for x0, y0, x1, y1 in extents]


def test_a_photograph_that_comes_twice_has_two_places(tmp_path):
    photo = photographs()[0]
    twice = (exhibit(photo, prediction(photo, "none"), "fn"), exhibit(photo, prediction(photo, "CCW"), "wrong-sense"))
    shown = replace(gallery([record("net", photographs())], photographs()), exhibits=twice)
    page = Page(write_gallery(shown, tmp_path, pixels=True))
    assert {"photo-00000", "photo-00000~2"} <= set(page.all("id"))


def test_an_empty_gallery_says_so(tmp_path):
    shown = gallery([replace(record("net", photographs()), predictions=())], photographs())
    assert "nothing to show" in Page(write_gallery(shown, tmp_path, pixels=True)).text


def test_a_report_of_nothing_but_failures_is_written(tmp_path):
    _, systems, _ = report(())
    board = leaderboard([page.row for page in systems])
    assert "looked in 3 places" in Page(write_report(tmp_path, board, systems, [], pixels=True, rights=None)).text


def test_a_photograph_without_truth_or_clasts_is_shown(tmp_path):
    photo = replace(photographs()[0], truth=None, clasts=(), light=None, foliation_deg=None)
    said = replace(prediction(photographs()[0], "none"), truth=None)
    one = record("net", photographs())
    page = SystemPage(row(one, 1), (one,), gallery([one], photographs()), (exhibit(photo, said, "right"),))
    write_report(tmp_path, leaderboard([page.row]), [page], [Unsolved(photo, {"x": said})], pixels=True, rights=None)
    assert "open" in Page(tmp_path / "failed-by-every-system.html").text


def test_the_ranked_metric_leads_even_if_it_is_no_usual_column():
    board = leaderboard([row(record("net", photographs()), 1)], "brier")
    assert [column.name for column in columns(board)][:2] == ["brier", "macro_f1"]


def test_columns_that_no_system_has_are_left_out():
    board = leaderboard([row(record("net", photographs()), 1, maps=False)])
    assert "lift_sense" not in [column.name for column in columns(board)]


def test_numbers_are_written_as_in_the_tables():
    assert [number(value) for value in (0.8254, 1.0, 0.0, -0.5, -0.0001, 12.0, None)] == [
        ".825", "1.000", ".000", "−.500", ".000", "12.000", "–",
    ]  # fmt: skip


def test_provenance_names_plugins_weights_seeds_and_commit():
    found = provenance([record("net", photographs(), fold=fold) for fold in ("f1", "f0")])
    assert found["fold"] == "f0; f1"
    assert "9f" * 32 in found["backbone"]
    assert found["git commit"] == "a" * 40


def test_reading_the_rules_imports_no_template_engine_and_no_plotting():
    modules = "clastbench.cli", "clastbench.report.gallery", "clastbench.report.site", "clastbench.report.sheets"
    code = f"import sys, {', '.join(modules)}; print(sorted({{'jinja2', 'matplotlib', 'torch'}} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_galleries_of_the_failures_keep_their_order(tmp_path):
    shown = gallery([record("net", photographs())], photographs(), kinds=FAILURES)
    page = Page(write_gallery(shown, tmp_path, pixels=True))
    articles = [said["id"] for tag, said in page.tags if tag == "article"]
    assert articles == [f"photo-{one.photo.id}" for one in shown.exhibits]
