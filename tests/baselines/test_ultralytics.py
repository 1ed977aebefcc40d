"""What the detectors of ultralytics promise: boxes by the contract, honest training data, and no trace left."""

from __future__ import annotations

import importlib.util
import json
import logging
import os
import random
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest

if importlib.util.find_spec("ultralytics") is None:
    pytest.skip("needs clastbench[ultralytics]", allow_module_level=True)

import torch

from clastbench.baselines import yolo
from clastbench.baselines.quiet_ultralytics import quiet
from clastbench.baselines.yolo import AnyUltralytics, YOLO11n, YOLOv3, YOLOv3Tiny, YOLOv8n, _decoded
from clastbench.baselines.yolo_data import GREY, canvas_of, examples
from clastbench.errors import PluginError, StoreError, UnknownNameError
from clastbench.plugins import DETECTORS, LearningDetector, check_detector, learns, load, names
from clastbench.records import Clast, Photomicrograph
from clastbench.suite import DetectorTraining

RECIPE = DetectorTraining(size=64, epochs=1, batch_size=4)


def photograph(identity: str, clasts: tuple[Clast, ...] = (), size=(40, 60), present: bool | None = None):
    """Return a dark photograph with one bright disc a clast."""
    rows, columns = np.mgrid[: size[0], : size[1]]
    picture = np.full((*size, 3), 60, np.uint8)
    for x0, y0, x1, y1 in (clast.box_xyxy for clast in clasts):
        inside = ((columns - (x0 + x1) / 2) / (x1 - x0)) ** 2 + ((rows - (y0 + y1) / 2) / (y1 - y0)) ** 2 < 0.25
        picture[inside] = (220, 190, 160)
    return Photomicrograph(
        id=identity,
        pixels=picture.copy,
        sha256="",
        truth=None,
        present=bool(clasts) if present is None else present,
        group=identity,
        clasts=clasts,
    )


PHOTOGRAPHS = [
    photograph(str(index), (Clast((4.0 + 3 * index, 5, 30.0 + 3 * index, 25), "CW" if index % 2 else "CCW"),))
    for index in range(6)
]


@pytest.fixture(scope="module")
def fitted(tmp_path_factory):
    out = tmp_path_factory.mktemp("yolov8n")
    YOLOv8n().fit(PHOTOGRAPHS, [], recipe=RECIPE, seed=0, device="cpu", out=out)
    return out


@pytest.fixture
def detector(fitted):
    made = YOLOv8n()
    made.load(fitted, device="cpu")
    return made


def equal(one, other, tolerance=0.0):
    return all(
        a.xyxy.shape == b.xyxy.shape
        and np.allclose(a.xyxy, b.xyxy, atol=tolerance, rtol=0)
        and np.allclose(a.score, b.score, atol=tolerance, rtol=0)
        for a, b in zip(one, other, strict=True)
    )


class TestNames:
    @pytest.mark.parametrize("name", ["yolov8n", "yolov5n", "yolo11n", "yolo12n", "yolov3-tiny", "yolov9t", "yolov10n"])
    def test_every_detection_architecture_has_its_name(self, name):
        assert AnyUltralytics(name).architecture == name

    @pytest.mark.parametrize("name", ["yolov8n-seg", "yolov8", "rtdetr-l", "yolov8n.pt", "nothing"])
    def test_what_is_no_box_detector_of_one_size_is_unknown(self, name):
        with pytest.raises(UnknownNameError, match=r"Unknown ultralytics architecture .* Available: "):
            AnyUltralytics(name)

    def test_all_are_registered_and_keep_the_contract(self):
        for name, made in (("yolov3", YOLOv3), ("yolov3-tiny", YOLOv3Tiny), ("yolov8n", YOLOv8n), ("yolo11n", YOLO11n)):
            assert name in names(DETECTORS)
            check_detector(made())
            assert learns(made())
            assert isinstance(made(), LearningDetector)
            assert made().architecture == name
        assert load(DETECTORS, "ultralytics:yolov5n").made.architecture == "yolov5n"

    def test_making_one_imports_neither_torch_nor_ultralytics(self):
        code = (
            "import sys; from clastbench.plugins import *; load(DETECTORS, 'yolov8n');"
            "assert not {'torch', 'ultralytics', 'cv2'} & sys.modules.keys()"
        )
        subprocess.run([sys.executable, "-c", code], check=True)

    def test_without_the_package_one_line_says_how_to_get_it_and_its_licence(self, monkeypatch):
        monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
        yolo._architectures.cache_clear()
        with pytest.raises(PluginError, match=r"pip install 'clastbench\[ultralytics\]'.*AGPL-3\.0"):
            YOLOv8n()


