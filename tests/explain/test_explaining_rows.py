"""One method run over rows and targets."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from toy_networks import built, convolutional

from clastbench.errors import ExplanationError, PluginError
from clastbench.explain import subjects
from clastbench.explain.cams import GradCAM
from clastbench.explain.engine import explain_rows
from clastbench.records import TARGETS

INPUTS = torch.randn(5, 3, 8, 12, generator=torch.Generator().manual_seed(0))
SIGNS = np.asarray([1, -1, 1, 1, -1], np.float32)
SUBJECT = subjects.of_network(built(convolutional()))


def explain(batches, signs=SIGNS, method=None):
    return explain_rows(method or GradCAM(), SUBJECT, batches, TARGETS, signs)


def test_every_row_has_a_map_for_every_target():
    assert explain([INPUTS]).shape == (5, 2, 4, 6)


def test_size_of_the_batches_changes_nothing():
    np.testing.assert_allclose(explain(INPUTS.split(2)), explain([INPUTS]), rtol=1e-4, atol=1e-6)


def test_sign_turns_the_map_of_the_sense_only():
    one, other = explain([INPUTS]), explain([INPUTS], -SIGNS)
    np.testing.assert_array_equal(one[:, TARGETS.index("sense")], -other[:, TARGETS.index("sense")])
    np.testing.assert_array_equal(one[:, TARGETS.index("presence")], other[:, TARGETS.index("presence")])


@pytest.mark.parametrize("batches", [[], [INPUTS[:0]]])
def test_no_rows_have_no_maps(batches):
    assert explain(batches, SIGNS[:0]).shape == (0, 2, 1, 1)


@pytest.mark.parametrize("n_signs", [4, 6])
def test_signs_that_do_not_match_the_rows_are_refused(n_signs):
    with pytest.raises(ValueError, match="signs"):
        explain(INPUTS.split(2), np.ones(n_signs, np.float32))


class Returns:
    """A method that returns what it was told to."""

    needs = "nothing"

    def __init__(self, make) -> None:
        self.make = make

    def explain(self, subject, inputs, target):
        return self.make(len(inputs))


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda n: np.zeros((n, 3, 4, 4), np.float32), r"maps have shape \(5, 3, 4, 4\), expected \(5, h, w\)"),
        (lambda n: np.zeros((n, 0, 4), np.float32), r"maps have shape \(5, 0, 4\)"),
        (lambda n: np.zeros((n, 4, 4)), "maps are float64, expected float32"),
        (lambda n: np.full((n, 4, 4), np.nan, np.float32), "NaN or infinite"),
        (lambda n: torch.zeros(n, 4, 4), "maps are a Tensor, expected a numpy array"),
        (lambda n: 1 / 0, "explain raised ZeroDivisionError: division by zero"),
    ],
)
def test_what_is_no_map_is_refused_with_the_name_of_the_method(make, words):
    with pytest.raises(PluginError, match=f"Returns.*{words}"):
        explain([INPUTS], method=Returns(make))


def test_maps_of_different_sizes_are_refused():
    with pytest.raises(PluginError, match="different sizes"):
        explain(INPUTS.split(3), method=Returns(lambda n: np.zeros((n, n, n), np.float32)))


def test_reason_why_a_method_cannot_work_is_passed_on():
    def refuse(_n):
        raise ExplanationError("needs a network")

    with pytest.raises(ExplanationError, match=r"^needs a network$"):
        explain([INPUTS], method=Returns(refuse))
