"""From places in the rock to light: which mineral is where, and how its grains lie."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from .core import paint_core
from .rock import NOWHERE, Rock, foliation_frame
from .scene import Matrix, Scene
from .shades import EDGES, Shades
from .texture import PALETTE, Floats, Ints, Place, grains_at, noise_at, ridges, stream

_FINE_GRAINS = (1.1, 2.6)
"""Sizes of recrystallised grains in mantles and tails, in pixels of a picture 192 wide."""
_FLAKES = (1.6, 4.5)
"""Sizes of mica flakes, likewise."""
_CROSSED_EDGES = 0.12
"""How much darker the boundary between two grains is between crossed polars."""
_SUTURES = 0.4
"""How far grain boundaries wander, in grains."""
_SPECKS = 0.004
"""Share of the picture under specks of dust and ore; a few times more where they cluster."""


def paint(scene: Scene, rock: Rock) -> tuple[Floats, Floats]:
    """Return the light that leaves the rock, linear RGB float32[H, W, 3], and a sample of the matrix's, float32[N, 3].

    The sample does not depend on the clasts: the camera is set for the matrix.
    """
    shades = Shades(scene)
    light = _paint_matrix(scene, shades, rock)
    if scene.matrix.far_seed is not None:
        other = replace(scene, matrix=replace(scene.matrix, seed=scene.matrix.far_seed))
        light += _far(scene, rock).ravel()[:, None] * (_paint_matrix(other, Shades(other), rock) - light)
    picture = light.reshape(scene.height, scene.width, 3)
    for number, clast in enumerate(scene.clasts):
        if clast.core:
            paint_core(picture, scene, clast, (rock.clast == number) & rock.core)
    return picture, shades.matrix


def _paint_matrix(scene: Scene, shades: Shades, rock: Rock) -> Floats:
    """Return the light of matrix, mantles and tails, float32[H * W, 3]."""
    ground = _ground(scene, rock)
    light = _mosaic(ground, shades)
    _lay_bands(light, ground, shades)
    _lay_flakes(light, ground, shades)
    _lay_films(light, ground, shades)
    _lay_fine_grains(light, ground, shades, rock)
    patches = ground.noise("patches", 90, 16) - np.float32(0.5)
    light *= (1 + np.float32(scene.matrix.patches) * patches)[:, None]
    _strew_specks(light, ground)
    return light


def _far(scene: Scene, rock: Rock) -> Floats:
    """Return 0 on and near clasts, 1 from one and a half core radii of the largest on, float32[H, W]."""
    from scipy import ndimage  # noqa: PLC0415 – takes a while to import

    radius = max((clast.radius for clast in scene.clasts), default=1.0)
    clear = ndimage.distance_transform_edt(rock.clast == NOWHERE).astype(np.float32) / np.float32(radius)
    far: Floats = np.clip(2 * clear - 2, 0, 1)
    return far


@dataclass(frozen=True, slots=True)
class Weave:
    """How grains are shaped: lean of their long axes to the foliation in degrees, size in pixels, aspect ratio."""

    lean: float
    size: float
    aspect: float


@dataclass(frozen=True, slots=True)
class Ground:
    """Every pixel of a scene, float32[H * W], in units of a picture 192 wide."""

    scene: Scene
    x: Floats
    """Where its matrix comes from, in the dextral frame of the foliation."""
    y: Floats
    turn: Floats
    """How the grains around it are turned, 0..1 for half a turn."""
    edges: float
    """How much darker grain boundaries are."""

    @property
    def matrix(self) -> Matrix:
        """The matrix of the scene."""
        return self.scene.matrix

    @property
    def unit(self) -> np.float32:
        """Pixels to a unit."""
        return np.float32(self.scene.width / 192)

    def place(self, name: str) -> Place:
        """Return where a texture lies."""
        return Place.draw(stream(self.matrix.seed, name))

    def noise(self, name: str, along: float, across: float) -> Floats:
        """Return a noise whose features have a length along and across the foliation."""
        return noise_at(self.x / np.float32(along), self.y / np.float32(across), self.place(name))


def _ground(scene: Scene, rock: Rock) -> Ground:
    matrix, unit = scene.matrix, np.float32(scene.width / 192)
    x, y = rock.from_x.ravel() / unit, rock.from_y.ravel() / unit
    if matrix.sinistral:
        x = -x
    rng = stream(matrix.seed, "domains")
    size = np.float32(matrix.grain) / unit
    along, across, span = rng.uniform(8, 20), rng.uniform(2, 6), rng.uniform(0.4, 1.0)
    domains = noise_at(x / (np.float32(along) * size), y / (np.float32(across) * size), Place.draw(rng))
    turn = np.float32(rng.random()) + np.float32(span) * domains
    edges = EDGES.get(scene.optics.light, _CROSSED_EDGES)
    return Ground(scene, x, y, turn - np.floor(turn), edges)


def _leaning(place: Place, weave: Weave, x: Floats, y: Floats) -> tuple[Ints, Floats]:
    """Return the grain of each point and its depth in it, in grain sizes; the grains interlock."""
    cos, sin = np.float32(np.cos(np.radians(weave.lean))), np.float32(np.sin(np.radians(weave.lean)))
    stretch = np.sqrt(weave.aspect)
    along, across = np.float32(1 / (weave.size * stretch)), np.float32(stretch / weave.size)
    u, v = (cos * x + sin * y) * along, (cos * y - sin * x) * across
    lobe = np.float32(0.5 * weave.size)
    wander = np.float32(_SUTURES) * (noise_at(x / lobe, y / lobe, place) - np.float32(0.5))
    return grains_at(u + wander, v - wander, place)


def _edges(inside: Floats, size: float, darkest: float) -> Floats:
    """Return the brightness of grains of a size, darkened within 0.4 units of their boundaries."""
    edges: Floats = np.float32(1) - np.float32(darkest) * np.clip(1 - inside * np.float32(size / 0.4), 0, 1)
    return edges


def _mosaic(ground: Ground, shades: Shades) -> Floats:
    """Return the light of the leaning, elongate mosaic of matrix grains."""
    matrix = ground.matrix
    size = float(matrix.grain / ground.unit)
    grain, inside = _leaning(ground.place("mosaic"), Weave(matrix.lean, size, matrix.aspect), ground.x, ground.y)
    light = shades.mosaic.light(grain, ground.turn)
    light *= _edges(inside, size, ground.edges)[:, None]
    return light


def _lay_bands(light: Floats, ground: Ground, shades: Shades) -> None:
    """Lay layers and ribbons of the second mineral along the foliation, in much finer or coarser grains."""
    matrix = ground.matrix
    if not matrix.bands:
        return
    rng = stream(matrix.seed, "bands")
    thick, ratio = float(rng.uniform(4, 16)), float(rng.choice((0.35, 0.5, 2.0, 3.5)))
    at = ground.noise("layers", 60, thick) < np.float32(matrix.bands)
    size = float(np.clip(matrix.grain / ground.unit * ratio, 0.9, 14.0))
    weave = Weave(0.5 * matrix.lean, size, (1.5 if ratio < 1 else 3.0) * matrix.aspect)
    grain, inside = _leaning(ground.place("grains of bands"), weave, ground.x[at], ground.y[at])
    light[at] = shades.bands.light(grain, ground.turn[at]) * _edges(inside, size, ground.edges)[:, None]


def _lay_flakes(light: Floats, ground: Ground, shades: Shades) -> None:
    """Lay thin mica flakes of two sizes along the foliation; most of them lie together in septa."""
    share = ground.matrix.flakes
    if not share:
        return
    septa = ground.noise("septa", 70, 5) ** 2
    for size in _FLAKES:
        weave = Weave(0.3 * ground.matrix.lean, size, 8.0)
        grain, inside = _leaning(ground.place(f"flakes of {size}"), weave, ground.x, ground.y)
        at = grain < np.float32(1.5 * share * PALETTE) * septa
        light[at] = shades.flakes.light(grain[at], ground.turn[at]) * _edges(inside[at], size, 0.2)[:, None]


def _lay_films(light: Floats, ground: Ground, shades: Shades) -> None:
    """Lay dark films along the foliation, and C' bands across it."""
    matrix = ground.matrix
    if matrix.films:
        _darken(light, shades.dark, ridges(ground.noise("films", 90, 6), matrix.films))
    if matrix.shear_bands:
        turn = np.radians(matrix.shear_band_angle)
        cos, sin = np.float32(np.cos(turn)), np.float32(np.sin(turn))
        along, across = (cos * ground.x + sin * ground.y) / 60, (cos * ground.y - sin * ground.x) / 14
        _darken(light, shades.dark, ridges(noise_at(along, across, ground.place("shear bands")), matrix.shear_bands))


