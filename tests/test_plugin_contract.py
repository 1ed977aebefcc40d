"""The check kit catches every broken plugin, and a stranger's package is checked and ranked like our own."""

from __future__ import annotations

import ast
import os
import shutil
import subprocess
import sys
import tomllib
from importlib.util import find_spec
from pathlib import Path

import pytest

from clastbench import plugins
from clastbench.conformance import check_plugin
from clastbench.errors import UnknownNameError
from clastbench.results import read_all

HERE = Path(__file__).resolve().parent
BROKEN = HERE / "broken_plugins.py"
EXAMPLE = HERE / "plugin_example"
CLASTBENCH = Path(sys.executable).with_name("clastbench")
BIG = {"inception_v3", "resnet50", "vgg19"}
BIG_DETECTORS = {"retinanet_resnet50", "yolov3"}
IN_PROCESS = ("--device", "cpu", "--jobs", 0)
TAKES_A_NAME = {"timm": "timm:resnet18", "torchvision": "torchvision:mobilenet_v3_small"}
DETECTORS_THAT_TAKE_A_NAME = {
    "torchvision": "torchvision:ssdlite320_mobilenet_v3_large",
    "ultralytics": "ultralytics:yolo11n",
}

BREACHES = {
    "Raises": ("fits and loads", "raised RuntimeError: no licence found for this solver"),
    "SaysNaN": ("predicts finite logits", "logits hold NaN or infinite values"),
    "KnowsTwoClasses": ("predicts logits of the right shape", "logits have shape (7, 2), expected (7, 3)"),
    "ChangesItsInput": ("leaves its input unmutated", "the input images were changed in place"),
    "ComparesPictures": ("is independent of the batch", "a picture's logits depend on the batch it is in"),
    "ForgetsWhatItLearned": ("is the same after save and load", "a reloaded model predicts something else"),
    "HidesATensor": ("is the same after save and load", "a network built again and filled with its state dict"),
}

DETECTOR_BREACHES = {
    "HasNoView": ("keeps the contract's attributes", "view is None; expected 'image' or 'crop'"),
    "CannotBeTrained": ("fits and loads", "raised ValueError: no mirror plane found"),
    "LeavesALog": ("writes only into the folder it is given", "fit wrote runs.log beside the folder out"),
    "IsTooSure": ("proposes valid boxes", "scores are not in 0..1"),
    "SaysWidthAndHeight": ("proposes valid boxes", "boxes without area"),
    "ReadsNoSense": ("proposes valid boxes", "label holds more than [1, 2], the senses CW, CCW"),
    "ForgetsTheScale": ("keeps its boxes on the photograph", "a box lies outside the photograph (96 by 64 pixels)"),
    "PaintsOnPhotographs": ("leaves its input unmutated", "the pixels of a photograph were changed in place"),
    "CountsPhotographs": ("is independent of the batch", "a photograph's boxes depend on those it is shown with"),
    "ClaimsTheFullFrame": ("returns the full frame, as its view says", "its box is not the full frame"),
    "NeedsAPhotograph": ("bears no photographs", "raised IndexError"),
    "NeedsContrast": ("bears a photograph of nothing", "raised ZeroDivisionError: no grey value differs"),
    "LearnsOnlyInMemory": ("is the same after save and load", "a reloaded detector proposes something else"),
    "HidesTheSense": ("reads the sense when asked to", "own_head is True, but its boxes carry no label"),
    "HoldsALambda": ("pickles", "Can't"),
}


def problems(name: str) -> dict[str, str]:
    """What the kit found wrong, by title of the check."""
    return {finding.check: finding.problem for finding in check_plugin(name) if finding.problem is not None}


def backbones() -> list[object]:
    names = [TAKES_A_NAME.get(name, name) for name in plugins.names(plugins.BACKBONES)]
    return [pytest.param(name, marks=pytest.mark.slow if name in BIG else ()) for name in names]


# The kit against plugins that are broken

ONE_BREACH = (
    "KnowsTwoClasses",
    "SaysNaN",
    "ChangesItsInput",
    "ComparesPictures",
    "HidesATensor",
    "ForgetsWhatItLearned",
)


@pytest.mark.parametrize("plugin", ONE_BREACH)
def test_broken_plugin_is_blamed_for_one_thing_only(plugin):
    found = [finding.check for finding in check_plugin(f"{BROKEN}:{plugin}") if finding.problem is not None]
    assert found == [BREACHES[plugin][0]]


@pytest.mark.parametrize(("plugin", "breach"), DETECTOR_BREACHES.items())
def test_broken_detector_is_blamed_for_one_thing_only_and_the_reason_is_named(plugin, breach):
    title, words = breach
    found = problems(f"{BROKEN}:{plugin}")
    assert list(found) == [title]
    assert words in found[title]


