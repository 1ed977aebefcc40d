"""The grid at work: what is trained, what is asked, and that no proposal can break a score."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from clastbench.api import open_session, run_suite
from clastbench.run.graph import topological

DETECTORS = '''
"""Detectors for tests."""

import json

import numpy as np

from clastbench.records import Boxes


class _Detector:
    view = "crop"
    uses_truth = False

    def detect(self, photographs):
        return [self._of(photo.id, photo.load()) for photo in photographs]

    def _of(self, name, pixels):
        height, width = pixels.shape[:2]
        boxes, scores = self._boxes(width, height, pixels)
        return Boxes(name, np.asarray(boxes, np.float32).reshape(-1, 4), np.asarray(scores, np.float32))


class Nothing(_Detector):
    def _boxes(self, width, height, pixels):
        return [], []


class Thousands(_Detector):
    def _boxes(self, width, height, pixels):
        chance = np.random.default_rng(0)
        corners = chance.uniform(0, 0.8, (3000, 2)) * (width, height)
        return np.concatenate([corners, corners + 0.2 * width], axis=1), chance.random(3000)


class Odd(_Detector):
    """Boxes outside, without area, not finite; scores that are none."""

    def _boxes(self, width, height, pixels):
        boxes = [
            [-50, -50, -10, -10], [width + 5, 0, width + 50, 20], [10, 10, 10, 30], [30, 30, 20, 20],
            [np.nan, 0, 5, 5], [0, 0, np.inf, 5], [5, 5, 20, 20], [5, 5, 20, 20], [-20, -20, 2 * width, 2 * height],
        ]
        return boxes, [0.9, 0.9, 0.9, 0.9, 0.9, 0.9, np.nan, 1.5, 0.8]


class Short(_Detector):
    def _boxes(self, width, height, pixels):
        return [[0, 0, 5, 5], [0, 0, 9, 9]], [0.5]


class Unscored(_Detector):
    def _boxes(self, width, height, pixels):
        return [[0, 0, 5, 5]], []


class Learner(_Detector):
    """Remembers the mean box of its training clasts and proposes it, surer of brighter photographs."""

    own_head = False

    def fit(self, photographs, validation, *, recipe, seed, device, out):
        boxes = [clast.box_xyxy for photo in photographs for clast in photo.clasts]
        (out / "mean.json").write_text(json.dumps(np.mean(boxes, axis=0).tolist()))

    def load(self, path, *, device):
        self.mean = json.loads((path / "mean.json").read_text())

    def _boxes(self, width, height, pixels):
        return [self.mean], [pixels.mean() / 255]

    def _of(self, name, pixels):
        found = super()._of(name, pixels)
        label = np.asarray([1 + int(pixels[0, 0, 0]) % 2], np.int8) if self.own_head else None
        return Boxes(found.image_id, found.xyxy, found.score, label)


class Learner1(Learner):
    pass


class Learner2(Learner):
    pass


class Raises(Learner):
    def fit(self, photographs, validation, **settings):
        raise RuntimeError("no gradient")


class Shy(Learner):
    """Has a head of its own and does not use it."""

    def _of(self, name, pixels):
        return super(Learner, self)._of(name, pixels)
'''

BACKBONES = '''
"""Backbones for tests."""

import numpy as np


class Mean:
    """Reads the mean brightness."""

    size = (16, 24)

    def fit(self, crops, validation, *, seed, device, out):
        (out / "seen.txt").write_text(str(len(crops)))

    def load(self, path, *, device):
        self.seen = int((path / "seen.txt").read_text())

    def predict(self, images):
        level = images.mean(axis=(1, 2, 3))
        return np.stack([1 - level, level, level[::-1] * 0 + 0.3], axis=1).astype(np.float32)

'''


@pytest.fixture(scope="module")
def detectors(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("plugins") / "detectors.py"
    path.write_text(DETECTORS, encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def backbones(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("plugins") / "backbones.py"
    more = "".join(f"class Mean{number}(Mean):\n    pass\n\n\n" for number in range(1, 6))
    path.write_text(BACKBONES + "\n" + more, encoding="utf-8")
    return path


def run(suite, home, detectors, backbones):
    session = open_session(
        str(suite),
        detectors=detectors,
        backbones=backbones,
        store=home / "runs",
        out=home / "results",
        device="cpu",
        jobs=0,
        tensorboard=False,
    )
    board, summary = run_suite(session)
    return session, board, summary


def foreseen(suite, home, detectors, backbones):
    return open_session(
        str(suite), detectors=detectors, backbones=backbones, store=home / "other", device="cpu"
    ).prospect()


def trained(home: Path) -> int:
    return sum(len(list((home / "runs" / "nodes" / kind).glob("*"))) for kind in ("fit", "fit_detector"))


def record_of(session, cell) -> dict:
    from clastbench.results import path_of

    return json.loads(path_of(session.folder, cell).read_text(encoding="utf-8"))


def test_three_detectors_by_six_backbones_by_two_seeds_train_three_plus_six_models_a_seed(
    tmp_path, write_suite, detectors, backbones
):
    suite = write_suite(tmp_path / "suite", seeds=[0, 1], detectors=["whole-image"], backbones=["chance"])
    asked = [f"{detectors}:{name}" for name in ("Learner", "Learner1", "Learner2")]
    assert foreseen(suite, tmp_path, asked, ["chance", "majority"]).trainings == (3 + 2) * 2
    named = [f"{backbones}:{name}" for name in ("Mean", "Mean1", "Mean2", "Mean3", "Mean4")]
    _, _, summary = run(suite, tmp_path, asked, named)
    assert (summary.cells, summary.failed) == (3 * 5 * 2, {})
    assert trained(tmp_path) == (3 + 5) * 2
    _, _, summary = run(suite, tmp_path, asked, [*named, f"{backbones}:Mean5"])  # one more backbone, one view
    assert (summary.cells, summary.up_to_date) == (3 * 6 * 2, 3 * 5 * 2)
    assert trained(tmp_path) == (3 + 6) * 2
    run(suite, tmp_path, [*asked, "whole-image"], [*named, f"{backbones}:Mean5"])  # and the other view
    assert trained(tmp_path) == (3 + 6 * 2) * 2


@pytest.mark.parametrize("name", ["Nothing", "Thousands", "Odd"])
def test_no_proposal_breaks_a_score(tmp_path, write_suite, detectors, name):
    suite = write_suite(tmp_path / "suite", detectors=["whole-image"], backbones=["chance"])
    session, _, summary = run(suite, tmp_path, [f"{detectors}:{name}"], ["chance"])
    assert summary.failed == {}
    (cell,) = session.plan.cells
    record = record_of(session, cell)
    scores = {score["metric"]: score for score in record["scores"]}
    assert all(score["value"] is not None or score["reason"] for score in scores.values())
    assert 0 <= scores["ap"]["value"] <= 1
    assert max(np.bincount(np.unique(record["detections"]["image_id"], return_inverse=True)[1]), default=0) <= 100
    assert (record["detections"]["n_dropped"] > 0) == (name == "Odd")
    if name == "Nothing":
        assert scores["ap"]["value"] == scores["clast_recall_end_to_end"]["value"] == 0


def test_a_split_without_clasts_gives_reasons(tmp_path, write_suite, detectors):
    suite = write_suite(tmp_path / "suite", detectors=["whole-image"], backbones=["chance"])
    session, _, _ = run(suite, tmp_path, ["ground-truth"], ["chance"])
    free = [photo.id for photo in _photographs(session) if not photo.clasts]
    with_clasts = [photo.id for photo in _photographs(session) if photo.clasts]
    rows = [f"f0,train,{i}" for i in with_clasts[:20]] + [f"f0,validation,{i}" for i in with_clasts[20:24]]
    rows += [f"f0,test,{i}" for i in free]
    (suite.parent / "split.csv").write_text("\n".join(["fold,role,id", *rows]) + "\n", encoding="utf-8")
    session, _, summary = run(
        suite, tmp_path / "free", [f"{detectors}:Learner", f"{detectors}:Nothing", "ground-truth"], ["chance"]
    )
    assert summary.failed == {}
    for cell in session.plan.cells:
        scores = {score["metric"]: score for score in record_of(session, cell)["scores"]}
        assert scores["ap"]["value"] is None
        assert scores["ap"]["reason"]
        assert scores["clean_share"]["value"] is not None or scores["clean_share"]["reason"]


def _photographs(session):
    from clastbench.run.inputs import look_up

    return look_up(session.source, sorted(session.source.ids))


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("Raises", "fit raised RuntimeError: no gradient"),
        ("Short", "expected \\(1, 4\\), one a score"),
        ("Unscored", "expected \\(0, 4\\), one a score"),
    ],
)
def test_a_broken_detector_fails_its_own_cells_only(tmp_path, write_suite, detectors, name, reason):
    suite = write_suite(tmp_path / "suite", detectors=["whole-image"], backbones=["chance"])
    _, _, summary = run(suite, tmp_path, [f"{detectors}:{name}", f"{detectors}:Learner"], ["chance"])
    (cell,) = summary.failed
    assert name in cell.detector
    with pytest.raises(AssertionError, match=reason):
        raise AssertionError(summary.failed[cell])


def test_an_own_head_is_a_system_of_its_own(tmp_path, write_suite, detectors):
    suite = write_suite(tmp_path / "suite", detectors=["whole-image"], backbones=["chance"])
    session, _, summary = run(suite, tmp_path, [f"{detectors}:Learner", f"{detectors}:Shy"], ["chance", "own-head"])
    ((failed, reason),) = summary.failed.items()
    assert "Shy" in failed.detector and "expected label int8" in reason  # noqa: PT018
    (head,) = [cell for cell in session.plan.cells if cell.backbone == "own-head" and "Learner" in cell.detector]
    record = record_of(session, head)
    assert {tuple(row) for row in record["detections"]["probabilities"]} <= {(0, 1, 0), (0, 0, 1)}
    assert record["detections"]["snapped"] is None
    lost = {one["metric"]: one for one in record["scores"] if one["metric"].startswith("lost_")}
    assert len(lost) == 3 and all(one["value"] is None and one["reason"] for one in lost.values())  # noqa: PT018


def test_losses_of_the_stages_add_up(tmp_path, write_suite, detectors, backbones):
    suite = write_suite(tmp_path / "suite", detectors=["whole-image"], backbones=["chance"])
    session, _, _ = run(suite, tmp_path, [f"{detectors}:Learner"], [f"{backbones}:Mean"])
    (cell,) = session.plan.cells
    scores = {score["metric"]: score["value"] for score in record_of(session, cell)["scores"]}
    lost = sum(scores[f"lost_{stage}"] for stage in ("detection", "crop", "classification"))
    assert lost == pytest.approx(1 - scores["macro_f1"])


def test_thresholds_come_from_validation_photographs_alone(tmp_path, write_suite, detectors, backbones):
    suite = write_suite(tmp_path / "suite", detectors=["whole-image"], backbones=["chance"])
    asked = [f"{detectors}:Learner"], [f"{backbones}:Mean"]
    session, _, _ = run(suite, tmp_path, *asked)
    (cell,) = session.plan.cells
    before = record_of(session, cell)["detections"]
    split = (suite.parent / "split.csv").read_text(encoding="utf-8").splitlines()
    fewer = [row for row in split if ",test," not in row] + [row for row in split if ",test," in row][:8]
    (suite.parent / "split.csv").write_text("\n".join(fewer) + "\n", encoding="utf-8")
    session, _, _ = run(suite, tmp_path / "fewer", *asked)
    (cell,) = session.plan.cells
    after = record_of(session, cell)["detections"]
    assert len(set(after["image_id"])) < len(set(before["image_id"]))
    for name in ("threshold", "detector_threshold"):
        assert after[name] == before[name]


def test_detection_reaches_every_photograph_of_the_fold_and_no_training_photograph(tmp_path, write_suite, detectors):
    suite = write_suite(tmp_path / "suite", detectors=["whole-image"], backbones=["chance"])
    session, _, _ = run(suite, tmp_path, [f"{detectors}:Learner"], ["chance"])
    looked = [node for node in topological(list(session.plan.cells.values())) if node.kind == "detect"]
    fold = session.suite.folds.folds["f0"]
    ids = {node.spec["plugin"]["name"]: set(node.spec["ids"]) for node in looked}
    assert ids["detectors.py:Learner"] == {*fold.test, *fold.validation}


def test_a_detector_that_can_be_loaded_again_leaves_no_failed_cell_behind(tmp_path, write_suite, detectors):
    more = "[detection]\none_repeat = true\n"
    suite = write_suite(tmp_path / "suite", folds=5, detectors=["whole-image"], backbones=["chance"], more=more)
    plugin = tmp_path / "mine.py"
    plugin.write_text("import nowhere\n", encoding="utf-8")
    _, board, summary = run(suite, tmp_path, [f"{plugin}:Learner"], ["chance"])
    assert len(summary.failed) == 5
    plugin.write_text(detectors.read_text(encoding="utf-8"), encoding="utf-8")
    _, board, summary = run(suite, tmp_path, [f"{plugin}:Learner"], ["chance"])
    assert summary.failed == {}
    (row,) = board.rows
    assert (row.n_cells, row.n_failed, row.rank) == (4, 0, 1)


def test_proposals_are_cropped_when_they_are_read_and_never_kept(tmp_path, write_suite, detectors, backbones):
    suite = write_suite(tmp_path / "suite", detectors=["whole-image"], backbones=["chance"])
    asked = ["small_resnet@scratch", f"{backbones}:Mean"]
    session, _, summary = run(suite, tmp_path, [f"{detectors}:Thousands"], asked)
    assert summary.failed == {}
    of_proposals = [node for node in topological(list(session.plan.cells.values())) if "on_demand" in node.spec]
    assert of_proposals
    for node in of_proposals:
        assert {path.name for path in session.store.folder(node).iterdir()} == {
            "samples.json",
            "output.txt",
            "node.json",
        }
