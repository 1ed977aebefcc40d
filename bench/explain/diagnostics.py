"""Two published diagnostics of a method of explanation, by captum: infidelity and max-sensitivity.

Both explain pictures again or ask f at noisy ones, input by input. The noise is drawn from the same seed for every
input, so that neither the batch nor the neighbours change a value, and methods meet the same noise.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..data.letterbox import read_map
from ..errors import ExplanationError
from ..plugins import Explainer
from .engine import explain_rows
from .subject import Subject
from .targets import Target, value


def infidelity(
    explainer: Explainer,
    subject: Subject,
    inputs: Tensor,
    target: Target,
    *,
    sigma: float = 0.1,
    samples: int = 50,
    normalize: bool = True,
    seed: int = 0,
    batch: int = 16,
) -> NDArray[np.float64]:
    """Return how badly maps predict the change of f under noise (Yeh et al. 2019, definition 2.1), float64[N].

    The mean over noise e of (e . A - (f(x) - f(x - e)))^2, in units of f squared. e is N(0, sigma^2), alike in all
    channels because a map tells them not apart: the map, enlarged to the input as `read_map` does, gives each of C
    channels a C-th, so that their sum is the map again. On a linear model, A = w (summed over channels) gives 0, and
    A = 0 gives sigma^2 |w|^2, which is also the expected value of a random map when `normalize` scales it as well as
    can be; A = 2w gives sigma^2 |w|^2, and 0 when normalised.

    Args:
        explainer: the method.
        subject: the model.
        inputs: float32[N, C, H, W].
        target: f, one a row.
        sigma: in the inputs' own space.
        samples: noisy pictures an input.
        normalize: scale each map by the factor that predicts best, since most methods leave the scale open.
        seed: of the noise.
        batch: noisy pictures at once.

    Raises:
        ExplanationError: the method cannot work on this model, or f is not finite.
        PluginError: the method returned what are no maps.
    """
    from captum import metrics  # noqa: PLC0415

    def of(one: Tensor, sign: Tensor) -> Tensor:
        noise = _Noise(seed, lambda generator: sigma * torch.randn(one.shape[2:], generator=generator))

        def perturbed(repeated: Tensor) -> tuple[Tensor, Tensor]:
            shift = noise.draw(len(repeated)).to(repeated)[:, None].expand_as(repeated)
            return shift, repeated - shift

        with torch.no_grad():
            found: Tensor = metrics.infidelity(
                lambda pictures: value(target.name, subject.logits(pictures)) * sign.to(pictures),
                perturbed,
                one,
                _enlarged(_explained(explainer, subject, one, target.name, sign), one),
                n_perturb_samples=samples,
                max_examples_per_batch=min(batch, samples),  # captum warns of more
                normalize=normalize,
            )
        return found

    return _each(of, inputs, target, "infidelity")


def max_sensitivity(
    explainer: Explainer,
    subject: Subject,
    inputs: Tensor,
    target: Target,
    *,
    radius: float = 0.02,
    samples: int = 10,
    seed: int = 0,
    batch: int = 16,
) -> NDArray[np.float64]:
    """Return how far a map moves, at most, when the input moves a little (Yeh et al. 2019, eq. 5), float64[N].

    The largest |A(x + e) - A(x)| / |A(x)| over noise e that is uniform in [-radius, radius] in every channel and pixel;
    maps are compared at the method's own resolution. A gradient map of a linear model gives 0, input times gradient at
    most radius |w| / |w x|; a map drawn anew at random gives about sqrt(2).

    Args:
        explainer: the method.
        subject: the model.
        inputs: float32[N, C, H, W].
        target: f, one a row.
        radius: in the inputs' own space.
        samples: noisy pictures an input.
        seed: of the noise.
        batch: noisy pictures at once.

    Raises:
        ExplanationError: the method cannot work on this model.
        PluginError: the method returned what are no maps.
    """
    from captum import metrics  # noqa: PLC0415

    def of(one: Tensor, sign: Tensor) -> Tensor:
        noise = _Noise(seed, lambda generator: radius * (2 * torch.rand(one.shape[1:], generator=generator) - 1))

        def explained(pictures: Tensor | tuple[Tensor]) -> tuple[Tensor]:
            pictures = pictures[0] if isinstance(pictures, tuple) else pictures  # captum wraps the unperturbed one
            return (torch.from_numpy(_explained(explainer, subject, pictures, target.name, sign)),)

        found: Tensor = metrics.sensitivity_max(
            explained,
            one,
            perturb_func=lambda repeated: repeated + noise.draw(len(repeated)).to(repeated),
            n_perturb_samples=samples,
            max_examples_per_batch=min(batch, samples),  # captum warns of more
        )
        return found

    return _each(of, inputs, target, "max-sensitivity")


class _Noise:
    """Fields drawn one after the other, so that their number at a time changes nothing."""

    def __init__(self, seed: int, field: Callable[[torch.Generator], Tensor]) -> None:
        self._generator = torch.Generator().manual_seed(seed)
        self._field = field

    def draw(self, n: int) -> Tensor:
        return torch.stack([self._field(self._generator) for _ in range(n)])


def _each(of: Callable[[Tensor, Tensor], Tensor], inputs: Tensor, target: Target, name: str) -> NDArray[np.float64]:
    """Return a measure of each input by itself."""
    found = np.array(
        [float(of(one[None], sign)) for one, sign in zip(inputs.detach(), target.signs, strict=True)], np.float64
    )
    if not np.isfinite(found).all():
        row = int(np.flatnonzero(~np.isfinite(found))[0])
        raise ExplanationError(f"{name} of input {row} is {found[row]}: the model gave values that are not finite")
    return found


def _explained(
    explainer: Explainer, subject: Subject, pictures: Tensor, name: str, sign: Tensor
) -> NDArray[np.float32]:
    """Return maps float32[n, h, w] of noisy copies of one input."""
    signs = np.full(len(pictures), float(sign), np.float32)
    with torch.enable_grad():  # captum asks without gradients
        return explain_rows(explainer, subject, [pictures], (name,), signs)[:, 0]


def _enlarged(maps: NDArray[np.float32], inputs: Tensor) -> Tensor:
    """Return maps of the inputs' size that sum over the channels to the maps given."""
    channels, height, width = inputs.shape[1:]
    canvas = (0.0, 0.0, float(width), float(height))
    large = np.stack([read_map(one, canvas, canvas, (height, width)) for one in maps])
    return torch.from_numpy(large).to(inputs)[:, None].expand(-1, channels, -1, -1) / channels