class TestTrainingPictures:
    def test_canvas_is_the_least_that_holds_the_longer_side(self):
        assert canvas_of((128, 192), 192, 32) == (128, 192)
        assert canvas_of((400, 600), 640, 32) == (448, 640)
        assert canvas_of((600, 400), 640, 64) == (640, 448)
        assert canvas_of((1, 600), 64, 32) == (32, 64)

    def test_boxes_are_where_the_clasts_are(self):
        photo = photograph("a", (Clast((10, 10, 30, 26), "CW"), Clast((35, 12, 55, 30), None)))
        (example,) = examples([photo], 64, 32, senses=False)
        height, width = example.picture.shape[:2]
        for x, y, w, h in example.boxes_xywh * [width, height, width, height]:
            inside = example.picture[round(y - h / 2) : round(y + h / 2), round(x - w / 2) : round(x + w / 2), 0] > 150
            assert inside.mean() == pytest.approx(np.pi / 4, abs=0.08)
        assert (example.picture[..., 0] > 150).sum() == pytest.approx(
            np.pi / 4 * (example.boxes_xywh[:, 2:].prod(axis=1) * width * height).sum(), rel=0.08
        )

    def test_all_share_one_canvas(self):
        wide, high = photograph("w", size=(40, 60)), photograph("h", (Clast((5, 5, 25, 25), "CW"),), size=(60, 40))
        made = examples([wide, high], 96, 32, senses=False)
        assert [example.picture.shape for example in made] == [(96, 96, 3)] * 2

    def test_an_ignored_region_is_painted_over_only_where_it_meets_no_clast(self):
        clast, far, near = (
            Clast((5, 5, 25, 25), "CW"),
            Clast((35, 5, 55, 25), None, ignore=True),
            Clast((20, 8, 34, 20), None, ignore=True),
        )
        (example,) = examples([photograph("a", (clast, far, near))], 60, 4, senses=False)
        assert (example.picture[5:25, 35:55] == GREY).all()
        assert (example.picture[14, 27] == (220, 190, 160)).all()
        assert len(example.boxes_xywh) == 1

    def test_what_shows_a_clast_that_nobody_drew_is_left_out(self):
        undrawn, free = photograph("undrawn", present=True), photograph("free")
        doubtful = photograph("doubtful", (Clast((5, 5, 25, 25), None, ignore=True),), present=True)
        assert len(examples([undrawn, free, doubtful], 64, 32, senses=False)) == 1

    def test_senses_are_learned_from_judged_clasts_alone(self):
        clasts = (
            Clast((2, 2, 18, 18), "CW"),
            Clast((22, 2, 38, 18), "CCW"),
            Clast((42, 2, 58, 18), None),
            Clast((2, 22, 18, 38), None, judged=False),
        )
        (example,) = examples([photograph("a", clasts)], 60, 4, senses=True)
        assert example.classes.ravel().tolist() == [0, 1]
        assert (example.picture[10, 50] == (220, 190, 160)).all()
        assert (example.picture[22:38, 2:18] == GREY).all()


class TestBoxes:
    def test_are_finite_inside_and_scored_in_the_order_of_the_photographs(self, detector):
        found = detector.detect(PHOTOGRAPHS)
        assert [boxes.image_id for boxes in found] == [photo.id for photo in PHOTOGRAPHS]
        assert sum(len(boxes.score) for boxes in found)
        for boxes in found:
            assert boxes.xyxy.dtype == boxes.score.dtype == np.float32
            assert boxes.xyxy.shape == (len(boxes.score), 4)
            assert len(boxes.score) <= 100
            assert boxes.label is None
            assert (boxes.xyxy >= 0).all()
            assert (boxes.xyxy <= [60, 40, 60, 40]).all()
            assert (boxes.xyxy[:, 2:] > boxes.xyxy[:, :2]).all()
            assert ((boxes.score >= 0) & (boxes.score <= 1)).all()
            assert (np.diff(boxes.score) <= 0).all()

    def test_depend_on_no_other_photograph(self, detector):
        together = detector.detect([photograph("wide", size=(20, 60)), *PHOTOGRAPHS])
        alone = [detector.detect([photo])[0] for photo in reversed(PHOTOGRAPHS)]
        assert equal(together[1:], alone[::-1], tolerance=1e-4)

    def test_the_same_seed_learns_the_same_and_another_does_not(self, detector, tmp_path):
        for seed in (0, 1):
            YOLOv8n().fit(PHOTOGRAPHS, [], recipe=RECIPE, seed=seed, device="cpu", out=tmp_path / str(seed))
        same, other = YOLOv8n(), YOLOv8n()
        same.load(tmp_path / "0", device="cpu")
        other.load(tmp_path / "1", device="cpu")
        assert equal(detector.detect(PHOTOGRAPHS[:2]), same.detect(PHOTOGRAPHS[:2]))
        assert not equal(detector.detect(PHOTOGRAPHS[:1]), other.detect(PHOTOGRAPHS[:1]))

    def test_of_two_that_overlap_the_surer_is_told_whatever_their_class(self):
        raw = torch.tensor([[10.0, 10, 8, 8, 0.6, 0.2], [10, 10.5, 8, 8, 0.1, 0.9], [40, 40, 8, 8, 0.3, 0.2]])
        xyxy, score, label = _decoded(raw.T)
        assert xyxy.tolist() == [[6, 6.5, 14, 14.5], [36, 36, 44, 44]]
        assert score.tolist() == pytest.approx([0.9, 0.3])
        assert label.tolist() == [1, 0]

    def test_of_an_end_to_end_head_are_decoded_too(self):
        raw = torch.tensor([[6.0, 6, 14, 14, 0.6, 0], [6, 6, 14, 14, 0.5, 1], [30, 30, 40, 40, 1e-4, 1]])
        xyxy, score, label = _decoded(raw)
        assert (xyxy.tolist(), score.tolist(), label.tolist()) == ([[6, 6, 14, 14]], pytest.approx([0.6]), [0])

    def test_before_load_there_are_none(self):
        with pytest.raises(PluginError, match="before load"):
            YOLOv8n().detect(PHOTOGRAPHS)


