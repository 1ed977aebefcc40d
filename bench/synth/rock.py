"""Where everything is: each pixel's place before the flow, and which part of which clast it shows."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from .flow import Floats, reach
from .scene import Porphyroclast, Scene
from .shape import Surroundings, core_depth, displacement, half_axes, outwards, surroundings
from .texture import Place, noise_at, stream

Region = NDArray[np.bool_]
Window = tuple[slice, slice]

NOWHERE = -1
"""Stands for no clast in `Rock.clast`."""

_FOLD_LENGTH = 0.45
"""Wavelength of the foliation's gentle folds, as a share of the width."""
_SHEATH = 0.15
"""Thickness of the sheath of small grains around a core, in core radii."""
_RAGGED = 0.16
"""Relief of the mantle's ragged outer edge, as a share of its radius."""


@dataclass(frozen=True, slots=True)
class Rock:
    """Every pixel of the unflipped scene, arrays of shape [H, W]."""

    from_x: Floats
    """Where the matrix at each pixel comes from, in pixels from the picture's middle along the foliation …"""
    from_y: Floats
    """… and above it. Not mirrored, whatever the sense."""
    clast: NDArray[np.int8]
    """Which clast the pixel shows, NOWHERE for none. A pixel shows one clast at most."""
    core: Region
    """Whether it shows the core of its clast, rather than its mantle and tails."""
    outwards: Floats
    """Where in the mantle it started: 1 at the outer rim."""
    sheath: Region
    """Whether it is matrix close to a core, where grains are ground small."""

    def within(self, window: Window) -> Rock:
        """Return a window of it; what is written there is written here."""
        return Rock(**{field.name: getattr(self, field.name)[window] for field in fields(self)})


def lay_out(scene: Scene) -> Rock:
    """Carry every pixel of the scene back through the flow; the outlines of cores and tails come with it."""
    x, y = foliation_frame(scene, scene.width / 2, scene.height / 2)
    from_x, from_y = x.copy(), y.copy()
    rock = Rock(
        from_x,
        from_y,
        clast=np.full(x.shape, NOWHERE, np.int8),
        core=np.zeros(x.shape, np.bool_),
        outwards=np.zeros(x.shape, np.float32),
        sheath=np.zeros(x.shape, np.bool_),
    )
    for number, clast in enumerate(scene.clasts):
        window = _reach_of(scene, clast)
        around = surroundings(clast, *_seen_by(clast, scene, window))
        dx, dy = displacement(clast, around)
        from_x[window] += -dx if clast.sinistral else dx
        from_y[window] += dy
        _lay_in(number, clast, around, rock.within(window))
    rng = stream(scene.matrix.seed, "folds")
    turn = from_x * np.float32(2 * np.pi / (_FOLD_LENGTH * scene.width)) + np.float32(rng.uniform(0, 2 * np.pi))
    from_y += np.float32(scene.matrix.waves) * np.sin(turn)
    rock.sheath[rock.clast != NOWHERE] = False
    return rock


def foliation_frame(
    scene: Scene, centre_x: float, centre_y: float, window: Window | None = None
) -> tuple[Floats, Floats]:
    """Return the place float32[h, w] of the pixels of a window along the foliation and above it, from a centre."""
    rows, columns = window or (slice(0, scene.height), slice(0, scene.width))
    right = (np.arange(columns.start, columns.stop, dtype=np.float32) + np.float32(0.5 - centre_x))[None, :]
    up = (np.float32(centre_y - 0.5) - np.arange(rows.start, rows.stop, dtype=np.float32))[:, None]
    tilt = np.radians(scene.matrix.tilt)
    cos, sin = np.float32(np.cos(tilt)), np.float32(np.sin(tilt))
    return cos * right + sin * up, cos * up - sin * right


def _seen_by(clast: Porphyroclast, scene: Scene, window: Window) -> tuple[Floats, Floats]:
    """Return the pixels of a window in the dextral frame of a clast, from its centre."""
    x, y = foliation_frame(scene, clast.x, clast.y, window)
    return (-x if clast.sinistral else x), y


def core_window(scene: Scene, clast: Porphyroclast) -> Window:
    """Return the part of the picture that holds a clast's core."""
    half = half_axes(clast)[0] + 1
    return _window(scene, clast, half, half)


def _reach_of(scene: Scene, clast: Porphyroclast) -> Window:
    """Return the part of the picture whose foliation a clast bends; it holds its tails, too."""
    along, across = reach(clast.radius)
    tilt = np.radians(scene.matrix.tilt)
    cos, sin = abs(np.cos(tilt)), abs(np.sin(tilt))
    return _window(scene, clast, along * cos + across * sin, along * sin + across * cos)


def _window(scene: Scene, clast: Porphyroclast, half_width: float, half_height: float) -> Window:
    left, right = int(clast.x - half_width), int(clast.x + half_width) + 1
    top, bottom = int(clast.y - half_height), int(clast.y + half_height) + 1
    return slice(*_clipped(top, bottom, scene.height)), slice(*_clipped(left, right, scene.width))


def _clipped(start: int, stop: int, size: int) -> tuple[int, int]:
    return min(max(start, 0), size), min(max(stop, 0), size)


def _lay_in(number: int, clast: Porphyroclast, around: Surroundings, rock: Rock) -> None:
    """Lay one clast into what earlier ones have left: its core over their tails, its tails over the matrix."""
    own = core_depth(clast, around.x, around.y) > 0
    grain = np.float32(clast.radius / 6)
    noise = noise_at(around.x / grain, around.y / grain, Place.draw(stream(clast.seed, "ragged"))) - np.float32(0.5)
    started = outwards(clast, around, 1 + np.float32(_RAGGED) * noise)
    if clast.core:
        shown = own & ~rock.core
        rock.clast[shown], rock.core[shown] = number, True
    tails = (started < 1) & ~own & (rock.clast == NOWHERE)
    rock.clast[tails], rock.outwards[tails] = number, started[tails]
    rock.sheath[~own & (np.hypot(around.disc_x, around.disc_y) < 1 + np.float32(_SHEATH) * (1 + noise))] = True
