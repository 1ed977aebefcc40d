"""From places in the rock to light: which mineral is where, and how its grains lie."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from .core import paint_core
from .optics import LUMINANCE, MANTLE_MINERAL, Crystals, appearance
from .rock import NOWHERE, Rock
from .scene import Matrix, Scene
from .texture import PALETTE, Floats, Ints, Place, Points, grains_at, noise_at, ridges, stream

Region = NDArray[np.bool_]

_FINE_GRAIN = 1.5
"""Size of recrystallised grains in mantles, tails and bands, in pixels of a picture 192 wide."""
_OVERLAP = 0.3
"""Recrystallised grains are thinner than the section: this share of their contrast averages out."""
_FILM_MINERAL = "biotite"
_FLAKE_MINERALS = ("muscovite", "biotite")
_DUST = 0.12
"""Relative brightness of the unevenness within grains."""


def paint(scene: Scene, rock: Rock) -> tuple[Floats, float]:
    """Return the light that leaves the rock, linear RGB float32[H, W, 3], and the mean luminance of the matrix.

    The latter does not depend on the clasts: the camera is exposed for the matrix.
    """
    shade = _Shades(scene)
    light = _paint_matrix(scene, shade, rock)
    if scene.matrix.far_seed is not None:
        other = replace(scene, matrix=replace(scene.matrix, seed=scene.matrix.far_seed))
        far = _far(scene, rock).ravel()[:, None]
        light += far * (_paint_matrix(other, _Shades(other), rock) - light)
    picture = light.reshape(scene.height, scene.width, 3)
    for number, clast in enumerate(scene.clasts):
        if clast.core:
            paint_core(picture, scene, clast, (rock.clast == number) & rock.core)
    return picture, shade.brightness()


def _paint_matrix(scene: Scene, shade: _Shades, rock: Rock) -> Floats:
    """Return the light of matrix, mantles and tails, float32[H * W, 3]."""
    matrix, unit = scene.matrix, shade.unit
    x, y = rock.from_x.ravel(), rock.from_y.ravel()
    if matrix.sinistral:
        x = -x
    light = _mosaic(shade, matrix, x, y)
    _lay_bands(light, shade, matrix, x, y)
    _lay_flakes(light, shade, matrix, x / unit, y / unit)
    _lay_films(light, shade, matrix, x / unit, y / unit)
    mantled = (rock.clast != NOWHERE).ravel() & ~rock.core.ravel()
    light[mantled] = _mantles(shade, matrix, x[mantled], y[mantled])
    patches = _noise(matrix, "patches", x / (50 * unit), y / (9 * unit)) - np.float32(0.5)
    dust = _noise(matrix, "dust", x / unit, y / unit) - np.float32(0.5)
    light *= ((1 + np.float32(matrix.patches) * patches) * (1 + np.float32(_DUST) * dust))[:, None]
    return light


def _far(scene: Scene, rock: Rock) -> Floats:
    """Return 0 on and near clasts, 1 from one and a half core radii of the largest on, float32[H, W]."""
    from scipy import ndimage  # noqa: PLC0415 – takes a while to import

    radius = max((clast.radius for clast in scene.clasts), default=1.0)
    clear = ndimage.distance_transform_edt(rock.clast == NOWHERE).astype(np.float32) / np.float32(radius)
    far: Floats = np.clip(2 * clear - 2, 0, 1)
    return far


def _place(matrix: Matrix, name: str) -> Place:
    return Place.draw(stream(matrix.seed, name))


def _noise(matrix: Matrix, name: str, x: Points, y: Points) -> Floats:
    return noise_at(x, y, _place(matrix, name))


class _Shades:
    """The colours of a scene's materials, grain by grain: float32[PALETTE, 3] each."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self.unit = np.float32(scene.width / 192)
        self.main = self._main()
        self.second = self.of("second", scene.matrix.minerals[1:])

    def of(self, name: str, minerals: Sequence[str], spread: float = 1.0) -> Floats:
        """Return the colours of grains of some minerals, picked at random; their axes take a share of directions."""
        rng = stream(self._scene.matrix.seed, f"colours of {name}")
        which = rng.integers(len(minerals), size=PALETTE)
        return self._lit(rng, tuple(minerals), which, spread)

    def _main(self) -> Floats:
        """Return the colours of the mosaic's grains: mostly the first mineral, some of the second, some strays."""
        matrix = self._scene.matrix
        rng = stream(matrix.seed, "colours of the mosaic")
        chance, spread = rng.random(PALETTE), rng.uniform(0.35, 1.0)
        which = np.where(chance < matrix.strays, 2, np.where(chance > 1 - matrix.scatter, 1, 0))
        return self._lit(rng, (*matrix.minerals, matrix.stray_mineral), which, float(spread))

    def _lit(
        self, rng: np.random.Generator, minerals: tuple[str, ...], which: NDArray[np.int64], spread: float
    ) -> Floats:
        first, stage = rng.random(), np.radians(self._scene.optics.stage)
        axis = np.pi * (first + spread * rng.random(PALETTE)) - stage
        section, edge = 0.3 + 0.7 * rng.random(PALETTE), np.zeros(PALETTE, np.float32)
        crystals = Crystals(which.astype(np.uint8), axis.astype(np.float32), section.astype(np.float32), edge)
        return appearance(self._scene.optics.light, minerals, crystals)

    def brightness(self) -> float:
        """Return the mean luminance of mosaic and bands."""
        bands = self._scene.matrix.bands
        return float((1 - bands) * (self.main @ LUMINANCE).mean() + bands * (self.second @ LUMINANCE).mean())

    def mantle(self) -> Floats:
        """Return the colours of mantles and tails: fine grains, brighter or darker than the matrix by `contrast`."""
        colours = self.of("mantle", (MANTLE_MINERAL[self._scene.matrix.stray_mineral],))
        mean = colours.mean(axis=0)
        contrast = self._scene.optics.contrast
        if self._scene.optics.light == "plane":  # transparent minerals cannot be much brighter than each other
            contrast = min(contrast, 1 + 0.3 * (contrast - 1))
        ratio = contrast * self.brightness() / max(float(mean @ LUMINANCE), 1e-6)
        evened: Floats = np.float32(ratio) * ((1 - _OVERLAP) * colours + _OVERLAP * mean)
        return evened


