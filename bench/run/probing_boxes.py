"""How faithful maps of a detector's boxes are: its answers while cells of the photograph are taken away."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..data.letterbox import PAD, read_map
from ..explain.box_maps import box_values
from ..explain.drise import Ask
from ..metrics import curves, faithfulness
from ..records import Box, MapScores, Photomicrograph
from .box_regards import FOUND
from .localising import table

AT_ONCE = 32
"""Pictures handed over in one call."""


@dataclass(frozen=True, eq=False)
class Probing:
    """F explained boxes of one photograph, and their maps by each method."""

    photo: Photomicrograph
    pixels: NDArray[np.uint8]
    """uint8[H, W, 3], as the detector is asked about it."""
    extent: Box
    """The photograph, in its own coordinates."""
    ask: Ask
    boxes: NDArray[np.float32]
    """float32[F, 4], in pixels of `pixels`."""
    labels: NDArray[np.int8]
    maps: Mapping[str, tuple[NDArray[np.float32], Box]]
    """Method to float32[F, h, w] and the part of the photograph they tile."""


@dataclass(frozen=True, eq=False)
class Faith:
    """What removing cells said of one map."""

    method: str
    photo: Photomicrograph
    values: Mapping[str, float]
    curves: Mapping[str, NDArray[np.float64]]


def probed(one: Probing) -> list[Faith]:
    """Take cells of one photograph away, for all its maps together; methods one after the other."""
    import torch  # noqa: PLC0415

    from ..explain.faithful import Case, probe_maps  # noqa: PLC0415
    from ..explain.imputers import imputers  # noqa: PLC0415

    height, width = one.pixels.shape[:2]
    told = [
        (method, column, read_map(maps[column], extent, one.extent, (height, width)))
        for method, (maps, extent) in one.maps.items()
        for column in range(len(one.boxes))
    ]
    picture = torch.from_numpy(one.pixels.transpose(2, 0, 1).astype(np.float32) / 255)
    case = Case(picture, (0, 0, width, height), [(column, saliency) for _, column, saliency in told])
    values = box_values(one.ask, one.boxes, one.labels)
    (said,) = probe_maps([case], values, imputers(PAD / 255), batch=AT_ONCE)
    return [
        Faith(method, one.photo, faithfulness(removed), curves(removed))
        for (method, _, _), removed in zip(told, said, strict=True)
    ]


def faith_tables(found: Sequence[Faith]) -> list[MapScores]:
    """Return one table a method, of the target `found`; nothing without maps."""
    return [
        _table(method, [one for one in found if one.method == method])
        for method in dict.fromkeys(o.method for o in found)
    ]


def _table(method: str, found: Sequence[Faith]) -> MapScores:
    return table(method, FOUND, [(one.photo, one.values) for one in found], [one.curves for one in found])
