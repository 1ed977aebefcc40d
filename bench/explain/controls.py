"""What every method must beat: maps that know nothing of a model."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from torch import Tensor

    from .subject import Subject
    from .targets import Target


class _Control:
    """A map of the picture alone, at its resolution."""

    needs = "nothing"

    def explain(self, subject: Subject, inputs: Tensor, target: Target) -> NDArray[np.float32]:  # noqa: ARG002
        """Return maps float32[N, H, W], never negative."""
        pictures = inputs.detach().cpu().numpy()
        maps = [self._map(picture) for picture in pictures]
        return np.stack(maps).astype(np.float32) if maps else np.zeros((0, 1, 1), np.float32)

    def _map(self, picture: NDArray[np.float32]) -> NDArray[np.float64]:
        raise NotImplementedError


class Random(_Control):
    """Uniform noise in 0..1, seeded with the picture's own content, so that order and batch change nothing."""

    def _map(self, picture: NDArray[np.float32]) -> NDArray[np.float64]:
        content = hashlib.sha256(np.ascontiguousarray(picture).tobytes()).digest()
        return np.random.default_rng(int.from_bytes(content, "big")).random(picture.shape[-2:])


class Centre(_Control):
    """A Gaussian at the centre, its standard deviation a quarter of each side: photographers aim at what matters."""

    def _map(self, picture: NDArray[np.float32]) -> NDArray[np.float64]:
        rows, columns = (np.exp(-0.5 * (((np.arange(n) + 0.5) / n - 0.5) / 0.25) ** 2) for n in picture.shape[-2:])
        return np.outer(rows, columns)


class Sobel(_Control):
    """The strength of edges of the grey picture, the mean of its channels."""

    def _map(self, picture: NDArray[np.float32]) -> NDArray[np.float64]:
        from scipy import ndimage  # noqa: PLC0415 – takes a while to import

        grey = picture.mean(axis=0, dtype=np.float64)
        down, right = (ndimage.sobel(grey, axis=axis, mode="nearest") for axis in (0, 1))
        strength: NDArray[np.float64] = np.hypot(down, right)
        return strength
