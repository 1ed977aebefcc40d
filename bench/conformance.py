"""What every plugin must satisfy, as a check kit: `clastbench check NAME` and our own tests run the same checks."""

from __future__ import annotations

import pickle
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import plugins
from .data.crops import Crops
from .errors import PluginError, UnknownNameError
from .plugins import BACKBONES, DETECTORS, EXPLAINERS, Plugin, input_size, is_network
from .records import CLASSES, Photomicrograph
from .synth import Recipe, render_photograph

TOLERANCE = 1e-4
N_PICTURES = 7


@dataclass(frozen=True, slots=True)
class Finding:
    """The outcome of one check; `problem` is None when it passed."""

    check: str
    problem: str | None


class Violation(Exception):  # noqa: N818 – not an error of this program: a finding
    """A check's way to say what is wrong."""


def check_plugin(name: str) -> list[Finding]:
    """Run every check that applies to a backbone, a detector or an explainer, on generated photographs.

    Raises:
        UnknownNameError: nobody registered that name.
        PluginError: it cannot even be loaded.
    """
    spec, _ = plugins.split_mode(name)
    detector = _detector(spec)
    if detector is not None:
        return _run(_detector_checks(detector))
    if spec.partition(":")[0] in plugins.names(EXPLAINERS):
        return _run(_explainer_checks(plugins.load(EXPLAINERS, spec)))
    try:
        plugin = plugins.load(BACKBONES, spec)
    except UnknownNameError as error:
        if spec.partition(":")[0] in plugins.names(BACKBONES) or ".py:" in spec:
            raise
        known = [*plugins.names(BACKBONES), *plugins.names(DETECTORS), *plugins.names(EXPLAINERS)]
        raise UnknownNameError("backbone, detector or explainer", spec, known) from error
    if callable(getattr(plugin.made, "detect", None)):
        return _run(_detector_checks(plugin))
    if callable(getattr(plugin.made, "explain", None)):
        return _run(_explainer_checks(plugin))
    return _run(_network_checks(plugin) if is_network(plugin.made) else _classifier_checks(plugin))


def _detector(spec: str) -> Plugin | None:
    """Load what is a detector by its name; `torchvision:NAME` may just as well be a backbone."""
    kind, _, argument = spec.partition(":")
    if kind not in plugins.names(DETECTORS):
        return None
    try:
        return plugins.load(DETECTORS, spec)
    except UnknownNameError:
        if argument and kind in plugins.names(BACKBONES):
            return None
        raise


def _detector_checks(plugin: Plugin) -> Iterator[Check]:
    from .conformance_detectors import detector_checks  # noqa: PLC0415 – it imports this module

    return detector_checks(plugin)


def _explainer_checks(plugin: Plugin) -> Iterator[Check]:
    from .conformance_explainers import explainer_checks  # noqa: PLC0415 – it needs torch

    return explainer_checks(plugin)


Check = tuple[str, Callable[[], None]]


def _run(checks: Iterator[Check]) -> list[Finding]:
    """Run checks in order; what a plugin raises is a finding, and ends the checks that need the same thing."""
    findings = []
    for title, check in checks:
        problem = None
        try:
            check()
        except Violation as violation:
            problem = str(violation)
        except Exception as error:  # noqa: BLE001 – a plugin may raise anything
            problem = f"raised {type(error).__name__}: {' '.join(str(error).split())}"
        findings.append(Finding(title, problem))
        if problem and title in FATAL:
            break
    return findings


FATAL = frozenset(
    {
        "keeps the contract's attributes",
        "states its input size",
        "builds",
        "fits and loads",
        "predicts logits of the right shape",
        "predicts finite logits",
        "proposes valid boxes",
        "returns one map a picture",
    }
)
"""When one of these fails, the later ones would only repeat it."""


@cache
def kit_photographs() -> tuple[Photomicrograph, ...]:
    """Draw the kit's photographs, 96 x 64 pixels, of every class in turn."""
    recipe = Recipe(seed=1, n_images=64, width=96, height=64)
    drawn = [render_photograph(recipe, index) for index in range(64)]
    by_class = {name: [photo for photo in drawn if photo.truth == name] for name in CLASSES}
    return tuple(by_class[CLASSES[index % len(CLASSES)]][index] for index in range(N_PICTURES))


def generated_crops(size: tuple[int, int]) -> Crops:
    """Letterbox the kit's photographs to a size."""
    from .data.letterbox import letterbox  # noqa: PLC0415

    photographs = kit_photographs()
    return Crops(
        images=np.stack([letterbox(photo.load(), size)[0] for photo in photographs]),
        labels=np.asarray([CLASSES.index(photo.truth or "none") for photo in photographs], np.int64),
        image_ids=tuple(photo.id for photo in photographs),
    )


def must(holds: bool, problem: str) -> None:
    """Raise a Violation unless it holds."""
    if not holds:
        raise Violation(problem)


Predict = Callable[[NDArray[np.float32]], NDArray[np.float32]]


