"""From a scene to a finished photograph with exact masks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from ..data.masks import box_around, encode
from ..errors import SuiteError
from ..records import Clast
from .camera import photograph
from .paint import paint
from .rock import foliation_frame, lay_out
from .scene import Scene
from .tails import read_tails

Region = NDArray[np.bool_]
Pixel = TypeVar("Pixel", bound=np.generic)


@dataclass(frozen=True, slots=True)
class Rendering:
    """A finished photograph, RGB `uint8[H, W, 3]`, and what is where in it."""

    image: NDArray[np.uint8]
    core: Region | None
    """The rigid grain, bool[H, W]; None without a clast."""
    tails: Region | None
    """Mantle and tails, bool[H, W], without the core; None without a clast."""
    clasts: tuple[Clast, ...]


def render(scene: Scene) -> Rendering:
    """Render a scene: the same pixels whenever, wherever and in whatever order it is done.

    Raises SuiteError when the tails, as measured in the finished picture, do not show the sense that the scene claims.
    """
    rng = np.random.Generator(np.random.PCG64(scene.texture_seed))
    rock = lay_out(scene, rng)
    image = _turned(scene, photograph(scene, paint(scene, rock, rng), rng))
    if scene.kind == "free":
        return Rendering(image, None, None, ())
    core = _turned(scene, rock.core.reshape(scene.height, scene.width))
    tails = _turned(scene, rock.tails.reshape(scene.height, scene.width))
    return Rendering(image, core, tails, (_describe(scene, core, tails),))


def _turned(scene: Scene, picture: NDArray[Pixel]) -> NDArray[Pixel]:
    """Return the picture, mirrored left to right where the scene says so."""
    return np.ascontiguousarray(picture[:, ::-1]) if scene.flip else picture


def _describe(scene: Scene, core: Region, tails: Region) -> Clast:
    """Return the clast with the kind and sense read off its finished geometry."""
    clast = scene.clast
    centre_x = scene.width - clast.centre_x if scene.flip else clast.centre_x
    x, y = foliation_frame(scene.width, scene.height, centre_x, clast.centre_y, scene.foliation_deg)
    at = np.flatnonzero(tails)
    kind, sense = read_tails(x[at] / clast.radius, y[at] / clast.radius, clast.mantle)
    if sense != scene.sense:
        raise SuiteError(
            f"Scene {scene.index}: the tails show {sense or 'no sense'} where {scene.truth} was drawn; "
            "raise `strain` or lower `mantle` in the recipe."
        )
    whole = core | tails
    box = box_around(whole)
    if box is None:
        raise SuiteError(f"Scene {scene.index}: the clast lies outside the picture; check `radius` in the recipe.")
    return Clast(
        box_xyxy=box,
        sense=sense,
        kind=kind,
        mask=encode(whole),
        parts={"core": encode(core), "tails": encode(tails)},
    )
