"""From places in the rock to light: which material is where, and how its grains lie."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .optics import FILM_MINERAL, LUMINANCE, MANTLE_MINERAL, Crystals, appearance
from .rock import Rock
from .scene import Scene
from .texture import TABLE, Floats, Grains, Ints, SmoothNoise, highest_share

_MATRIX, _MANTLE, _CORE, _FILM = range(4)

_FINE_GRAIN = 1.7
"""Size of recrystallised grains in mantle, tails and bands, in pixels of a picture 192 wide."""
_OVERLAP = 0.45
"""Recrystallised grains are thinner than the section: this share of their contrast averages out."""
_SPREAD = 0.6
"""Share of all directions that the optic axes of the matrix take: its grains have a preferred orientation."""
_TWINNED = ("feldspar",)


def paint(scene: Scene, rock: Rock, rng: np.random.Generator) -> Floats:
    """Return the light that leaves the rock, linear RGB float32[N, 3]."""
    crystals = _grow_matrix(scene, rock, rng)
    _recrystallise(scene, rock, crystals, rng)
    _fill_core(scene, rock, crystals, rng)
    crystals.axis[:] -= np.float32(np.radians(scene.optics.stage))
    clast_mineral = scene.optics.clast_mineral
    names = (scene.optics.matrix_mineral, MANTLE_MINERAL[clast_mineral], clast_mineral, FILM_MINERAL)
    light = appearance(scene.optics.light, names, crystals)
    _set_contrast(light, crystals.mineral, scene.optics.contrast)
    return light


def _grow_matrix(scene: Scene, rock: Rock, rng: np.random.Generator) -> Crystals:
    """Return the crystals of the matrix mosaic everywhere, with the right material for every pixel."""
    grain, inside = _matrix_grains(scene, rock, Grains.draw(rng))
    axis = np.float32(np.pi) * (np.float32(rng.random()) + _SPREAD * rng.random(TABLE, dtype=np.float32))
    section = _sections(rng)[grain]
    stray = rng.random(TABLE, dtype=np.float32) < scene.matrix.strays
    mineral = _materials(scene, rock, stray[grain], rng)
    return Crystals(mineral, axis[grain].astype(np.float32), section, _edge(inside, scene.matrix.grain))


def _matrix_grains(scene: Scene, rock: Rock, grains: Grains) -> tuple[Ints, Floats]:
    """Return each pixel's grain in the leaning, elongate mosaic, and its distance to the boundary in grain sizes."""
    lean, stretch = np.radians(scene.matrix.lean), np.sqrt(scene.matrix.aspect)
    cos, sin = np.float32(np.cos(lean)), np.float32(np.sin(lean))
    along = (cos * rock.from_x + sin * rock.from_y) / np.float32(scene.matrix.grain * stretch)
    across = (cos * rock.from_y - sin * rock.from_x) / np.float32(scene.matrix.grain / stretch)
    return grains.at(along.astype(np.float32), across.astype(np.float32))


def _sections(rng: np.random.Generator) -> Floats:
    """Return the share of the birefringence that each grain of a table shows."""
    return np.float32(0.35) + np.float32(0.65) * rng.random(TABLE, dtype=np.float32)


def _edge(inside: Floats, size: float) -> Floats:
    """Return 1 on a grain boundary, falling to 0 within 0.7 pixels of it."""
    edge: Floats = np.clip(1 - inside * np.float32(size / 0.7), 0, 1)
    return edge


def _materials(scene: Scene, rock: Rock, stray: NDArray[np.bool_], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Return the material of each pixel; bands and films lie along the foliation, whatever the grains' lean."""
    unit = np.float32(scene.width / 192)
    bands, films = SmoothNoise.draw(rng), SmoothNoise.draw(rng)
    material = np.full(rock.x.shape, _MATRIX, np.uint8)
    material[stray] = _CORE
    banding = bands.at(rock.from_x / (45 * unit), rock.from_y / (5 * unit))
    material[highest_share(banding, scene.matrix.bands)] = _MANTLE
    filming = films.at(rock.from_x / (20 * unit), rock.from_y / (np.float32(1.6) * unit))
    material[highest_share(filming, scene.matrix.films)] = _FILM
    material[rock.tails] = _MANTLE
    material[rock.core] = _CORE
    return material


def _recrystallise(scene: Scene, rock: Rock, crystals: Crystals, rng: np.random.Generator) -> None:
    """Replace the matrix grains by small ones in mantle, tails and bands."""
    fine, size = crystals.mineral == _MANTLE, np.float32(_FINE_GRAIN * scene.width / 192)
    axis, section = np.float32(np.pi) * rng.random(TABLE, dtype=np.float32), _sections(rng)
    grain, inside = Grains.draw(rng).at(rock.from_x[fine] / size, rock.from_y[fine] / size)
    crystals.axis[fine] = axis[grain]
    crystals.section[fine] = section[grain]
    crystals.edge[fine] = 0.5 * _edge(inside, float(size))


def _fill_core(scene: Scene, rock: Rock, crystals: Crystals, rng: np.random.Generator) -> None:
    """Make the core one crystal: undulose, twinned where its mineral is, with a dark rim."""
    across, twin_width = rng.uniform(0, np.pi), scene.clast.radius * rng.uniform(0.12, 0.35)
    axis, section, undulation = rng.uniform(0, np.pi), rng.uniform(0.5, 1.0), rng.uniform(0.1, 0.6)
    noise = SmoothNoise.draw(rng)
    x, y, scale = rock.x[rock.core], rock.y[rock.core], np.float32(scene.clast.radius)
    bent = axis + undulation * noise.at(x / scale, y / scale)
    if scene.optics.clast_mineral in _TWINNED:
        bent += 0.35 * (np.sin((x * np.cos(across) + y * np.sin(across)) * (np.pi / twin_width)) > 0)
    crystals.axis[rock.core] = bent
    crystals.section[rock.core] = section
    crystals.edge[rock.core] = np.clip(1 - rock.depth[rock.core] / 1.2, 0, 1)


def _set_contrast(light: Floats, material: NDArray[np.uint8], contrast: float) -> None:
    """Scale mantle, tails and bands in place to their brightness relative to the matrix, and even out their grains."""
    matrix, mantle = material == _MATRIX, material == _MANTLE
    if not (matrix.any() and mantle.any()):
        return
    mean = light[mantle].mean(axis=0)
    ratio = float((light[matrix] @ LUMINANCE).mean() / (mean @ LUMINANCE))
    light[mantle] = np.float32(contrast * ratio) * ((1 - _OVERLAP) * light[mantle] + _OVERLAP * mean)