def _prediction_checks(predict: Predict, images: NDArray[np.float32]) -> Iterator[Check]:
    """What holds for anything that maps pictures to logits."""

    def shape() -> None:
        found = np.shape(predict(images.copy()))
        must(found == (len(images), len(CLASSES)), f"logits have shape {found}, expected {(len(images), len(CLASSES))}")

    def finite() -> None:
        must(bool(np.isfinite(predict(images.copy())).all()), "logits hold NaN or infinite values")

    def unmutated() -> None:
        given = images.copy()
        predict(given)
        must(np.array_equal(given, images), "the input images were changed in place")

    def deterministic() -> None:
        _close(predict(images.copy()), predict(images.copy()), "two calls with the same pictures differ", 0.0)

    def batches() -> None:
        singly = np.concatenate([predict(images[row : row + 1].copy()) for row in range(len(images))])
        _close(predict(images.copy()), singly, "a picture's logits depend on the batch it is in")

    def order() -> None:
        _close(predict(images[::-1].copy())[::-1], predict(images.copy()), "a picture's logits depend on the order")

    def empty() -> None:
        found = np.shape(predict(images[:0].copy()))
        must(found == (0, len(CLASSES)), f"no pictures give shape {found}, expected {(0, len(CLASSES))}")

    yield "predicts logits of the right shape", shape
    yield "predicts finite logits", finite
    yield "leaves its input unmutated", unmutated
    yield "is deterministic", deterministic
    yield "is independent of the batch", batches
    yield "is independent of the order", order
    yield "bears an empty batch", empty


def _close(one: NDArray[np.float32], other: NDArray[np.float32], problem: str, tolerance: float = TOLERANCE) -> None:
    """Compare logits; the tolerance is absolute up to a size of 1 and relative beyond, as float32 is."""
    scale = max(1.0, float(np.abs(other).max(initial=0.0)))
    worst = float(np.abs(np.asarray(one, np.float64) - other).max(initial=0.0)) / scale
    must(worst <= tolerance, f"{problem} (by {worst:.2g}, at most {tolerance:g} is allowed)")


def pickles(made: Any) -> None:
    """Raise what keeps a plugin from being sent to another process."""
    pickle.loads(pickle.dumps(made))  # noqa: S301 – just made here


def keeps(contract: Callable[[Any], None], made: Any) -> None:
    """Make a finding of what `plugins.check_…` refuses."""
    try:
        contract(made)
    except PluginError as error:
        raise Violation(str(error)) from error


def _classifier_checks(plugin: Plugin) -> Iterator[Check]:
    yield "states its input size", lambda: keeps(plugins.check_backbone, plugin.made)
    crops = generated_crops(input_size(plugin.made))
    images = crops.batch(slice(None))
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder)

        def fits() -> None:
            plugin.made.fit(crops, crops, seed=0, device="cpu", out=out)
            plugin.made.load(out, device="cpu")

        yield "fits and loads", fits
        yield from _prediction_checks(plugin.made.predict, images)

        def reloads() -> None:
            before = plugin.made.predict(images.copy())
            again = plugins.load(BACKBONES, plugin.spec).made
            again.load(out, device="cpu")
            _close(again.predict(images.copy()), before, "a reloaded model predicts something else")

        yield "is the same after save and load", reloads
        yield "pickles", lambda: pickles(plugin.made)


def _network_checks(plugin: Plugin) -> Iterator[Check]:
    import torch  # noqa: PLC0415

    from .train.networks import BuiltNetwork, build, logits_of  # noqa: PLC0415

    made = plugin.made
    yield "states its input size", lambda: keeps(plugins.check_backbone, made)
    size = input_size(made)
    crops = generated_crops(size)
    built: list[BuiltNetwork] = []

    def builds() -> None:
        torch.manual_seed(0)
        built.append(build(made, "none", size, "cpu"))

    yield "builds", builds

    def predict(images: NDArray[np.float32]) -> NDArray[np.float32]:
        given = torch.from_numpy(images)
        built[0].module.eval()
        with torch.inference_mode():
            return np.asarray(built[0].module(given).numpy(), np.float32)

    normalised = built[0].normalise(torch.from_numpy(crops.batch(slice(None)))).numpy()
    yield from _prediction_checks(predict, normalised)

    def reloads() -> None:
        torch.manual_seed(1)
        again = build(made, "none", size, "cpu")
        again.module.load_state_dict({name: tensor.clone() for name, tensor in built[0].module.state_dict().items()})
        worst = logits_of(again, crops.images), logits_of(built[0], crops.images)
        _close(*worst, "a network built again and filled with its state dict predicts something else")

    yield "is the same after save and load", reloads
    yield "trains: gradients reach the CAM layer", lambda: _gradients(built[0], crops)
    yield "pickles", lambda: pickles(made)


def _gradients(network: Any, crops: Crops) -> None:
    import torch  # noqa: PLC0415

    from .train.layers import forward_with  # noqa: PLC0415

    network.module.eval()
    images = network.normalise(torch.from_numpy(crops.batch(slice(2))))
    logits, maps = forward_with(network.module, network.cam_layer, images)
    must(maps.requires_grad, f"the CAM layer {network.cam_layer!r} is cut off from the gradients")
    (gradient,) = torch.autograd.grad((logits[:, 1] - logits[:, 2]).sum(), maps, allow_unused=True)
    must(gradient is not None, f"the logits do not depend on the CAM layer {network.cam_layer!r}")
    must(bool(torch.isfinite(gradient).all()), f"gradients at the CAM layer {network.cam_layer!r} are not finite")
    must(bool((gradient != 0).any()), f"gradients at the CAM layer {network.cam_layer!r} are all zero")
