"""From light to a photograph: exposure, uneven light, blur, tone curve, noise and compression."""

from __future__ import annotations

from io import BytesIO

import numpy as np
from numpy.typing import NDArray

from .scene import Camera, Scene
from .texture import Floats, stream

_GAMMA = 2.2


def photograph(scene: Scene, light: Floats, brightness: float) -> NDArray[np.uint8]:
    """Return RGB `uint8[H, W, 3]` of linear light float32[H, W, 3], exposed for light of a brightness.

    Compression and the scene's `flip` are not applied.
    """
    from scipy import ndimage  # noqa: PLC0415 – takes a while to import

    camera = scene.camera
    gain = camera.exposure / max(brightness, 1e-6)
    frame = light * (_illumination(scene)[:, :, None] * np.asarray(camera.cast, np.float32) * np.float32(gain))
    sigma = camera.blur * scene.width / 192
    if sigma:
        frame = ndimage.gaussian_filter(frame, (sigma, sigma, 0), truncate=3.0, mode="nearest")
    tone = np.clip(frame, 0, 1) ** np.float32(camera.gamma / _GAMMA)
    if camera.noise:
        noise = stream(camera.seed, "noise").standard_normal(tone.shape, dtype=np.float32)
        tone += np.float32(camera.noise) * noise
    image: NDArray[np.uint8] = (np.clip(tone, 0, 1) * 255 + np.float32(0.5)).astype(np.uint8)
    return image


def compressed(camera: Camera, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the image as it comes back from a JPEG file of the camera's quality; itself without compression."""
    if camera.jpeg is None:
        return image
    from PIL import Image  # noqa: PLC0415 – takes a while to import

    file = BytesIO()
    Image.fromarray(image).save(file, format="JPEG", quality=camera.jpeg)
    return np.array(Image.open(file))


def _illumination(scene: Scene) -> Floats:
    """Return the relative brightness of the light, float32[H, W]: a plane and a fall-off to the corners."""
    x = np.linspace(-1, 1, scene.width, dtype=np.float32)[None, :]
    y = np.linspace(-1, 1, scene.height, dtype=np.float32)[:, None]
    plane = 1 + np.float32(scene.camera.slope[0]) * x + np.float32(scene.camera.slope[1]) * y
    lit: Floats = plane * (1 - np.float32(scene.camera.vignette / 2) * (x * x + y * y))
    return lit
