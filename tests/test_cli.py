"""The command line: what it prints where, how it ends, and what it leaves alone."""

from __future__ import annotations

import csv
import io
import json
import os
import shutil
import time
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from command_lines import modules_after
from PIL import Image

from clastbench.cli import main
from clastbench.data import read
from clastbench.data.agu2021 import shipped_manifest


@pytest.fixture
def call(tmp_path, monkeypatch):
    """Return a function that runs a command in this process, in an empty folder."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.delenv("CLASTBENCH_HOME", raising=False)

    def run(*arguments: str | Path) -> Result:
        return CliRunner().invoke(main, [str(argument) for argument in arguments])

    return run


def one_clear_line(result: Result, exit_code: int) -> str:
    """Check that a command ended with one line for the reader, and return it."""
    assert isinstance(result.exception, SystemExit), repr(result.exception)
    assert result.exit_code == exit_code
    (line,) = result.stderr.splitlines()
    assert line.startswith("Error: ")
    assert not result.stdout
    return line


def where(home: Path) -> list[str]:
    return ["--store", str(home / "runs"), "--out", str(home / "results")]


HERE = ["--device", "cpu", "--jobs", "0"]


@pytest.fixture
def home(tmp_path, tiny_run) -> Path:
    """A copy of the finished small run, to be changed."""
    return Path(shutil.copytree(tiny_run.home, tmp_path / "home"))


HEAVY = {"torch", "torchvision", "timm"}


@pytest.mark.parametrize("arguments", [["--help"], ["run", "--help"], ["rank", "--help"], ["--version"]])
def test_help_imports_neither_torch_nor_pandas_nor_numpy(tmp_path, arguments):
    modules, said = modules_after(*arguments, cwd=tmp_path)
    assert said.returncode == 0
    assert not modules & (HEAVY | {"pandas", "numpy", "scipy", "pydantic"})


def test_listing_plugins_imports_none_of_them(tmp_path):
    modules, said = modules_after("list", cwd=tmp_path)
    assert not modules & HEAVY
    assert "backbone  small_vgg" in said.stdout
    assert "detector  whole-image" in said.stdout
    assert "suite     quick" in said.stdout


def test_running_a_finished_suite_imports_no_torch_and_says_so(tmp_path, tiny_run):
    modules, said = modules_after("run", tiny_run.path, *HERE, *where(tiny_run.home), cwd=tmp_path)
    assert said.returncode == 0, said.stderr
    assert "all cells up to date" in said.stderr
    assert not modules & HEAVY


def test_ranking_imports_no_torch(tmp_path, tiny_run):
    modules, said = modules_after("rank", tiny_run.path, "--out", tiny_run.home / "results", cwd=tmp_path)
    assert said.returncode == 0, said.stderr
    assert not modules & HEAVY


def test_the_table_goes_to_stdout_and_progress_to_stderr(tmp_path, tiny_suite, clastbench):
    said = clastbench("run", tiny_suite, *HERE, "--backbone", "majority", *where(tmp_path / "home"))
    assert said.returncode == 0
    assert "ranked by macro_f1" in said.stdout
    assert "whole-image" in said.stdout
    assert "Results:" not in said.stdout
    assert "score whole-image + majority" in said.stderr or "score ground-truth + majority" in said.stderr
    assert str(tmp_path / "home" / "results" / "tiny") in said.stderr
    assert "ranked by" not in said.stderr


def test_a_run_writes_nowhere_but_into_store_and_results(call, tmp_path, tiny_suite):
    before = sorted(tiny_suite.parent.iterdir())
    assert call("run", tiny_suite, *HERE, "--backbone", "chance", *where(tmp_path / "home")).exit_code == 0
    assert sorted(tiny_suite.parent.iterdir()) == before
    assert list(Path.cwd().iterdir()) == []
    assert {path.name for path in (tmp_path / "home").iterdir()} == {"runs", "results"}


def test_the_default_folders_are_runs_and_results(call, tiny_suite):
    assert call("run", tiny_suite, *HERE, "--backbone", "chance").exit_code == 0
    assert {path.name for path in Path.cwd().iterdir()} == {"runs", "results"}


def test_clastbench_home_holds_both_folders(call, tmp_path, tiny_suite, monkeypatch):
    monkeypatch.setenv("CLASTBENCH_HOME", str(tmp_path / "elsewhere"))
    assert call("run", tiny_suite, *HERE, "--backbone", "chance").exit_code == 0
    assert {path.name for path in (tmp_path / "elsewhere").iterdir()} == {"runs", "results"}
    assert call("rank", tiny_suite).exit_code == 0


def test_a_dry_run_says_what_it_would_train_and_makes_nothing(call, tiny_suite):
    said = call("run", tiny_suite, "--device", "cpu", "--dry-run")
    assert said.exit_code == 0
    lines = dict(line.split(maxsplit=1) for line in said.stdout.splitlines() if line[0] != " ")
    assert lines["trainings"] == "8"
    assert lines["cells"].startswith("8,")
    assert list(Path.cwd().iterdir()) == []


def test_a_dry_run_of_a_finished_suite_finds_nothing_to_make(call, tiny_run):
    said = call("run", tiny_run.path, "--device", "cpu", "--dry-run", *where(tiny_run.home))
    assert "16 up to date" in said.stdout.replace(", of which", "").replace("16 16", "16")
    assert "nothing" in said.stdout


def test_a_limit_runs_another_smaller_suite(call, tmp_path, tiny_suite):
    limited = ["--limit", "10", "--out", str(tmp_path / "home" / "results")]
    said = call("run", tiny_suite, *HERE, "--backbone", "majority", "--store", tmp_path / "home" / "runs", *limited)
    assert said.exit_code == 0
    assert (tmp_path / "home" / "results" / "tiny-limit10").is_dir()
    rows = list(csv.DictReader(io.StringIO(call("rank", tiny_suite, *limited, "--format", "csv").stdout)))
    assert {row["n_images"] for row in rows} == {"10"}
    assert "no results yet" in one_clear_line(call("rank", tiny_suite, "--out", tmp_path / "home" / "results"), 2)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["run", "quik"], "Unknown suite 'quik'. Did you mean 'quick'?"),
        (["rank", "quik"], "Unknown suite 'quik'. Did you mean 'quick'?"),
        (["run", "TINY", "--backbone", "smal_vgg"], "Unknown backbone 'smal_vgg'. Did you mean 'small_vgg'?"),
        (["run", "TINY", "--backbone", "small_vgg@scrtch"], "unknown mode 'scrtch'"),
        (["run", "TINY", "--backbone", "majority@frozen"], "brings its own training"),
        (["run", "TINY", "--backbone", "gone.py:Model"], "gone.py: no such file"),
        (["run", "TINY", "--detector", "whole-imag"], "Unknown detector 'whole-imag'. Did you mean 'whole-image'?"),
        (["run", "TINY", "--device", "gpu"], "--device 'gpu'"),
        (["run", "gone.toml"], "gone.toml"),
        (["run", "agu2021", "--data", "gone", "--device", "cpu"], "gone"),
        (["run", "agu2021", "--backbone", "majority", "--device", "cpu"], "--data"),
        (["score", "TINY", "gone.csv"], "gone.csv"),
        (["check", "smal_vgg"], "Did you mean 'small_vgg'?"),
    ],
)
def test_a_call_that_is_off_ends_with_one_clear_line_and_2(call, tiny_suite, arguments, said):
    result = call(*(tiny_suite if argument == "TINY" else argument for argument in arguments))
    assert said in one_clear_line(result, 2)
    assert list(Path.cwd().iterdir()) == []


@pytest.mark.parametrize("form", ["html", ""])
def test_an_unknown_format_is_refused(call, tiny_run, form):
    assert call("rank", tiny_run.path, "--format", form).exit_code == 2


def test_an_unknown_metric_is_answered_with_the_nearest(call, tiny_run):
    result = call("rank", tiny_run.path, "--out", tiny_run.home / "results", "--metric", "acuracy")
    assert "Did you mean 'accuracy'?" in one_clear_line(result, 2)


def test_a_class_that_a_file_does_not_have_is_answered_with_those_it_has(call, tiny_suite, plugin_file):
    said = one_clear_line(call("run", tiny_suite, "--backbone", f"{plugin_file}:Sond"), 2)
    assert "Did you mean 'Sound'?" in said


def test_results_of_another_version_of_the_suite_are_not_ranked(call, home, tiny_run, tmp_path):
    changed = shutil.copytree(tiny_run.path.parent, tmp_path / "changed") / "tiny.toml"
    changed.write_text(changed.read_text().replace("epochs = 1", "epochs = 3"), encoding="utf-8")
    said = one_clear_line(call("rank", changed, "--out", home / "results"), 2)
    assert "another version of the suite" in said
    assert str(home / "results" / "tiny") in said


def test_a_broken_result_file_is_named(call, home, tiny_run):
    broken = next((home / "results" / "tiny").glob("*/*.json"))
    broken.write_text("{", encoding="utf-8")
    assert str(broken) in one_clear_line(call("rank", tiny_run.path, "--out", home / "results"), 2)


def test_a_broken_result_file_is_written_anew_by_running_again(call, home, tiny_run):
    broken = next((home / "results" / "tiny").glob("*/*.json"))
    whole = broken.read_text(encoding="utf-8")
    broken.write_text("{", encoding="utf-8")
    assert call("run", tiny_run.path, *HERE, *where(home)).exit_code == 0
    assert json.loads(broken.read_text(encoding="utf-8"))["predictions"] == json.loads(whole)["predictions"]


def test_a_plugin_that_fails_costs_only_its_own_cells(call, tmp_path, tiny_suite, plugin_file):
    chosen = ["--backbone", f"{plugin_file}:Raises", "--backbone", "majority", "--detector", "whole-image"]
    said = call("run", tiny_suite, *HERE, *chosen, *where(tmp_path / "home"))
    assert said.exit_code == 1
    assert "FAILED" in said.stdout
    assert "fit raised RuntimeError: the thin section slipped" in said.stdout
    assert "Traceback" not in said.stdout + said.stderr
    ranked = call("rank", tiny_suite, "--out", tmp_path / "home" / "results", "--format", "csv").stdout
    rows = {row["backbone"]: row for row in csv.DictReader(io.StringIO(ranked))}
    assert rows["majority"]["rank"] == "1"
    assert rows["odd.py:Raises"]["rank"] == ""
    assert rows["odd.py:Raises"]["n_failed"] == "1"


def test_pretrained_weights_that_are_nowhere_fail_their_own_cells_at_once(call, tmp_path, tiny_suite, monkeypatch):
    for name in ("CLASTBENCH_WEIGHTS", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setattr("clastbench.weights._download", lambda checkpoint: (_ for _ in ()).throw(OSError("offline")))
    chosen = ["--backbone", "resnet50@frozen", "--backbone", "majority", "--detector", "whole-image"]
    started = time.monotonic()
    said = call("run", tiny_suite, *HERE, *chosen, *where(tmp_path / "home"))
    assert time.monotonic() - started < 20
    assert said.exit_code == 1
    assert "resnet50-0676ba61.pth" in said.stdout
    assert "$CLASTBENCH_WEIGHTS" in said.stdout
    ranked = call("rank", tiny_suite, "--out", tmp_path / "home" / "results", "--format", "csv").stdout
    rows = {row["backbone"]: row for row in csv.DictReader(io.StringIO(ranked))}
    assert rows["majority"]["rank"] == "1"
    assert "resnet50-0676ba61.pth" in rows["resnet50@frozen"]["reason"]


def test_weights_that_are_broken_are_never_replaced_by_random_ones(call, tmp_path, tiny_suite, monkeypatch):
    monkeypatch.setenv("CLASTBENCH_WEIGHTS", str(tmp_path))
    (tmp_path / "resnet50-0676ba61.pth").write_bytes(b"not weights")
    chosen = ["--backbone", "resnet50@frozen", "--detector", "whole-image"]
    said = call("run", tiny_suite, *HERE, *chosen, *where(tmp_path / "home"))
    assert said.exit_code == 1
    assert "1 of 1 cells failed" in said.stdout


@pytest.fixture
def fake_agu(tmp_path) -> Path:
    """A clone of agu2021 whose files have the right names and other contents."""
    root = tmp_path / "clone" / "images"
    with (shipped_manifest() / "labels.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            path = root / row["file"]
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b"another picture")
    return root.parent


def test_photographs_that_differ_are_refused_by_name(call, fake_agu):
    said = one_clear_line(call("run", "agu2021", "--data", fake_agu, *HERE, "--backbone", "majority"), 2)
    with (shipped_manifest() / "labels.csv").open(encoding="utf-8", newline="") as file:
        first = next(csv.DictReader(file))
    assert str(fake_agu / "images" / first["file"]) in said
    assert f"expected {first['sha256']}" in said


def test_photographs_that_are_missing_are_named(call, fake_agu):
    (fake_agu / "images" / "with" / "1.jpg").unlink()
    said = one_clear_line(call("run", "agu2021", "--data", fake_agu, *HERE, "--backbone", "majority"), 2)
    assert str(fake_agu / "images" / "with" / "1.jpg") in said
    assert "missing" in said


@pytest.fixture
def folders(tmp_path) -> Path:
    """Photographs in folders named by their class, and a suite on them that trains on no CCW."""
    rows, chance = ["fold,role,id"], np.random.default_rng(0)
    for label in ("CW", "CCW", "none"):
        (tmp_path / "photos" / label).mkdir(parents=True)
        for number in range(4):
            pixels = chance.integers(0, 256, (24, 32, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / "photos" / label / f"{number}.png")
            role = "train" if number < 2 and label != "CCW" else "test"
            rows.append(f"f0,{role},{label}/{number}.png")
    (tmp_path / "split.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    path = tmp_path / "mine.toml"
    path.write_text(
        'name = "mine"\nversion = 1\nsplit = "split.csv"\nbackbones = ["majority", "chance"]\n'
        '[data]\nsource = "folders"\npath = "photos"\n',
        encoding="utf-8",
    )
    return path


def test_a_class_with_nothing_to_train_on_is_refused(call, folders):
    said = one_clear_line(call("run", folders, *HERE), 2)
    assert "CCW" in said
    assert "f0" in said


def test_photographs_of_ones_own_are_ranked(call, folders):
    split = folders.parent / "split.csv"
    text = split.read_text().replace("test,CCW/0", "train,CCW/0").replace("test,CCW/1", "train,CCW/1")
    split.write_text(text, encoding="utf-8")
    assert call("run", folders, *HERE).exit_code == 0


def test_an_empty_folder_of_photographs_is_refused(call, folders):
    for picture in (folders.parent / "photos").rglob("*.png"):
        picture.unlink()
    one_clear_line(call("run", folders, *HERE), 2)


def test_cleaning_empties_the_store_and_leaves_results(call, home, tiny_run):
    assert call("clean", "--store", home / "runs", "--yes").exit_code == 0
    assert not (home / "runs" / "nodes").exists()
    said = call("run", tiny_run.path, *HERE, *where(home))
    assert said.exit_code == 0
    assert "all cells up to date" in said.stderr
    assert not list((home / "runs").glob("nodes/*/*"))


def test_cleaning_asks_first(call, home):
    assert call("clean", "--store", home / "runs").exit_code != 0
    assert (home / "runs" / "nodes").is_dir()


def test_status_says_what_is_up_to_date(call, tiny_run):
    said = call("status", tiny_run.path, *where(tiny_run.home))
    assert said.exit_code == 0
    assert "cells" in said.stdout


def test_progress_is_plain_lines_when_nobody_watches(tmp_path, tiny_suite, clastbench):
    environment = {**os.environ, "TERM": "dumb"}
    said = clastbench("run", tiny_suite, *HERE, "--backbone", "chance", *where(tmp_path / "h"), env=environment)
    assert "\x1b" not in said.stdout + said.stderr
    assert "\r" not in said.stderr


UNDER_CONDITIONS = """fold,role,id
f0,train,00003
f0,train,00004
f0,validation,00005
f0,test,00001
f0,test,00001~light=grey
f0,test,00001~blur=2.5
"""


def test_an_export_holds_pictures_labels_annotations_and_the_split_conditions_too(call, tmp_path, write_suite):
    suite = write_suite(tmp_path / "suite", split=UNDER_CONDITIONS)
    said = call("data", "export", suite, "out")
    assert (said.exit_code, said.stderr) == (0, "Exported to out\n")
    assert {path.name for path in Path("out").iterdir()} == {
        "README.txt", "annotations.json", "images", "instances", "masks", "split.csv"
    }  # fmt: skip
    photographs = read(Path("out"))
    assert [photo.id for photo in photographs] == [
        "00001", "00003", "00004", "00005", "00001~blur=2.5", "00001~light=grey"
    ]  # fmt: skip
    assert all(photo.artefacts is not None for photo in photographs)
    assert {photo.group for photo in photographs if photo.id.startswith("00001")} == {"00001"}
    assert sorted(Path("out", "split.csv").read_text().splitlines()) == sorted(UNDER_CONDITIONS.splitlines())


def test_a_limited_export_has_a_split_of_what_it_holds(call, tmp_path, write_suite):
    suite = write_suite(tmp_path / "suite", split=UNDER_CONDITIONS)
    assert call("data", "export", suite, "out", "--limit", "3").exit_code == 0
    assert [photo.id for photo in read(Path("out"))] == ["00001", "00003", "00004"]
    assert set(Path("out", "split.csv").read_text().splitlines()[1:]) == {
        "f0,test,00001",
        "f0,train,00003",
        "f0,train,00004",
    }


def test_photographs_that_are_not_generated_are_not_exported(call, folders):
    assert "only generated photographs are exported" in one_clear_line(call("data", "export", folders, "out"), 2)
    assert not Path("out").exists()


@pytest.mark.parametrize("by", ["kind", "light", "level"])
@pytest.mark.parametrize("plain", [[], ["--plain"]])
def test_a_sheet_of_a_suite_is_grouped_as_asked(call, tiny_suite, by, plain):
    said = call("data", "preview", tiny_suite, "sheet.png", "--by", by, "--limit", "2", *plain)
    assert (said.exit_code, said.stderr) == (0, "Contact sheet: sheet.png\n")
    with Image.open("sheet.png") as sheet:
        assert sheet.width == 2 * 244
        assert (sheet.height - (0 if plain else 40)) // (178 + 26) >= 3


def test_a_sheet_of_a_recipe_needs_no_suite(call, tmp_path):
    (tmp_path / "mine.toml").write_text('[data]\nsource = "synth"\nrecipe = { seed = 1, n_images = 5 }\n')
    assert call("data", "preview", tmp_path / "mine.toml", "sheet.png", "--plain").exit_code == 0
    with Image.open("sheet.png") as sheet:
        assert sheet.size == (5 * 244, 178)


def test_levels_of_photographs_that_are_not_generated_are_refused(call, folders):
    said = call("data", "preview", folders.parent / "photos", "sheet.png", "--by", "level")
    assert "only generated photographs have levels" in one_clear_line(said, 2)
    assert not Path("sheet.png").exists()


def test_a_file_that_is_neither_suite_nor_recipe_is_refused(call, tmp_path):
    (tmp_path / "mine.toml").write_text("n_images = 5\n")
    said = one_clear_line(call("data", "preview", tmp_path / "mine.toml", "sheet.png"), 2)
    assert "is no suite, since it names no split, and no recipe either: recipe.seed" in said
