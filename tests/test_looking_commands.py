"""The commands that show where systems looked: what they write where, what they print, what they refuse."""

from __future__ import annotations

import csv
import io
import re
import shutil
from collections import Counter
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from command_lines import modules_after, one_clear_line
from PIL import Image

from clastbench import results
from clastbench.cli import main
from clastbench.records import Cell, CellRecord, Prediction
from clastbench.report.selection import KINDS, confidence
from clastbench.results import read_all, slug
from clastbench.run.external import write_predictions

VGG = "whole-image+small_vgg@scratch"
MAJORITY = "whole-image+majority"
LEAN = "whole-image+structure-tensor"  # never says none
NET = "whole-image+nets.py:Net@scratch"
DEAD = "whole-image+odd.py:Raises"
OURS = "external+ours"

NETS = '''
"""A network in a file of its own."""

from torch import nn


class Net:
    size, mean, std = (32, 48), (0.5, 0.5, 0.5), (0.25, 0.25, 0.25)

    def build(self, num_classes, weights):
        return nn.Sequential(
            nn.Conv2d(3, 8, 5, stride=4), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, num_classes)
        )


class Moody:
    """Cannot learn with seed 0."""

    size = 8

    def fit(self, crops, validation, *, seed, device, out):
        if seed == 0:
            raise RuntimeError("not today")

    def load(self, path, *, device):
        pass

    def predict(self, images):
        import numpy as np

        return np.zeros((len(images), 3), np.float32)
'''


@pytest.fixture(scope="module")
def nets(tmp_path_factory) -> Path:
    """A file with the backbones Net and Moody."""
    path = tmp_path_factory.mktemp("nets") / "nets.py"
    path.write_text(NETS, encoding="utf-8")
    return path


def call(command: str, suite: Path | str, *arguments: str | Path, home: Path, device: bool = True) -> Result:
    where = ["--store", home / "runs"] * device + ["--out", home / "results"] + ["--device", "cpu"] * device
    return CliRunner().invoke(main, [str(word) for word in (command, suite, *where, *arguments)])


@pytest.fixture(scope="module")
def home(tmp_path_factory, tiny_run, nets, plugin_file) -> Path:
    """Results of the small suite, of a network in a file, of one that failed, and of a model from elsewhere."""
    folder = tmp_path_factory.mktemp("looking")
    home = Path(shutil.copytree(tiny_run.home, folder / "home"))
    more = ["--backbone", f"{nets}:Net", "--backbone", f"{plugin_file}:Raises", "--detector", "whole-image"]
    assert call("run", tiny_run.path, *more, "--jobs", "0", home=home).exit_code == 1  # Raises
    write_predictions([one for one in tiny_run.records() if name_of(one.cell) == VGG], folder / "ours.csv")
    assert call("score", tiny_run.path, folder / "ours.csv", home=home, device=False).exit_code == 0
    return home


@pytest.fixture
def look(tiny_run, home):
    """Return a function that runs a command on these results."""

    def run(command: str, *arguments: str | Path) -> Result:
        return call(command, tiny_run.path, *arguments, home=home)

    return run


@pytest.fixture
def changing(tmp_path, home, tiny_run):
    """Return a function that runs a command on a copy of these results, which may be changed."""
    mine = Path(shutil.copytree(home, tmp_path / "home"))

    def run(command: str, *arguments: str | Path) -> Result:
        return call(command, tiny_run.path, *arguments, home=mine)

    run.home = mine
    return run


def name_of(cell: Cell) -> str:
    return f"{cell.detector}+{cell.backbone}"


def predictions_of(home: Path, system: str) -> list[Prediction]:
    """What a system said in all folds."""
    return [
        said for one in read_all(home / "results" / "tiny") if name_of(one.cell) == system for said in one.predictions
    ]


def page(result: Result) -> str:
    """The page whose path a command printed."""
    assert result.exit_code == 0, result.stderr
    (path,) = result.stdout.splitlines()
    return Path(path).read_text(encoding="utf-8")


def shown(text: str) -> list[str]:
    """Ids of the photographs on a page, in their order."""
    return re.findall(r'<article class="exhibit[^"]*" id="photo-([^"]+)"', text)


def notes(text: str) -> list[str]:
    return re.findall(r'<p class="missing">(.*?)</p>', text)


def targets(text: str) -> Counter:
    return Counter(re.findall(r'data-target="([^"]+)"', text))


