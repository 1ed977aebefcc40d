"""Nothing may earn a score that it does not deserve."""

from __future__ import annotations

import json
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from clastbench import results
from clastbench.api import rank_suite
from clastbench.cli import main
from clastbench.records import Clast, Photomicrograph
from clastbench.run.external import write_predictions
from clastbench.run.samples import training_boxes
from clastbench.run.seeing import blinded
from clastbench.suite import CropSettings, load_suite

BACKBONES = '''
"""A backbone that remembers, and a network without weights."""

import json

import numpy as np


class Hoards:
    """Counts every picture it was ever shown."""

    size = 8
    seen = 0

    def fit(self, crops, validation, *, seed, device, out):
        """Count."""
        self.seen += len(crops)
        (out / "count.json").write_text(json.dumps({"seen": self.seen, "given": len(crops)}))

    def load(self, path, *, device):
        """Nothing to load."""

    def predict(self, images):
        """Always the same."""
        return np.zeros((len(images), 3), np.float32)


class Bare:
    """Knows of no file of weights."""

    size = (32, 48)
    mean = std = (0.5, 0.5, 0.5)

    def build(self, num_classes, weights):
        """Random, whatever is asked for."""
        from torch import nn

        return nn.Sequential(nn.Conv2d(3, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, num_classes))
'''

DETECTORS = '''
"""Detectors that break their contract, and one that peeks."""

import numpy as np

from clastbench.records import Boxes


def boxes_of(photo, boxes):
    """Sure of every box."""
    return Boxes(photo.id, np.asarray(boxes, np.float32).reshape(-1, 4), np.ones(len(boxes), np.float32))


class SaysNothing:
    """States neither view nor uses_truth."""

    def detect(self, photographs):
        """No box."""
        return [boxes_of(photo, []) for photo in photographs]


class SaysNoView(SaysNothing):
    """States no view."""

    uses_truth = False


class SaysNoTruth(SaysNothing):
    """Does not say whether it uses the truth."""

    view = "crop"


class CutsTheCorner(SaysNothing):
    """Says that it shows the whole photograph, and shows a part."""

    view = "image"
    uses_truth = False

    def detect(self, photographs):
        """The upper left corner."""
        return [boxes_of(photo, [[0, 0, 8, 8]]) for photo in photographs]


class ShowsNothing(SaysNothing):
    """Says that it shows the whole photograph, and shows none."""

    view = "image"
    uses_truth = False


class Raises(SaysNothing):
    """Cannot detect."""

    view = "crop"
    uses_truth = False

    def detect(self, photographs):
        """Raise."""
        raise RuntimeError("the lamp\\nwent out")


class Peeks(SaysNothing):
    """Returns the true boxes without saying that it uses the truth."""

    view = "crop"
    uses_truth = False

    def detect(self, photographs):
        """The true boxes, when they can be seen."""
        return [boxes_of(photo, [clast.box_xyxy for clast in photo.clasts]) for photo in photographs]
'''


