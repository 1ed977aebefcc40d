"""What a map of a detector's box is scored against: its clast, the regions around, and the box itself."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from ..data.letterbox import read_map
from ..metrics import LOCALISATION, shares
from ..records import Box, Clast, Photomicrograph
from .box_regards import FALSE_ALARM, BoxRegard
from .localising import Scene, scene_of

BOX = "box"
"""The explained box as a region: `share_box`, `area_box`, `lift_box`."""
_AROUND_CLASTS = ("core", "tails", "halo", "matrix")
_KINDS = ("share", "area", "lift")
NAN = math.nan


class BoxScenes:
    """The scenes of one photograph, each made once."""

    def __init__(self, photo: Photomicrograph) -> None:
        self._photo = photo
        self._scene = lru_cache(maxsize=None)(self._made)

    def scores(self, regard: BoxRegard, saliency: NDArray[np.float32], extent: Box) -> dict[str, float]:
        """Score one map float32[h, w] that covers `extent`; NaN where a score is undefined.

        What was found or missed is scored against the outline of that clast. A false alarm has none: only the shares of
        its heat are known, on all outlined clasts and around them. The share within the box itself is told of all.
        """
        which = self._clasts(regard)
        scene = self._scene(which)
        found = scene.scores(saliency, extent)
        unknown = set(LOCALISATION) if regard.clast is None or not which else set()
        if not self._outlined(regard, which):
            unknown |= {f"{kind}_{name}" for name in _AROUND_CLASTS for kind in _KINDS}
        kept = {name: NAN if name in unknown else value for name, value in found.items()}
        if regard.target == FALSE_ALARM:
            kept = {name: value for name, value in kept.items() if name not in LOCALISATION}
        return {**kept, **_in_box(scene, regard.box, saliency, extent)}

    def _made(self, which: tuple[int, ...]) -> Scene:
        return scene_of(self._photo, None, [self._photo.clasts[at] for at in which])

    def _clasts(self, regard: BoxRegard) -> tuple[int, ...]:
        chosen = range(len(self._photo.clasts)) if regard.clast is None else (regard.clast,)
        return tuple(at for at in chosen if self._photo.clasts[at].mask is not None)

    def _outlined(self, regard: BoxRegard, which: Sequence[int]) -> bool:
        """Whether all that the regions speak of is drawn."""
        if regard.clast is not None:
            return bool(which)
        clasts: Sequence[Clast] = self._photo.clasts
        drawn = all(clast.mask is not None for clast in clasts if not clast.ignore)
        return drawn and (bool(clasts) or not self._photo.present)


def _in_box(scene: Scene, box: Box, saliency: NDArray[np.float32], extent: Box) -> dict[str, float]:
    """Return share, area and lift of the cells whose centres lie in the box, as `metrics.shares` of a region."""
    rows, columns = scene.regions.clast.shape
    x0, y0, x1, y1 = scene.window
    down = y0 + (np.arange(rows) + 0.5) * (y1 - y0) / rows
    across = x0 + (np.arange(columns) + 0.5) * (x1 - x0) / columns
    inside = ((down >= box[1]) & (down < box[3]))[:, None] & ((across >= box[0]) & (across < box[2]))
    at = read_map(saliency, extent, scene.window, (rows, columns))
    return {name: float(value[0]) for name, value in shares(at[None], {BOX: inside}).items()}