# Where a gallery is written


def test_a_gallery_is_written_where_it_was_said_and_its_path_is_all_that_is_printed(look, tmp_path):
    said = look("gallery", VGG, "--to", tmp_path / "shown")
    assert said.stdout == f"{tmp_path / 'shown' / 'index.html'}\n"
    assert (tmp_path / "shown" / "index.html").is_file()


def test_a_gallery_lies_below_the_results_of_its_suite_unless_another_place_is_said(changing):
    path = Path(changing("gallery", MAJORITY, "-n", "1").stdout.strip())
    assert path.is_file()
    assert path.is_relative_to(changing.home / "results" / "tiny")


def test_a_gallery_below_the_results_is_no_result(changing):
    changing("gallery", MAJORITY, "-n", "1")
    changing("report")
    found = {name_of(one.cell) for one in read_all(changing.home / "results" / "tiny")}
    assert {VGG, MAJORITY, NET, DEAD, OURS} <= found
    assert not [name for name in found if "galler" in name or "report" in name]


def test_one_system_has_one_gallery_however_its_name_is_spaced(changing):
    close, wide = (changing("gallery", name, "-n", "1").stdout for name in (MAJORITY, "whole-image + majority"))
    assert close == wide


@pytest.mark.parametrize(("form", "magic"), [("png", b"\x89PNG\r\n"), ("pdf", b"%PDF-")])
def test_a_print_sheet_is_written_where_it_was_said_with_its_caption(look, tmp_path, form, magic):
    said = look("gallery", VGG, "-n", "1", "--format", form, "--to", tmp_path / f"sheet.{form}")
    assert said.stdout == f"{tmp_path / f'sheet.{form}'}\n"
    assert (tmp_path / f"sheet.{form}").read_bytes().startswith(magic)
    assert "surest of what it said" in (tmp_path / "sheet.txt").read_text(encoding="utf-8")


@pytest.mark.parametrize("form", ["png", "pdf"])
def test_a_print_sheet_gets_its_suffix_below_the_results(changing, form):
    path = Path(changing("gallery", MAJORITY, "-n", "1", "--format", form).stdout.strip())
    assert path.is_file()
    assert path.suffix == f".{form}"


def test_a_place_that_contradicts_the_format_is_refused(look, tmp_path):
    said = look("gallery", MAJORITY, "-n", "1", "--format", "pdf", "--to", tmp_path / "sheet.png")
    assert "pdf" in one_clear_line(said)


def test_a_sheet_to_a_place_without_suffix_says_what_is_expected(look, tmp_path):
    assert ".png" in one_clear_line(look("gallery", MAJORITY, "--format", "png", "--to", tmp_path / "sheet"))


@pytest.mark.e2e
def test_a_shorter_sheet_leaves_no_page_of_a_longer_one(look, tmp_path):
    look("gallery", MAJORITY, "--format", "png", "--to", tmp_path / "sheet.png")
    assert (tmp_path / "sheet-02.png").is_file()
    look("gallery", MAJORITY, "-n", "1", "--no-pixels", "--format", "png", "--to", tmp_path / "sheet.png")
    assert [path.name for path in sorted(tmp_path.glob("*.png"))] == ["sheet.png"]


def test_progress_of_explaining_goes_to_stderr(changing, tmp_path):
    said = changing("gallery", VGG, "-n", "2", "--order", "random", "--draw", "7", "--to", tmp_path / "g")
    assert "explain small_vgg@scratch by grad-cam" in said.stderr
    assert len(said.stdout.splitlines()) == 1


def test_a_file_in_the_way_is_named(look, tmp_path):
    (tmp_path / "taken").write_text("", encoding="utf-8")
    assert str(tmp_path / "taken") in one_clear_line(look("gallery", MAJORITY, "--to", tmp_path / "taken"))


# Which photographs a gallery shows


@pytest.fixture(scope="module")
def proposing(tmp_path_factory, write_suite):
    """Return a function that runs a command on results of a detector that may be wrong."""
    folder = tmp_path_factory.mktemp("proposing")
    suite = write_suite(folder / "suite", detectors=["blobs"], backbones=["structure-tensor"])
    assert call("run", suite, "--jobs", "0", home=folder / "home").exit_code == 0

    def run(command: str, *arguments: str | Path) -> Result:
        return call(command, suite, *arguments, home=folder / "home")

    return run


