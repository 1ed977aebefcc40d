"""Attributions to the pixels of the input, by captum: gradients, and what they need no gradients for, occlusion.

Maps are signed and have the resolution of the input; channels are summed. The baseline is the training mean: 0 in the
normalised space of a network, the grey of the letterbox for a black box, whose inputs are pixels in 0..1.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..data.letterbox import PAD
from ..errors import ExplanationError

if TYPE_CHECKING:
    from torch import Tensor

    from .subject import Subject
    from .targets import Target

ROWS_AT_ONCE = 64
"""Pictures in one pass, at most, unless the harness hands over more."""


class _Gradient:
    """A method of captum that differentiates the network."""

    needs = "network"

    def explain(self, subject: Subject, inputs: Tensor, target: Target) -> NDArray[np.float32]:
        """Return signed maps float32[N, H, W], summed over the channels of the input."""
        from .undisturbed import undisturbed  # noqa: PLC0415

        if subject.module is None:
            method = type(self).__name__
            raise ExplanationError(f"{method} needs a network that can be differentiated; this model gives only logits")
        if not len(inputs):
            return np.zeros((0, 1, 1), np.float32)
        with undisturbed(subject.module):
            found = self._attribute(_value_of(subject, target), inputs.detach().clone().requires_grad_(), target.signs)
        return _summed(found)

    def _attribute(self, function: Callable[..., Tensor], inputs: Tensor, signs: Tensor) -> Tensor:
        raise NotImplementedError


class Saliency(_Gradient):
    """The gradient itself (Simonyan et al. 2014), without the customary absolute value, summed over channels."""

    def _attribute(self, function: Callable[..., Tensor], inputs: Tensor, signs: Tensor) -> Tensor:
        from captum import attr  # noqa: PLC0415

        found: Tensor = attr.Saliency(function).attribute(inputs, abs=False, additional_forward_args=signs)
        return found


class InputXGradient(_Gradient):
    """Gradient times input (Shrikumar et al. 2016); the input counts from the training mean, its zero."""

    def _attribute(self, function: Callable[..., Tensor], inputs: Tensor, signs: Tensor) -> Tensor:
        from captum import attr  # noqa: PLC0415

        found: Tensor = attr.InputXGradient(function).attribute(inputs, additional_forward_args=signs)
        return found


class IntegratedGradients(_Gradient):
    """Integrated gradients (Sundararajan et al. 2017) from the training mean, 32 steps of Gauss-Legendre quadrature."""

    steps = 32

    def _attribute(self, function: Callable[..., Tensor], inputs: Tensor, signs: Tensor) -> Tensor:
        from captum import attr  # noqa: PLC0415

        found: Tensor = attr.IntegratedGradients(function).attribute(
            inputs,
            baselines=0.0,
            additional_forward_args=signs,
            n_steps=self.steps,
            internal_batch_size=max(ROWS_AT_ONCE, len(inputs)),
        )
        return found


class Occlusion:
    """The drop of f when a window is greyed out (Zeiler & Fergus 2014), averaged over the windows that cover a pixel.

    Windows have an eighth of each side and move by half of that. It asks for logits only.
    """

    needs = "outputs"

    def explain(self, subject: Subject, inputs: Tensor, target: Target) -> NDArray[np.float32]:
        """Return signed maps float32[N, H, W]."""
        import torch  # noqa: PLC0415
        from captum import attr  # noqa: PLC0415

        if not len(inputs):
            return np.zeros((0, 1, 1), np.float32)
        channels, height, width = inputs.shape[1:]
        window = [max(1, round(side / 8)) for side in (height, width)]
        with _guard(subject), torch.no_grad():
            found = attr.Occlusion(_value_of(subject, target)).attribute(
                inputs.detach().clone(),
                sliding_window_shapes=(channels, *window),
                strides=(channels, *(max(1, side // 2) for side in window)),
                baselines=PAD / 255 if subject.module is None else 0.0,
                additional_forward_args=target.signs,
                perturbations_per_eval=max(1, ROWS_AT_ONCE // len(inputs)),
            )
        return _summed(found[:, :1])  # a window covers all channels, so each has the whole drop


def _guard(subject: Subject) -> Any:
    from contextlib import nullcontext  # noqa: PLC0415

    from .undisturbed import undisturbed  # noqa: PLC0415

    return nullcontext() if subject.module is None else undisturbed(subject.module)


def _value_of(subject: Subject, target: Target) -> Callable[..., Tensor]:
    """Return f of inputs and signs: captum repeats rows, and what goes with them."""
    from .targets import value  # noqa: PLC0415

    def function(inputs: Tensor, signs: Tensor) -> Tensor:
        logits = subject.logits(inputs)
        return value(target.name, logits) * signs.to(logits)

    return function


def _summed(found: Tensor) -> NDArray[np.float32]:
    maps: NDArray[np.float32] = found.detach().sum(dim=1).cpu().numpy().astype(np.float32)
    return maps
