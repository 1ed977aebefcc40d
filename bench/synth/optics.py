"""How minerals look in a thin section of 30 micrometres: colour and brightness under five kinds of light."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

LIGHTS = ("plane", "crossed", "grey", "sem", "lambda")
"""Plane-polarised; crossed polars; these on a grey camera; scattered electrons; crossed polars with a lambda plate."""

THICKNESS_NM = 30_000.0
_RETARDATION_STEP = 4.0
_MOST_RETARDATION = 5400.0
_DARKEST = 0.006
_STRAY_LIGHT = np.float32(0.004)
_LAMBDA_NM = 550.0
"""Retardation of the lambda plate."""
_ORIENTATION_CONTRAST = 0.25
"""Share of an electron image's brightness that a grain's orientation decides."""
_PALENESS = (0.4, 0.85)
"""Share of white in interference colours of the first two orders, and of the fifth: grains overlap in the section."""
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
    electrons: float = 0.4
    """Brightness in backscattered electrons: heavier elements are brighter."""


MINERALS = {
    "quartz": Mineral(0.009, (0.88, 0.88, 0.86), electrons=0.3),
    "feldspar": Mineral(0.008, (0.78, 0.76, 0.72), relief=0.45, electrons=0.4),
    "muscovite": Mineral(0.038, (0.80, 0.83, 0.78), pleochroism=0.1, relief=0.5, electrons=0.45),
    "biotite": Mineral(0.045, (0.42, 0.26, 0.12), pleochroism=0.6, relief=0.5, electrons=0.75),
    "calcite": Mineral(0.172, (0.84, 0.82, 0.80), pleochroism=0.25, relief=0.6, electrons=0.55),
    "garnet": Mineral(0.0, (0.78, 0.68, 0.64), relief=0.8, electrons=0.8),
    "amphibole": Mineral(0.022, (0.45, 0.55, 0.32), pleochroism=0.4, relief=0.6, electrons=0.65),
    "opaque": Mineral(0.0, (0.02, 0.02, 0.02), relief=0.0, electrons=0.95),
}
MATRIX_MINERALS = ("quartz",) * 10 + ("feldspar",) * 6 + ("calcite", "amphibole")
CLAST_MINERALS = ("feldspar", "feldspar", "feldspar", "quartz", "garnet", "muscovite", "calcite", "amphibole")
FISH_MINERALS = ("muscovite", "muscovite", "muscovite", "amphibole", "feldspar", "quartz")
MANTLE_MINERAL = {name: "feldspar" if name == "garnet" else name for name in (*CLAST_MINERALS, *FISH_MINERALS)}
"""What the clast's rim turns into: the same mineral in small grains, except round garnet."""


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
    white = np.interp(retardation, (1100, 2800), _PALENESS)[:, None]
    pale: Floats = ((1 - white) * pure + white * (pure @ LUMINANCE)[:, None]).astype(np.float32)
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
    if light == "sem":
        return _electrons(minerals, crystals)
    shown = np.array([m.birefringence * THICKNESS_NM for m in minerals], np.float32)
    retardation = shown[crystals.mineral] * crystals.section
    if light == "lambda":
        rgb = _colour((_LAMBDA_NM + retardation * np.cos(2 * crystals.axis)).astype(np.float32))
    else:
        passed = (_DARKEST + (1 - _DARKEST) * np.sin(2 * crystals.axis) ** 2).astype(np.float32)
        rgb = _colour(retardation) * passed[:, None]
    lit: Floats = (rgb * (1 - 0.4 * crystals.edge)[:, None] + _STRAY_LIGHT).astype(np.float32)
    return np.repeat((lit @ LUMINANCE)[:, None], 3, axis=1) if light == "grey" else lit


def _colour(retardation: Floats) -> Floats:
    """Return the interference colour of retardations in nanometres, of either sign."""
    colours = michel_levy()
    order = np.minimum(np.abs(retardation) / _RETARDATION_STEP, len(colours) - 1).astype(np.int32)
    found: Floats = colours[order]
    return found


def _electrons(minerals: Sequence[Mineral], crystals: Crystals) -> Floats:
    """Return the grey of an electron image: by mineral, a little by orientation, boundaries dark."""
    bright = np.array([m.electrons for m in minerals], np.float32)[crystals.mineral]
    bright = bright * (1 - _ORIENTATION_CONTRAST * crystals.section * np.sin(crystals.axis) ** 2)
    grey: Floats = np.repeat((bright * (1 - 0.5 * crystals.edge))[:, None], 3, axis=1)
    return grey


def _plane(minerals: Sequence[Mineral], crystals: Crystals) -> Floats:
    """Return transmitted colour, darkened by pleochroism with the angle and by relief along grain boundaries."""
    which = crystals.mineral
    colour = np.array([m.plane for m in minerals], np.float32)[which]
    absorbed = np.array([m.pleochroism for m in minerals], np.float32)[which] * np.cos(crystals.axis) ** 2
    shadow = np.array([m.relief for m in minerals], np.float32)[which] * crystals.edge
    rgb: Floats = colour * ((1 - absorbed) * (1 - shadow))[:, None]
    return rgb
