"""Torchvision's detectors learn what photographs say, from the weights they claim, and tell sound boxes."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torchvision.models import get_model

from clastbench import plugins, weights
from clastbench.baselines import detection_networks, detection_training
from clastbench.baselines.torchvision_detectors import SSDLite320, TorchvisionDetector, _told
from clastbench.data.letterbox import PAD, place_of
from clastbench.errors import DataError, PluginError, UnknownNameError, UsageError, WeightsNotFoundError
from clastbench.records import Clast, Photomicrograph
from clastbench.suite import DetectorTraining
from clastbench.synth import Recipe, render_photograph

SIDE = 64
RECIPE = DetectorTraining(size=SIDE, epochs=1, batch_size=4)
BACKBONES = {
    "ssdlite320_mobilenet_v3_large": "mobilenet_v3_large",
    "fasterrcnn_mobilenet_v3_large_320_fpn": "mobilenet_v3_large",
    "retinanet_resnet50_fpn": "resnet50",
}


@pytest.fixture(scope="module")
def drawn() -> list[Photomicrograph]:
    recipe = Recipe(seed=77, n_images=40, width=96, height=64)
    photographs = [render_photograph(recipe, index) for index in range(12)]
    return [photo for photo in photographs if photo.clasts][:4]


def photograph(*clasts: Clast, present: bool = True) -> Photomicrograph:
    """A black photograph of 64 by 64 pixels, so that canvas and photograph have the same coordinates."""
    pixels = np.zeros((SIDE, SIDE, 3), np.uint8)
    return Photomicrograph("p", pixels.copy, "", None, present=present, group="p", clasts=clasts)


CW = Clast((10, 10, 30, 30), "CW")
CCW = Clast((35, 40, 60, 60), "CCW")
PHI = Clast((40, 5, 60, 25), None)
DOUBTFUL = Clast((20, 20, 50, 50), None, ignore=True)
UNJUDGED = Clast((40, 5, 60, 25), None, judged=False)
FREE = photograph(present=False)


def shown(*photographs: Photomicrograph, own_head: bool = False) -> list[detection_training.Example]:
    return detection_training.examples(photographs, SIDE, own_head=own_head)


# What a detector is shown


def test_every_clast_is_a_target_whatever_its_sense():
    example, _ = shown(photograph(CW, PHI, UNJUDGED), FREE)
    assert example.boxes.tolist() == [list(clast.box_xyxy) for clast in (CW, PHI, UNJUDGED)]
    assert example.labels.tolist() == example.mirrored.tolist() == [1, 1, 1]


def test_head_of_its_own_learns_senses_and_their_mirror_images():
    example, _ = shown(photograph(CW, CCW, PHI), FREE, own_head=True)
    assert (example.labels.tolist(), example.mirrored.tolist()) == ([1, 2], [2, 1])


def test_ignored_region_is_painted_grey_but_for_the_targets_in_it():
    example, _ = shown(photograph(CW, DOUBTFUL), FREE)
    assert example.boxes.tolist() == [list(CW.box_xyxy)]
    assert (example.picture[40, 40] == PAD).all()
    assert (example.picture[25, 25] == 0).all()
    assert (example.picture[5, 5] == 0).all()


def test_clast_that_nobody_judged_is_hidden_from_a_head_of_its_own_and_phi_is_background():
    unjudged, phi, _ = shown(photograph(CW, UNJUDGED), photograph(CW, PHI), FREE, own_head=True)
    assert ((unjudged.picture[15, 50] == PAD).all(), (phi.picture[15, 50] == 0).all()) == (True, True)


def test_photograph_with_a_clast_that_nobody_drew_is_left_out_and_one_without_clasts_is_not():
    kept = shown(photograph(CW), photograph(), FREE)
    assert [example.boxes.shape for example in kept] == [(1, 4), (0, 4)]
    assert kept[1].boxes.dtype == torch.float32


@pytest.mark.parametrize("photographs", [[FREE, FREE], [photograph(CW)], [photograph(PHI, present=False), FREE]])
def test_too_little_to_learn_from_is_an_error(photographs):
    with pytest.raises(DataError, match="at least two photographs"):
        shown(*photographs, own_head=True)


def test_mirror_image_of_an_example_has_mirrored_boxes_and_the_other_sense():
    example, _ = shown(photograph(CW, DOUBTFUL), FREE, own_head=True)
    flipped = detection_training._flipped(example)
    assert flipped.boxes.tolist() == [[34, 10, 54, 30]]
    assert flipped.labels.tolist() == [2]
    assert (flipped.picture == example.picture[:, ::-1]).all()
    again = detection_training._flipped(flipped)
    assert torch.equal(again.boxes, example.boxes)
    assert torch.equal(again.labels, example.labels)


def test_no_example_is_ever_alone_in_a_batch():
    many = shown(*[photograph(CW)] * 9)
    sizes = [len(batch) for batch in detection_training._batches(many, 3, torch.Generator())]
    assert sizes == [3, 3, 3]


# The network


def test_network_does_not_rescale_what_it_is_given():
    for name in BACKBONES:
        network = detection_networks.build(name, 2, 96, finetune=False).eval()
        images, _ = network.transform([torch.rand(3, 96, 96)])
        assert images.tensors.shape == (1, 3, 96, 96)


def test_without_weights_every_layer_is_trained_and_no_normalisation_is_frozen():
    for name in BACKBONES:
        network = detection_networks.build(name, 2, SIDE, finetune=False)
        assert all(parameter.requires_grad for parameter in network.parameters())
        assert not [part for part in network.modules() if type(part).__name__ == "FrozenBatchNorm2d"]


@pytest.fixture
def folder(monkeypatch, tmp_path) -> Path:
    """Return $CLASTBENCH_WEIGHTS, empty; a download raises."""

    def refuse(checkpoint: weights.Checkpoint) -> Path:
        raise OSError(f"no network in tests, but {checkpoint.files[0]} was asked for")

    monkeypatch.setenv("CLASTBENCH_WEIGHTS", str(tmp_path))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setattr(weights, "_download", refuse)
    return tmp_path


def published(backbone: str) -> dict[str, torch.Tensor]:
    """A state dict as ImageNet training would have left it: no two tensors alike."""
    generator = torch.Generator().manual_seed(3)
    return {
        key: torch.rand(tensor.shape, generator=generator) if tensor.is_floating_point() else tensor + 7
        for key, tensor in get_model(backbone, weights=None).state_dict().items()
    }


@pytest.mark.parametrize(("name", "backbone"), BACKBONES.items())
def test_finetuned_backbone_holds_every_tensor_of_the_file(name, backbone, folder):
    tensors = published(backbone)
    torch.save(tensors, folder / detection_networks.FILES[backbone])
    network = detection_networks.build(name, 2, SIDE, finetune=True)
    filled = detection_networks.fill_backbone(network, name)
    state = network.state_dict()
    body = {key: tensor for key, tensor in tensors.items() if not key.startswith(("classifier.", "fc."))}
    by_name = {key: detection_networks.published_name(key.removeprefix("backbone."), name) for key in filled}
    assert sorted(by_name.values()) == sorted(body)
    assert all(torch.equal(state[key], body[theirs]) for key, theirs in by_name.items())


def test_vgg_of_ssd_is_filled_by_name():
    network = get_model("ssd300_vgg16", weights=None, weights_backbone=None, num_classes=2)
    held = {key for key in get_model("vgg16", weights=None).state_dict() if key.startswith("features.")}
    named = {detection_networks.published_name(key, "ssd300_vgg16") for key in network.backbone.state_dict()}
    assert named - {None} == held


@pytest.mark.parametrize("change", ["missing", "superfluous", "shape"])
def test_file_that_does_not_fit_is_an_error(change, folder):
    tensors = published("mobilenet_v3_large")
    if change == "superfluous":
        tensors["features.17.0.weight"] = torch.zeros(1)
    else:
        tensors["features.3.block.0.0.weight"] = torch.zeros(1)
    if change == "missing":
        del tensors["features.3.block.0.0.weight"]
    torch.save(tensors, folder / detection_networks.FILES["mobilenet_v3_large"])
    network = detection_networks.build("ssdlite320_mobilenet_v3_large", 2, SIDE, finetune=True)
    with pytest.raises(WeightsNotFoundError, match="do not fit"):
        detection_networks.fill_backbone(network, "ssdlite320_mobilenet_v3_large")


def test_finetuning_without_the_file_fails_and_names_it(folder, drawn, tmp_path):
    detector = SSDLite320()
    detector.mode = "finetune"
    with pytest.raises(WeightsNotFoundError, match="mobilenet_v3_large-8738ca79"):
        detector.fit(drawn, [], recipe=RECIPE, seed=0, device="cpu", out=tmp_path)


def test_finetuned_detector_is_loaded_without_the_file(folder, drawn, tmp_path):
    file = folder / detection_networks.FILES["mobilenet_v3_large"]
    torch.save(get_model("mobilenet_v3_large", weights=None).state_dict(), file)
    detector = SSDLite320()
    detector.mode = "finetune"
    out = tmp_path / "out"
    out.mkdir()
    detector.fit(drawn, [], recipe=RECIPE, seed=0, device="cpu", out=out)
    file.unlink()
    again = SSDLite320()
    again.load(out, device="cpu")
    assert again.mode == "finetune"
    assert len(again.detect(drawn)) == len(drawn)


# Learning


def learned(drawn, out: Path, *, seed: int = 0, epochs: int = 1) -> tuple[SSDLite320, list[float]]:
    out.mkdir()
    detector = SSDLite320()
    recipe = RECIPE.model_copy(update={"epochs": epochs})
    detector.fit(drawn, [], recipe=recipe, seed=seed, device="cpu", out=out)
    detector.load(out, device="cpu")
    return detector, json.loads((out / "detector.json").read_text())["losses"]


def test_detector_learns_a_few_photographs_by_heart(drawn, tmp_path):
    _, losses = learned(drawn, tmp_path / "out", epochs=12)
    assert losses[-1] < 0.8 * losses[0]


def test_training_is_the_same_for_the_same_seed_and_leaves_the_global_generator_alone(drawn, tmp_path):
    torch.manual_seed(5)
    before = torch.get_rng_state()
    one, other, third = (learned(drawn, tmp_path / str(n), seed=seed)[0] for n, seed in enumerate((0, 0, 1)))
    assert torch.equal(torch.get_rng_state(), before)
    scores = [detector.detect(drawn)[0].score for detector in (one, other, third)]
    assert np.array_equal(scores[0], scores[1])
    assert not np.array_equal(scores[0], scores[2])


def test_training_that_diverges_is_an_error_of_one_line(drawn, tmp_path):
    recipe = RECIPE.model_copy(update={"learning_rate": 1e30, "epochs": 4})
    with pytest.raises(PluginError, match=r"Training diverged: the loss of epoch \d is (nan|inf); lower"):
        SSDLite320().fit(drawn, [], recipe=recipe, seed=0, device="cpu", out=tmp_path)


def test_detector_of_another_kind_is_not_loaded(drawn, tmp_path):
    learned(drawn, tmp_path / "out")
    detector = SSDLite320()
    detector.own_head = True
    with pytest.raises(PluginError, match="own_head"):
        detector.load(tmp_path / "out", device="cpu")


def test_detector_that_learned_nothing_is_not_asked(drawn):
    with pytest.raises(PluginError, match="before it was trained"):
        SSDLite320().detect(drawn)


# Boxes

FOUND = {
    "boxes": torch.tensor([[10.0, 20, 30, 40], [11, 20, 31, 40], [-5, 0, 20, 20], [0, 60, 20, 64]]),
    "scores": torch.tensor([0.6, 0.9, 0.5, 0.4]),
    "labels": torch.tensor([1, 2, 1, 1]),
}


def test_one_clast_never_comes_out_as_both_senses():
    boxes = _told("p", FOUND, place_of((64, 64), (64, 64)), (64, 64), own_head=True)
    assert boxes.label.tolist() == [2, 1, 1]
    assert boxes.label.dtype == np.int8


def test_boxes_go_back_to_the_photograph_and_none_lies_in_the_padding():
    boxes = _told("p", FOUND, place_of((100, 200), (64, 64)), (100, 200), own_head=False)
    assert boxes.label is None
    assert boxes.xyxy.tolist() == [[34.375, 12.5, 96.875, 75], [31.25, 12.5, 93.75, 75], [0, 0, 62.5, 12.5]]
    assert boxes.score.tolist() == pytest.approx([0.9, 0.6, 0.5])


def test_background_is_never_told():
    found = {**FOUND, "labels": torch.zeros(4, dtype=torch.int64)}
    assert _told("p", found, place_of((64, 64), (64, 64)), (64, 64), own_head=True).xyxy.shape == (0, 4)


# Names


@pytest.mark.parametrize("name", ["maskrcnn_resnet50_fpn", "keypointrcnn_resnet50_fpn"])
def test_detector_of_masks_or_keypoints_is_refused(name):
    with pytest.raises(UsageError, match="learns from more than boxes"):
        plugins.load(plugins.DETECTORS, f"torchvision:{name}")


def test_unknown_detector_is_answered_with_the_nearest():
    with pytest.raises(UnknownNameError, match="Did you mean 'fcos_resnet50_fpn'"):
        plugins.load(plugins.DETECTORS, "torchvision:fcos_resnet50_fpm")


@pytest.mark.parametrize("name", ["fasterrcnn_mobilenet_320", "retinanet_resnet50", "ssdlite320"])
def test_named_detector_says_which_file_it_starts_from(name):
    made = plugins.load(plugins.DETECTORS, name).made
    detection_networks.check_name(made.name)
    assert made.checkpoint.files[0] in made.checkpoint.url


def test_photograph_is_not_a_square_and_nothing_is_lost(drawn):
    (example, *_) = shown(*drawn)
    assert example.picture.shape == (SIDE, SIDE, 3)
    assert len(example.boxes) == len([clast for clast in drawn[0].clasts if not clast.ignore])


def test_clast_smaller_than_a_pixel_of_the_canvas_is_no_target():
    speck = replace(CW, box_xyxy=(5, 5, 5.5, 9))
    example, _ = shown(photograph(CW, speck), FREE)
    assert len(example.boxes) == len(example.labels) == 1


def test_any_box_detector_is_built_for_its_side():
    assert TorchvisionDetector("ssd300_vgg16").checkpoint.files == ("vgg16_features-amdegroot-88682ab5.pth",)
    assert detection_networks.input_side("ssd300_vgg16", 640) == 300
    assert detection_networks.input_side("ssdlite320_mobilenet_v3_large", 192) == 192


def test_naming_a_detector_and_its_weights_imports_no_torch():
    code = "import sys; from clastbench.baselines import blobs, torchvision_detectors as t; t.SSDLite320().checkpoint"
    check = f"{code}; assert not {{'torch', 'torchvision', 'scipy'}} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", check], check=True)