def test_its_own_head_tells_the_sense_of_every_box(tmp_path, fitted):
    made = AnyUltralytics("yolov10n")
    made.own_head = True
    made.fit(PHOTOGRAPHS, [], recipe=RECIPE, seed=0, device="cpu", out=tmp_path)
    made.load(tmp_path, device="cpu")
    for boxes in made.detect(PHOTOGRAPHS):
        assert boxes.label is not None
        assert boxes.label.dtype == np.int8
        assert boxes.label.shape == boxes.score.shape
        assert set(boxes.label.tolist()) <= {1, 2}
    with pytest.raises(StoreError, match="fit again"):
        made.load(fitted, device="cpu")


def test_what_is_kept_are_tensors_and_a_description(fitted):
    assert sorted(path.name for path in fitted.iterdir()) == ["detector.json", "weights.safetensors"]
    said = json.loads((fitted / "detector.json").read_text())
    assert said == {"architecture": "yolov8n", "classes": ["clast"], "size": 64}


def test_no_mirror_image_is_shown_where_the_sense_is_learned():
    with quiet():
        from clastbench.baselines.yolo_training import settings
    of_senses, of_clasts = settings(RECIPE, ("CW", "CCW")), settings(RECIPE, ("clast",))
    assert of_senses["fliplr"] == of_senses["flipud"] == 0
    assert of_clasts["fliplr"] == of_clasts["flipud"] == 0.5
    assert {of_senses[name] for name in ("shear", "perspective", "degrees")} == {0}


def test_photographs_without_a_clast_teach_nothing(tmp_path):
    with pytest.raises(PluginError, match="none of 1 photographs"):
        YOLOv8n().fit([photograph("free")], [], recipe=RECIPE, seed=0, device="cpu", out=tmp_path)
    assert not list(tmp_path.iterdir())


def state():
    """Return what a process may notice."""
    import cv2

    return {
        "environment": dict(os.environ),
        "folder": Path.cwd(),
        "path": list(sys.path),
        "python": random.getstate(),
        "numpy": np.random.get_state()[1].tolist(),  # noqa: NPY002
        "torch": torch.get_rng_state().tolist(),
        "threads": (torch.get_num_threads(), cv2.getNumThreads()),
        "deterministic": (torch.get_deterministic_debug_mode(), torch.backends.cudnn.deterministic),
        "filled": torch.utils.deterministic.fill_uninitialized_memory,
        "gradients": torch.is_grad_enabled(),
        "printed": (np.get_printoptions(), repr(torch.rand(3, generator=torch.Generator().manual_seed(0)))),
        "warnings": list(warnings.filters),
        "log": logging.getLogger().level,
        "save": torch.save,
        "hooks": (sys.excepthook, sys.stdout, sys.stderr),
    }


def test_the_process_is_left_as_it_was_found(tmp_path, monkeypatch):
    monkeypatch.setenv("YOLO_VERBOSE", "true")
    torch.set_num_threads(1)
    before = state()
    made = YOLOv8n()
    made.fit(PHOTOGRAPHS, [], recipe=RECIPE, seed=5, device="cpu", out=tmp_path)
    made.load(tmp_path, device="cpu")
    made.detect(PHOTOGRAPHS)
    assert state() == before


def test_nothing_is_said_sent_or_left(tmp_path):
    places = {name: tmp_path / name for name in ("home", "config", "temporary", "work", "out", "torch")}
    for place in places.values():
        place.mkdir()
    stated = {"HOME": "home", "XDG_CONFIG_HOME": "config", "XDG_CACHE_HOME": "config", "TMPDIR": "temporary"}
    stated["TORCHINDUCTOR_CACHE_DIR"] = "torch"  # torch itself makes this folder at the first step of any training
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("YOLO", "PYTEST"))}
    script = Path(__file__).with_name("watched_yolo.py")
    done = subprocess.run(
        [sys.executable, "-B", "-W", "error", str(script), str(places["out"]), str(places["temporary"])],
        env={**environment, **{name: str(places[place]) for name, place in stated.items()}},
        cwd=places["work"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert {name for name, place in places.items() if list(place.iterdir())} <= {"out", "torch"}
    assert len(list(places["out"].iterdir())) == 2
