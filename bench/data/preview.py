"""A contact sheet: photographs with their boxes, outlines, cores and senses, to be looked at."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from ..errors import DataError
from ..records import Clast, Mask, Photomicrograph
from .letterbox import Letterbox, letterbox
from .masks import decode

OUTLINE = "#56b4e9"
CORE = "#f0e442"
BOX = "#ffffff"
IGNORE = "#999999"
"""Colours of Okabe and Ito's palette, told apart by readers who do not see red and green."""

_CAPTION = 14


def contact_sheet(
    photographs: Sequence[Photomicrograph],
    path: Path,
    columns: int = 6,
    tile: tuple[int, int] = (240, 160),
    limit: int = 48,
) -> None:
    """Write a PNG of the first `limit` photographs, `columns` in a row, each on a tile of (width, height) pixels.

    Outlines are blue, cores yellow, boxes white with the sense beside them, ignore boxes grey. The sheet shows the
    photographs: mind their rights before passing it on.
    """
    shown = photographs[:limit]
    if not shown:
        raise DataError(f"{path}: there are no photographs to show.")
    columns = min(columns, len(shown))
    width, height = tile[0] + 4, tile[1] + _CAPTION + 4
    sheet = Image.new("RGB", (columns * width, math.ceil(len(shown) / columns) * height), "black")
    for index, photo in enumerate(shown):
        sheet.paste(_tile(photo, tile), (index % columns * width + 2, index // columns * height + 2))
    sheet.save(path, format="PNG")


def _tile(photo: Photomicrograph, size: tuple[int, int]) -> Image.Image:
    canvas, place = letterbox(photo.load(), (size[1], size[0]), pad=40)
    tile = Image.new("RGB", (size[0], size[1] + _CAPTION), "black")
    picture = Image.fromarray(canvas)
    draw = ImageDraw.Draw(picture)
    for clast in sorted(photo.clasts, key=lambda clast: not clast.ignore):
        _draw_clast(draw, clast, place)
    tile.paste(picture, (0, 0))
    caption = f"{photo.id}  {photo.truth or 'open'}"
    ImageDraw.Draw(tile).text((2, size[1] + 1), caption, fill="white")
    return tile


def _draw_clast(draw: ImageDraw.ImageDraw, clast: Clast, place: Letterbox) -> None:
    box = place.to_crop([clast.box_xyxy])[0]
    if clast.ignore:
        _draw_box(draw, box, IGNORE)
        return
    if clast.mask is not None:
        _draw_mask(draw, clast.mask, place, OUTLINE)
    if "core" in clast.parts:
        _draw_mask(draw, clast.parts["core"], place, CORE)
    _draw_box(draw, box, BOX)
    words = " ".join(word for word in (clast.sense, clast.kind, "" if clast.primary else "(by)") if word)
    draw.text((box[0] + 2, box[1] + 1), words, fill=BOX, stroke_width=1, stroke_fill="black")


def _draw_mask(draw: ImageDraw.ImageDraw, mask: Mask, place: Letterbox, colour: str) -> None:
    if mask.polygons is None:
        draw.point([tuple(point) for point in _border(mask, place)], fill=colour)
        return
    for ring in _rings(mask, place):
        _draw_line(draw, [*ring, ring[0]], colour)


def _draw_box(draw: ImageDraw.ImageDraw, box: NDArray[np.float64], colour: str) -> None:
    x0, y0, x1, y1 = (float(value) for value in box)
    _draw_line(draw, [(x0, y0), (x1, y0), (x1, y1), (x0, y1), (x0, y0)], colour)


def _draw_line(draw: ImageDraw.ImageDraw, points: list[tuple[float, float]], colour: str) -> None:
    """Draw a thin line on a wider black one, so that it is seen on any ground."""
    draw.line(points, fill="black", width=3)
    draw.line(points, fill=colour)


def _rings(mask: Mask, place: Letterbox) -> Iterator[list[tuple[float, float]]]:
    for ring in mask.polygons or ():
        points = np.array(ring).reshape(-1, 2)
        moved = place.to_crop(np.hstack([points, points]))[:, :2]
        yield [(float(x), float(y)) for x, y in moved]


def _border(mask: Mask, place: Letterbox) -> list[list[float]]:
    """Return the canvas points of the mask's pixels that have a neighbour outside it."""
    region = np.pad(decode(mask), 1)
    inner = region[1:-1, 1:-1] & region[:-2, 1:-1] & region[2:, 1:-1] & region[1:-1, :-2] & region[1:-1, 2:]
    rows, columns = np.nonzero(region[1:-1, 1:-1] & ~inner)
    points = np.stack([columns, rows, columns, rows], axis=1) + 0.5
    moved: list[list[float]] = place.to_crop(points)[:, :2].tolist()
    return moved
