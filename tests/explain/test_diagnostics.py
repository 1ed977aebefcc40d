"""Infidelity and max-sensitivity against closed forms of linear models, and against captum called directly."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from captum import metrics
from toy_networks import built, convolutional, drawn, linear, sense_weights

from clastbench.errors import ExplanationError, PluginError
from clastbench.explain import subjects
from clastbench.explain.cams import GradCAM
from clastbench.explain.diagnostics import infidelity, max_sensitivity
from clastbench.explain.gradients import InputXGradient, IntegratedGradients, Occlusion, Saliency
from clastbench.explain.targets import Target

SIGNS = torch.tensor([1.0, -1.0, -1.0])
SENSE = Target("sense", SIGNS)
INPUTS = torch.randn(3, 3, 8, 12, generator=torch.Generator().manual_seed(5))
SIGMA, RADIUS = 0.1, 0.05
LINEAR = linear()
WEIGHTS = sense_weights(LINEAR).sum(dim=0)


class Scaled:
    """The gradient map, times a factor."""

    needs = "network"

    def __init__(self, factor: float) -> None:
        self.factor = factor

    def explain(self, subject, inputs, target):
        return self.factor * Saliency().explain(subject, inputs, target)


class Given:
    """The same map for every input."""

    needs = "nothing"

    def __init__(self, saliency) -> None:
        self.saliency = np.asarray(saliency, np.float32)

    def explain(self, subject, inputs, target):
        return np.repeat(self.saliency[None], len(inputs), axis=0)


def of_linear():
    return subjects.of_network(built(LINEAR, "1"))


def of_convolutional():
    return subjects.of_network(built(convolutional()))


def unfaithful(factor, *, normalize, samples=20):
    return infidelity(
        Scaled(factor), of_linear(), INPUTS, SENSE, sigma=SIGMA, samples=samples, normalize=normalize, batch=500
    )


@pytest.mark.parametrize(("factor", "normalize"), [(1.0, False), (1.0, True), (2.0, True), (-3.0, True)])
def test_gradient_of_a_linear_model_has_no_infidelity_at_any_scale_once_normalised(factor, normalize):
    found = unfaithful(factor, normalize=normalize)
    assert found.shape == (3,)
    assert found.dtype == np.float64
    np.testing.assert_allclose(found, 0, atol=1e-5)


@pytest.mark.parametrize(("factor", "normalize"), [(0.0, False), (2.0, False), (0.0, True)])
def test_infidelity_of_no_map_and_of_a_doubled_one_is_the_variance_of_f(factor, normalize):
    expected = SIGMA**2 * float((WEIGHTS**2).sum())
    np.testing.assert_allclose(unfaithful(factor, normalize=normalize, samples=4000), expected, rtol=0.1)


def test_normalised_infidelity_of_a_map_is_what_its_direction_leaves_unexplained():
    drawn_map = torch.randn(8, 12, generator=torch.Generator().manual_seed(1))
    cosine = torch.nn.functional.cosine_similarity(drawn_map.flatten(), WEIGHTS.flatten(), dim=0)
    found = infidelity(Given(drawn_map), of_linear(), INPUTS, SENSE, sigma=SIGMA, samples=4000, batch=500)
    expected = SIGMA**2 * float((WEIGHTS**2).sum() * (1 - cosine**2))
    np.testing.assert_allclose(found, expected, rtol=0.1)


def test_infidelity_enlarges_coarse_maps():
    coarse = np.asarray([[1.0, -2.0], [0.5, 3.0]], np.float32)
    large = torch.nn.functional.interpolate(
        torch.from_numpy(coarse)[None, None], (8, 12), mode="bilinear", align_corners=False
    )[0, 0]
    for normalize in (False, True):
        one, other = (
            infidelity(Given(given), of_linear(), INPUTS, SENSE, samples=5, normalize=normalize)
            for given in (coarse, large)
        )
        np.testing.assert_allclose(one, other, rtol=1e-4)


def test_infidelity_is_what_captum_says():
    subject = of_convolutional()
    generator = torch.Generator().manual_seed(3)

    def perturbed(pictures):
        grey = torch.stack([SIGMA * torch.randn(8, 12, generator=generator) for _ in pictures])
        shift = grey[:, None].expand_as(pictures)
        return shift, pictures - shift

    maps = torch.from_numpy(Saliency().explain(subject, INPUTS[:1], Target("sense", SIGNS[:1])))
    expected = metrics.infidelity(
        lambda pictures: SENSE.rows()[0](subject.logits(pictures)),
        perturbed,
        INPUTS[:1],
        (maps[:, None] / 3).expand(-1, 3, -1, -1),
        n_perturb_samples=20,
        normalize=True,
    )
    found = infidelity(Saliency(), subject, INPUTS, SENSE, sigma=SIGMA, samples=20, seed=3, batch=50)
    assert found[0] == pytest.approx(float(expected), rel=1e-4)


def test_gradient_map_of_a_linear_model_does_not_move():
    found = max_sensitivity(Saliency(), of_linear(), INPUTS, SENSE, radius=RADIUS)
    np.testing.assert_allclose(found, 0, atol=1e-6)


def test_input_times_gradient_of_a_linear_model_moves_no_farther_than_its_bound():
    network = linear()
    with torch.no_grad():  # one channel counts, so that the sum over channels hides no weight
        network[1].weight.view(3, 3, 8, 12)[:, 1:] = 0
    subject, weights = subjects.of_network(built(network, "1")), sense_weights(network)
    found = max_sensitivity(InputXGradient(), subject, INPUTS, SENSE, radius=RADIUS, samples=50)
    bound = RADIUS * weights.norm() / (weights * INPUTS).flatten(1).norm(dim=1)
    assert (found <= bound.numpy()).all()
    assert (found >= 0.5 * bound.numpy()).all()  # uniform noise fills 1 / sqrt(3) of the radius


def test_max_sensitivity_is_what_captum_says():
    subject = of_convolutional()
    generator = torch.Generator().manual_seed(3)

    def perturbed(pictures):
        return pictures + torch.stack([RADIUS * (2 * torch.rand(3, 8, 12, generator=generator) - 1) for _ in pictures])

    def explained(pictures):
        pictures = pictures[0] if isinstance(pictures, tuple) else pictures
        with torch.enable_grad():
            maps = InputXGradient().explain(subject, pictures, Target("sense", -torch.ones(len(pictures))))
        return (torch.from_numpy(maps),)

    expected = metrics.sensitivity_max(explained, INPUTS[1:2], perturbed, n_perturb_samples=10)
    found = max_sensitivity(InputXGradient(), subject, INPUTS, SENSE, radius=RADIUS, seed=3)
    assert found[1] == pytest.approx(float(expected), rel=1e-4)


METHODS = (GradCAM, Saliency, IntegratedGradients, Occlusion)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("measure", [infidelity, max_sensitivity])
def test_batch_and_neighbours_change_nothing(method, measure):
    def measured(rows, batch):
        return measure(method(), of_convolutional(), INPUTS[rows], Target("sense", SIGNS[rows]), samples=6, batch=batch)

    together = measured(slice(None), 16)
    np.testing.assert_allclose(together, measured(slice(None), 4), rtol=1e-3, atol=1e-7)
    np.testing.assert_allclose(together[1:2], measured(slice(1, 2), 16), rtol=1e-3, atol=1e-7)


@pytest.mark.parametrize("measure", [infidelity, max_sensitivity])
def test_seed_decides(measure):
    found = [measure(InputXGradient(), of_convolutional(), INPUTS, SENSE, samples=6, seed=seed) for seed in (0, 0, 1)]
    np.testing.assert_array_equal(found[0], found[1])
    assert (found[0] != found[2]).all()


@pytest.mark.parametrize("measure", [infidelity, max_sensitivity])
def test_global_noise_is_left_alone(measure):
    subject = of_convolutional()
    before = torch.get_rng_state()
    measure(Saliency(), subject, INPUTS, SENSE, samples=3)
    assert torch.equal(before, torch.get_rng_state())


def test_black_box_is_asked_for_logits_only():
    network = drawn(convolutional(), seed=2)

    def predict(images):
        with torch.inference_mode():
            return network(torch.from_numpy(images)).numpy()

    for measure in (infidelity, max_sensitivity):
        assert measure(Occlusion(), subjects.of_classifier(predict), INPUTS, SENSE, samples=3).shape == (3,)


@pytest.mark.parametrize("measure", [infidelity, max_sensitivity])
def test_no_inputs_have_no_values(measure):
    assert measure(Saliency(), of_linear(), INPUTS[:0], Target("sense", SIGNS[:0])).shape == (0,)


def test_presence_has_no_sign():
    found = [infidelity(Saliency(), of_convolutional(), INPUTS, Target("presence", s)) for s in (SIGNS, -SIGNS)]
    np.testing.assert_allclose(found[0], found[1], rtol=1e-5)


def test_model_that_is_not_finite_is_refused():
    subject = subjects.of_classifier(lambda images: np.full((len(images), 3), np.nan))
    with pytest.raises(ExplanationError, match="infidelity of input 0 is nan"):
        infidelity(Given(np.ones((2, 2))), subject, INPUTS, SENSE, samples=3)


@pytest.mark.parametrize("measure", [infidelity, max_sensitivity])
def test_what_is_no_map_is_refused_with_the_name_of_the_method(measure):
    with pytest.raises(PluginError, match="Given"):
        measure(Given(np.full((2, 2), np.nan)), of_linear(), INPUTS, SENSE, samples=3)
