"""Class activation maps against closed forms, and against pytorch-grad-cam run its own way."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import pytorch_grad_cam
import timm
import torch
from torch import nn
from toy_networks import SharedActivation, Symmetric, built, convolutional, drawn, pointwise

from clastbench import plugins
from clastbench.errors import ExplanationError, UnknownNameError
from clastbench.explain import cams, subjects
from clastbench.explain.targets import Target
from clastbench.train.layers import forward_with, last_spatial_layer

SIGNS = torch.tensor([1.0, -1.0])
SENSE, PRESENCE = Target("sense", SIGNS), Target("presence", torch.ones(2))
INPUTS = torch.randn(2, 3, 8, 12, generator=torch.Generator().manual_seed(3))


def maps_of(method: str, network, inputs=INPUTS, target=SENSE):
    explainer = plugins.load(plugins.EXPLAINERS, method).made
    return explainer.explain(subjects.of_network(built(network)), inputs, target)


def channels(network: nn.Sequential):
    """Activations of the pointwise network float64[N, C, h, w], and the weight of each channel in f_sense."""
    activations = network[0](INPUTS).detach().double().numpy()
    weight = network[3].weight.detach().double().numpy()
    return activations, (weight[1] - weight[2])[None, :] * SIGNS.double().numpy()[:, None]


@pytest.mark.parametrize("method", ["grad-cam", "hires-cam", "xgrad-cam", "cam:GradCAM", "cam:ShapleyCAM"])
def test_signed_methods_are_the_weighted_sum_of_the_channels(method):
    network = pointwise()
    activations, weights = channels(network)
    wanted = (weights[:, :, None, None] * activations).sum(axis=1) / (8 * 12)
    assert (wanted < 0).any()
    np.testing.assert_allclose(maps_of(method, network), wanted, atol=1e-5 * np.abs(wanted).max())


def test_layer_cam_keeps_only_channels_that_speak_for_the_target():
    network = pointwise()
    activations, weights = channels(network)
    wanted = (np.maximum(weights, 0)[:, :, None, None] * activations).sum(axis=1) / (8 * 12)
    np.testing.assert_allclose(maps_of("layer-cam", network), wanted, atol=1e-6)


def test_elementwise_grad_cam_is_the_positive_part_of_each_product():
    network = pointwise()
    activations, weights = channels(network)
    wanted = np.maximum(weights[:, :, None, None] * activations, 0).sum(axis=1) / (8 * 12)
    np.testing.assert_allclose(maps_of("grad-cam-elementwise", network), wanted, atol=1e-6)


def test_eigen_cam_is_the_first_principal_component_up_to_its_sign():
    network = pointwise()
    activations, _ = channels(network)
    for found, one in zip(maps_of("eigen-cam", network), activations, strict=True):
        centred = one.reshape(5, -1).T - one.reshape(5, -1).mean(axis=1)
        u, s, _ = np.linalg.svd(centred, full_matrices=False)
        np.testing.assert_allclose(np.abs(found.ravel()), np.abs(u[:, 0] * s[0]), atol=1e-4)


def test_ablation_cam_of_a_linear_head_weighs_channels_by_their_whole_contribution():
    network = drawn(
        nn.Sequential(nn.Conv2d(3, 5, 1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(5, 3))
    )
    activations = network[1](network[0](INPUTS)).detach().double().numpy()
    assert (activations.min(axis=(1, 2, 3)) == 0).all()
    weight = network[4].weight.detach().double().numpy()
    drops = (weight[1] - weight[2]) * SIGNS.double().numpy()[:, None] * activations.mean(axis=(2, 3))
    wanted = (drops[:, :, None, None] * activations).sum(axis=1)
    np.testing.assert_allclose(maps_of("ablation-cam", network), wanted, atol=1e-5)


def test_score_cam_weights_are_the_softmax_of_the_masked_pictures_scores():
    network = pointwise(3)
    activations, _ = channels(network)
    wanted = []
    for image, maps, sign in zip(INPUTS, activations, SIGNS, strict=True):
        scaled = [(one - one.min()) / (one.max() - one.min()) for one in maps]
        masked = torch.stack([image * torch.from_numpy(mask).float() for mask in scaled])
        logits = network(masked).detach()
        scores = torch.softmax((logits[:, 1] - logits[:, 2]) * sign, dim=0).numpy()
        wanted.append((scores[:, None, None] * maps).sum(axis=0))
    np.testing.assert_allclose(maps_of("score-cam", network), wanted, atol=1e-5)


@pytest.mark.parametrize("method", ["grad-cam", "hires-cam", "xgrad-cam", "ablation-cam", "cam:ShapleyCAM"])
def test_map_of_the_other_sense_is_the_negative(method):
    other = Target("sense", -SIGNS)
    one, two = maps_of(method, convolutional()), maps_of(method, convolutional(), target=other)
    np.testing.assert_allclose(one, -two, atol=1e-5 * np.abs(one).max())


EQUIVARIANT = [
    "grad-cam",
    "grad-cam-plus-plus",
    "layer-cam",
    "hires-cam",
    "xgrad-cam",
    "grad-cam-elementwise",
    "score-cam",
    "ablation-cam",
    "saliency",
    "input-x-gradient",
    "integrated-gradients",
]


@pytest.mark.parametrize("method", EQUIVARIANT)
def test_mirrored_picture_of_a_symmetric_network_has_the_mirrored_map(method):
    network = Symmetric()
    found, mirrored = maps_of(method, network), maps_of(method, network, INPUTS.flip(3))
    np.testing.assert_allclose(mirrored[:, :, ::-1], found, atol=2e-5 * np.abs(found).max())


# Against pytorch-grad-cam, run through the whole network


class Whole(nn.Module):
    """A backbone and a head as anybody would join them."""

    def __init__(self, backbone: nn.Module, head: nn.Module) -> None:
        super().__init__()
        self.backbone, self.head = backbone, head

    def forward(self, images):
        return self.head(self.backbone.forward_features(images).mean(dim=(2, 3)))


def package_picture(raw, size):
    """What the package makes of a raw map: no negative values, scaled to 0..1, enlarged, scaled again."""

    def scaled(one):
        one = one - one.min()
        return one / (1e-7 + one.max())

    height, width = size
    return np.stack([scaled(cv2.resize(np.float32(scaled(np.maximum(one, 0))), (width, height))) for one in raw])


@pytest.fixture(scope="module")
def efficientnet():
    torch.manual_seed(0)
    return timm.create_model("tf_efficientnet_lite0", num_classes=3).eval()


@pytest.mark.parametrize("target", [SENSE, PRESENCE], ids=["sense", "presence"])
def test_grad_cam_from_cached_features_is_that_of_the_package_through_the_whole_network(target, efficientnet):
    backbone = efficientnet
    head = drawn(nn.Sequential(nn.Linear(1280, 16), nn.ReLU(), nn.Linear(16, 3)), scale=0.1)
    inputs = torch.randn(2, 3, 96, 128, generator=torch.Generator().manual_seed(4))
    with torch.inference_mode():
        _, cached = forward_with(backbone, last_spatial_layer(backbone, (96, 128)), inputs)
    found = cams.GradCAM().explain(subjects.of_features(head, (96, 128)), cached.clone(), target)
    with pytorch_grad_cam.GradCAM(Whole(backbone, head), [backbone.bn2]) as peer:
        wanted = peer(inputs, target.rows())
    np.testing.assert_allclose(package_picture(found, (96, 128)), wanted, atol=1e-5)


def test_grad_cam_of_a_convolutional_network_is_that_of_the_package():
    network = convolutional()
    found = maps_of("grad-cam", network)
    with pytorch_grad_cam.GradCAM(network, [network[4]]) as peer:
        wanted = peer(INPUTS, SENSE.rows())
    np.testing.assert_allclose(package_picture(found, (8, 12)), wanted, atol=1e-5)


# What the package would leave behind


def test_nothing_is_drawn_and_no_random_state_is_moved(capfd):
    state = np.random.get_state()[1].tolist()  # noqa: NPY002
    for method in ("score-cam", "ablation-cam", "cam:FullGrad", "cam:RandomCAM", "cam:KPCA_CAM"):
        maps_of(method, convolutional())
    assert capfd.readouterr() == ("", "")
    assert np.random.get_state()[1].tolist() == state  # noqa: NPY002


def test_ablated_layer_is_put_back_even_after_an_error():
    network = convolutional()
    subject = subjects.of_network(built(network))
    calls = []

    def fails_late(_module, _inputs, _output):
        calls.append(1)
        if len(calls) > 3:
            raise RuntimeError("out of memory")

    hook = network[6].register_forward_hook(fails_late)
    with pytest.raises(RuntimeError, match="out of memory"):
        cams.AblationCAM().explain(subject, INPUTS, SENSE)
    hook.remove()
    assert subject.module.tap is subject.layer


def test_layer_that_runs_twice_is_not_ablated():
    with pytest.raises(ExplanationError, match="runs several times"):
        maps_of("ablation-cam", SharedActivation())


def test_black_box_cannot_be_explained_by_its_activations():
    subject = subjects.of_classifier(lambda images: np.zeros((len(images), 3)))
    with pytest.raises(ExplanationError, match="this model gives only logits"):
        cams.GradCAM().explain(subject, INPUTS, SENSE)


def test_layer_that_the_logits_do_not_depend_on_is_named_as_the_reason():
    class Deaf(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.unheard, self.head = nn.Conv2d(3, 2, 1), nn.Linear(3, 3)

        def forward(self, images):
            self.unheard(images)
            return self.head(images.mean(dim=(2, 3)))

    with pytest.raises(ExplanationError, match="do not depend on the explained layer"):
        maps_of("grad-cam", Deaf())


def test_unknown_class_of_the_package_is_answered_with_the_nearest():
    with pytest.raises(UnknownNameError, match="Did you mean 'KPCA_CAM'"):
        plugins.load(plugins.EXPLAINERS, "cam:KPCACAM")


def test_class_of_the_package_that_cannot_work_says_so_in_one_line():
    network = timm.create_model("vit_tiny_patch16_224", num_classes=3, depth=1, embed_dim=24, num_heads=2, img_size=64)
    subject = subjects.of_network(built(network, size=(64, 64)))
    explainer = plugins.load(plugins.EXPLAINERS, "cam:ShapleyCAM").made
    with pytest.raises(ExplanationError, match="cam:ShapleyCAM does not work on this model") as raised:
        explainer.explain(subject, torch.randn(2, 3, 64, 64), SENSE)
    assert "\n" not in str(raised.value)
