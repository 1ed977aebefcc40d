"""What detectors show of themselves: all they propose is among it, gradients reach it, and looking changes nothing."""

from __future__ import annotations

import importlib.util
from copy import deepcopy
from dataclasses import replace

import numpy as np
import pytest
import torch

from clastbench.baselines.torchvision_detectors import FasterRCNNMobileNet320, SSDLite320
from clastbench.baselines.yolo import AnyUltralytics, YOLOv8n
from clastbench.conformance import Violation, kit_photographs
from clastbench.conformance_detectors import _sees
from clastbench.errors import PluginError
from clastbench.explain.box_cams import best_candidates, eigen_cam, grad_cams
from clastbench.records import Clast, Photomicrograph
from clastbench.suite import DetectorTraining

RECIPE = DetectorTraining(size=64, epochs=1, batch_size=4)
SIZE = (40, 60)


def photograph(number: int) -> Photomicrograph:
    """Return a dark photograph with one bright disc."""
    x0, y0, x1, y1 = box = (4.0 + 3 * number, 5.0, 30.0 + 3 * number, 25.0)
    rows, columns = np.mgrid[: SIZE[0], : SIZE[1]]
    picture = np.full((*SIZE, 3), 60, np.uint8)
    picture[((columns - (x0 + x1) / 2) / (x1 - x0)) ** 2 + ((rows - (y0 + y1) / 2) / (y1 - y0)) ** 2 < 0.25] = 220
    clast = Clast(box, "CW" if number % 2 else "CCW")
    return Photomicrograph(str(number), picture.copy, "", None, True, str(number), (clast,))


PHOTOGRAPHS = [photograph(number) for number in range(6)]
MAKERS = {
    "yolov8n": (YOLOv8n, False),
    "yolov8n, own head": (YOLOv8n, True),
    "yolov10n": (lambda: AnyUltralytics("yolov10n"), True),  # its head ends in its own selection
    "faster r-cnn": (FasterRCNNMobileNet320, False),
    "ssdlite, own head": (SSDLite320, True),
}


@pytest.fixture(scope="module", params=MAKERS)
def detector(request, tmp_path_factory):
    if request.param.startswith("yolo") and importlib.util.find_spec("ultralytics") is None:
        pytest.skip("needs clastbench[ultralytics]")
    make, own_head = MAKERS[request.param]
    out = tmp_path_factory.mktemp("fit")
    for step in ("fit", "load"):
        made = make()
        made.own_head = own_head
        if step == "fit":
            made.fit(PHOTOGRAPHS, [], recipe=RECIPE, seed=0, device="cpu", out=out)
    made.load(out, device="cpu")
    return made


def state(detector):
    """Return what looking at a network could change."""
    network = detector._network
    parts = list(network.modules())
    settings = ("score_thresh", "nms_thresh", "detections_per_img", "shape")
    return {
        "training": [part.training for part in parts],
        "hooks": [
            (len(part._forward_hooks), len(part._forward_pre_hooks), len(part._backward_hooks)) for part in parts
        ],
        "gradients": [(p.requires_grad, p.grad is None) for p in network.parameters()],
        "weights": [tensor.clone() for tensor in network.state_dict().values()],
        "settings": [getattr(part, name, None) for part in parts for name in settings],
        "enabled": torch.is_grad_enabled(),
    }


def test_what_is_seen_holds_all_that_is_proposed_and_reaches_the_network(detector):
    _sees(detector)


@pytest.mark.parametrize("asked_before", [True, False])
def test_looking_leaves_the_network_as_it_was(detector, asked_before):
    before = detector.detect(PHOTOGRAPHS[:1]) if asked_before else None
    kept = state(detector)
    seen = detector.sight(PHOTOGRAPHS[0].load())
    grad_cams(seen, seen.xyxy[:2])
    after = state(detector)
    weights = zip(kept.pop("weights"), after.pop("weights"), strict=True)
    assert kept == after
    assert all(torch.equal(one, other) for one, other in weights)
    if before is not None:
        (found,) = detector.detect(PHOTOGRAPHS[:1])
        assert np.array_equal(found.xyxy, before[0].xyxy)
        assert np.array_equal(found.score, before[0].score)