def test_detector_that_answers_otherwise_each_time_is_caught():
    assert "is deterministic" in problems(f"{BROKEN}:Drifts")


@pytest.mark.parametrize("sound", ["_Detector", "_LearningDetector"])
def test_detector_without_a_fault_keeps_the_contract(sound):
    assert problems(f"{BROKEN}:{sound}") == {}


SOUND = """
import numpy as np
class Model:
    size = 32
    def fit(self, crops, validation, *, seed, device, out): ...
    def load(self, path, *, device): ...
    def predict(self, images): return np.zeros((len(images), 3), np.float32)
"""


def test_sound_classifier_in_a_file_keeps_the_contract(tmp_path):
    path = tmp_path / "model.py"
    path.write_text(SOUND)
    assert [finding for finding in check_plugin(f"{path}:Model") if finding.problem is not None] == []


@pytest.mark.parametrize(
    ("name", "words"), [("timm:resnet118", "Unknown timm model"), (f"{BROKEN}:SaysNan", "Did you mean 'SaysNaN'")]
)
def test_check_passes_on_what_the_look_up_suggests(name, words):
    with pytest.raises(UnknownNameError, match=words):
        check_plugin(name)


@pytest.mark.parametrize(("plugin", "breach"), BREACHES.items())
def test_broken_plugin_is_caught_and_the_reason_is_named(plugin, breach):
    title, words = breach
    assert words in problems(f"{BROKEN}:{plugin}").get(title, "")


def test_checks_that_would_only_repeat_a_failure_are_not_run():
    checked = [finding.check for finding in check_plugin(f"{BROKEN}:Raises")]
    assert checked == ["states its input size", "fits and loads"]


def test_problem_is_told_in_one_line():
    assert all("\n" not in problem for plugin in BREACHES for problem in problems(f"{BROKEN}:{plugin}").values())


# The kit against what we ship


@pytest.mark.parametrize("name", backbones())
def test_shipped_backbone_keeps_the_contract(name):
    assert problems(name) == {}


def detectors() -> list[object]:
    names = plugins.names(plugins.DETECTORS)
    marks = {name: pytest.mark.slow if name in BIG_DETECTORS else () for name in names}
    return [pytest.param(DETECTORS_THAT_TAKE_A_NAME.get(name, name), marks=marks[name]) for name in names]


@pytest.mark.parametrize("name", detectors())
def test_shipped_detector_keeps_the_contract(name):
    assert problems(name) == {}


@pytest.mark.parametrize("name", ["majority", "small_vgg", "whole-image"])
def test_kit_never_passes_without_having_checked_anything(name):
    assert len(check_plugin(name)) >= 4


# A stranger's package


def test_example_classes_are_short():
    module = ast.parse((EXAMPLE / "my_clast_model.py").read_text(encoding="utf-8"))
    lines = {node.name: node.end_lineno - node.lineno + 1 for node in module.body if isinstance(node, ast.ClassDef)}
    assert lines["TinyCNN"] <= 15
    assert lines["BrightSpot"] <= 25


