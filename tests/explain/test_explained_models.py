"""Subjects: which layer is explained, and that models are left as they were found."""

from __future__ import annotations

import numpy as np
import pytest
import timm
import torch
from torch import nn
from torchvision.models.swin_transformer import SwinTransformer
from torchvision.models.vision_transformer import VisionTransformer
from toy_networks import SharedActivation, built, convolutional, drawn

from clastbench.baselines.small import SmallResNet, SmallVGG
from clastbench.errors import ExplanationError
from clastbench.explain import subjects
from clastbench.explain.cams import GradCAM
from clastbench.explain.gradients import Saliency
from clastbench.explain.probe import explained_layer
from clastbench.explain.targets import Target
from clastbench.explain.undisturbed import undisturbed
from clastbench.train.heads import Head, head_logits
from clastbench.train.networks import features_of

SIZE = (64, 96)
SENSE = Target("sense", torch.tensor([1.0, -1.0]))


def timm_vit(pool: str = "token") -> nn.Module:
    small = {"depth": 2, "embed_dim": 24, "num_heads": 2, "img_size": SIZE}
    return timm.create_model("vit_tiny_patch16_224", num_classes=3, global_pool=pool, **small)


def torchvision_vit() -> nn.Module:
    """Return one with weights in its last layer, which torchvision leaves at zero."""
    network = VisionTransformer(64, 16, 2, 2, 24, 48, num_classes=3)
    drawn(network.heads)
    return network


def timm_swin() -> nn.Module:
    small = {"window_size": 4, "depths": (1, 1), "embed_dim": 12, "num_heads": (2, 2), "img_size": SIZE}
    return timm.create_model("swin_tiny_patch4_window7_224", num_classes=3, **small)


def torchvision_swin() -> nn.Module:
    return SwinTransformer([4, 4], 12, [1, 1], [2, 2], [4, 4], num_classes=3)


NETWORKS = {
    "small_vgg": (lambda: SmallVGG().build(3, "none"), SIZE, None, (4, 6)),
    "small_resnet": (lambda: SmallResNet().build(3, "none"), SIZE, "layer4", (4, 6)),
    "timm_swin": (timm_swin, SIZE, "norm", (8, 12)),
    "torchvision_swin": (torchvision_swin, SIZE, "permute", (8, 12)),
    "timm_vit_pooling_all_tokens": (lambda: timm_vit("avg"), SIZE, "norm", (4, 6)),
    "timm_vit": (timm_vit, SIZE, "blocks.1.norm1", (4, 6)),
    "torchvision_vit": (torchvision_vit, (64, 64), "encoder.layers.encoder_layer_1.ln_1", (4, 4)),
}


@pytest.fixture(params=NETWORKS)
def case(request):
    make, size, layer, grid = NETWORKS[request.param]
    torch.manual_seed(0)
    network = built(make(), size=size)
    return network, size, layer or network.cam_layer, grid


def test_explained_layer_is_the_last_one_that_the_sense_depends_on(case):
    network, size, layer, _ = case
    channels_last = getattr(network.module, "output_fmt", "") == "NHWC"
    assert explained_layer(network.module, network.cam_layer, size, channels_last=channels_last) == layer


def test_map_has_the_grid_of_the_network_and_is_not_empty(case):
    network, size, _, grid = case
    maps = GradCAM().explain(subjects.of_network(network), torch.randn(2, 3, *size), SENSE)
    assert maps.shape == (2, *grid)
    assert (np.abs(maps).max(axis=(1, 2)) > 0).all()


def test_frozen_network_is_pooled_as_it_was_for_training(case):
    network, size, _, grid = case
    images = np.random.default_rng(0).integers(0, 256, (2, *size, 3), dtype=np.uint8)
    kept = []
    features = features_of(network, images, on_maps=lambda _row, maps: kept.append(maps))
    head = Head(features.shape[1], 8)
    inputs = network.normalise(torch.from_numpy(images).permute(0, 3, 1, 2) / 255)
    wanted = head_logits(head, features, "cpu")
    frozen, cached = subjects.of_frozen(network, head), subjects.of_features(head, size)
    np.testing.assert_allclose(frozen.logits(inputs).detach(), wanted, atol=1e-5)
    np.testing.assert_allclose(cached.logits(torch.from_numpy(kept[0])).detach(), wanted, atol=1e-5)
    from_pixels = GradCAM().explain(frozen, inputs, SENSE)
    assert from_pixels.shape == (2, *grid)
    from_cache = GradCAM().explain(cached, torch.from_numpy(kept[0]), SENSE)
    np.testing.assert_allclose(from_cache, from_pixels, atol=1e-5 * np.abs(from_pixels).max())


def test_layer_that_runs_twice_is_explained_by_its_last_run():
    network = built(SharedActivation())
    assert network.cam_layer == "relu"
    maps = GradCAM().explain(subjects.of_network(network), torch.randn(2, 3, 8, 12), SENSE)
    assert maps.shape == (2, 4, 6)


def test_activations_are_those_before_an_operation_in_place():
    inputs = torch.randn(2, 3, 8, 12)
    inplace, other = (built(convolutional(inplace=flag), "3") for flag in (True, False))
    one, two = (GradCAM().explain(subjects.of_network(network), inputs, SENSE) for network in (inplace, other))
    assert (one < 0).any()
    np.testing.assert_array_equal(one, two)


def test_network_without_a_map_can_still_be_differentiated():
    network = built(drawn(nn.Sequential(nn.Flatten(), nn.Linear(3 * 8 * 12, 3))), "1")
    subject = subjects.of_network(network)
    with pytest.raises(ExplanationError, match="no layer whose output is a map in space"):
        GradCAM().explain(subject, torch.randn(2, 3, 8, 12), SENSE)
    assert Saliency().explain(subject, torch.randn(2, 3, 8, 12), SENSE).shape == (2, 8, 12)


def test_black_box_is_handed_a_copy_of_its_pixels():
    def predict(images):
        images[:] = 0
        return np.zeros((len(images), 3))

    inputs = torch.ones(2, 3, 4, 4)
    assert subjects.of_classifier(predict).logits(inputs).dtype == torch.float32
    assert bool((inputs == 1).all())


def test_no_model_has_no_logits():
    with pytest.raises(ExplanationError, match="needs nothing of a model"):
        subjects.of_nothing().logits(torch.zeros(1, 3, 4, 4))


def test_guard_restores_what_it_found_even_after_an_error():
    module = nn.Sequential(nn.Linear(2, 2), nn.Dropout())
    module[0].weight.requires_grad_(False)
    module[0].bias.grad = torch.ones(2)

    def fail():
        with undisturbed(module):
            module[0].bias.grad = None
            raise RuntimeError("lost")

    with pytest.raises(RuntimeError, match="lost"):
        fail()
    assert (module.training, module[0].weight.requires_grad, module[0].bias.requires_grad) == (True, False, True)
    assert module[0].bias.grad.tolist() == [1, 1]


@pytest.mark.parametrize("name", ["timm_vit", "small_resnet"])
def test_logits_are_the_same_with_and_without_the_tap(name):
    make, size, _, _ = NETWORKS[name]
    network = built(make(), size=size)
    inputs = torch.randn(2, 3, *size)
    with torch.inference_mode():
        torch.testing.assert_close(subjects.of_network(network).module(inputs), network.module(inputs))
