"""The regions of a photograph that saliency maps are scored against."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil, pi, sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..data.masks import box_around, decode
from ..errors import DataError
from ..metrics import REGIONS
from ..records import Clast, Mask

Region = NDArray[np.bool_]

HALO = 0.5
"""Width of the contact halo in core radii: there the foliation bends around the clast."""
BORDER = 20
"""The border strip is one part in so many of each side: 5 %."""
_PRECEDENCE = ("artefacts", "core", "tails", "halo", "border", "matrix")


@dataclass(frozen=True, eq=False)
class Regions:
    """What lies where in a window of h by w pixels."""

    clast: Region
    """Union of the clasts' masks, bool[h, w]."""
    parts: Mapping[str, Region | None]
    """bool[h, w] of each of REGIONS, disjoint; None where unknown. When all are known they cover the window."""


def regions_of(
    clasts: Sequence[Clast],
    shape: tuple[int, int],
    *,
    window: tuple[int, int, int, int] | None = None,
    artefacts: Region | None = None,
) -> Regions:
    """Return the regions of a window (x0, y0, x1, y1 in whole pixels; default: all) of a photograph of `shape` (H, W).

    A pixel belongs to the first of: artefacts (bool[H, W]); core, of any clast; tails, the rest of a clast; halo,
    outside the clasts and within half a core radius sqrt(core area / pi) of one, distances between pixel centres;
    border, the strip of 5 % of each side of the window; matrix, what is left. Halos are those of the whole photograph,
    whatever the window. Where a clast's core is unknown, so are core, tails, halo and matrix, and the border holds what
    may be halo; artefacts of None are unknown and take nothing.

    Raises DataError for a clast without a mask or with one of another size, ValueError for a window that is not within
    the photograph and for artefacts of another shape or type.
    """
    x0, y0, x1, y1 = window or (0, 0, shape[1], shape[0])
    if not (0 <= x0 < x1 <= shape[1] and 0 <= y0 < y1 <= shape[0]):
        msg = f"window must be x0, y0, x1, y1 within {shape[1]} by {shape[0]} pixels, got {(x0, y0, x1, y1)}"
        raise ValueError(msg)
    if artefacts is not None and (artefacts.shape != shape or artefacts.dtype != np.bool_):
        msg = f"artefacts must be bool of shape {shape}, got {artefacts.dtype} of shape {artefacts.shape}"
        raise ValueError(msg)
    outlines = [_outline(one, shape) for one in clasts]
    claims = {"clast": _union(outlines, shape), **_grains(clasts, outlines, shape)}
    if artefacts is not None:
        claims["artefacts"] = artefacts
    seen = {name: region[y0:y1, x0:x1].copy() for name, region in claims.items()}
    return Regions(seen["clast"], _partition(seen))


def covered_by(artefacts: Mapping[str, Mask] | None, shape: tuple[int, int]) -> Region | None:
    """Return what a photograph's artefacts cover together, bool[H, W]: nothing where there are none, None if unknown.

    Raises DataError for a mask of another size than the photograph's `shape` (H, W).
    """
    return None if artefacts is None else _union([_decoded(mask, shape) for mask in artefacts.values()], shape)


def shrunk(mask: Region, shape: tuple[int, int]) -> Region:
    """Return bool[H, W] on a grid of `shape` (h, w): True where at least half of a cell's area is.

    Cells are equal and tile the mask; shares are counted in whole numbers, so that no cell is decided by rounding.
    """
    covered = _binned(_binned(mask, shape[0]).T, shape[1]).T
    return np.asarray(2 * covered >= mask.shape[0] * mask.shape[1])


def _partition(claims: Mapping[str, Region]) -> dict[str, Region | None]:
    """Give each pixel to the first region that claims it; without a core, what lies around the clasts is unknown."""
    clast = claims["clast"]
    border, everything = _border(clast.shape), np.ones_like(clast)
    rest = {"border": border, "matrix": everything} if "core" in claims else {"border": border & ~clast}
    free = everything.copy()
    found: dict[str, Region | None] = dict.fromkeys(REGIONS)
    for name in _PRECEDENCE:
        claim = {**claims, **rest}.get(name)
        if claim is not None:
            found[name] = claim & free
            free &= ~claim
    return found


def _grains(clasts: Sequence[Clast], outlines: Sequence[Region], shape: tuple[int, int]) -> dict[str, Region]:
    """Return core, tails and halo over the whole photograph, overlapping; nothing when a core is unknown."""
    cores = [_decoded(one.parts["core"], shape) for one in clasts if "core" in one.parts]
    if len(cores) < len(clasts):
        return {}
    tails = [_decoded(one.parts["tails"], shape) for one in clasts if "tails" in one.parts]
    halos = [_halo(outline, core) for outline, core in zip(outlines, cores, strict=True)]
    return {
        "core": _union(cores, shape),
        "tails": _union([*outlines, *tails], shape),
        "halo": _union(halos, shape) & ~_union(outlines, shape),
    }


def _halo(outline: Region, core: Region) -> Region:
    """Return what is within HALO core radii of the outline, the outline included."""
    from scipy.ndimage import distance_transform_edt  # noqa: PLC0415 – takes a second to import

    reach = HALO * sqrt(np.count_nonzero(core) / pi)
    near = np.zeros_like(outline)
    box = box_around(outline)
    if box is not None:
        margin = ceil(reach)
        x0, y0, x1, y1 = (int(value) for value in box)
        part = np.s_[max(y0 - margin, 0) : y1 + margin, max(x0 - margin, 0) : x1 + margin]
        near[part] = distance_transform_edt(~outline[part]) <= reach
    return near


def _border(shape: tuple[int, ...]) -> Region:
    strip = np.ones(shape, dtype=np.bool_)
    down, across = ((side + BORDER // 2) // BORDER for side in shape)
    strip[down : shape[0] - down, across : shape[1] - across] = False
    return strip


def _outline(clast: Clast, shape: tuple[int, int]) -> Region:
    if clast.mask is None:
        raise DataError(f"The clast in box {clast.box_xyxy} has no mask; maps are scored against outlined clasts only.")
    return _decoded(clast.mask, shape)


def _decoded(mask: Mask, shape: tuple[int, int]) -> Region:
    if (mask.height, mask.width) != shape:
        raise DataError(
            f"A mask is of {mask.width} by {mask.height} pixels, but its photograph of {shape[1]} by {shape[0]}."
        )
    return decode(mask)


def _union(regions: Sequence[Region], shape: tuple[int, int]) -> Region:
    union = np.zeros(shape, dtype=np.bool_)
    for region in regions:
        union |= region
    return union


def _binned(counts: NDArray[Any], n: int) -> NDArray[np.int64]:
    """Sum the rows of [S, k] into n equal cells of S / n rows each, in units of 1 / n of a row: int64[n, k]."""
    side = len(counts)
    below = np.zeros((side + 1, *counts.shape[1:]), np.int32 if counts.dtype == np.bool_ else np.int64)
    np.cumsum(counts, axis=0, out=below[1:])
    row, part = np.divmod(np.arange(n + 1) * side, n)
    edges = below[row] * (n - part)[:, None] + below[np.minimum(row + 1, side)] * part[:, None]
    cells: NDArray[np.int64] = np.diff(edges, axis=0)
    return cells