def _darken(light: Floats, dark: Floats, strength: Floats) -> None:
    """Mix in the light of dark minerals by a strength 0..1."""
    at = strength > 0
    weight = strength[at][:, None]
    light[at] = light[at] * (1 - weight) + dark * weight


def _lay_fine_grains(light: Floats, ground: Ground, shades: Shades, rock: Rock) -> None:
    """Lay the small recrystallised grains of mantles and tails, and those of the matrix that sheathe a clast.

    They grew where they are, so they are not drawn out like the grains of the matrix. Outwards in a mantle more and
    more of them are of the matrix's minerals.
    """
    scene, matrix = ground.scene, ground.matrix
    at = (rock.clast != NOWHERE) & ~rock.core | rock.sheath
    if not at.any():
        return
    x, y = (axis[at] / ground.unit for axis in foliation_frame(scene, scene.width / 2, scene.height / 2))
    rng = stream(matrix.seed, "fine grains")
    size, aspect = float(rng.uniform(*_FINE_GRAINS)), float(rng.uniform(1.0, 1.8))
    weave = Weave(0.5 * matrix.lean, size, aspect)
    grain, inside = _leaning(ground.place("fine grains"), weave, -x if matrix.sinistral else x, y)
    outwards = rock.outwards[at]
    foreign = rng.random(PALETTE, dtype=np.float32)[grain] < np.float32(matrix.mixing) * (0.3 + 1.4 * outwards**2)
    foreign |= rock.sheath[at]
    turn = ground.turn.reshape(at.shape)[at]
    fine = np.where(foreign[:, None], shades.mosaic.light(grain, turn), shades.mantles.light(grain, turn))
    light[at.ravel()] = fine * _edges(inside, size, ground.edges)[:, None]


def _strew_specks(light: Floats, ground: Ground) -> None:
    """Strew small dark and bright specks, in clusters."""
    grain, _ = grains_at(ground.x / np.float32(0.9), ground.y / np.float32(0.9), ground.place("specks"))
    often = np.float32(_SPECKS * PALETTE) * (1 + 8 * ground.noise("clusters", 25, 12) ** 6)
    at = grain < often
    light[at] *= np.where(grain[at] % 3 == 0, np.float32(1.6), np.float32(0.35))[:, None]
