"""How minerals look in a thin section of 30 micrometres: colour and brightness under three kinds of light."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

LIGHTS = ("plane", "crossed", "grey")
"""Plane-polarised, crossed polars, crossed polars on a grey camera."""

THICKNESS_NM = 30_000.0
_RETARDATION_STEP = 4.0
_MOST_RETARDATION = 5400.0
_DARKEST = 0.03
_STRAY_LIGHT = np.float32(0.012)
_PALENESS = 0.35
"""Share of white in an interference colour: grains overlap within the section, which washes colours out."""
LUMINANCE = np.array([0.2126, 0.7152, 0.0722], np.float32)


@dataclass(frozen=True, slots=True)
class Mineral:
    """Optical constants; `plane` is the linear RGB transmittance in plane light."""

    birefringence: float
    plane: tuple[float, float, float]
    pleochroism: float = 0.0
    """Share of plane light lost in the dark position."""
    relief: float = 0.35
    """Darkening along grain boundaries in plane light."""


MINERALS = {
    "quartz": Mineral(0.009, (0.86, 0.86, 0.84)),
    "feldspar": Mineral(0.008, (0.74, 0.72, 0.68), relief=0.45),
    "muscovite": Mineral(0.038, (0.80, 0.83, 0.78), pleochroism=0.1, relief=0.5),
    "biotite": Mineral(0.045, (0.42, 0.26, 0.12), pleochroism=0.6, relief=0.5),
    "calcite": Mineral(0.172, (0.84, 0.82, 0.80), pleochroism=0.25, relief=0.6),
    "garnet": Mineral(0.0, (0.72, 0.48, 0.44), relief=0.8),
}
MATRIX_MINERALS = ("quartz", "quartz", "muscovite", "calcite", "feldspar")
CLAST_MINERALS = ("feldspar", "feldspar", "quartz", "garnet", "muscovite")
MANTLE_MINERAL = {name: "feldspar" if name == "garnet" else name for name in CLAST_MINERALS}
"""What the clast's rim turns into: the same mineral in small grains, except round garnet."""
FILM_MINERAL = "biotite"


@lru_cache(maxsize=1)
def michel_levy() -> Floats:
    """Return linear RGB of crossed polars against retardation, float32[K, 3] in steps of 4 nm, 0..1.

    Transmission sin^2(pi G / wavelength) of equal-energy light, seen through the analytic CIE 1931 fits of Wyman, Sloan
    and Shirley (2013, JCGT 2(2), listing 1) and the sRGB matrix, balanced so that equal energy is neutral.
    """
    wave = np.arange(380.0, 781.0, 5.0)
    matching = np.stack(
        [
            1.056 * _bell(wave, 599.8, 37.9, 31.0)
            + 0.362 * _bell(wave, 442.0, 16.0, 26.7)
            - 0.065 * _bell(wave, 501.1, 20.4, 26.2),
            0.821 * _bell(wave, 568.8, 46.9, 40.5) + 0.286 * _bell(wave, 530.9, 16.3, 31.1),
            1.217 * _bell(wave, 437.0, 11.8, 36.0) + 0.681 * _bell(wave, 459.0, 26.0, 13.8),
        ],
        axis=1,
    )
    retardation = np.arange(0.0, _MOST_RETARDATION, _RETARDATION_STEP)
    passed = np.sin(np.pi * retardation[:, None] / wave) ** 2
    xyz = passed @ matching / matching.sum(axis=0)
    srgb = np.array([[3.2406, -1.5372, -0.4986], [-0.9689, 1.8758, 0.0415], [0.0557, -0.2040, 1.0570]])
    pure = np.clip(xyz @ srgb.T / srgb.sum(axis=1), 0, 1)
    pale: Floats = ((1 - _PALENESS) * pure + _PALENESS * (pure @ LUMINANCE)[:, None]).astype(np.float32)
    return pale


def _bell(wave: NDArray[np.float64], peak: float, left: float, right: float) -> NDArray[np.float64]:
    """Return a Gaussian with its own width on either side of the peak."""
    width = np.where(wave < peak, left, right)
    return np.exp(-0.5 * ((wave - peak) / width) ** 2)


@dataclass(frozen=True, slots=True)
class Crystals:
    """How N points look to the microscope."""

    mineral: NDArray[np.uint8]
    """Index into a list of minerals, uint8[N]."""
    axis: Floats
    """Angle of the optic axis to the polariser in radians, float32[N]."""
    section: Floats
    """Share of the mineral's birefringence that the cut shows, float32[N] in 0..1."""
    edge: Floats
    """1 on a grain boundary and 0 off it, float32[N]."""


def appearance(light: str, names: Sequence[str], crystals: Crystals) -> Floats:
    """Return linear RGB float32[N, 3] of crystals whose minerals have these names."""
    minerals = [MINERALS[name] for name in names]
    if light == "plane":
        return _plane(minerals, crystals)
    shown = np.array([m.birefringence * THICKNESS_NM / _RETARDATION_STEP for m in minerals], np.float32)
    colours = michel_levy()
    order = np.minimum(shown[crystals.mineral] * crystals.section, len(colours) - 1).astype(np.int32)
    passed = _DARKEST + (1 - _DARKEST) * np.sin(2 * crystals.axis) ** 2
    rgb: Floats = colours[order] * (passed * (1 - 0.4 * crystals.edge))[:, None] + _STRAY_LIGHT
    if light == "grey":
        rgb = np.repeat((rgb @ LUMINANCE)[:, None], 3, axis=1)
    return rgb


def _plane(minerals: Sequence[Mineral], crystals: Crystals) -> Floats:
    """Return transmitted colour, darkened by pleochroism with the angle and by relief along grain boundaries."""
    which = crystals.mineral
    colour = np.array([m.plane for m in minerals], np.float32)[which]
    absorbed = np.array([m.pleochroism for m in minerals], np.float32)[which] * np.cos(crystals.axis) ** 2
    shadow = np.array([m.relief for m in minerals], np.float32)[which] * crystals.edge
    rgb: Floats = colour * ((1 - absorbed) * (1 - shadow))[:, None]
    return rgb
