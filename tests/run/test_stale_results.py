"""What was changed, broken or repaired meanwhile never passes for what was asked for."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from clastbench import results
from clastbench.cli import main
from clastbench.data import export_coco
from clastbench.run.graph import Node, topological
from clastbench.run.inputs import open_source
from clastbench.run.progress import PlainLines
from clastbench.run.session import Choice, Places, Session
from clastbench.suite import load_suite
from clastbench.synth import render_photograph

HERE = ["--device", "cpu", "--jobs", "0"]
MEANWHILE = "was changed while the suite was running"
SWAPPED = {"CW": "CCW", "CCW": "CW"}


@pytest.fixture
def places(tmp_path) -> list[str]:
    return ["--store", str(tmp_path / "runs"), "--out", str(tmp_path / "results")]


@pytest.fixture
def plan_run(tmp_path) -> Callable[[Path], Session]:
    """Return a function that plans a run in this process without starting it."""

    def planned(path: Path) -> Session:
        kept = Places(store=tmp_path / "runs", out=tmp_path / "results")
        return Session(load_suite(str(path)), kept, Choice(device="cpu", jobs=0), download=False)

    return planned


@pytest.fixture
def finish(tmp_path):
    """Return a function that starts a planned run."""

    def finished(session: Session):
        with (tmp_path / "progress.txt").open("a", encoding="utf-8") as said:
            return session.run(PlainLines({}, said))

    return finished


def call(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def one_clear_line(result: Result) -> str:
    """Check that a command was refused in one line, and return it."""
    assert isinstance(result.exception, SystemExit), repr(result.exception)
    assert (result.exit_code, result.stdout) == (2, "")
    (line,) = result.stderr.splitlines()
    assert line.startswith("Error: ")
    return line


def replace_in(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")


# Changed between planning and running


@pytest.fixture(scope="module")
def exported(tmp_path_factory, write_suite) -> Path:
    """Return the photographs of the small suite as COCO. Look, but do not touch."""
    folder = tmp_path_factory.mktemp("exported")
    source = open_source(load_suite(str(write_suite(folder / "suite"))), None)
    export_coco([render_photograph(source.recipe, int(name)) for name in sorted(source.ids)], folder / "coco")
    return folder / "coco"


@pytest.fixture
def coco(tmp_path, exported) -> Path:
    """Return a COCO file to be changed, beside its pictures."""
    return Path(shutil.copytree(exported, tmp_path / "coco")) / "annotations.json"


@pytest.fixture
def coco_suite(tmp_path, coco, write_suite) -> Path:
    path = write_suite(tmp_path / "suite", backbones=["majority", "chance"])
    replace_in(path, 'source = "synth"', f'source = "coco"\npath = "{coco.parent}"')
    kept = [line for line in path.read_text(encoding="utf-8").splitlines() if not line.startswith("recipe")]
    path.write_text("\n".join(kept), encoding="utf-8")
    return path


def swap_senses(path: Path) -> None:
    """Turn every CW into a CCW and back, in pictures and boxes."""
    said = json.loads(path.read_text(encoding="utf-8"))
    number = {category["name"]: category["id"] for category in said["categories"]}
    turned = {number[one]: number[other] for one, other in SWAPPED.items()}
    for image in said["images"]:
        image["sense"] = SWAPPED.get(image["sense"], image["sense"])
    for annotation in said["annotations"]:
        annotation["sense"] = SWAPPED.get(annotation["sense"], annotation["sense"])
        annotation["category_id"] = turned.get(annotation["category_id"], annotation["category_id"])
    path.write_text(json.dumps(said), encoding="utf-8")


def told(path: Path) -> dict[str, str | None]:
    """What the annotations say of every photograph."""
    return {image["name"]: image["sense"] for image in json.loads(path.read_text(encoding="utf-8"))["images"]}


def test_annotations_changed_after_planning_are_never_scored_by_the_old_ones(coco, coco_suite, plan_run, finish):
    session = plan_run(coco_suite)
    swap_senses(coco)
    summary = finish(session)
    assert set(summary.failed) == set(session.plan.cells)
    assert all(MEANWHILE in reason for reason in summary.failed.values())
    assert {record.status for record in results.read_all(summary.folder)} == {"failed"}


def test_running_again_gives_the_new_truths(coco, coco_suite, plan_run, finish):
    before = told(coco)
    session = plan_run(coco_suite)
    swap_senses(coco)
    finish(session)
    summary = finish(plan_run(coco_suite))
    assert (summary.failed, summary.up_to_date) == ({}, 0)
    for record in results.read_all(summary.folder):
        truths = {said.image_id: said.truth for said in record.predictions}
        assert {"CW", "CCW"} <= set(truths.values())
        assert truths == {name: SWAPPED.get(before[name], before[name]) for name in truths}


PLUGIN = '''
"""A backbone and a detector to be changed."""

import numpy as np

from clastbench.records import Boxes


class Says:
    """Always the same."""

    size = 8

    def fit(self, crops, validation, *, seed, device, out):
        """Nothing to learn."""

    def load(self, path, *, device):
        """Nothing to load."""

    def predict(self, images):
        """Prefer none."""
        return np.tile(np.asarray([2.0, 0.5, 0.25], np.float32), (len(images), 1))


class Corner:
    """The upper left corner."""

    view = "crop"
    uses_truth = False

    def detect(self, photographs):
        """One box."""
        box = np.asarray([[0, 0, 16, 16]], np.float32)
        return [Boxes(photo.id, box, np.ones(1, np.float32)) for photo in photographs]
'''


@pytest.fixture
def plugin(tmp_path) -> Path:
    path = tmp_path / "mine.py"
    path.write_text(PLUGIN, encoding="utf-8")
    return path


def test_a_backbone_changed_after_planning_fails_its_cells_and_is_scored_anew(
    tmp_path, write_suite, plugin, plan_run, finish
):
    backbones = [f"{plugin}:Says", "majority"]
    path = write_suite(tmp_path / "suite", detectors=["whole-image"], backbones=backbones)
    session = plan_run(path)
    replace_in(plugin, "[2.0, 0.5, 0.25]", "[0.25, 0.5, 2.0]")
    failed = finish(session).failed
    assert {cell.backbone for cell in failed} == {"mine.py:Says"}
    assert all(f"Backbone 'mine.py:Says' {MEANWHILE}; run it again" in reason for reason in failed.values())
    summary = finish(plan_run(path))
    assert summary.failed == {}
    (record,) = [r for r in results.read_all(summary.folder) if r.cell.backbone == "mine.py:Says"]
    assert all(said.probabilities[2] == max(said.probabilities) for said in record.predictions)


def test_a_detector_changed_after_planning_fails_its_cells(tmp_path, write_suite, plugin, plan_run, finish):
    detectors = ["whole-image", f"{plugin}:Corner"]
    path = write_suite(tmp_path / "suite", detectors=detectors, backbones=["majority"])
    session = plan_run(path)
    replace_in(plugin, "16, 16", "32, 32")
    failed = finish(session).failed
    assert {cell.detector for cell in failed} == {"mine.py:Corner"}
    assert all(f"Detector 'mine.py:Corner' {MEANWHILE}; run it again" in reason for reason in failed.values())
    assert finish(plan_run(path)).failed == {}


# Another seed is another suite


@pytest.fixture
def two_systems(tmp_path, write_suite) -> Path:
    return write_suite(tmp_path / "suite", detectors=["whole-image"], backbones=["majority", "chance"])


def test_another_seed_has_its_own_results_and_leaves_the_suites_alone(tmp_path, places, two_systems):
    out = ["--out", str(tmp_path / "results")]
    assert call("run", two_systems, *HERE, *places).exit_code == 0
    before = call("rank", two_systems, *out).stdout
    assert call("run", two_systems, "--seed", 5, *HERE, *places).exit_code == 0
    assert sorted(path.name for path in (tmp_path / "results").iterdir()) == ["tiny", "tiny-seed5"]
    seeds = {
        name: {r.cell.seed for r in results.read_all(tmp_path / "results" / name)} for name in ("tiny", "tiny-seed5")
    }
    assert seeds == {"tiny": {0}, "tiny-seed5": {5}}
    said = call("rank", two_systems, "--seed", 5, *out)
    assert said.exit_code == 0
    assert said.stdout.lstrip().startswith("tiny-seed5 v1")
    assert "NOT RANKED" not in said.stdout
    assert call("rank", two_systems, *out).stdout == before


def test_another_seed_has_another_digest(two_systems):
    digests = {load_suite(str(two_systems), seed=seed).digest("data") for seed in (None, 5, 6)}
    assert len(digests) == 3


# A results folder with something else in it


def put_broken(folder: Path) -> Path:
    path = folder / "whole-image+gone" / "seed0-f0.json"
    path.parent.mkdir()
    path.write_text('{"schema": 1, "ke', encoding="utf-8")
    return path


def put_older(folder: Path) -> Path:
    record = next(results.read_all(folder))
    return results.write(replace(record, suite_digest="0" * 64, cell=replace(record.cell, backbone="older")), folder)


@pytest.mark.parametrize("put", [put_broken, put_older])
def test_a_result_that_cannot_be_ranked_is_left_out_by_run_and_refused_by_rank(tmp_path, places, two_systems, put):
    call("run", two_systems, *HERE, *places)
    path = put(tmp_path / "results" / "tiny")
    ran = call("run", two_systems, *HERE, *places)
    assert ran.exit_code == 0
    (left_out,) = [line for line in ran.stdout.splitlines() if line.startswith("LEFT OUT")]
    assert str(path) in left_out
    assert "majority" in ran.stdout
    assert str(path) in one_clear_line(call("rank", two_systems, "--out", tmp_path / "results"))


def test_a_broken_result_of_a_cell_that_is_run_is_written_anew(tmp_path, places, two_systems):
    call("run", two_systems, *HERE, *places)
    path = tmp_path / "results" / "tiny" / "whole-image+chance" / "seed0-f0.json"
    whole = path.read_text(encoding="utf-8")
    path.write_text(whole[:100], encoding="utf-8")
    ran = call("run", two_systems, *HERE, *places)
    assert "LEFT OUT" not in ran.stdout
    assert path.read_text(encoding="utf-8") == whole


# Repaired meanwhile

NETWORK = '''
"""A network to be broken and repaired."""

from torch import nn


class Net:
    """A small one."""

    size = (32, 48)
    mean = std = (0.5, 0.5, 0.5)

    def build(self, num_classes, weights):
        """Random."""
        return nn.Sequential(nn.Conv2d(3, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, num_classes))
'''


@pytest.mark.parametrize(("text", "name"), [(NETWORK, "Net"), (PLUGIN, "Says")])
def test_the_failed_row_of_a_plugin_is_gone_once_the_plugin_is_repaired(tmp_path, places, write_suite, text, name):
    file = tmp_path / "mine.py"
    file.write_text("import no_such_package\n" + text, encoding="utf-8")
    path = write_suite(tmp_path / "suite", detectors=["whole-image"], backbones=[f"{file}:{name}", "majority"])
    broken = call("run", path, *HERE, *places)
    assert broken.exit_code == 1
    assert f"FAILED whole-image + mine.py:{name}" in broken.stdout
    file.write_text(text, encoding="utf-8")
    repaired = call("run", path, *HERE, *places)
    assert repaired.exit_code == 0
    assert "FAILED" not in repaired.stdout
    shown = {r.cell.backbone: r.status for r in results.read_all(tmp_path / "results" / "tiny")}
    assert shown == {f"mine.py:{name}" + ("@scratch" if name == "Net" else ""): "ok", "majority": "ok"}


# Refused in one line


def test_a_dry_run_in_this_process_says_what_would_be_made(tmp_path, places, two_systems):
    foreseen = call("run", two_systems, *HERE, *places, "--dry-run")
    assert (foreseen.exit_code, foreseen.stderr) == (0, "")
    assert "trainings   2" in foreseen.stdout
    assert not (tmp_path / "runs").exists()
    assert not (tmp_path / "results").exists()


@pytest.mark.parametrize(
    ("old", "new", "field"),
    [
        (
            "learning_rate = 1e-3\nsize = [32, 48]",
            "learning_rate = inf\nsize = [32, 48]",
            "training.scratch.learning_rate",
        ),
        ("size = [32, 48]", "size = [0, 5]", "training.scratch.size"),
        ("epochs = 1\n", "epochs = true\n", "training.scratch.epochs"),
        ("size = [32, 48]", "size = [32, 48]\nhidden = 7", "training.scratch.hidden"),
    ],
    ids=["infinite learning rate", "no height", "true for a number", "hidden layer of a whole network"],
)
def test_an_impossible_value_in_a_suite_is_refused_by_its_field(tmp_path, places, two_systems, old, new, field):
    replace_in(two_systems, old, new)
    line = one_clear_line(call("run", two_systems, *HERE, *places))
    assert str(two_systems) in line
    assert field in line
    assert not (tmp_path / "results").exists()


@pytest.mark.parametrize("command", [("split", "x.csv"), ("preview", "x.png")])
def test_a_target_in_a_folder_that_is_not_there_is_refused(tmp_path, exported, command):
    name, target = command
    line = one_clear_line(call("data", name, exported, tmp_path / "missing" / target))
    assert "missing" in line


def test_a_script_without_a_guard_is_told_of_the_guard(tmp_path, write_suite):
    path = write_suite(tmp_path / "suite", detectors=["whole-image"], backbones=["majority"])
    script = tmp_path / "script.py"
    script.write_text(
        f"import clastbench\nclastbench.run_suite(clastbench.open_session({str(path)!r}, device='cpu', jobs=1))\n",
        encoding="utf-8",
    )
    said = subprocess.run(
        [sys.executable, str(script)],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "CLASTBENCH_HOME": str(tmp_path / "home")},
        timeout=60,
        check=False,
    )
    assert "put it under `if __name__ == '__main__':`" in said.stdout + said.stderr


# What does not depend on a setting is not made anew


def nodes_of(session: Session) -> dict[str, Node]:
    return {node.label: node for node in topological(list(session.plan.cells.values()))}


def test_crops_of_whole_photographs_and_what_learns_from_them_do_not_depend_on_crops_per_clast(tiny_suite, plan_run):
    before = nodes_of(plan_run(tiny_suite))
    replace_in(tiny_suite, "per_clast = 2", "per_clast = 3")
    after = nodes_of(plan_run(tiny_suite))
    assert before.keys() == after.keys()
    same = {label for label in before if before[label].key == after[label].key}
    for kind, word, stays in (
        ("crops", "whole", True),
        ("crops", "training", False),
        ("crops", "detected", True),
        ("fit", "on images", True),
        ("fit", "on crops", False),
    ):
        labels = {label for label, node in before.items() if node.kind == kind and word in label}
        assert labels
        assert labels <= same if stays else not labels & same
