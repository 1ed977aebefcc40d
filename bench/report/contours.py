"""Outlines of clasts as closed rings in photograph coordinates, and as SVG paths."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..data.masks import decode
from ..data.preview import BOX, CORE, IGNORE, OUTLINE
from ..records import Box, Clast, Mask, Photomicrograph

Ring = NDArray[np.float64]
"""float64[N, 2]: x, y in photograph coordinates; the last point joins the first."""

COLOURS = {"outline": OUTLINE, "core": CORE, "box": BOX, "ignore": IGNORE}
"""By part; of Okabe and Ito's palette, as in `data.preview`."""


@dataclass(frozen=True, slots=True)
class Contour:
    """The outline of one part of one clast."""

    part: str
    """One of COLOURS; `box` where a clast has no outline."""
    rings: tuple[Ring, ...]

    @property
    def path(self) -> str:
        """The rings as the `d` of an SVG path, in photograph coordinates to a tenth of a pixel."""
        return "".join(f"M{'L'.join(f'{x:.1f} {y:.1f}' for x, y in ring.tolist())}Z" for ring in self.rings)


def contours(photo: Photomicrograph, step: float = 0.0) -> tuple[Contour, ...]:
    """Return the outlines of a photograph, cores last; points nearer than `step` pixels to the last one are left out.

    Of a clast: its outline (else its tails) and its core; its box where neither is known or where it is to be ignored.
    """
    found = [contour for clast in photo.clasts for contour in _of(clast, step)]
    return tuple(sorted(found, key=lambda contour: contour.part == "core"))


def rings_of(mask: Mask, step: float = 0.0) -> tuple[Ring, ...]:
    """Return the border of a mask: a polygon's own corners, or the half-way line of the run lengths' pixels."""
    if mask.polygons is not None:
        rings = [np.asarray(ring, dtype=np.float64).reshape(-1, 2) for ring in mask.polygons]
    else:
        rings = _traced(decode(mask))
    return tuple(thinned for ring in rings if len(thinned := _thinned(ring, step)) >= 3)


def _of(clast: Clast, step: float) -> list[Contour]:
    if clast.ignore:
        return [Contour("ignore", (_corners(clast.box_xyxy),))]
    whole, core = clast.mask or clast.parts.get("tails"), clast.parts.get("core")
    parts = [(name, rings_of(mask, step)) for name, mask in (("outline", whole), ("core", core)) if mask is not None]
    found = [Contour(name, rings) for name, rings in parts if rings]
    return found or [Contour("box", (_corners(clast.box_xyxy),))]


def _corners(box: Box) -> Ring:
    x0, y0, x1, y1 = box
    return np.asarray([(x0, y0), (x1, y0), (x1, y1), (x0, y1)], dtype=np.float64)


def _traced(region: NDArray[np.bool_]) -> list[Ring]:
    """Trace `bool[H, W]` at the level one half; the value of a pixel stands at its centre."""
    from contourpy import contour_generator  # noqa: PLC0415 - comes with matplotlib

    rows, columns = np.flatnonzero(region.any(axis=1)), np.flatnonzero(region.any(axis=0))
    if not rows.size:
        return []
    top, left = int(rows[0]), int(columns[0])
    inner = np.pad(region[top : rows[-1] + 1, left : columns[-1] + 1], 1).astype(np.float64)
    lines: Sequence[Ring] = contour_generator(z=inner).lines(0.5)  # type: ignore[assignment]
    corner = np.asarray((left - 0.5, top - 0.5))
    return [np.asarray(line)[:-1] + corner for line in lines]


def _thinned(ring: Ring, step: float) -> Ring:
    """Leave out points nearer than `step` to the last one kept, and those in the middle of a straight line."""
    places = [0]
    for at in range(1, len(ring)):
        if np.hypot(*(ring[at] - ring[places[-1]])) >= step:
            places.append(at)
    kept = ring[places]
    before, after = kept - np.roll(kept, 1, axis=0), np.roll(kept, -1, axis=0) - kept
    turns = before[:, 0] * after[:, 1] - before[:, 1] * after[:, 0]
    return kept[np.abs(turns) > 1e-9]
