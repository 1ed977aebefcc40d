"""Gradients and occlusion against closed forms of linear models."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from toy_networks import HALF, built, convolutional, linear, sense_weights

from clastbench.data.letterbox import PAD
from clastbench.errors import ExplanationError
from clastbench.explain import subjects
from clastbench.explain.gradients import InputXGradient, IntegratedGradients, Occlusion, Saliency
from clastbench.explain.targets import Target

SIGNS = torch.tensor([1.0, -1.0, -1.0])
SENSE = Target("sense", SIGNS)
INPUTS = torch.randn(3, 3, 8, 12, generator=torch.Generator().manual_seed(5))


@pytest.fixture
def network():
    return linear()


@pytest.fixture
def gradient(network):
    """The gradient of each row's value, float32[N, 3, H, W]."""
    return SIGNS[:, None, None, None] * sense_weights(network)


def test_saliency_of_a_linear_model_is_its_weights_with_their_signs(network, gradient):
    found = Saliency().explain(subjects.of_network(built(network, "1")), INPUTS, SENSE)
    np.testing.assert_allclose(found, gradient.sum(dim=1), atol=1e-6)


@pytest.mark.parametrize("method", [InputXGradient, IntegratedGradients])
def test_contributions_of_a_linear_model_are_weight_times_distance_from_the_mean(method, network, gradient):
    found = method().explain(subjects.of_network(built(network, "1")), INPUTS, SENSE)
    np.testing.assert_allclose(found, (gradient * INPUTS).sum(dim=1), atol=1e-5)


def test_integrated_gradients_add_up_to_the_change_of_the_value():
    subject = subjects.of_network(built(convolutional()))
    with torch.no_grad():
        change = SENSE(subject.logits(INPUTS)) - SENSE(subject.logits(torch.zeros_like(INPUTS)))
    found = IntegratedGradients().explain(subject, INPUTS, SENSE)
    np.testing.assert_allclose(found.sum(axis=(1, 2)), change, atol=0.02 * float(change.abs().max()))


def occluded(contributions, window, stride):
    """What windows over a linear model's contributions [H, W] take away, averaged over those that cover a pixel."""
    height, width = contributions.shape
    drops, counts = np.zeros((height, width)), np.zeros((height, width))
    starts = [range(0, side - w + s, s) for side, w, s in zip((height, width), window, stride, strict=True)]
    for top in starts[0]:
        for left in starts[1]:
            part = np.s_[top : top + window[0], left : left + window[1]]
            drops[part] += contributions[part].sum()
            counts[part] += 1
    return drops / counts


SIZE = (24, 40)
LARGE = torch.rand(3, 3, *SIZE, generator=torch.Generator().manual_seed(6))


def test_occlusion_of_a_linear_model_is_what_the_windows_contribute():
    network = linear(SIZE)
    found = Occlusion().explain(subjects.of_network(built(network, "1", SIZE)), LARGE, SENSE)
    contributions = (SIGNS[:, None, None, None] * sense_weights(network, SIZE) * LARGE).sum(dim=1).double().numpy()
    wanted = [occluded(one, window=(3, 5), stride=(1, 2)) for one in contributions]
    np.testing.assert_allclose(found, wanted, atol=1e-4)


def test_occlusion_greys_out_a_black_box_with_the_grey_of_the_letterbox():
    network = linear(SIZE)

    def predict(images):
        with torch.inference_mode():
            return network((torch.from_numpy(images) - HALF) / HALF).numpy()

    found = Occlusion().explain(subjects.of_classifier(predict), LARGE, SENSE)
    weights = SIGNS[:, None, None, None] * sense_weights(network, SIZE) / 0.5
    contributions = (weights * (LARGE - PAD / 255)).sum(dim=1).double().numpy()
    wanted = [occluded(one, window=(3, 5), stride=(1, 2)) for one in contributions]
    np.testing.assert_allclose(found, wanted, atol=1e-4)


@pytest.mark.parametrize("method", [Saliency, InputXGradient, IntegratedGradients, Occlusion])
def test_map_of_the_other_sense_is_the_negative(method):
    subject = subjects.of_network(built(convolutional()))
    one, other = (method().explain(subject, INPUTS, Target("sense", signs)) for signs in (SIGNS, -SIGNS))
    np.testing.assert_allclose(one, -other, atol=1e-6)


@pytest.mark.parametrize("method", [Saliency, InputXGradient, IntegratedGradients])
def test_black_box_has_no_gradients(method):
    subject = subjects.of_classifier(lambda images: np.zeros((len(images), 3)))
    with pytest.raises(ExplanationError, match="this model gives only logits") as raised:
        method().explain(subject, INPUTS, SENSE)
    assert "\n" not in str(raised.value)


def test_large_batch_is_explained_without_a_warning():
    subject, inputs = subjects.of_network(built(convolutional())), torch.randn(70, 3, 8, 12)
    assert IntegratedGradients().explain(subject, inputs, Target("sense", torch.ones(70))).shape == (70, 8, 12)
