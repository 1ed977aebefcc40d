"""Masks between run lengths, polygons and arrays, in COCO's conventions.

Polygons are drawn by COCO's own rasteriser; run lengths are column-major and begin with a run of zeros.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import cast

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError
from ..records import Box, Clast, Mask


def decode(mask: Mask) -> NDArray[np.bool_]:
    """Return the region as `bool[H, W]`; raise DataError when the mask contradicts itself."""
    if mask.counts is not None and mask.polygons is None:
        return _decode_counts(mask.counts, mask.height, mask.width)
    if mask.polygons is not None and mask.counts is None:
        return _decode_polygons(mask.polygons, mask.height, mask.width)
    raise DataError("A mask needs either polygons or counts, exactly one of the two.")


def encode(array: NDArray[np.bool_]) -> Mask:
    """Return `bool[H, W]` as a mask of uncompressed column-major run lengths that begin with a run of zeros."""
    height, width = array.shape
    flat = np.concatenate(([False], array.astype(bool, copy=False).ravel(order="F")))
    changes = np.flatnonzero(flat[1:] != flat[:-1])
    edges = [0, *changes.tolist(), height * width]
    return Mask(height, width, counts=tuple(after - before for before, after in pairwise(edges)))


def from_coco(segmentation: object, height: int, width: int) -> Mask:
    """Return a COCO `segmentation` as a mask: polygons, uncompressed run lengths, or a compressed string.

    Raises DataError when it is none of the three or was drawn for a picture of another size.
    """
    if isinstance(segmentation, Mapping):
        return _from_run_lengths(cast("Mapping[str, object]", segmentation), height, width)
    if isinstance(segmentation, Sequence) and not isinstance(segmentation, str | bytes) and segmentation:
        polygons = tuple(_ring(ring) for ring in segmentation)
        _check_reach(polygons, height, width)
        return Mask(height, width, polygons=polygons)
    raise DataError(f"segmentation: expected polygons or run lengths, got {str(segmentation)[:40]!r}.")


def tails(clast: Clast) -> Mask | None:
    """Return mantle and tails: the part of that name, else outline minus core; None when neither is known."""
    if "tails" in clast.parts:
        return clast.parts["tails"]
    if clast.mask is None or "core" not in clast.parts:
        return None
    return encode(decode(clast.mask) & ~decode(clast.parts["core"]))


def box_of(mask: Mask) -> Box | None:
    """Return the smallest box of whole pixels that holds the mask; None when it is empty."""
    return box_around(decode(mask))


def box_around(region: NDArray[np.bool_]) -> Box | None:
    """Return the smallest box of whole pixels that holds `bool[H, W]`; None when it is empty."""
    rows, columns = np.flatnonzero(region.any(axis=1)), np.flatnonzero(region.any(axis=0))
    if not rows.size:
        return None
    return float(columns[0]), float(rows[0]), float(columns[-1] + 1), float(rows[-1] + 1)


def mirror(mask: Mask) -> Mask:
    """Return the left-right mirror image: exact for run lengths, to the rasteriser's rounding for polygons."""
    if mask.polygons is None:
        return encode(decode(mask)[:, ::-1])
    rings = tuple(
        tuple(mask.width - value if index % 2 == 0 else value for index, value in enumerate(ring))
        for ring in mask.polygons
    )
    return Mask(mask.height, mask.width, polygons=rings)


def _decode_counts(counts: tuple[int, ...], height: int, width: int) -> NDArray[np.bool_]:
    _check_total(counts, height, width)
    values = np.arange(len(counts)) % 2 == 1
    return np.repeat(values, counts).reshape((height, width), order="F")


def _decode_polygons(polygons: tuple[tuple[float, ...], ...], height: int, width: int) -> NDArray[np.bool_]:
    import faster_coco_eval.mask_api_new_cpp as coco  # noqa: PLC0415 - compiled, and brings OpenCV with it

    _check_reach(polygons, height, width)
    if not polygons:
        return np.zeros((height, width), dtype=bool)
    runs = coco.merge(coco.frPyObjects([list(ring) for ring in polygons], height, width), 0)
    return cast("NDArray[np.bool_]", coco.decode([runs])[:, :, 0].astype(bool))


def _check_reach(polygons: tuple[tuple[float, ...], ...], height: int, width: int) -> None:
    """Refuse what would make the rasteriser walk for ever: it visits every step of an edge, inside or outside."""
    for ring in polygons:
        for values, side in ((ring[0::2], width), (ring[1::2], height)):
            if min(values) < -side or max(values) > 2 * side:
                raise DataError(
                    f"segmentation: a polygon reaches from {min(values):g} to {max(values):g}, "
                    f"more than one picture side ({side}) outside the picture."
                )


def _ring(ring: object) -> tuple[float, ...]:
    if not isinstance(ring, Sequence) or len(ring) < 6 or len(ring) % 2:
        raise DataError(f"segmentation: a polygon needs an even number of at least 6 coordinates, got {ring!r:.40}.")
    values = tuple(float(value) if _is_number(value) else float("nan") for value in ring)
    if not all(np.isfinite(values)):
        raise DataError("segmentation: a polygon has a coordinate that is not a finite number.")
    return values


def _from_run_lengths(runs: Mapping[str, object], height: int, width: int) -> Mask:
    counts, size = runs.get("counts"), runs.get("size")
    if size not in ([height, width], (height, width)):
        raise DataError(f"segmentation.size: expected [{height}, {width}], the picture's, got {size!r:.40}.")
    if isinstance(counts, str | bytes):
        values = _uncompressed(counts if isinstance(counts, bytes) else counts.encode("ascii", "replace"))
    elif isinstance(counts, Sequence) and all(isinstance(count, int) for count in counts):
        values = tuple(cast("Sequence[int]", counts))
    else:
        raise DataError(f"segmentation.counts: expected whole numbers or a string, got {counts!r:.40}.")
    _check_total(values, height, width)
    return Mask(height, width, counts=values)


def _uncompressed(text: bytes) -> tuple[int, ...]:
    """Undo COCO's string coding: base-32 digits from the lowest, offset 48; from the fourth run on, differences.

    Written here because the compiled decoder reads beyond the end of a string that was cut short.
    """
    counts: list[int] = []
    value = shift = 0
    for byte in text:
        digit = byte - 48
        if not 0 <= digit < 64:
            raise DataError(f"segmentation.counts: the character {chr(byte)!r} is not of COCO's string coding.")
        value |= (digit & 31) << shift
        shift += 5
        if not digit & 32:
            value -= (1 << shift) if digit & 16 else 0
            counts.append(value + (counts[-2] if len(counts) > 2 else 0))
            value = shift = 0
        elif shift > 60:
            break
    if shift:
        raise DataError("segmentation.counts: the string ends in the middle of a number, or the number is too long.")
    return tuple(counts)


def _check_total(counts: tuple[int, ...], height: int, width: int) -> None:
    if any(count < 0 for count in counts) or sum(counts) != height * width:
        raise DataError(
            f"segmentation.counts: runs must be positive with the sum {height * width} "
            f"({height} by {width} pixels), got the sum {sum(counts)}."
        )


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e12