def boxed(text: str) -> int:
    """How many mistakes about clasts a page shows."""
    return text.count('class="panels few found"')


def test_a_system_that_proposes_boxes_shows_mistakes_about_clasts_beside_photographs(proposing, tmp_path):
    text = page(proposing("gallery", "blobs+structure-tensor", "--to", tmp_path))
    assert 0 < boxed(text) < len(shown(text))


def test_only_mistakes_of_the_kinds_asked_for_are_shown(proposing, tmp_path):
    text = page(proposing("gallery", "blobs+structure-tensor", "--kind", "miss, bkg", "-n", "3", "--to", tmp_path))
    assert boxed(text) == len(shown(text)) == 6
    assert text.index("Missed (miss)") < text.index("Background (bkg)")


def test_a_report_shows_mistakes_about_clasts_and_explains_none_of_them(proposing, tmp_path):
    assert proposing("report", "--to", tmp_path).exit_code == 0
    (path,) = (tmp_path / "galleries").iterdir()
    text = path.read_text(encoding="utf-8")
    assert boxed(text)
    assert len(notes(text)) == len(shown(text)) - boxed(text)


@pytest.mark.parametrize("kinds", [["right"], ["right", "fp"], list(KINDS)])
def test_only_the_kinds_asked_for_are_shown(look, home, tmp_path, kinds):
    text = page(look("gallery", MAJORITY, "--kind", ",".join(kinds), "--to", tmp_path))
    expected = {p.image_id for p in predictions_of(home, MAJORITY) if any(KINDS[kind].holds(p) for kind in kinds)}
    assert set(shown(text)) == expected


def test_spaces_between_kinds_mean_nothing(look, tmp_path):
    close, wide = (page(look("gallery", MAJORITY, "--kind", k, "--to", tmp_path)) for k in ("fp,right", " fp , right "))
    assert close == wide


def test_no_kind_at_all_is_refused(look, tmp_path):
    one_clear_line(look("gallery", MAJORITY, "--kind", ",", "--to", tmp_path))


def test_a_kind_of_which_there_is_none_makes_an_empty_gallery_that_says_so(look, tmp_path):
    text = page(look("gallery", LEAN, "--kind", "fn", "--to", tmp_path))
    assert not shown(text)
    assert "0 of 0 shown" in text


def test_n_limits_every_kind(look, home, tmp_path):
    text = page(look("gallery", MAJORITY, "--kind", "right,fp", "-n", "2", "--to", tmp_path))
    kinds = {p.image_id: next(k for k in KINDS if KINDS[k].holds(p)) for p in predictions_of(home, MAJORITY)}
    assert Counter(kinds[name] for name in shown(text)) == {"right": 2, "fp": 2}


def test_the_surest_failures_come_first(look, home, tmp_path):
    text = page(look("gallery", VGG, "--kind", "wrong-sense", "--to", tmp_path))
    sure = {p.image_id: confidence(p) for p in predictions_of(home, VGG)}
    found = [sure[name] for name in shown(text)]
    assert len(found) > 1
    assert found == sorted(found, reverse=True)


def drawn(look, folder: Path, draw: int) -> list[str]:
    said = look("gallery", MAJORITY, "--kind", "right", "--order", "random", "--draw", str(draw), "--to", folder)
    return shown(page(said))


def test_a_random_order_is_the_same_for_the_same_draw(look, tmp_path):
    assert drawn(look, tmp_path / "one", 3) == drawn(look, tmp_path / "two", 3)


def test_a_random_order_is_another_for_another_draw(look, tmp_path):
    orders = {tuple(drawn(look, tmp_path, draw)) for draw in range(3)}
    assert len(orders) > 1
    assert len({frozenset(order) for order in orders}) == 1


def test_a_system_may_be_written_with_spaces_as_the_table_shows_it(look, tmp_path):
    close, wide = (page(look("gallery", name, "--to", tmp_path)) for name in (MAJORITY, "whole-image + majority"))
    assert close == wide


@pytest.mark.parametrize(("system", "fold"), [(MAJORITY, "f0"), ("whole-image + majority", "f1")])
def test_a_cell_shows_only_its_own_fold(look, home, tmp_path, system, fold):
    text = page(look("gallery", f"{system}/seed0-{fold}", "--kind", ",".join(KINDS), "--to", tmp_path))
    record = results.read(results.path_of(home / "results" / "tiny", Cell("whole-image", "majority", 0, fold)))
    assert set(shown(text)) == {said.image_id for said in record.predictions}


