"""From light to a photograph: exposure, uneven light, blur, tone curve and noise."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .optics import LUMINANCE
from .scene import Scene
from .texture import Floats

_GAMMA = 2.2


def photograph(scene: Scene, light: Floats, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Return RGB `uint8[H, W, 3]` of linear light float32[H * W, 3]; the scene's `flip` is not applied."""
    from scipy import ndimage  # noqa: PLC0415 – takes a while to import

    camera = scene.camera
    frame = light.reshape(scene.height, scene.width, 3)
    gain = camera.exposure / max(float((light @ LUMINANCE).mean()), 1e-6)
    frame = frame * (_illumination(scene)[:, :, None] * np.asarray(camera.cast, np.float32) * np.float32(gain))
    sigma = camera.blur * scene.width / 192
    frame = ndimage.gaussian_filter(frame, (sigma, sigma, 0), truncate=3.0, mode="nearest")
    tone = np.clip(frame, 0, 1) ** np.float32(1 / _GAMMA)
    tone += np.float32(camera.noise) * rng.standard_normal(tone.shape, dtype=np.float32)
    image: NDArray[np.uint8] = (np.clip(tone, 0, 1) * 255 + 0.5).astype(np.uint8)
    return image


def _illumination(scene: Scene) -> Floats:
    """Return the relative brightness of the light, float32[H, W]: a plane and a fall-off to the corners."""
    x = np.linspace(-1, 1, scene.width, dtype=np.float32)[None, :]
    y = np.linspace(-1, 1, scene.height, dtype=np.float32)[:, None]
    plane = 1 + np.float32(scene.camera.slope[0]) * x + np.float32(scene.camera.slope[1]) * y
    lit: Floats = plane * (1 - np.float32(scene.camera.vignette / 2) * (x * x + y * y))
    return lit