@pytest.fixture(scope="module")
def backbones(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("backbones") / "vain.py"
    path.write_text(BACKBONES, encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def detectors(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("detectors") / "eyes.py"
    path.write_text(DETECTORS, encoding="utf-8")
    return path


def call(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def clast(**said) -> Clast:
    return Clast(**{"box_xyxy": (30.0, 20.0, 60.0, 40.0), "sense": "CW", **said})


def photograph(**said) -> Photomicrograph:
    known = {"id": "CW/1.png", "truth": "CW", "present": True, "group": "CW/section 7", "clasts": (clast(),)}
    pixels = np.random.default_rng(0).integers(0, 256, (64, 96, 3), dtype=np.uint8)
    return Photomicrograph(**{**known, "pixels": pixels.copy, "sha256": "c0ffee", **said})


# A fold knows nothing of another fold


@pytest.mark.parametrize("jobs", [0, 1])
def test_a_classifier_starts_anew_for_every_fold(tmp_path, write_suite, run_suite, backbones, jobs):
    path = write_suite(tmp_path / "suite", folds=2, detectors=["whole-image"], backbones=[f"{backbones}:Hoards"])
    ran = run_suite(path, tmp_path / "home", jobs=jobs)
    assert ran.summary.failed == {}
    counts = [json.loads(count.read_text()) for count in ran.store.glob("nodes/fit/*/count.json")]
    assert len(counts) == 2
    assert all(count["given"] > 0 for count in counts)
    assert [count["seen"] for count in counts] == [count["given"] for count in counts]


# No pretrained network without weights


def test_a_network_without_a_checkpoint_is_never_taken_for_a_pretrained_one(
    tmp_path, write_suite, run_suite, backbones
):
    entered = [f"{backbones}:Bare@frozen", f"{backbones}:Bare@finetune", f"{backbones}:Bare@scratch", "majority"]
    ran = run_suite(write_suite(tmp_path / "suite", backbones=entered), tmp_path / "home")
    found = {(record.cell.detector, record.cell.backbone): record for record in ran.records()}
    failed = {pair for pair, record in found.items() if record.status == "failed"}
    assert failed == {(d, f"vain.py:Bare@{m}") for d in ("whole-image", "ground-truth") for m in ("frozen", "finetune")}
    assert len(found) == 8
    for detector, backbone in failed:
        reason = found[detector, backbone].reason
        mode = backbone.rpartition("@")[2]
        assert f"@{mode} would start from random weights; enter it as @scratch" in reason
        assert found[detector, backbone].predictions == ()


# A detector that does not use the truth is not shown the truth


def test_a_blinded_photograph_tells_nothing_but_its_pixels_and_scale():
    told = photograph(light="XPL", foliation_deg=12.0, um_per_px=2.5, attributes={"kind": "sigma"})
    (seen,) = blinded([told])
    assert np.array_equal(seen.load(), told.load())
    shown = {field.name: getattr(seen, field.name) for field in fields(seen) if field.name != "pixels"}
    assert shown == {
        "id": "000000",
        "sha256": "",
        "truth": None,
        "present": False,
        "group": "000000",
        "clasts": (),
        "light": None,
        "foliation_deg": None,
        "um_per_px": 2.5,
        "attributes": {},
        "artefacts": None,
    }


def test_blinded_photographs_are_told_apart_and_keep_their_order():
    photographs = [photograph(id=f"{name}/1.png", group=name, truth=name) for name in ("CCW", "CW", "none")]
    seen = blinded(photographs)
    assert len({photo.id for photo in seen}) == len({photo.group for photo in seen}) == 3
    assert not any(name in photo.id + photo.group for photo in seen for name in ("CW", "none", "/"))


def test_a_detector_that_peeks_sees_no_clast_in_a_run(tmp_path, write_suite, run_suite, detectors):
    path = write_suite(tmp_path / "suite", detectors=[f"{detectors}:Peeks"], backbones=["majority"])
    ran = run_suite(path, tmp_path / "home")
    (record,) = ran.records()
    assert record.status == "ok"
    assert {said.probabilities for said in record.predictions} == {(1.0, 0.0, 0.0)}
    assert {"CW", "CCW"} <= {said.truth for said in record.predictions}


# A detector must be what it says


@pytest.mark.parametrize("name", ["CutsTheCorner", "ShowsNothing"])
def test_a_detector_that_says_image_and_shows_no_full_frame_is_refused(detectors, name):
    checked = call("check", f"{detectors}:{name}")
    assert checked.exit_code == 1
    problems = [line for line in checked.stdout.splitlines() if line.startswith("FAIL")]
    assert problems == [
        "FAIL returns the full frame, as its view says: view is 'image', but its box is not the full frame"
    ]


@pytest.mark.parametrize(
    ("name", "words"),
    [("SaysNothing", "view is None"), ("SaysNoView", "view is None"), ("SaysNoTruth", "uses_truth must be")],
)
def test_a_detector_that_does_not_say_what_it_is_is_refused_in_one_line(detectors, name, words):
    checked = call("check", f"{detectors}:{name}")
    assert (checked.exit_code, checked.stderr) == (1, "")
    problem, total = checked.stdout.splitlines()
    assert problem.startswith("FAIL keeps the contract's attributes: ")
    assert f"{name}.{words}" in problem
    assert total == "0 passed, 1 failed"


@pytest.mark.parametrize(
    ("name", "words"),
    [("SaysNoView", "SaysNoView.view is None"), ("SaysNoTruth", "uses_truth must be"), ("Raises", "the lamp went out")],
)
def test_a_broken_detector_breaks_only_its_own_cells(tmp_path, write_suite, detectors, name, words):
    chosen = ["whole-image", f"{detectors}:{name}"]
    path = write_suite(tmp_path / "suite", detectors=chosen, backbones=["majority", "chance"])
    places = ["--store", tmp_path / "runs", "--out", tmp_path / "results", "--device", "cpu", "--jobs", 0]
    ran = call("run", path, *places)
    assert ran.exit_code == 1
    found = {(r.cell.detector, r.cell.backbone): r for r in results.read_all(tmp_path / "results" / "tiny")}
    assert {pair: record.status for pair, record in found.items()} == {
        ("whole-image", "majority"): "ok",
        ("whole-image", "chance"): "ok",
        (f"eyes.py:{name}", "majority"): "failed",
        (f"eyes.py:{name}", "chance"): "failed",
    }
    assert words in found[f"eyes.py:{name}", "chance"].reason
    assert f"FAILED eyes.py:{name} + chance" in ran.stdout


# What nobody has judged teaches nothing


def test_an_unjudged_clast_gives_no_training_crop():
    judged, unjudged = photograph(id="a"), photograph(id="b", clasts=(clast(sense=None, judged=False),))
    shown = training_boxes([judged, unjudged], CropSettings(background=0))
    assert {sample.image_id for sample in shown} == {"a"}


# What was not measured is not shown, and what is not complete is not ranked


@pytest.fixture(scope="module")
def small_run(tmp_path_factory, write_suite, run_suite):
    """Two systems on two folds and two seeds. Look, but do not touch."""
    folder = tmp_path_factory.mktemp("small")
    said = {"detectors": ["whole-image"], "backbones": ["majority", "chance"], "seeds": (0, 1)}
    return run_suite(write_suite(folder / "suite", folds=2, **said), folder / "home")


def test_the_cost_of_predictions_from_elsewhere_is_a_dash(tmp_path, small_run):
    own = [record for record in small_run.records() if record.cell.backbone == "chance" and record.cell.seed == 0]
    write_predictions(own, tmp_path / "mine.csv")
    scored = call("score", small_run.path, tmp_path / "mine.csv", "--out", tmp_path / "results")
    assert scored.exit_code == 0, scored.stderr
    (row,) = [line for line in scored.stdout.splitlines() if line.startswith("│") and "external" in line]
    *_, fit, per_image, n, _ = [cell.strip() for cell in row.split("│")]
    assert (fit, per_image) == ("–", "–")
    assert int(n) == len({said.image_id for record in own for said in record.predictions})


@pytest.mark.parametrize(
    "lacking", [{("f1", 0)}, {("f0", 1), ("f1", 1)}], ids=["one fold of a seed", "a seed altogether"]
)
def test_a_system_that_lacks_a_fold_or_a_seed_is_not_ranked(tmp_path, small_run, lacking):
    for record in small_run.records():
        if record.cell.backbone == "chance" or (record.cell.fold, record.cell.seed) not in lacking:
            results.write(record, tmp_path / "results" / "tiny")
    board = rank_suite(load_suite(str(small_run.path)), out=tmp_path / "results")
    assert {row.backbone: row.rank for row in board.rows} == {"chance": 1, "majority": None}
    assert board.rows[-1].backbone == "majority"
    said = call("rank", small_run.path, "--out", tmp_path / "results").stdout
    notes = [line for line in said.splitlines() if line.startswith("NOT RANKED")]
    assert notes == ["NOT RANKED whole-image + majority: some folds or seeds are missing."]


def test_systems_that_have_every_fold_and_seed_are_ranked(small_run):
    board = rank_suite(load_suite(str(small_run.path)), out=small_run.home / "results")
    assert all(row.rank is not None for row in board.rows)
    assert len(board.rows) == 2


BAD_ATTRIBUTES = {"size = 0": "size is (0, 0)", "size = 32\n    mean = 0.5": "mean is 0.5", "size = 32": "mean is None"}


@pytest.mark.parametrize(("said", "words"), BAD_ATTRIBUTES.items())
def test_backbone_that_does_not_say_what_it_is_fed_breaks_its_own_cells_only(
    said, words, tiny_suite, run_suite, tmp_path
):
    path = tmp_path / "model.py"
    path.write_text(f"class Net:\n    {said}\n    def build(self, num_classes, weights): ...\n", encoding="utf-8")
    chosen = {"backbones": (f"{path}:Net", "majority"), "detectors": ("whole-image",)}
    ran = run_suite(tiny_suite, tmp_path / "home", **chosen)
    assert {cell.backbone for cell in ran.summary.failed} == {"model.py:Net@scratch"}
    assert all(words in reason for reason in ran.summary.failed.values())
