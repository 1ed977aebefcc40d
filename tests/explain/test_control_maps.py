"""Maps that know nothing of a model."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from clastbench import plugins
from clastbench.explain.controls import Centre, Random, Sobel
from clastbench.explain.subjects import of_nothing
from clastbench.explain.targets import Target

INPUTS = torch.randn(4, 3, 16, 24, generator=torch.Generator().manual_seed(0))


def maps_of(control, inputs=INPUTS):
    return control.explain(of_nothing(), inputs, Target("presence", torch.ones(len(inputs))))


@pytest.mark.parametrize("control", [Random, Centre, Sobel])
def test_control_has_the_resolution_of_the_input_and_is_never_negative(control):
    found = maps_of(control())
    assert (found.shape, found.dtype) == ((4, 16, 24), np.float32)
    assert (found >= 0).all()


def test_noise_belongs_to_the_picture_wherever_it_stands():
    np.testing.assert_array_equal(maps_of(Random(), INPUTS.flip(0))[::-1], maps_of(Random()))


def test_noise_of_different_pictures_differs():
    found = maps_of(Random())
    assert abs(np.corrcoef(found[0].ravel(), found[1].ravel())[0, 1]) < 0.2


def test_noise_is_uniform():
    found = maps_of(Random(), torch.randn(1, 3, 200, 200))
    np.testing.assert_allclose(np.quantile(found, [0.1, 0.5, 0.9]), [0.1, 0.5, 0.9], atol=0.02)


def test_centre_is_a_gaussian_of_a_quarter_of_each_side():
    found = maps_of(Centre(), torch.zeros(1, 3, 40, 80))[0]
    np.testing.assert_array_equal(found, found[::-1, ::-1])
    y, x = (np.arange(40) + 0.5 - 20) / 10, (np.arange(80) + 0.5 - 40) / 20
    np.testing.assert_allclose(found, np.exp(-(y[:, None] ** 2 + x[None] ** 2) / 2), rtol=1e-5)


def test_edges_of_a_step_lie_on_the_step():
    picture = torch.zeros(1, 3, 8, 8)
    picture[:, :, :, 4:] = 1
    found = maps_of(Sobel(), picture)[0]
    assert (found[:, [3, 4]] == 4).all()
    assert (found[:, [0, 1, 2, 5, 6, 7]] == 0).all()


def test_edges_are_as_strong_in_every_direction():
    assert np.array_equal(maps_of(Sobel(), INPUTS.transpose(2, 3)).transpose(0, 2, 1), maps_of(Sobel()))


@pytest.mark.parametrize("name", ["random", "centre", "sobel"])
def test_controls_say_that_they_need_nothing(name):
    assert plugins.load(plugins.EXPLAINERS, name).made.needs == "nothing"