# Calls that are off


@pytest.mark.parametrize(
    ("command", "arguments", "said"),
    [
        ("gallery", ["whole-image+majorty"], "Did you mean 'whole-image+majority'?"),
        ("gallery", ["whole-imag + majority"], "Did you mean 'whole-image+majority'?"),
        ("gallery", ["whole-image+small_vgg"], "Did you mean 'whole-image+small_vgg@scratch'?"),
        ("gallery", [f"{MAJORITY}/seed0-f9"], "Available: seed0-f0, seed0-f1"),
        ("gallery", [f"{MAJORITY}/seed1-f0"], "Did you mean 'seed0-f0'?"),
        ("gallery", [MAJORITY, "--kind", "wrong-sens"], "Did you mean 'wrong-sense'?"),
        ("gallery", [MAJORITY, "--kind", "mis"], "bkg, both, cls, dupe, fn, fp, loc, miss, right, wrong-sense"),
        ("gallery", [MAJORITY, "--kind", "cls,fp"], "whole-image + majority: proposes no boxes"),
        ("gallery", [DEAD], "the thin section slipped"),
        ("explain", ["whole-image+majorty", "00001"], "Did you mean 'whole-image+majority'?"),
        ("explain", [VGG, "0045"], "Unknown test photograph"),
        ("explain", [VGG, "00030"], "Unknown test photograph"),
        ("explain", [VGG, "00001", "--method", "gradcam"], "Did you mean 'grad-cam'?"),
        ("gallery", [MAJORITY, "--backbone", "gone.py:Net"], "gone.py: no such file"),
        ("report", ["--backbone", "gone.py:Net"], "gone.py: no such file"),
        ("report", ["--device", "gpu"], "--device 'gpu'"),
    ],
)
def test_a_call_that_is_off_ends_with_one_clear_line_and_2(look, home, command, arguments, said):
    before = sorted(home.rglob("*"))
    assert said in one_clear_line(look(command, *arguments))
    assert sorted(home.rglob("*")) == before


@pytest.mark.parametrize("arguments", [["--format", "svg"], ["-n", "0"], ["--order", "worst"], ["--draw", "-1"]])
def test_an_impossible_option_is_refused(look, arguments):
    assert look("gallery", MAJORITY, *arguments).exit_code == 2


COMMANDS = [("gallery", [MAJORITY]), ("report", []), ("explain", [MAJORITY, "00001"])]


@pytest.mark.parametrize(("command", "arguments"), COMMANDS)
def test_without_results_the_reader_is_told_to_run(tiny_run, tmp_path, command, arguments):
    said = one_clear_line(call(command, tiny_run.path, *arguments, home=tmp_path))
    assert "no results" in said
    assert "run" in said
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("command", "arguments"), COMMANDS)
def test_results_of_another_version_of_the_suite_are_told_from_none(tiny_run, home, tmp_path, command, arguments):
    changed = shutil.copytree(tiny_run.path.parent, tmp_path / "changed") / "tiny.toml"
    changed.write_text(changed.read_text().replace("epochs = 1", "epochs = 3"), encoding="utf-8")
    assert "another version" in one_clear_line(call(command, changed, *arguments, home=home))


def test_a_system_whose_explained_repeat_failed_is_refused_clearly(tmp_path, write_suite, nets):
    suite = write_suite(tmp_path / "suite", detectors=["whole-image"], backbones=["majority"], seeds=[0, 1])
    ran = call("run", suite, "--backbone", f"{nets}:Moody", "--jobs", "0", home=tmp_path / "home")
    assert "not today" in ran.stdout
    said = call("gallery", suite, "whole-image+nets.py:Moody", "--backbone", f"{nets}:Moody", home=tmp_path / "home")
    assert "not today" in one_clear_line(said)


# What a gallery says where there are no maps


def test_a_network_has_a_map_for_each_target_of_each_photograph(look, tmp_path):
    text = page(look("gallery", VGG, "--to", tmp_path))
    assert not notes(text)
    assert targets(text) == dict.fromkeys(("sense", "presence"), len(shown(text)))


