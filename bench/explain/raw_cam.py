"""pytorch-grad-cam's classes, asked for what they compute: signed maps at the layer's own resolution.

The package cuts off negative values, scales every map to 0..1 and enlarges it. Besides, its objects leave hooks on the
model, take the first execution of a layer that runs several times, save activations that a later in-place operation
overwrites, swallow an IndexError, and draw progress bars. None of that happens here.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytorch_grad_cam
import torch
from numpy.typing import NDArray
from pytorch_grad_cam import ablation_cam, score_cam
from pytorch_grad_cam.ablation_layer import AblationLayer, AblationLayerVit
from pytorch_grad_cam.base_cam import BaseCAM
from torch import Tensor, nn

from ..errors import ExplanationError, UnknownNameError
from .subject import Subject
from .targets import Target
from .undisturbed import undisturbed

DRAW_BARS = (ablation_cam, score_cam)
OWN_LAYERS = ("FullGrad",)
"""They explain by layers of their own choice."""
SECOND_ORDER = ("ShapleyCAM",)
"""They differentiate gradients, so parameters must ask for them."""


def known() -> list[str]:
    """Name the classes of the package that compute one map of one layer."""
    found = {name: value for name, value in vars(pytorch_grad_cam).items() if isinstance(value, type)}
    return sorted(name for name, value in found.items() if issubclass(value, BaseCAM))


def find(name: str) -> type:
    """Return a class of the package.

    Raises:
        UnknownNameError: it has no such class.
    """
    if name not in known():
        raise UnknownNameError("class of pytorch-grad-cam", name, known())
    found: type = getattr(pytorch_grad_cam, name)
    return found


def raw_maps(name: str, subject: Subject, inputs: Tensor, target: Target, *, singly: bool) -> NDArray[np.float32]:
    """Return maps float32[N, h, w] at the resolution of the layer; float32[0, 1, 1] without inputs.

    Args:
        name: of a class of pytorch-grad-cam.
        subject: needs a module and a layer.
        inputs: what the module takes.
        target: the value that is explained.
        singly: row by row, for methods whose memory or randomness is not bounded by the row; what is random is seeded
            with the row's own content.

    Raises:
        ExplanationError: the model cannot be differentiated, or has no map in space.
    """
    if subject.module is None or subject.layer is None:
        raise ExplanationError(f"{name} needs a network's last map in space, and this model gives only logits")
    if not len(inputs):
        return np.zeros((0, 1, 1), np.float32)
    functions = target.rows()
    if not singly:
        return _maps(find(name), subject.module, subject, inputs, functions)
    parts = []
    for row, function in enumerate(functions):
        one = inputs[row : row + 1]
        with _seeded(one):
            parts.append(_maps(find(name), subject.module, subject, one, [function]))
    return np.concatenate(parts)


def _maps(
    method: type, module: nn.Module, subject: Subject, inputs: Tensor, functions: list[Callable[[Tensor], Tensor]]
) -> NDArray[np.float32]:
    own = method.__name__ in OWN_LAYERS
    layers = [] if own else [subject.layer]
    raw = _asked_for_raw_values(method)
    with (
        undisturbed(module, frozen=method.__name__ not in SECOND_ORDER),
        _without_bars(),
        raw(module, layers, None if own else subject.reshape) as cam,
        torch.set_grad_enabled(cam.uses_gradients),
        _watched(cam, layers),
    ):
        return np.asarray(cam(inputs.detach().clone(), functions), np.float32)


@contextmanager
def _watched(cam: Any, layers: Iterable[Any]) -> Iterator[None]:
    """Begin the graph at the explained map, whose values what follows cannot overwrite."""

    def begin(_module: nn.Module, _inputs: object, output: object) -> Tensor:
        if not isinstance(output, Tensor):
            raise ExplanationError(f"the explained layer returns a {type(output).__name__}, no map in space")
        begins = cam.uses_gradients and not cam.compute_input_gradient
        cam.seen = output.detach().requires_grad_() if begins else output
        cam.runs += 1
        return cam.seen  # type: ignore[no-any-return]

    handles = []
    for layer in layers:
        handles.append(layer.register_forward_hook(begin, prepend=True))
        handles.append(layer.register_forward_hook(lambda _module, _inputs, output: output.clone()))
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


@contextmanager
def _without_bars() -> Iterator[None]:
    silent = SimpleNamespace(tqdm=lambda rows: rows)
    bars = [(module, module.tqdm) for module in DRAW_BARS]
    try:
        for module in DRAW_BARS:
            module.tqdm = silent
        yield
    finally:
        for module, bar in bars:
            module.tqdm = bar


@contextmanager
def _seeded(inputs: Tensor) -> Iterator[None]:
    """Seed numpy's global generator, which the package and scikit-learn draw from, with the content of the inputs."""
    content = np.ascontiguousarray(inputs.detach().cpu().numpy()).tobytes()
    state = np.random.get_state()  # noqa: NPY002 – theirs is the legacy generator
    try:
        np.random.seed(int.from_bytes(hashlib.sha256(content).digest()[:4], "big"))  # noqa: NPY002
        yield
    finally:
        np.random.set_state(state)  # noqa: NPY002


