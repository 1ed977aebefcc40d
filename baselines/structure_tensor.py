"""The lean of the layers in the middle of a picture, read off the structure tensor; nothing is trained."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..data.crops import Crops

GREY = np.asarray([0.299, 0.587, 0.114], np.float32)
"""ITU-R BT.601 luma."""
SMOOTH = np.asarray([1, 4, 6, 4, 1], np.float32) / 16
SLOPE = np.asarray([-1, -2, 0, 2, 1], np.float32) / 8
"""Sobel's 5 × 5 kernel is the outer product of these two."""


class StructureTensor:
    """Positive lean (layers lean `/`) reads CW. It cannot see whether there is a clast, so it never says `none`.

    Lean is −Σ gx·gy / Σ (gx² + gy²) with y up, over the middle 60 % of both axes, of the grey picture smoothed with
    σ = 1: the orientation cos 2θ, sin 2θ of Bigün & Granlund (1987), weighted by coherence. It takes the foliation for
    horizontal, and is fooled as soon as that is not so.
    """

    size = (96, 144)
    gain = 20.0
    """Logits are lean × gain, so that probabilities spread over 0..1; the sign is not touched by it."""

    def fit(self, crops: Crops, validation: Crops, *, seed: int, device: str, out: Path) -> None:
        """Nothing to learn."""

    def load(self, path: Path, *, device: str) -> None:
        """Nothing to load."""

    def predict(self, images: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return logits (none, CW, CCW) = (−gain, gain·lean, −gain·lean)."""
        lean = leans(images) * self.gain
        return np.stack([np.full_like(lean, -self.gain), lean, -lean], axis=1)


def leans(images: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the lean in −0.5..0.5 of the middle of pictures float32[N, 3, H, W] as float32[N]; 0 where it is flat."""
    from scipy.ndimage import convolve1d, gaussian_filter1d  # noqa: PLC0415 – takes a while to import

    grey = np.tensordot(images, GREY, axes=([1], [0]))
    for axis in (1, 2):
        grey = gaussian_filter1d(grey, 1.0, axis=axis)
    across = convolve1d(convolve1d(grey, SMOOTH, axis=1), SLOPE[::-1], axis=2)
    up = -convolve1d(convolve1d(grey, SMOOTH, axis=2), SLOPE[::-1], axis=1)
    height, width = grey.shape[1:]
    middle = np.s_[:, round(0.2 * height) : round(0.8 * height), round(0.2 * width) : round(0.8 * width)]
    gx, gy = across[middle], up[middle]
    energy = (gx**2 + gy**2).sum(axis=(1, 2))
    lean = -(gx * gy).sum(axis=(1, 2)) / np.maximum(energy, 1e-12)
    return np.asarray(lean, np.float32)