def _mosaic(shade: _Shades, matrix: Matrix, x: Floats, y: Floats) -> Floats:
    """Return the light of the leaning, elongate mosaic of matrix grains."""
    grain, inside = _leaning(_place(matrix, "mosaic"), Weave(matrix.lean, matrix.grain, matrix.aspect), x, y)
    light: Floats = shade.main[grain]
    light *= _edges(inside, matrix.grain)[:, None]
    return light


@dataclass(frozen=True, slots=True)
class Weave:
    """How grains are shaped: lean of their long axes to the foliation in degrees, size in pixels, aspect ratio."""

    lean: float
    size: float
    aspect: float


def _leaning(place: Place, weave: Weave, x: Floats, y: Floats) -> tuple[Ints, Floats]:
    """Return the grain of each point and its depth in it, in grain sizes."""
    cos, sin = np.float32(np.cos(np.radians(weave.lean))), np.float32(np.sin(np.radians(weave.lean)))
    stretch = np.sqrt(weave.aspect)
    along, across = np.float32(1 / (weave.size * stretch)), np.float32(stretch / weave.size)
    return grains_at((cos * x + sin * y) * along, (cos * y - sin * x) * across, place)


def _edges(inside: Floats, size: float, darkest: float = 0.45) -> Floats:
    """Return the brightness of grains of a size in pixels, darkened within 0.7 pixels of their boundaries."""
    edges: Floats = np.float32(1) - np.float32(darkest) * np.clip(1 - inside * np.float32(size / 0.7), 0, 1)
    return edges


def _mantles(shade: _Shades, matrix: Matrix, x: Floats, y: Floats) -> Floats:
    """Return the light of mantles and tails: small recrystallised grains, some of the matrix's minerals among them."""
    size = _FINE_GRAIN * float(shade.unit)
    grain, inside = grains_at(x / np.float32(size), y / np.float32(size), _place(matrix, "grains of mantles"))
    mixed = stream(matrix.seed, "mixture of mantles").random(PALETTE) < matrix.mixing
    colours = np.where(mixed[:, None], shade.main, shade.mantle())
    light: Floats = colours[grain] * _edges(inside, size, 0.25)[:, None]
    return light


def _lay_bands(light: Floats, shade: _Shades, matrix: Matrix, x: Floats, y: Floats) -> None:
    """Lay layers of the second mineral along the foliation, in grains of another size."""
    if not matrix.bands:
        return
    unit = shade.unit
    at = _noise(matrix, "bands", x / (60 * unit), y / (6 * unit)) < np.float32(matrix.bands)
    rng = stream(matrix.seed, "grain of the bands")
    size = matrix.grain * float(rng.uniform(0.4, 1.6))
    weave = Weave(0.5 * matrix.lean, size, 1.5 * matrix.aspect)
    grain, inside = _leaning(_place(matrix, "grains of bands"), weave, x[at], y[at])
    light[at] = shade.second[grain] * _edges(inside, size)[:, None]


def _lay_flakes(light: Floats, shade: _Shades, matrix: Matrix, x: Floats, y: Floats) -> None:
    """Lay thin mica flakes along the foliation; x and y are pixels of a picture 192 wide."""
    if not matrix.flakes:
        return
    grain, inside = _leaning(_place(matrix, "flakes"), Weave(0.3 * matrix.lean, 2.6, 9.0), x, y)
    at = grain < int(matrix.flakes * PALETTE)
    colours = shade.of("flakes", _FLAKE_MINERALS, spread=0.3)
    light[at] = colours[grain[at]] * _edges(inside[at], 2.6, 0.3)[:, None]


def _lay_films(light: Floats, shade: _Shades, matrix: Matrix, x: Floats, y: Floats) -> None:
    """Lay dark films along the foliation, and C' bands across it; x and y are pixels of a picture 192 wide."""
    dark = shade.of("films", (_FILM_MINERAL, "opaque"), spread=0.2).mean(axis=0) * np.float32(0.5)
    if matrix.films:
        _ridge(light, dark, _noise(matrix, "films", x / 90, y / 6), matrix.films)
    if matrix.shear_bands:
        turn = np.radians(matrix.shear_band_angle)
        cos, sin = np.float32(np.cos(turn)), np.float32(np.sin(turn))
        _ridge(
            light,
            dark,
            _noise(matrix, "shear bands", (cos * x + sin * y) / 60, (cos * y - sin * x) / 14),
            matrix.shear_bands,
        )


def _ridge(light: Floats, dark: Floats, noise: Floats, share: float) -> None:
    """Darken towards the middle height of a noise: anastomosing lines that cover a share of the rock."""
    strength = ridges(noise, share)
    at = strength > 0
    weight = strength[at][:, None]
    light[at] = light[at] * (1 - weight) + dark * weight