def _asked_for_raw_values(method: type) -> Callable[..., Any]:
    """Return the class with its post-processing overridden."""
    mixins: list[type] = [_Summed if method.__name__ in OWN_LAYERS else _Raw, _Released]
    if issubclass(method, ablation_cam.AblationCAM):
        mixins = [_Ablation, *mixins]
    return type(f"Raw{method.__name__}", (*mixins, method), {})


class _Released:
    """Lets go of its hooks, always, and hides no error."""

    def __exit__(self: Any, *_raised: object) -> None:
        recorded = self.activations_and_grads
        for handle in recorded.handles:
            handle.remove()
        recorded.handles, recorded.activations, recorded.gradients = [], [], []

    def __del__(self) -> None:
        """Leave it to `__exit__`: the package's own fails on views, and on objects that were never finished."""


class _Raw:
    """Returns the map that the method's paper defines, before the package makes a picture of it."""

    seen: Tensor | None = None
    runs = 0
    """The latest output of the explained layer, and how often there was one."""

    def forward(self: Any, inputs: Tensor, targets: list[Callable[[Tensor], Tensor]], *rest: Any) -> Any:
        def checked(target: Callable[[Tensor], Tensor], logits: Tensor) -> Tensor:
            if self.seen is None:
                raise ExplanationError("the network has no layer whose output is a map in space; name a cam_layer")
            if self.uses_gradients and not logits.requires_grad:
                raise ExplanationError("the logits do not depend on the explained layer; name another cam_layer")
            return target(logits)

        return super().forward(inputs, [partial(checked, target) for target in targets], *rest)  # type: ignore[misc]

    def compute_cam_per_layer(
        self: Any, inputs: Tensor, targets: list[Callable[[Tensor], Tensor]], eigen_smooth: bool
    ) -> list[NDArray[np.float32]]:
        recorded = self.activations_and_grads
        activations = recorded.activations[-1]
        gradients = recorded.gradients[-1] if recorded.gradients else None
        if self.detach:
            activations = activations.numpy()
            gradients = None if gradients is None else gradients.numpy()
            for handle in recorded.handles:  # further passes need not be recorded
                handle.remove()
        return [self.get_cam_image(inputs, self.target_layers[0], targets, activations, gradients, eigen_smooth)]

    def aggregate_multi_layers(self, maps: list[NDArray[np.float32]]) -> NDArray[np.float32]:
        return maps[0]


class _Summed:
    """Returns the sum over layers that the method makes by itself."""

    def aggregate_multi_layers(self, maps: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.asarray(maps.sum(axis=1), np.float32)


class _Ablation:
    """Returns drops f(x) - f(x without the channel), for any sign of f, and puts the explained layer back.

    The package divides the drop by f(x), which was meant for a class score and turns the map over where f is negative.
    So it is given f moved to where f(x) = c > 0, and the quotient times c is the drop.
    """

    def get_cam_weights(
        self: Any,
        inputs: Tensor,
        layer: nn.Module,
        targets: list[Callable[[Tensor], Tensor]],
        activations: NDArray[np.float32],
        gradients: None,
    ) -> NDArray[np.float32]:
        if self.runs > 1:
            raise ExplanationError(
                "the explained layer runs several times in one pass, so nobody knows which to ablate"
            )
        channels_first = self.seen.shape == activations.shape
        self.ablation_layer = AblationLayer() if channels_first else AblationLayerVit()
        before = [float(target(output)) for target, output in zip(targets, self.outputs, strict=True)]
        positive = [abs(at) or 1.0 for at in before]
        moved = [
            lambda output, target=target, by=c - at: target(output) + by
            for target, at, c in zip(targets, before, positive, strict=True)
        ]
        parent, name = _place(self.model, layer)
        try:
            quotients = super().get_cam_weights(inputs, layer, moved, activations, gradients)  # type: ignore[misc]
        finally:
            setattr(parent, name, layer)
        return np.asarray(quotients * np.asarray(positive, np.float32)[:, None], np.float32)


def _place(model: nn.Module, layer: nn.Module) -> tuple[nn.Module, str]:
    """Return the module that a layer is part of, and its name there."""
    for module in model.modules():
        for name, part in module.named_children():
            if part is layer:
                return module, name
    raise ExplanationError("the explained layer is no part of the network")
