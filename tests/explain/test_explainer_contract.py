"""The check kit catches every broken explainer, and all that we ship keep the contract."""

from __future__ import annotations

from pathlib import Path

import pytest

from clastbench import plugins
from clastbench.conformance import check_plugin
from clastbench.errors import UnknownNameError

BROKEN = Path(__file__).with_name("broken_explainers.py")

BREACHES = {
    "NeedsLuck": ("keeps the contract's attributes", "needs is 'luck'; expected one of"),
    "ForgetsTheBatch": ("returns one map a picture", "maps have shape (8, 12), expected (7, h, w)"),
    "ReturnsDoubles": ("returns one map a picture", "maps are float64, expected float32"),
    "SaysNaN": ("returns one map a picture", "maps hold NaN or infinite values"),
    "ScalesByTheBatch": ("is independent of the batch", "a picture's map depends on the batch it is in"),
    "CountsCalls": ("is deterministic", "two calls with the same pictures differ"),
    "LeaksAHook": ("leaves the model as it was", "it changed the model's hooks"),
    "LeavesGradients": ("leaves the model as it was", "it changed the model's gradients"),
    "StaysInTraining": ("leaves the model as it was", "it changed the model's evaluation mode"),
    "TrainsTheModel": ("leaves the model as it was", "it changed the model's weights"),
    "ChangesItsInput": ("leaves its input unmutated", "the inputs were changed in place"),
    "ChokesOnNothing": ("bears an empty batch", "raised IndexError"),
    "IgnoresTheTarget": ("follows the target", "maps of CW and of CCW are the same"),
    "ClaimsToKnowNoSign": ("follows the target", "differ by more than their sign"),
    "LooksAtPixels": ("explains cached features like pixels", "maps from cached features and from pixels differ"),
    "CannotTravel": ("pickles", "raised"),
}
SEVERAL = {"CountsCalls", "TrainsTheModel"}
"""They break other promises on the way."""
FROM_THE_PACKAGE = ["FEM", "FullGrad", "KPCA_CAM", "RandomCAM", "ScoreCAM", "SegEigenCAM", "ShapleyCAM"]


def problems(name: str) -> dict[str, str]:
    return {finding.check: finding.problem for finding in check_plugin(name) if finding.problem is not None}


@pytest.mark.parametrize(("plugin", "breach"), BREACHES.items())
def test_broken_explainer_is_caught_and_the_reason_is_named(plugin, breach):
    title, words = breach
    assert words in problems(f"{BROKEN}:{plugin}").get(title, "")


@pytest.mark.parametrize("plugin", sorted(BREACHES.keys() - SEVERAL))
def test_broken_explainer_is_blamed_for_one_thing_only(plugin):
    assert list(problems(f"{BROKEN}:{plugin}")) == [BREACHES[plugin][0]]


@pytest.mark.parametrize("plugin", ["Sound", "SoundOnLogits"])
def test_sound_explainer_in_a_file_keeps_the_contract(plugin):
    findings = check_plugin(f"{BROKEN}:{plugin}")
    assert [finding for finding in findings if finding.problem is not None] == []
    assert len(findings) >= 10


@pytest.mark.parametrize("name", [name for name in plugins.names(plugins.EXPLAINERS) if name != "cam"])
def test_shipped_explainer_keeps_the_contract(name):
    assert problems(name) == {}


@pytest.mark.parametrize("name", FROM_THE_PACKAGE)
def test_any_class_of_the_package_keeps_the_contract(name):
    assert problems(f"cam:{name}") == {}


@pytest.mark.parametrize(
    ("name", "words"), [("grad-cm", "Did you mean 'grad-cam'"), ("cam:GradCM", "Did you mean 'GradCAM'")]
)
def test_unknown_explainer_is_answered_with_the_nearest(name, words):
    with pytest.raises(UnknownNameError, match=words):
        check_plugin(name)