def test_a_system_that_brings_its_own_prediction_says_why_there_are_no_maps(look, tmp_path):
    text = page(look("gallery", MAJORITY, "--to", tmp_path))
    assert shown(text)
    assert len(notes(text)) == len(shown(text))
    assert all("brings its own training and prediction; grad-cam needs a network" in note for note in notes(text))


def test_predictions_from_elsewhere_have_a_gallery_that_says_why_there_are_no_maps(look, tmp_path):
    text = page(look("gallery", OURS, "--to", tmp_path))
    assert shown(text)
    assert not targets(text)
    assert all("came from outside" in note for note in notes(text))
    assert len(notes(text)) == len(shown(text))


def test_predictions_from_elsewhere_show_the_failures_of_whose_they_are(look, tmp_path):
    ours, own = (page(look("gallery", name, "--no-pixels", "--to", tmp_path)) for name in (OURS, VGG))
    assert shown(ours) == shown(own)


def test_a_model_from_elsewhere_may_have_a_plus_in_its_name(changing, tiny_run, tmp_path):
    write_predictions([one for one in tiny_run.records() if name_of(one.cell) == VGG], tmp_path / "x.csv")
    scored = ["score", tiny_run.path, tmp_path / "x.csv", "--name", "ours + TTA", "--out", changing.home / "results"]
    assert CliRunner().invoke(main, [str(word) for word in scored]).exit_code == 0
    assert shown(page(changing("gallery", "external + ours + TTA", "--to", tmp_path / "g")))


def test_a_plugin_in_a_file_has_maps_where_the_file_is_said_again(look, nets, tmp_path):
    text = page(look("gallery", NET, "--backbone", f"{nets}:Net", "-n", "2", "--to", tmp_path))
    assert not notes(text)
    assert targets(text) == dict.fromkeys(("sense", "presence"), len(shown(text)))


def test_a_plugin_in_a_file_says_why_it_has_no_maps_where_the_file_is_not_said(look, tmp_path):
    text = page(look("gallery", NET, "-n", "2", "--to", tmp_path))
    assert shown(text)
    assert not targets(text)
    assert len(notes(text)) == len(shown(text))


def test_a_plugin_in_a_file_that_is_not_said_names_the_option_that_helps(look, tmp_path):
    text = page(look("gallery", NET, "-n", "1", "--to", tmp_path))
    assert all("--backbone" in note for note in notes(text))


@pytest.mark.parametrize("command", ["gallery", "report", "explain"])
def test_a_detector_in_a_file_can_be_said_again_as_a_backbone_can(command):
    assert "--detector" in CliRunner().invoke(main, [command, "--help"]).stdout


def test_a_gallery_after_cleaning_makes_what_is_missing_and_is_the_same(changing, tmp_path):
    before = page(changing("gallery", VGG, "--to", tmp_path / "before"))
    assert CliRunner().invoke(main, ["clean", "--yes", "--store", str(changing.home / "runs")]).exit_code == 0
    after = page(changing("gallery", VGG, "--to", tmp_path / "after"))
    assert targets(before)
    assert after == before


def test_looking_writes_no_event_files(changing, tmp_path):
    assert CliRunner().invoke(main, ["clean", "--yes", "--store", str(changing.home / "runs")]).exit_code == 0
    page(changing("gallery", f"{VGG}/seed0-f0", "-n", "1", "--to", tmp_path))
    assert not list(changing.home.rglob("events.out.tfevents*"))


# The report


