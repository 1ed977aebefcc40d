"""From places in the rock to light: which mineral is where, and how its grains lie."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from .core import paint_core
from .rock import NOWHERE, Rock, foliation_frame
from .scene import Matrix, Scene
from .shades import Shades
from .texture import PALETTE, Floats, Grains, Place, grains_at, noise_at, ridges, rough_at, stream

_FINE_GRAINS = (1.1, 2.6)
"""Sizes of recrystallised grains in mantles and tails, in pixels of a picture 192 wide."""
_FLAKES = (1.6, 4.5)
"""Sizes of mica flakes, likewise."""
_EDGES = {"plane": 0.25, "sem": 0.3}
_CROSSED_EDGES = 0.12
"""How much darker the boundary between two grains is, by light; between crossed polars it hardly shows."""
_SUTURES = 0.4
"""How far grain boundaries wander, in grains."""
_SHORT = 8.0
"""Features of a noise that need no interpolation."""
_UNDULOSE = 0.07
"""How far grains are bent within, in half turns."""
_DUST = 0.5
"""Most light that dust takes away in plane light."""
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
    if scene.matrix.survivors:
        _lay_survivors(light, ground, shades)
    _lay_films(light, ground, shades)
    _lay_fine_grains(light, ground, shades, rock)
    patches = ground.noise("patches", 80, 16) - np.float32(0.5)
    light *= (1 + np.float32(scene.matrix.patches) * patches)[:, None]
    _cloud(light, ground)
    _strew_specks(light, ground)
    return light


def _far(scene: Scene, rock: Rock) -> Floats:
    """Return 0 within a core radius of the clasts (the largest one), 1 from half a radius further on, float32[H, W]."""
    from scipy import ndimage  # noqa: PLC0415 – takes a while to import

    if (rock.clast == NOWHERE).all():
        return np.ones(rock.clast.shape, np.float32)
    radius = max(clast.radius for clast in scene.clasts)
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
    domain: tuple[float, float]
    """Length along and across the foliation of domains of grains that lie alike."""
    span: float
    """How differently grains of different domains lie, 1 for half a turn."""

    @property
    def matrix(self) -> Matrix:
        """The matrix of the scene."""
        return self.scene.matrix

    @property
    def unit(self) -> np.float32:
        """Pixels to a unit."""
        return np.float32(self.scene.width / 192)

    @property
    def edges(self) -> float:
        """How much darker grain boundaries are."""
        return _EDGES.get(self.scene.optics.light, _CROSSED_EDGES)

    def place(self, name: str) -> Place:
        """Return where a texture lies."""
        return Place.draw(stream(self.matrix.seed, name))

    def noise(self, name: str, along: float, across: float) -> Floats:
        """Return a noise whose features have a length along and across the foliation; short ones are rough."""
        look_up = noise_at if max(along, across) > _SHORT else rough_at
        return look_up(self.x / np.float32(along), self.y / np.float32(across), self.place(name))

    def turn(self, x: Floats, y: Floats) -> Floats:
        """Return how grains at (x, y) lie, 0..1 for half a turn: like their neighbours of the same domain."""
        along, across = self.domain
        place = self.place("domains")
        turn = np.float32(place.along) + np.float32(self.span) * noise_at(
            x / np.float32(along), y / np.float32(across), place
        )
        share: Floats = turn - np.floor(turn)
        return share


def _ground(scene: Scene, rock: Rock) -> Ground:
    matrix, unit = scene.matrix, np.float32(scene.width / 192)
    x, y = rock.from_x.ravel() / unit, rock.from_y.ravel() / unit
    if matrix.sinistral:
        x = -x
    rng, grain = stream(matrix.seed, "span of domains"), float(matrix.grain / unit)
    domain = (float(rng.uniform(6, 14)) * grain, float(rng.uniform(3, 8)) * grain)
    return Ground(scene, x, y, domain, span=float(rng.uniform(0.3, 0.8)))


def _lay_grains(ground: Ground, name: str, weave: Weave, x: Floats, y: Floats) -> Grains:
    """Return the grains at some points of the ground: leaning, elongate, interlocking."""
    cos, sin = np.float32(np.cos(np.radians(weave.lean))), np.float32(np.sin(np.radians(weave.lean)))
    stretch, place = np.sqrt(weave.aspect), ground.place(name)
    along, across = np.float32(weave.size * stretch), np.float32(weave.size / stretch)
    lobe = np.float32(0.5 * weave.size)
    wander = np.float32(_SUTURES) * (rough_at(x / lobe, y / lobe, place) - np.float32(0.5))
    found = grains_at((cos * x + sin * y) / along + wander, (cos * y - sin * x) / across - wander, place)
    u, v = (found.x - wander) * along, (found.y + wander) * across
    return Grains(found.number, found.inside, cos * u - sin * v, cos * v + sin * u)


def _edges(inside: Floats, size: float, darkest: float) -> Floats:
    """Return the brightness of grains of a size, darkened within 0.4 units of their boundaries."""
    edges: Floats = np.float32(1) - np.float32(darkest) * np.clip(1 - inside * np.float32(size / 0.4), 0, 1)
    return edges


def _mosaic(ground: Ground, shades: Shades) -> Floats:
    """Return the light of the leaning, elongate mosaic of matrix grains, undulose within."""
    matrix = ground.matrix
    size = float(matrix.grain / ground.unit)
    grains = _lay_grains(ground, "mosaic", Weave(matrix.lean, size, matrix.aspect), ground.x, ground.y)
    bent = ground.turn(grains.x, grains.y) + _undulose(ground, "strain", size)
    light = shades.mosaic.light(grains.number, bent)
    light *= _edges(grains.inside, size, ground.edges)[:, None]
    return light


def _undulose(ground: Ground, name: str, size: float) -> Floats:
    """Return how grains of a size are bent within, 0..1 for half a turn."""
    return np.float32(_UNDULOSE) * ground.noise(name, 0.8 * size, 2 * size)


def _lay_bands(light: Floats, ground: Ground, shades: Shades) -> None:
    """Lay layers and ribbons of the second mineral along the foliation, in much finer or coarser grains."""
    matrix = ground.matrix
    if not matrix.bands:
        return
    rng = stream(matrix.seed, "bands")
    thick, ratio = float(rng.uniform(4, 20)), float(rng.choice((0.35, 0.5, 2.0, 3.5)))
    at = ground.noise("layers", 3 * thick + 15, thick) < np.float32(matrix.bands)
    size = float(np.clip(matrix.grain / ground.unit * ratio, 0.9, 14.0))
    weave = Weave(0.5 * matrix.lean, size, (1.0 if ratio < 1 else 1.6) * matrix.aspect)
    grains = _lay_grains(ground, "grains of bands", weave, ground.x[at], ground.y[at])
    turn = ground.turn(grains.x, grains.y)
    light[at] = shades.bands.light(grains.number, turn) * _edges(grains.inside, size, ground.edges)[:, None]


def _lay_survivors(light: Floats, ground: Ground, shades: Shades) -> None:
    """Lay coarse grains that have not been ground down yet, of all sizes, with gnawed rims."""
    matrix = ground.matrix
    rng = stream(matrix.seed, "survivors")
    size = float(np.clip(matrix.grain / ground.unit * rng.uniform(3, 8), 6, 30))
    weave = Weave(0.5 * matrix.lean, size, float(rng.uniform(1.1, 2.0)))
    grains = _lay_grains(ground, "grains that survive", weave, ground.x, ground.y)
    worn = rng.uniform(0.05, 0.35, PALETTE).astype(np.float32)
    worn[rng.random(PALETTE) >= matrix.survivors] = np.inf
    gnawed = np.float32(0.08) * (ground.noise("gnawed", size / 4, size / 4) - np.float32(0.5))
    at = grains.inside > worn[grains.number] + gnawed
    number, alone = grains.number[at], rng.random(PALETTE, dtype=np.float32)
    turn = alone[number] + 2 * _undulose(ground, "strain of survivors", size)[at]
    edges = _edges(grains.inside[at] - worn[number], size, ground.edges)
    light[at] = shades.mosaic.light(number, turn) * edges[:, None]


def _lay_flakes(light: Floats, ground: Ground, shades: Shades) -> None:
    """Lay thin mica flakes of two sizes along the foliation; most of them lie together in septa."""
    share = ground.matrix.flakes
    if not share:
        return
    septa = ground.noise("septa", 40, 8) ** 2
    for size in _FLAKES:
        weave = Weave(0.3 * ground.matrix.lean, size, 8.0)
        grains = _lay_grains(ground, f"flakes of {size}", weave, ground.x, ground.y)
        at = grains.number < np.float32(1.5 * share * PALETTE) * septa
        turn = ground.turn(grains.x[at], grains.y[at])
        light[at] = shades.flakes.light(grains.number[at], turn) * _edges(grains.inside[at], size, 0.2)[:, None]


def _lay_films(light: Floats, ground: Ground, shades: Shades) -> None:
    """Lay dark films along the foliation, and C' bands across it."""
    matrix = ground.matrix
    if matrix.films:
        _darken(light, shades.dark, ridges(ground.noise("films", 40, 7), matrix.films))
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
    grains = _lay_grains(ground, "fine grains", weave, -x if matrix.sinistral else x, y)
    often = np.float32(matrix.mixing) * (0.3 + 1.4 * rock.outwards[at] ** 2)
    foreign = rng.random(PALETTE, dtype=np.float32)[grains.number] < often
    foreign |= rock.sheath[at]
    turn = ground.turn(grains.x, grains.y)
    ours, theirs = shades.mantles.light(grains.number, turn), shades.mosaic.light(grains.number, turn)
    fine = np.where(foreign[:, None], theirs, ours)
    light[at.ravel()] = fine * _edges(grains.inside, size, ground.edges)[:, None]


def _strew_specks(light: Floats, ground: Ground) -> None:
    """Strew small dark and bright specks, in clusters."""
    number = grains_at(ground.x / np.float32(0.9), ground.y / np.float32(0.9), ground.place("specks")).number
    at = number < np.float32(_SPECKS * PALETTE) * (1 + 8 * ground.noise("clusters", 25, 12) ** 6)
    light[at] *= np.where(number[at] % 3 == 0, np.float32(1.6), np.float32(0.35))[:, None]


def _cloud(light: Floats, ground: Ground) -> None:
    """Cloud the rock where no polars hide it: transparent minerals are dusty."""
    if ground.scene.optics.light == "plane":
        dust = ground.noise("dust", 1.5, 1.5) * ground.noise("clouds", 10, 6)
        light *= (1 - np.float32(_DUST) * dust)[:, None]
