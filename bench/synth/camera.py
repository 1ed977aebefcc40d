"""From light to a photograph: exposure, uneven light, blur, tone curve, noise and compression."""

from __future__ import annotations

from io import BytesIO

import numpy as np
from numpy.typing import NDArray

from .optics import LUMINANCE
from .scene import Camera, Scene
from .texture import Floats, stream

_GAMMA = 2.2
_WHITE = 4.0
"""Brightest light that is told from brighter light before the tones are stretched."""
_CLIPPED = (4, 96)
_LEAST_RANGE = 0.35
"""Tones are not stretched more than so: flat pictures stay rather flat."""
_MASK = 0.5
"""Radius of the unsharp mask, in pixels of a picture 192 wide."""
_OWN_NOISE = 0.2
"""Share of the noise's variance that each colour has for itself."""


def photograph(scene: Scene, light: Floats, matrix: Floats) -> NDArray[np.uint8]:
    """Return RGB `uint8[H, W, 3]` of linear light float32[H, W, 3], set for a sample of the matrix's float32[N, 3].

    Compression and the scene's `flip` are not applied.
    """
    from scipy import ndimage  # noqa: PLC0415 – takes a while to import

    camera, unit = scene.camera, scene.width / 192
    gain = camera.exposure / max(float((matrix @ LUMINANCE).mean()), 1e-6)
    cast = np.asarray(camera.cast, np.float32) * np.float32(gain * camera.longer)
    frame = light * (_illumination(scene)[:, :, None] * cast)
    if camera.blur:
        sigma = camera.blur * unit
        frame = ndimage.gaussian_filter(frame, (sigma, sigma, 0), truncate=3.0, mode="nearest")
    tone = _stretched(camera, _tone(camera, frame), _tone(camera, np.float32(gain) * (matrix @ LUMINANCE)))
    if camera.sharpen:
        soft = ndimage.gaussian_filter(tone, (_MASK * unit, _MASK * unit, 0), truncate=3.0, mode="nearest")
        tone += np.float32(camera.sharpen) * (tone - soft)
    if camera.monochrome:
        tone[:] = (tone @ LUMINANCE)[:, :, None]
    if camera.noise:
        tone += np.float32(camera.noise) * _noise(camera, tone.shape)
    image: NDArray[np.uint8] = (np.clip(tone, 0, 1) * 255 + np.float32(0.5)).astype(np.uint8)
    return image


def _tone(camera: Camera, frame: Floats) -> Floats:
    toned: Floats = np.clip(frame, 0, _WHITE) ** np.float32(camera.gamma / _GAMMA)
    return toned


def _stretched(camera: Camera, tone: Floats, matrix: Floats) -> Floats:
    """Return tones with the matrix's 4th and 96th percentiles moved towards black and white."""
    low, high = (float(np.percentile(matrix, share)) for share in _CLIPPED)
    high = max(high, low + _LEAST_RANGE)
    black, white = camera.stretch * low, 1 - camera.stretch * (1 - high)
    stretched: Floats = (tone - np.float32(black)) / np.float32(white - black)
    return stretched


def _noise(camera: Camera, shape: tuple[int, ...]) -> Floats:
    """Return noise of standard deviation 1, most of it common to the colours, float32[H, W, 3]."""
    rng = stream(camera.seed, "noise")
    common = rng.standard_normal((*shape[:2], 1), dtype=np.float32)
    own = rng.standard_normal(shape, dtype=np.float32)
    mixed: Floats = np.float32(np.sqrt(1 - _OWN_NOISE)) * common + np.float32(np.sqrt(_OWN_NOISE)) * own
    return mixed


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