@pytest.fixture(scope="module")
def site(home, tiny_run, nets, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    said = call("report", tiny_run.path, "--backbone", f"{nets}:Net", "--to", folder, home=home)
    assert said.exit_code == 0, said.stderr
    assert said.stdout == f"{folder / 'index.html'}\n"
    return folder


def shown_name(system: str) -> str:
    return system.replace("+", " + ", 1)


@pytest.mark.parametrize("system", [VGG, MAJORITY, NET, OURS, DEAD, "ground-truth+structure-tensor"])
@pytest.mark.parametrize("room", ["systems", "galleries"])
def test_every_system_has_a_page_and_a_gallery_that_can_be_reached(site, system, room):
    path = site / room / f"{slug(shown_name(system))}.html"
    assert path.is_file()
    start = site / "index.html" if room == "systems" else site / "systems" / path.name
    links = {(start.parent / link).resolve() for link in re.findall(r'href="([^"#:]+)"', start.read_text())}
    assert path.resolve() in links


def test_no_link_of_a_report_is_broken(site):
    for path in site.rglob("*.html"):
        for link in re.findall(r'(?:href|src)="([^"#:]+)"', path.read_text(encoding="utf-8")):
            assert (path.parent / link).is_file(), (path, link)


def test_the_page_of_a_failed_system_says_why_it_failed(site):
    text = (site / "systems" / f"{slug(shown_name(DEAD))}.html").read_text(encoding="utf-8")
    assert "the thin section slipped" in text
    assert "2 of 2 cells failed" in text


@pytest.mark.parametrize(
    ("system", "said"),
    [(MAJORITY, "brings its own training"), (OURS, "came from outside"), (DEAD, None), (NET, None), (VGG, None)],
)
def test_the_galleries_of_a_report_say_why_there_are_no_maps(site, system, said):
    text = (site / "galleries" / f"{slug(shown_name(system))}.html").read_text(encoding="utf-8")
    assert bool(notes(text)) == bool(said)
    assert all(said in note for note in notes(text))


def test_the_gallery_of_a_report_shows_what_the_gallery_command_shows(site, look, tmp_path):
    own = page(look("gallery", VGG, "--to", tmp_path))
    reported = (site / "galleries" / f"{slug(shown_name(VGG))}.html").read_text(encoding="utf-8")
    assert shown(reported) == shown(own)
    assert targets(reported) == targets(own)


# Pages without pixels


@pytest.mark.parametrize(("command", "arguments"), [("gallery", [VGG]), ("report", [])])
def test_without_pixels_no_picture_is_written(look, tmp_path, command, arguments):
    said = look(command, *arguments, "--no-pixels", "--to", tmp_path)
    assert said.exit_code == 0
    kinds = ("grid*.png", "systems/*-sense.png", "systems/*-presence.png")  # of scores and curves, not of photographs
    charts = {path for kind in kinds for path in tmp_path.glob(kind)}
    files = [path for path in tmp_path.rglob("*") if path.is_file() and path not in charts]
    written = {path.name: path.read_bytes() for path in files}
    assert not [name for name, content in written.items() if content.startswith((b"\xff\xd8", b"\x89PNG", b"RIFF"))]
    assert not [name for name, content in written.items() if b"data:image" in content]


def test_without_pixels_the_failures_are_still_listed(look, tmp_path):
    bare, full = (page(look("gallery", VGG, *more, "--to", tmp_path)) for more in (["--no-pixels"], []))
    assert shown(bare) == shown(full)


def test_a_gallery_without_pixels_removes_the_pictures_of_the_one_before(look, tmp_path):
    look("gallery", VGG, "--to", tmp_path)
    assert list(tmp_path.rglob("*.jpg"))
    look("gallery", VGG, "--no-pixels", "--to", tmp_path)
    assert not list(tmp_path.rglob("*.jpg"))


def test_without_pixels_nothing_is_explained(changing, tmp_path):
    shutil.rmtree(changing.home / "runs")
    assert changing("gallery", VGG, "--no-pixels", "--to", tmp_path / "g").exit_code == 0
    assert not list((changing.home / "runs").rglob("node.json"))


def test_a_sheet_without_pixels_says_so(look, tmp_path):
    look("gallery", VGG, "--kind", "fp", "-n", "1", "--no-pixels", "--format", "png", "--to", tmp_path / "s.png")
    assert "No photograph and no map is shown" in (tmp_path / "s.txt").read_text(encoding="utf-8")


@pytest.mark.e2e
def test_a_sheet_without_pixels_is_grey_but_for_the_outlines(look, tmp_path):
    """A photograph has thousands of colours; outlines, text and their soft edges have few."""
    colours = {}
    for name, more in (("bare", ["--no-pixels"]), ("full", [])):
        said = look(
            "gallery", VGG, "--kind", "fp", "-n", "1", *more, "--format", "png", "--to", tmp_path / f"{name}.png"
        )
        assert said.exit_code == 0
        with Image.open(tmp_path / f"{name}.png") as picture:
            colours[name] = len(picture.convert("RGB").getcolors(1 << 24))
    assert colours["bare"] * 2 < colours["full"]


# One photograph by several methods


@pytest.fixture
def panels(monkeypatch):
    """What was drawn: explanations and notes of every panel."""
    from clastbench.report import sheets

    drawn = []
    draw = sheets.write_panel

    def noted(photo, prediction, explanations, path, **said):
        drawn.append((explanations, said["notes"]))
        return draw(photo, prediction, explanations, path, **said)

    monkeypatch.setattr(sheets, "write_panel", noted)
    return drawn


def test_a_photograph_is_explained_by_several_methods_side_by_side(look, tmp_path, panels):
    methods = ["grad-cam", "layer-cam", "occlusion"]
    asked = [word for method in methods for word in ("--method", method)]
    said = look("explain", VGG, "00001", *asked, "--to", tmp_path / "x.png")
    assert said.stdout == f"{tmp_path / 'x.png'}\n"
    assert (tmp_path / "x.png").read_bytes().startswith(b"\x89PNG\r\n")
    ((explanations, told),) = panels
    assert [(one.method, one.target) for one in explanations] == [
        (method, target) for method in methods for target in ("sense", "presence")
    ]
    assert not told


def test_a_panel_lies_below_the_results_unless_another_place_is_said(changing):
    path = Path(changing("explain", VGG, "00001", "--method", "grad-cam").stdout.strip())
    assert path.is_file()
    assert path.is_relative_to(changing.home / "results" / "tiny")


def test_a_method_that_cannot_work_says_so_beside_those_that_can(look, tmp_path, panels):
    methods = ["--method", "grad-cam", "--method", "occlusion"]
    said = look("explain", "whole-image+structure-tensor", "00001", *methods, "--to", tmp_path / "x.png")
    assert said.exit_code == 0
    ((explanations, (note,)),) = panels
    assert {one.method for one in explanations} == {"occlusion"}
    assert "grad-cam needs a network" in note


def test_where_no_method_can_work_every_reason_is_said(look, tmp_path):
    methods = ["--method", "grad-cam", "--method", "layer-cam"]
    said = one_clear_line(look("explain", MAJORITY, "00001", *methods, "--to", tmp_path / "x.png"))
    assert "grad-cam needs a network" in said
    assert "layer-cam needs a network" in said
    assert not (tmp_path / "x.png").exists()


def test_a_model_from_elsewhere_cannot_be_explained_and_says_why(look, tmp_path):
    said = one_clear_line(look("explain", OURS, "00001", "--method", "occlusion", "--to", tmp_path / "x.png"))
    assert "came from outside" in said


def test_a_control_stands_beside_both_targets(look, tmp_path, panels):
    look("explain", VGG, "00001", "--method", "grad-cam", "--method", "centre", "--to", tmp_path / "x.png")
    ((explanations, _),) = panels
    assert [one.target for one in explanations if one.method == "centre"] == ["sense", "presence"]


# Methods of explanation in list and run


def test_the_methods_of_explanation_are_listed():
    said = CliRunner().invoke(main, ["list", "explainers"])
    assert {"grad-cam", "layer-cam", "cam:NAME", "occlusion"} <= set(said.stdout.splitlines())


def run_again(changing, *explainers: str) -> list[CellRecord]:
    asked = [word for name in explainers for word in ("--explainer", name)]
    said = changing("run", "--backbone", "small_vgg*", "--detector", "whole-image", "--jobs", "0", *asked)
    assert said.exit_code == 0, said.stderr
    return [one for one in read_all(changing.home / "results" / "tiny") if name_of(one.cell) == VGG]


def methods_of(record: CellRecord) -> set[str]:
    return {table.method for table in record.maps if table.target == "sense" and not table.reason}


def test_a_further_method_is_scored_beside_the_ranked_one(changing):
    for record in run_again(changing, "grad-cam", "layer-cam"):
        assert {"grad-cam", "layer-cam"} <= methods_of(record)


def test_a_further_method_leaves_the_scores_of_the_ranked_one_as_they_were(changing, tiny_run):
    before = {one.cell: one for one in tiny_run.records()}
    for record in run_again(changing, "grad-cam", "layer-cam"):
        kept = [table for table in record.maps if table.method.startswith("grad-cam")]
        assert kept == [table for table in before[record.cell].maps if table.method.startswith("grad-cam")]


def test_scoring_another_method_takes_no_scores_away(changing):
    for record in run_again(changing, "layer-cam"):
        assert {"grad-cam", "layer-cam"} <= methods_of(record)


def test_an_unknown_method_is_answered_with_the_nearest(changing):
    said = changing("run", "--explainer", "grad-cm")
    assert "Unknown explainer 'grad-cm'. Did you mean 'grad-cam'?" in one_clear_line(said)


def test_a_run_without_tensorboard_leaves_no_event_file(tmp_path, write_suite, nets):
    suite = write_suite(tmp_path / "suite", detectors=["whole-image"], backbones=[f"{nets}:Net", "majority"])
    assert call("run", suite, "--jobs", "0", "--no-tensorboard", home=tmp_path / "home").exit_code == 0
    assert not [path for path in tmp_path.rglob("*") if "tfevents" in path.name or path.name == "tensorboard"]


def test_event_files_are_written_unless_refused(home):
    assert list((home / "runs").rglob("events.out.tfevents*"))


# Photographs that are not the expected ones


@pytest.mark.e2e
def test_a_gallery_shows_no_picture_that_is_not_the_expected_one(tmp_path, real_data):
    system = ["--backbone", "majority", "--detector", "whole-image", "--jobs", "0"]
    assert call("run", "agu2021", *system, "--data", real_data, home=tmp_path).exit_code == 0
    copy = Path(shutil.copytree(real_data, tmp_path / "data"))
    for path in copy.rglob("*.jpg"):
        Image.new("RGB", (32, 24), "red").save(path)
    said = call("gallery", "agu2021", MAJORITY, "-n", "1", "--data", copy, home=tmp_path)
    assert "expected" in one_clear_line(said)


# What is imported


HEAVY = {
    "torch", "torchvision", "timm", "matplotlib", "jinja2", "tensorboard", "captum", "pytorch_grad_cam", "cv2",
}  # fmt: skip


@pytest.fixture(scope="module")
def imported(tiny_run, tmp_path_factory) -> dict[str, set[str]]:
    """Top-level modules that commands import which make nothing."""
    out = ["--out", tiny_run.home / "results"]
    idle = ["--device", "cpu", "--jobs", "0", "--store", tiny_run.home / "runs"]
    commands = {
        "run": ["run", tiny_run.path, *idle, *out],
        "rank": ["rank", tiny_run.path, "--metric", "lift_sense", *out],
        "list": ["list", "explainers"],
    }
    found = {}
    for name, words in commands.items():
        modules, said = modules_after(*words, cwd=tmp_path_factory.mktemp(name))
        assert said.returncode == 0, said.stderr
        found[name] = {module.partition(".")[0] for module in modules}
    return found


@pytest.mark.parametrize("command", ["run", "rank", "list"])
def test_what_makes_nothing_imports_neither_networks_nor_drawing_nor_pages(imported, command):
    assert not imported[command] & HEAVY


@pytest.mark.parametrize("command", ["run", "rank", "list"])
def test_what_makes_nothing_imports_no_scipy(imported, command):
    assert "scipy" not in imported[command]


def test_a_command_in_a_process_of_its_own_prints_the_path_alone(clastbench, home, tiny_run, tmp_path):
    where = ["--store", home / "runs", "--out", home / "results", "--device", "cpu", "--to", tmp_path]
    said = clastbench("gallery", tiny_run.path, MAJORITY, *where)
    assert said.returncode == 0, said.stderr
    assert said.stdout == f"{tmp_path / 'index.html'}\n"
    assert "Warning" not in said.stderr


def test_the_map_columns_of_a_ranking_are_those_of_the_results(home, tiny_run):
    where = ["--out", str(home / "results"), "--format", "csv"]
    said = CliRunner().invoke(main, ["rank", str(tiny_run.path), "--metric", "lift_sense", *where])
    rows = {f"{row['detector']}+{row['backbone']}": row for row in csv.DictReader(io.StringIO(said.stdout))}
    stored = [table for one in read_all(home / "results" / "tiny") if name_of(one.cell) == VGG for table in one.maps]
    lifts = [v for t in stored if (t.method, t.target) == ("grad-cam", "sense") for v in t.values.get("lift", ())]
    assert float(rows[VGG]["lift_sense"]) == pytest.approx(sum(lifts) / len(lifts))
    assert rows[MAJORITY]["lift_sense"] == rows[OURS]["lift_sense"] == rows[DEAD]["lift_sense"] == ""
    assert rows[MAJORITY]["rank"] == rows[OURS]["rank"] == rows[DEAD]["rank"] == ""
    assert {rows[VGG]["rank"], rows[NET]["rank"]} <= {"1", "2", "3", "4"}
