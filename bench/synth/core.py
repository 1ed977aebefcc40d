"""The inside of a clast: one crystal, strained, twinned, cleaved, cracked and clouded as its mineral is."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .flow import Floats
from .optics import Crystals, appearance
from .rock import core_window, foliation_frame
from .scene import Porphyroclast, Scene
from .shape import core_depth
from .texture import PALETTE, Place, grains_at, noise_at, ridges, rough_at, stream

Region = NDArray[np.bool_]

_TWINNED = ("feldspar", "calcite", "amphibole")
_CLEAVED = ("muscovite", "biotite", "amphibole", "calcite", "feldspar")
_SHEETS = ("muscovite", "biotite")
_INCLUSIONS = (0.8, 1.8)
"""Sizes of inclusions in pixels of a picture 192 wide."""
_RIM = 0.8
"""Width of the dark rim, likewise."""


def paint_core(picture: Floats, scene: Scene, clast: Porphyroclast, shown: Region) -> None:
    """Paint the visible part of a core, bool[H, W], into the light float32[H, W, 3]."""
    window = core_window(scene, clast)
    at = shown[window]
    if not at.any():
        return
    x, y = (axis[at] for axis in foliation_frame(scene, clast.x, clast.y, window))
    if clast.sinistral:
        x = -x
    scale = np.float32(clast.radius)
    u, v = x / scale, y / scale
    rng = stream(clast.seed, "core")
    unit = np.float32(scene.width / 192)
    edge = np.float32(rng.uniform(0.3, 1)) * np.clip(1 - core_depth(clast, x, y) / (np.float32(_RIM) * unit), 0, 1)
    axis = _axes(rng, clast, u, v) - np.float32(np.radians(scene.optics.stage))
    section = np.full(u.shape, rng.uniform(0.4, 1.0), np.float32)
    crystals = Crystals(np.zeros(u.shape, np.uint8), axis.astype(np.float32), section, edge.astype(np.float32))
    light = appearance(scene.optics.light, (clast.mineral,), crystals)
    light *= _flaws(rng, clast, u, v, scale / unit)[:, None]
    picture[window][at] = light


def _axes(rng: np.random.Generator, clast: Porphyroclast, u: Floats, v: Floats) -> Floats:
    """Return the optic axis at each point: undulose, broken into subgrains, twinned; u and v are in core radii."""
    axis = rng.uniform(0, np.pi)
    bend, patchy, ways = rng.uniform(0.05, 0.7), rng.random() < 0.35, rng.uniform(0, np.pi, 2)
    along = u * np.float32(np.cos(ways[0])) + v * np.float32(np.sin(ways[0]))
    across = v * np.float32(np.cos(ways[0])) - u * np.float32(np.sin(ways[0]))
    places = [Place.draw(rng) for _ in range(3)]
    bent = np.float32(axis) + np.float32(bend) * noise_at(along * np.float32(0.8), across * np.float32(0.4), places[0])
    if patchy:  # subgrains, or a clast of a few grains
        size, turn = rng.uniform(0.3, 0.9), rng.uniform(0.1, 0.4)
        subgrain = grains_at(along / np.float32(size), across / np.float32(0.7 * size), places[1]).number
        bent = bent + np.float32(turn) * (subgrain % 7 / np.float32(6))
    if clast.mineral in _TWINNED and rng.random() < 0.6:
        width, cross = rng.uniform(0.08, 0.6), u * np.float32(np.cos(ways[1])) + v * np.float32(np.sin(ways[1]))
        jitter = noise_at(cross * 3, cross * 0, places[2])  # lamellae of uneven width …
        lamella = np.sin(cross * np.float32(np.pi / width) + 6 * jitter) > 0
        ends = noise_at(u * np.float32(0.7), v * np.float32(0.7), places[2]) < np.float32(rng.uniform(0.4, 1.0))
        bent = bent + np.float32(0.45) * (lamella & ends)  # … that die out
    return bent


def _flaws(rng: np.random.Generator, clast: Porphyroclast, u: Floats, v: Floats, scale: np.float32) -> Floats:
    """Return the brightness of cloud, cleavage, fractures and inclusions.

    u and v are in core radii; `scale` is the core's radius in pixels of a picture 192 wide.
    """
    x, y = u * scale, v * scale
    places, dark = [Place.draw(rng) for _ in range(5)], np.float32(0.6)
    way, cloud, lines, cracks, specks = rng.uniform(0, np.pi), *rng.random(4)
    if clast.mineral in _SHEETS:  # mica is cleaved along its length
        way = np.radians(clast.angle + 90) + rng.normal(0, 0.1)
    bright = 1 - np.float32(0.5 * cloud) * rough_at(x / 7, y / 7, places[0]) * rough_at(x / 2, y / 2, places[1])
    if clast.mineral in _CLEAVED and lines < 0.6:
        across = x * np.float32(np.cos(way)) + y * np.float32(np.sin(way))
        along = y * np.float32(np.cos(way)) - x * np.float32(np.sin(way))
        bright -= dark * ridges(noise_at(across / np.float32(2 + 5 * lines), along / 60, places[2]), 0.08)
    if cracks < 0.6:
        bright -= dark * ridges(noise_at(u * np.float32(1.2), v * np.float32(1.2), places[3]), 0.03 + 0.04 * cracks)
    if specks < 0.5:
        often = np.float32(0.5 * PALETTE * specks) * noise_at(u * np.float32(1.5), v * np.float32(1.5), places[3]) ** 4
        for size in _INCLUSIONS:
            bright[grains_at(x / np.float32(size), y / np.float32(size), places[4]).number < often] *= np.float32(0.4)
    flawed: Floats = np.maximum(bright, 0).astype(np.float32)
    return flawed
