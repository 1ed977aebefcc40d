"""From a scene to a finished photograph with exact masks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from ..data.masks import box_around, encode
from ..records import Clast
from .artefacts import etch, overlay
from .camera import compressed, photograph
from .optics import LUMINANCE
from .paint import paint
from .reading import is_cut, read
from .rock import NOWHERE, Rock, lay_out
from .scene import Porphyroclast, Scene

Region = NDArray[np.bool_]
Pixel = TypeVar("Pixel", bound=np.generic)


@dataclass(frozen=True, slots=True)
class Rendering:
    """A finished photograph and what is where in it."""

    image: NDArray[np.uint8]
    """RGB, uint8[H, W, 3]."""
    clast: NDArray[np.int8]
    """Which of the scene's clasts each pixel shows, int8[H, W], -1 for none."""
    core: Region
    """Cores, bool[H, W]."""
    tails: Region
    """Mantles and tails, bool[H, W]."""
    artefacts: Mapping[str, Region]
    """What each kind of artefact covers, bool[H, W]."""
    clasts: tuple[Clast, ...]
    """Those that are seen, in the order of the scene."""


def render(scene: Scene) -> Rendering:
    """Render a scene: the same pixels whenever, wherever and in whatever order it is done."""
    rock = lay_out(scene)
    light, matrix = paint(scene, rock)
    covered = etch(light, scene.artefacts, float((matrix @ LUMINANCE).mean()))
    image = photograph(scene, light, matrix)
    covered.update(overlay(image, scene.artefacts))
    image = compressed(scene.camera, image)
    seen = _Seen(scene, rock)
    return Rendering(
        image=seen.turned(image),
        clast=seen.clast,
        core=seen.core,
        tails=(seen.clast != NOWHERE) & ~seen.core,
        artefacts={kind: seen.turned(region) for kind, region in covered.items()},
        clasts=tuple(found for at, clast in enumerate(scene.clasts) if (found := seen.describe(at, clast))),
    )


class _Seen:
    """The rock as the finished photograph shows it."""

    def __init__(self, scene: Scene, rock: Rock) -> None:
        self._scene = scene
        self.clast, self.core = self.turned(rock.clast), self.turned(rock.core)

    def turned(self, picture: NDArray[Pixel]) -> NDArray[Pixel]:
        """Return the picture, mirrored left to right where the scene says so."""
        return np.ascontiguousarray(picture[:, ::-1]) if self._scene.flip else picture

    def describe(self, number: int, clast: Porphyroclast) -> Clast | None:
        """Return the clast with the kind and sense read off its geometry; None if the picture shows nothing of it."""
        whole = self.clast == number
        box = box_around(whole)
        if box is None:
            return None
        kind, sense = read(clast)
        core = whole & self.core
        return Clast(
            box_xyxy=box,
            sense=self._scene.shown(sense),
            kind=kind,
            mask=encode(whole),
            parts={"core": encode(core), "tails": encode(whole & ~core)},
            ignore=is_cut(self._scene, clast),
            primary=number == 0 or sense is not None,
        )
