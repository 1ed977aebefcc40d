"""The colours of a scene's materials: every grain of a mineral in every direction of its optic axis."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .optics import LUMINANCE, MANTLE_MINERAL, Crystals, appearance
from .scene import Scene
from .texture import PALETTE, Floats, Ints, stream

_TURNS = 128
"""Directions of the axis that are told apart, over half a turn; a power of two."""
_SECTIONS = 5
"""Cuts of a mineral that are told apart: they show more or less of its birefringence."""
_LONERS = 0.3
"""Share of grains whose axis has nothing to do with their neighbours'."""
_OVERLAP = 0.3
"""Recrystallised grains are thinner than the section: this share of their contrast averages out."""
_PLANE_CONTRAST = 0.5
"""Share of a tail's contrast that plane light shows: transparent minerals are hardly brighter than each other."""
_DARK = ("biotite", "opaque")
_FLAKES = ("muscovite", "biotite")


@dataclass(frozen=True, slots=True)
class Shade:
    """How the grains of one material look."""

    colours: Floats
    """Linear RGB, float32[K, 3]."""
    first: Ints
    """Where a grain's colours begin, int32[PALETTE]."""
    turned: Ints
    """How far its axis is turned against its surroundings', int32[PALETTE], in parts of half a turn."""

    def light(self, grain: Ints, turn: Floats) -> Floats:
        """Return the light float32[N, 3] of grains whose surroundings are turned by a share 0..1 of half a turn."""
        at = (self.turned[grain] + (turn * np.float32(_TURNS)).astype(np.int32)) & (_TURNS - 1)
        at += self.first[grain]
        found: Floats = self.colours[at]
        return found

    def sample(self, count: int) -> Floats:
        """Return the light of grains in evenly spread surroundings, float32[count, 3]."""
        steps = np.arange(count)
        return self.light((steps % PALETTE).astype(np.int32), (steps * 0.6180339887 % 1).astype(np.float32))


class Shades:
    """The shades of a scene."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        matrix = scene.matrix
        first, second = matrix.minerals
        stray = matrix.stray_mineral
        rest = 1 - matrix.scatter - matrix.strays
        self.mosaic = self._shade("mosaic", [(first, rest), (second, matrix.scatter), (stray, matrix.strays)])
        self.bands = self._shade("bands", [(second, 1.0)])
        self.flakes = self._shade("flakes", [(name, 0.5) for name in _FLAKES], loose=0.4)
        self.dark = 0.5 * self._shade("films", [(name, 0.5) for name in _DARK]).sample(PALETTE).mean(axis=0)
        self.matrix = self._sample()
        self.mantles = self._even(self._shade("mantles", [(MANTLE_MINERAL[stray], 1.0)], loose=1.5))

    @property
    def brightness(self) -> float:
        """Mean luminance of the matrix."""
        return float((self.matrix @ LUMINANCE).mean())

    def _sample(self) -> Floats:
        """Return light that stands for the whole matrix, float32[N, 3]: mosaic, bands and films by their shares."""
        matrix = self._scene.matrix
        banded, filmed = (round(share * 2 * PALETTE) for share in (matrix.bands, matrix.films + matrix.shear_bands))
        plain = self.mosaic.sample(2 * PALETTE - banded)
        return np.concatenate([plain, self.bands.sample(banded), np.repeat(self.dark[None], filmed, axis=0)])

    def _shade(self, name: str, minerals: list[tuple[str, float]], loose: float = 1.0) -> Shade:
        """Return a material of minerals with their shares; `loose` scatters the axes more or less than usual."""
        rng = stream(self._scene.matrix.seed, f"colours of {name}")
        shares = np.cumsum([share for _, share in minerals])
        which = np.minimum(np.searchsorted(shares / shares[-1], rng.random(PALETTE)), len(minerals) - 1)
        first = (which * _SECTIONS + rng.integers(_SECTIONS, size=PALETTE)) * _TURNS
        scatter = loose * rng.uniform(10, 40) / 180 * rng.standard_normal(PALETTE)
        alone = rng.random(PALETTE) < _LONERS
        turned = np.where(alone, rng.random(PALETTE), scatter) * _TURNS
        colours = self._colours([mineral for mineral, _ in minerals], rng)
        return Shade(colours, first.astype(np.int32), np.rint(turned).astype(np.int32))

    def _colours(self, minerals: list[str], rng: np.random.Generator) -> Floats:
        """Return every mineral, section and direction, float32[len(minerals) * _SECTIONS * _TURNS, 3]."""
        stage = np.radians(self._scene.optics.stage)
        middle = rng.uniform(0.35, 0.9, len(minerals))
        section = np.clip(middle[:, None] + np.linspace(-0.12, 0.12, _SECTIONS), 0, 1)
        axis = np.tile(np.linspace(0, np.pi, _TURNS, endpoint=False) - stage, len(minerals) * _SECTIONS)
        crystals = Crystals(
            mineral=np.repeat(np.arange(len(minerals), dtype=np.uint8), _SECTIONS * _TURNS),
            axis=axis.astype(np.float32),
            section=np.repeat(section.ravel(), _TURNS).astype(np.float32),
            edge=np.zeros(axis.size, np.float32),
        )
        return appearance(self._scene.optics.light, minerals, crystals)

    def _even(self, shade: Shade) -> Shade:
        """Return mantles and tails brighter or darker than the matrix by the scene's contrast, and evener."""
        mean, contrast = shade.sample(PALETTE).mean(axis=0), self._scene.optics.contrast
        if self._scene.optics.light == "plane":
            contrast = contrast**_PLANE_CONTRAST
        ratio = contrast * self.brightness / max(float(mean @ LUMINANCE), 1e-6)
        evened = np.float32(ratio) * ((1 - _OVERLAP) * shade.colours + _OVERLAP * mean)
        return Shade(evened.astype(np.float32), shade.first, shade.turned)