def test_example_adds_one_entry_point_a_class():
    project = tomllib.loads((EXAMPLE / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["entry-points"] == {
        "clastbench.backbones": {"tiny-cnn": "my_clast_model:TinyCNN"},
        "clastbench.detectors": {"bright-spot": "my_clast_model:BrightSpot"},
    }


@pytest.mark.parametrize("name", ["TinyCNN", "BrightSpot"])
def test_example_keeps_the_contract_without_being_installed(name):
    assert problems(f"{EXAMPLE / 'my_clast_model.py'}:{name}") == {}


@pytest.fixture(scope="module")
def installed(tmp_path_factory) -> Path:
    """Return a folder that the example package was installed into by pip, offline."""
    if find_spec("pip") is None:
        pytest.skip("pip is not installed in this environment")
    source, target = tmp_path_factory.mktemp("source") / "plugin", tmp_path_factory.mktemp("site")
    shutil.copytree(EXAMPLE, source)  # building leaves files beside the source
    offline = ["--no-deps", "--no-build-isolation", "--no-index", "--disable-pip-version-check", "--quiet"]
    command = [sys.executable, "-m", "pip", "install", *offline, "--target", str(target), str(source)]
    subprocess.run(command, check=True, capture_output=True, text=True)
    return target


def write_suite(folder: Path) -> Path:
    """Write a suite of 48 small generated photographs, one epoch of training."""
    roles = ["train"] * 28 + ["validation"] * 4 + ["test"] * 16
    rows = "".join(f"holdout,{role},{index:05d}\n" for index, role in enumerate(roles))
    (folder / "split.csv").write_text(f"fold,role,id\n{rows}", encoding="utf-8")
    path = folder / "tiny.toml"
    path.write_text(
        """
        name = "tiny"
        version = 1
        split = "split.csv"
        backbones = ["majority"]
        data = { source = "synth", recipe = { seed = 3, n_images = 48, width = 96, height = 64 } }
        training.scratch = { epochs = 1, batch_size = 16, learning_rate = 1e-3 }
        """,
        encoding="utf-8",
    )
    return path


def call(*arguments: object, folder: Path, plugins_in: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run the installed command in a folder of its own."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "COLUMNS": "200", "CLASTBENCH_HOME": str(folder)}
    if plugins_in is not None:
        environment["PYTHONPATH"] = str(plugins_in)
    command = [str(CLASTBENCH), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, cwd=folder, env=environment, check=False)


def test_installed_example_is_listed_checked_and_found_good(installed, tmp_path):
    listed = call("list", "backbones", folder=tmp_path, plugins_in=installed)
    assert "tiny-cnn" in listed.stdout.split()
    checked = call("check", "tiny-cnn", folder=tmp_path, plugins_in=installed)
    assert (checked.returncode, checked.stderr) == (0, "")
    assert checked.stdout.endswith("12 passed, 0 failed\n")


def test_installed_example_detector_is_listed_checked_and_found_good(installed, tmp_path):
    listed = call("list", "detectors", folder=tmp_path, plugins_in=installed)
    assert "bright-spot" in listed.stdout.split()
    checked = call("check", "bright-spot", folder=tmp_path, plugins_in=installed)
    assert (checked.returncode, checked.stderr) == (0, "")
    assert checked.stdout.endswith("10 passed, 0 failed\n")


def test_installed_example_detector_is_ranked(installed, tmp_path):
    chosen = ("--detector", "bright-spot", "--backbone", "majority")
    ran = call("run", write_suite(tmp_path), *chosen, *IN_PROCESS, folder=tmp_path, plugins_in=installed)
    assert ran.returncode == 0, ran.stderr
    (record,) = read_all(tmp_path / "results" / "tiny")
    assert (record.cell.detector, record.status, len(record.predictions)) == ("bright-spot", "ok", 16)


def test_installed_example_is_trained_from_scratch_and_ranked(installed, tmp_path):
    ran = call(
        "run", write_suite(tmp_path), "--backbone", "tiny-cnn", *IN_PROCESS, folder=tmp_path, plugins_in=installed
    )
    assert ran.returncode == 0, ran.stderr
    assert "tiny-cnn@scratch" in ran.stdout
    (record,) = read_all(tmp_path / "results" / "tiny")
    assert (record.cell.backbone, record.status, len(record.predictions)) == ("tiny-cnn@scratch", "ok", 16)


# A broken plugin beside a good one


@pytest.fixture(scope="module")
def mixed(tmp_path_factory) -> tuple[subprocess.CompletedProcess[str], Path]:
    """Return the outcome of a run of one good and one broken backbone, and its results folder."""
    folder = tmp_path_factory.mktemp("mixed")
    chosen = ("--backbone", f"{BROKEN}:Raises", "--backbone", "majority")
    ran = call("run", write_suite(folder), *chosen, *IN_PROCESS, folder=folder)
    return ran, folder / "results" / "tiny"


def test_broken_plugin_fails_only_its_own_cell(mixed):
    ran, results = mixed
    records = {record.cell.backbone: record for record in read_all(results)}
    assert ran.returncode == 1
    assert {name: record.status for name, record in records.items()} == {
        "majority": "ok",
        "broken_plugins.py:Raises": "failed",
    }
    assert len(records["majority"].predictions) == 16
    expected = "Backbone 'broken_plugins.py:Raises': fit raised RuntimeError: no licence found for this solver"
    assert records["broken_plugins.py:Raises"].reason == expected


def test_failure_is_told_in_one_line_and_without_a_traceback(mixed):
    ran, _ = mixed
    told = [line for line in ran.stderr.splitlines() if "no licence found for this solver" in line]
    assert len(told) == 1
    assert "FAILED fit broken_plugins.py:Raises" in told[0]
    assert "Traceback" not in ran.stdout + ran.stderr


def test_leaderboard_shows_the_good_cell_scored_and_the_broken_one_failed(mixed):
    ran, _ = mixed
    rows = [line for line in ran.stdout.splitlines() if "whole-image" in line and "│" in line]
    assert ["1" in rows[0].split(), "–" in rows[1].split()] == [True, True]
    failure = "FAILED whole-image + broken_plugins.py:Raises: 1 of 1 cells failed: Backbone 'broken_plugins.py:Raises'"
    assert failure in ran.stdout
