"""What stands in for removed pixels: the training mean, the blurred picture, or noisy means of their neighbours.

An imputer is made ready for a picture once; the fill it returns takes any masks of that picture. Only pixels inside
the window, the part of a canvas that shows the photograph, are ever removed; the grey beyond never counts as content.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from .units import CELLS, Window

if TYPE_CHECKING:
    from torch import Tensor

Fill = Callable[["Tensor"], "Tensor"]
"""Takes masks bool[K, H, W], True = removed; returns new pictures float32[K, 3, H, W]."""

BOX_STEP = 8
"""Boxes round masks grow in steps of this many pixels, so that masks of about one size are solved together."""


class Imputer(Protocol):
    """A rule for what stands in for removed pixels."""

    name: str

    def ready(self, picture: Tensor, window: Window) -> Fill:
        """Return the fill of one picture, float32[3, H, W], whose `window` (x0, y0, x1, y1) shows the photograph."""
        ...


@dataclass(frozen=True)
class Mean:
    """One value everywhere, the training mean in the input's own space."""

    value: float

    name = "mean"

    def ready(self, picture: Tensor, window: Window) -> Fill:
        """Return the fill of one picture, float32[3, H, W]."""
        import torch  # noqa: PLC0415

        return _pasted(picture, window, torch.full_like(picture, self.value))


@dataclass(frozen=True)
class Blur:
    """The picture blurred by a Gaussian whose standard deviation is half a cell's shorter side.

    That leaves under 1 % of any structure that repeats within a cell's side. Weights that would fall outside the window
    go to the pixels inside (normalised convolution). What is blurred is the difference from `value`, the training mean
    in the input's own space: a picture of that value stays exactly what it is.
    """

    value: float

    name = "blur"

    def ready(self, picture: Tensor, window: Window) -> Fill:
        """Return the fill of one picture, float32[3, H, W]."""
        x0, y0, x1, y1 = window
        sigma = min(x1 - x0, y1 - y0) / CELLS / 2
        down, across = _gaussian(y1 - y0, sigma, picture), _gaussian(x1 - x0, sigma, picture)
        blurred = picture.clone()
        blurred[:, y0:y1, x0:x1] = down @ (picture[:, y0:y1, x0:x1] - self.value) @ across.T + self.value
        return _pasted(picture, window, blurred)


@dataclass(frozen=True)
class NoisyLinear:
    """Weighted means of the eight neighbours, solved for all removed pixels together, plus noise (Rong et al. 2022).

    A mask that leaves no pixel of the window gives `value`, the training mean in the input's own space, plus noise. The
    noise, N(0, noise^2) and in the input's units, is one field per picture, seeded with the picture's content.
    """

    noise: float = 0.01
    value: float = 0.0

    name = "noisy-linear"

    def ready(self, picture: Tensor, window: Window) -> Fill:
        """Return the fill of one picture, float32[3, H, W]."""
        x0, y0, x1, y1 = window
        shown = picture[:, y0:y1, x0:x1]
        noise = (_noise(picture) * self.noise)[:, y0:y1, x0:x1]

        def fill(masks: Tensor) -> Tensor:
            out = picture.repeat(len(masks), 1, 1, 1)
            _interpolate(out[:, :, y0:y1, x0:x1], shown, masks[:, y0:y1, x0:x1], noise, self.value)
            return out

        return fill


def imputers(mean: float) -> tuple[Imputer, ...]:
    """Return all three; `mean` is the training mean in the input's own space: 0 normalised, PAD / 255 for pixels."""
    return Mean(mean), Blur(mean), NoisyLinear(value=mean)


def _pasted(picture: Tensor, window: Window, other: Tensor) -> Fill:
    """Return the fill that takes removed pixels from a second picture."""
    import torch  # noqa: PLC0415

    x0, y0, x1, y1 = window

    def fill(masks: Tensor) -> Tensor:
        out = picture.repeat(len(masks), 1, 1, 1)
        removed = masks[:, None, y0:y1, x0:x1].to(picture.dtype)  # torch.lerp is exact at 0 and 1; where is far slower
        out[:, :, y0:y1, x0:x1] = torch.lerp(picture[:, y0:y1, x0:x1], other[:, y0:y1, x0:x1], removed)
        return out

    return fill


def _gaussian(side: int, sigma: float, like: Tensor) -> Tensor:
    """Return the weights of a blur along one side, float32[side, side], each row adding up to 1."""
    import torch  # noqa: PLC0415

    places = torch.arange(side, device=like.device, dtype=like.dtype)
    return torch.softmax(-((places[:, None] - places) ** 2) / (2 * sigma**2), dim=1)


def _noise(picture: Tensor) -> Tensor:
    """Return standard normal noise like the picture, float32[3, H, W], the same whenever the picture is."""
    import torch  # noqa: PLC0415

    content = picture.detach().cpu().numpy().tobytes()
    seed = int.from_bytes(hashlib.sha256(content).digest()[:4], "little")
    drawn = torch.randn(picture.shape, generator=torch.Generator().manual_seed(seed))
    return drawn.to(picture.device)


def _interpolate(out: Tensor, shown: Tensor, removed: Tensor, noise: Tensor, nothing_known: float) -> None:
    """Put noisy solutions for masks bool[K, h, w] of `shown` float32[C, h, w] into `out` float32[K, C, h, w].

    A mask is solved in a box with a known pixel beyond it on every side that is not the picture's edge. The box follows
    from the mask alone, so other masks change nothing; boxes of one size are solved together.
    """
    import torch  # noqa: PLC0415

    everything = removed.flatten(1).all(1)
    out[everything] = nothing_known + noise
    (some,) = torch.where(removed.flatten(1).any(1) & ~everything)
    tops, heights = _spans(removed[some].any(2))
    lefts, widths = _spans(removed[some].any(1))
    channels = torch.arange(len(shown), device=shown.device)[:, None, None]
    for height, width in sorted(set(zip(heights.tolist(), widths.tolist(), strict=True))):
        here = (heights == height) & (widths == width)
        masks = some[here]
        if (height, width) == shown.shape[1:]:
            out[masks] = _solved(shown.expand(len(masks), *shown.shape), removed[masks], noise)
            continue
        rows = (tops[here, None] + torch.arange(height, device=shown.device))[:, :, None]
        columns = (lefts[here, None] + torch.arange(width, device=shown.device))[:, None, :]
        box = channels, rows[:, None], columns[:, None]
        boxed = removed[masks[:, None, None], rows, columns]
        out[(masks[:, None, None, None], *box)] = _solved(shown[box], boxed, noise[box])


def _solved(pictures: Tensor, removed: Tensor, noise: Tensor) -> Tensor:
    """Return float32[K, C, h, w]: pictures with noisy solutions where bool[K, h, w] says so."""
    from .road import solve  # noqa: PLC0415

    return solve(pictures, removed).addcmul_(noise, removed[:, None].to(noise.dtype))


def _spans(taken: Tensor) -> tuple[Tensor, Tensor]:
    """Return where boxes begin and how long they are, int64[K] each, along a side: bool[K, side], True = to be held."""
    side = taken.shape[1]
    first = taken.int().argmax(1)
    last = side - 1 - taken.flip(1).int().argmax(1)
    length = (-(-(last - first + 2) // BOX_STEP) * BOX_STEP + 1).clamp(max=side)
    begin = (first - 1).clamp(min=0).minimum(side - length)
    return begin, length
