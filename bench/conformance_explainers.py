"""What every method of explanation must satisfy, checked on a small network, on its cached features and as a black box.

The network is random: what holds here says that a method keeps its contract, not that its maps are good.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from . import plugins
from .conformance import TOLERANCE, Check, generated_crops, keeps, must, pickles
from .explain import subjects
from .explain.engine import problem_of
from .explain.subject import Subject
from .explain.targets import Target
from .plugins import Plugin
from .records import CLASSES
from .train.layers import forward_with
from .train.networks import BuiltNetwork

SIZE = (32, 48)
CAM_LAYER = "4"
GREY = 0.5
"""Mean and standard deviation of the inputs."""


def explainer_checks(plugin: Plugin) -> Iterator[Check]:
    """Yield the checks that apply to an explainer, for what it says it needs."""
    made = plugin.made
    yield "keeps the contract's attributes", lambda: _contract(made)
    network, inputs = _network(), _inputs()
    subject = _subject(made.needs, network)
    yield "returns one map a picture", lambda: _valid(made, subject, inputs)
    yield from _map_checks(made, subject, inputs)
    yield "leaves the model as it was", lambda: _leaves_model(made, _network(), inputs)
    yield "bears an empty batch", lambda: _valid(made, subject, inputs[:0])
    if made.needs == "features":
        yield "explains cached features like pixels", lambda: _same_from_features(made, _network(), inputs)
    if made.needs != "nothing":
        yield "follows the target", lambda: _follows(made, subject, inputs)
    yield "pickles", lambda: pickles(made)


def _contract(made: Any) -> None:
    keeps(plugins.check_explainer, made)
    signless = getattr(made, "signless", False)
    must(isinstance(signless, bool), f"signless is {signless!r}; expected True or False")


def _map_checks(made: Any, subject: Subject, inputs: Tensor) -> Iterator[Check]:
    """What holds for the maps of any method."""
    signs = _signs(len(inputs))

    def explain(rows: list[int]) -> NDArray[np.float32]:
        return _explain(made, subject, inputs[rows], signs[rows])

    every = list(range(len(inputs)))

    def unmutated() -> None:
        given = inputs.clone()
        made.explain(subject, given, Target("sense", signs))
        must(torch.equal(given, inputs), "the inputs were changed in place")

    def deterministic() -> None:
        same(explain(every), explain(every), "two calls with the same pictures differ", 0.0)

    def batches() -> None:
        singly = np.concatenate([explain([row]) for row in every])
        same(explain(every), singly, "a picture's map depends on the batch it is in")

    def order() -> None:
        same(explain(every[::-1])[::-1], explain(every), "a picture's map depends on the order")

    yield "leaves its input unmutated", unmutated
    yield "is deterministic", deterministic
    yield "is independent of the batch", batches
    yield "is independent of the order", order


def same(one: NDArray[np.float32], other: NDArray[np.float32], problem: str, tolerance: float = TOLERANCE) -> None:
    """Compare maps, map by map, relative to the largest value of each."""
    must(one.shape == other.shape, f"{problem}: shapes {one.shape} and {other.shape}")
    must(distance(one, other) <= tolerance, f"{problem} (by {distance(one, other):.2g} of the map's largest value)")


def distance(one: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    """Return the largest difference of two stacks of maps, each relative to its largest value."""
    scale = np.maximum(np.abs(one).max(axis=(1, 2)), np.abs(other).max(axis=(1, 2)))
    worst = np.abs(np.asarray(one, np.float64) - other).max(axis=(1, 2)) / np.where(scale > 0, scale, 1)
    return float(worst.max(initial=0.0))


def _follows(made: Any, subject: Subject, inputs: Tensor) -> None:
    """A sense map must change with the sense, unless the method says that it knows no sign."""
    ones = torch.ones(len(inputs))
    one, other = _explain(made, subject, inputs, ones), _explain(made, subject, inputs, -ones)
    if not getattr(made, "signless", False):
        problem = "maps of CW and of CCW are the same; where that is the method's nature, set signless = True"
        must(distance(one, other) > TOLERANCE, problem)
        return
    pairs = [(a[None], b[None]) for a, b in zip(one, other, strict=True)]
    up_to_sign = max(min(distance(a, b), distance(a, -b)) for a, b in pairs)
    must(up_to_sign <= TOLERANCE, "signless is True, but maps of CW and of CCW differ by more than their sign")


def _leaves_model(made: Any, network: BuiltNetwork, inputs: Tensor) -> None:
    subject = _subject("nothing" if made.needs == "nothing" else "network", network)
    model = subject.module or network.module
    before = _state(model)
    _explain(made, subject, inputs, _signs(len(inputs)))
    for what, value in _state(model).items():
        must(_equal(value, before[what]), f"it changed the model's {what}")


def _state(model: nn.Module) -> dict[str, list[Any]]:
    parts = list(model.modules())
    hooks = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
    return {
        "modules": [id(part) for part in parts],
        "evaluation mode": [part.training for part in parts],
        "hooks": [len(getattr(part, kind)) for part in parts for kind in hooks],
        "weights": [tensor.clone() for tensor in model.state_dict().values()],
        "requires_grad": [parameter.requires_grad for parameter in model.parameters()],
        "gradients": [parameter.grad is None for parameter in model.parameters()],
    }


def _equal(one: list[Any], other: list[Any]) -> bool:
    if len(one) != len(other):
        return False
    return all(torch.equal(a, b) if isinstance(a, Tensor) else a == b for a, b in zip(one, other, strict=True))


def _same_from_features(made: Any, network: BuiltNetwork, inputs: Tensor) -> None:
    head = _head()
    with torch.no_grad():
        _, maps = forward_with(network.module, network.cam_layer, inputs)
    signs = _signs(len(inputs))
    pixels = _explain(made, subjects.of_frozen(network, head), inputs, signs)
    cached = _explain(made, subjects.of_features(head, SIZE), maps.clone(), signs)
    same(cached, pixels, "maps from cached features and from pixels differ")


def _valid(made: Any, subject: Subject, inputs: Tensor) -> None:
    maps = made.explain(subject, inputs.clone(), Target("sense", _signs(len(inputs))))
    problem = problem_of(maps, len(inputs))
    must(problem is None, problem or "")


def _explain(made: Any, subject: Subject, inputs: Tensor, signs: Tensor) -> NDArray[np.float32]:
    found: NDArray[np.float32] = made.explain(subject, inputs.clone(), Target("sense", signs))
    return found


def _signs(n_rows: int) -> Tensor:
    return torch.tensor([1.0, -1.0]).repeat(n_rows)[:n_rows]


def _subject(needs: str, network: BuiltNetwork) -> Subject:
    if needs == "nothing":
        return subjects.of_nothing()
    return subjects.of_classifier(_black_box(network)) if needs == "outputs" else subjects.of_network(network)


def _black_box(network: BuiltNetwork) -> Callable[[NDArray[np.float32]], NDArray[np.float32]]:
    def predict(images: NDArray[np.float32]) -> NDArray[np.float32]:
        with torch.inference_mode():
            logits: NDArray[np.float32] = network.module(network.normalise(torch.from_numpy(images))).numpy()
        return logits

    return predict


def _network() -> BuiltNetwork:
    """Return a small network with maps of 8 x 12 cells, that behaves otherwise while it is trained."""
    generator = torch.Generator().manual_seed(0)
    convolutions = (nn.Conv2d(3, 8, 4, stride=4), nn.ReLU(), nn.Conv2d(8, 6, 3, padding=1), nn.BatchNorm2d(6))
    pooled = (nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(0.5), nn.Linear(6, len(CLASSES)))
    module = nn.Sequential(*convolutions, nn.ReLU(), *pooled)
    return BuiltNetwork(
        module=_drawn(module, generator).eval(),
        mean=torch.full((1, 3, 1, 1), GREY),
        std=torch.full((1, 3, 1, 1), GREY),
        cam_layer=CAM_LAYER,
        device="cpu",
    )


def _head() -> nn.Module:
    head = nn.Sequential(nn.Linear(6, 16), nn.ReLU(), nn.Linear(16, len(CLASSES)))
    return _drawn(head, torch.Generator().manual_seed(1))


def _drawn(module: nn.Module, generator: torch.Generator) -> nn.Module:
    """Draw weights without touching the global generator."""
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.normal_(0.0, 0.4, generator=generator)
    return module


def _inputs() -> Tensor:
    pictures = torch.from_numpy(generated_crops(SIZE).batch(slice(None)))
    return (pictures - GREY) / GREY