def test_candidates_and_maps_are_sound(detector):
    seen = detector.sight(PHOTOGRAPHS[0].load())
    assert len(seen.xyxy) == len(seen.scores) > 0
    assert seen.xyxy.dtype == np.float32
    assert (seen.xyxy >= 0).all()
    assert (seen.xyxy <= [SIZE[1], SIZE[0]] * 2).all()
    assert (seen.labels is None) == (not detector.own_head)
    assert seen.labels is None or set(seen.labels.tolist()) <= {1, 2}
    boxes = np.asarray([PHOTOGRAPHS[0].clasts[0].box_xyxy, (0, 0, SIZE[1], SIZE[0])], np.float32)
    assert None not in best_candidates(seen, boxes)
    maps, extent = grad_cams(seen, boxes)
    finest = max((tuple(layer.shape[-2:]) for layer in seen.layers), key=lambda size: size[0] * size[1])
    assert maps.shape == (2, *finest)
    assert np.isfinite(maps).all()
    assert maps.any()
    saliency, own = eigen_cam(seen)
    assert (saliency.shape, own) == (finest, extent)
    assert np.isfinite(saliency).all()
    assert extent[0] <= 0
    assert extent[1] <= 0  # the canvas holds the photograph
    assert extent[2] >= SIZE[1]
    assert extent[3] >= SIZE[0]


def test_looking_twice_shows_the_same(detector):
    one, other = (detector.sight(PHOTOGRAPHS[1].load()) for _ in range(2))
    assert torch.equal(one.scores, other.scores)
    assert np.array_equal(grad_cams(one, one.xyxy[:3])[0], grad_cams(other, other.xyxy[:3])[0])


def test_gradients_of_a_yolo_are_those_of_its_head(detector):
    if not isinstance(detector, YOLOv8n):
        pytest.skip("knows the last layer of yolov8n")
    seen = detector.sight(PHOTOGRAPHS[0].load())
    f = seen.scores[int(seen.scores.argmax())]
    gradients = [own.double() for own in torch.autograd.grad(f, seen.layers)]
    head, step = deepcopy(detector._network.model[-1]).double(), 1e-5
    length = sum(float(own.pow(2).sum()) for own in gradients) ** 0.5
    said = []
    for sign in (1, -1):
        moved = [
            layer.detach().double() + sign * step * own / length
            for layer, own in zip(seen.layers, gradients, strict=True)
        ]
        with torch.no_grad():
            said.append(float(scores_of(head, moved)[int(seen.scores.argmax())]))
    assert (said[0] - said[1]) / (2 * step) == pytest.approx(length, rel=1e-3)


def scores_of(head, levels) -> torch.Tensor:
    """Return the scores of the candidates, in the order of `sight`."""
    answer = head(levels)[0][0][4:]
    return answer.reshape(-1) if len(answer) > 1 else answer[0]


@pytest.mark.parametrize("make", [YOLOv8n, FasterRCNNMobileNet320])
def test_before_it_is_loaded_there_is_nothing_to_see(make):
    if make is YOLOv8n and importlib.util.find_spec("ultralytics") is None:
        pytest.skip("needs clastbench[ultralytics]")
    with pytest.raises(PluginError, match=r"sight was called before load|what it sees before"):
        make().sight(PHOTOGRAPHS[0].load())


class Broken:
    """A detector whose `sight` is that of another, changed."""

    def __init__(self, detector, change) -> None:
        self._detector, self._change = detector, change
        self.detect = detector.detect

    def sight(self, pixels):
        return self._change(self._detector.sight(pixels))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda seen: replace(seen, scores=seen.scores[:-1]), "sight.scores has shape"),
        (lambda seen: replace(seen, extents=()), "one extent a layer"),
        (
            lambda seen: replace(seen, layers=tuple(layer.detach().clone().requires_grad_() for layer in seen.layers)),
            "no layer of sight",
        ),
        (lambda seen: replace(seen, xyxy=seen.xyxy + 30), "a box is no candidate"),
    ],
)
def test_the_kit_catches_a_sight_of_something_else(detector, change, words):
    if detector.own_head:
        pytest.skip("one kind is enough")
    if not any(len(boxes.score) for boxes in detector.detect(list(kit_photographs()[:2]))):
        pytest.skip("it proposes nothing that could be amiss")
    with pytest.raises(Violation, match=words):
        _sees(Broken(detector, change))
