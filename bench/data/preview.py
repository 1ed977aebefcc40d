"""A contact sheet: photographs with their boxes, outlines, cores, artefacts and senses, to be looked at."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from ..errors import DataError
from ..records import Clast, Mask, Photomicrograph
from .letterbox import Letterbox, letterbox
from .masks import decode

OUTLINE = "#56b4e9"
CORE = "#f0e442"
ARTEFACT = "#d55e00"
BOX = "#ffffff"
IGNORE = "#999999"
"""Colours of Okabe and Ito's palette, told apart by readers who do not see red and green."""

LEGEND = (
    (OUTLINE, "clast with its tails"),
    (CORE, "core"),
    (BOX, "box with sense and kind; (by): by-stander, the label does not speak of it"),
    (IGNORE, "not counted"),
    (ARTEFACT, "artefact"),
)

LABEL = 26
"""Height of the strip above a group."""

_CAPTION = 14
_LINE = 18
_WORDS = 13
_GAP = 2


@dataclass(frozen=True, slots=True)
class Group:
    """Photographs that stand together on a sheet, below a label."""

    label: str
    photographs: Sequence[Photomicrograph]


def contact_sheet(
    photographs: Sequence[Photomicrograph],
    path: Path,
    columns: int = 6,
    tile: tuple[int, int] = (240, 160),
    limit: int = 48,
    *,
    plain: bool = False,
) -> None:
    """Write a PNG of the first `limit` photographs, `columns` in a row, each on a tile of (width, height) pixels.

    Outlines are blue, cores yellow, artefacts red, boxes white with the sense beside them, ignore boxes grey; `plain`
    leaves all of them out. The sheet shows the photographs: mind their rights before passing it on.
    """
    grouped_sheet([Group("", photographs[:limit])], path, columns, tile, plain=plain)


def grouped_sheet(
    groups: Sequence[Group],
    path: Path,
    columns: int = 6,
    tile: tuple[int, int] = (240, 160),
    *,
    plain: bool = False,
) -> None:
    """Write a PNG of groups one below the other, each in rows of its own; colours are those of `contact_sheet`."""
    shown = [group for group in groups if group.photographs]
    if not shown:
        raise DataError(f"{path}: there are no photographs to show.")
    columns = min(columns, max(len(group.photographs) for group in shown))
    width = columns * (tile[0] + 2 * _GAP)
    bands = [_band(group, columns, tile, plain=plain) for group in shown]
    if not plain:
        bands.append(_legend(width))
    sheet = Image.new("RGB", (width, sum(band.height for band in bands)), "black")
    top = 0
    for band in bands:
        sheet.paste(band, (0, top))
        top += band.height
    sheet.save(path, format="PNG")


def _band(group: Group, columns: int, tile: tuple[int, int], *, plain: bool) -> Image.Image:
    """Draw one group: its label, if it has one, and its rows."""
    width, height = tile[0] + 2 * _GAP, tile[1] + _CAPTION + 2 * _GAP
    top = LABEL if group.label else 0
    band = Image.new("RGB", (columns * width, top + math.ceil(len(group.photographs) / columns) * height), "black")
    if group.label:
        ImageDraw.Draw(band).text((2 * _GAP, 4), group.label, fill="white", font=_font(_LINE))
    for index, photo in enumerate(group.photographs):
        place = index % columns * width + _GAP, top + index // columns * height + _GAP
        band.paste(_tile(photo, tile, plain=plain), place)
    return band


def _legend(width: int) -> Image.Image:
    """Draw what the colours mean, in as many lines as the width needs."""
    font = _font(12)
    places, x, line = [], 2 * _GAP, 0
    for _, words in LEGEND:
        wide = 20 + math.ceil(font.getlength(words)) + 16
        if x + wide > width and x > 2 * _GAP:
            x, line = 2 * _GAP, line + 1
        places.append((x, line * _LINE))
        x += wide
    legend = Image.new("RGB", (width, (line + 1) * _LINE + 2 * _GAP), "black")
    draw = ImageDraw.Draw(legend)
    for (colour, words), (left, top) in zip(LEGEND, places, strict=True):
        draw.line([(left, top + 9), (left + 14, top + 9)], fill=colour, width=3)
        draw.text((left + 20, top + 2), words, fill="white", font=font)
    return legend


def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size=size)


def _tile(photo: Photomicrograph, size: tuple[int, int], *, plain: bool) -> Image.Image:
    canvas, place = letterbox(photo.load(), (size[1], size[0]), pad=40)
    tile = Image.new("RGB", (size[0], size[1] + _CAPTION), "black")
    picture = Image.fromarray(canvas)
    if not plain:
        _draw_known(ImageDraw.Draw(picture), photo, place)
    tile.paste(picture, (0, 0))
    caption = f"{photo.id}  {photo.truth or 'open'}"
    ImageDraw.Draw(tile).text((2, size[1] + 1), caption, fill="white")
    return tile


def _draw_known(draw: ImageDraw.ImageDraw, photo: Photomicrograph, place: Letterbox) -> None:
    for mask in (photo.artefacts or {}).values():
        _draw_mask(draw, mask, place, ARTEFACT, around=True)
    for clast in sorted(photo.clasts, key=lambda clast: not clast.ignore):
        _draw_clast(draw, clast, place)


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
    _draw_words(draw, words, box, place)


def _draw_mask(draw: ImageDraw.ImageDraw, mask: Mask, place: Letterbox, colour: str, *, around: bool = False) -> None:
    """Draw the line about a mask; `around` puts it on the pixels outside, so that thin strokes stay to be seen."""
    if mask.polygons is None:
        draw.point(_border(mask, place, around=around), fill=colour)
        return
    for ring in _rings(mask, place):
        _draw_line(draw, [*ring, ring[0]], colour)


def _draw_box(draw: ImageDraw.ImageDraw, box: NDArray[np.float64], colour: str) -> None:
    x0, y0, x1, y1 = (float(value) for value in box)
    _draw_line(draw, [(x0, y0), (x1, y0), (x1, y1), (x0, y1), (x0, y0)], colour)


def _draw_words(draw: ImageDraw.ImageDraw, words: str, box: NDArray[np.float64], place: Letterbox) -> None:
    """Write above a box where there is room, else at its top, and never beyond the sides."""
    x = max(1.0, min(float(box[0]) + 2, place.width - draw.textlength(words) - 2))
    y = float(box[1]) - _WORDS if box[1] >= _WORDS else max(float(box[1]), 0.0) + 1
    draw.text((x, y), words, fill=BOX, stroke_width=1, stroke_fill="black")


def _draw_line(draw: ImageDraw.ImageDraw, points: list[tuple[float, float]], colour: str) -> None:
    """Draw a thin line on a wider black one, so that it is seen on any ground."""
    draw.line(points, fill="black", width=3)
    draw.line(points, fill=colour)


def _rings(mask: Mask, place: Letterbox) -> Iterator[list[tuple[float, float]]]:
    for ring in mask.polygons or ():
        points = np.array(ring).reshape(-1, 2)
        moved = place.to_crop(np.hstack([points, points]))[:, :2]
        yield [(float(x), float(y)) for x, y in moved]


def _border(mask: Mask, place: Letterbox, *, around: bool) -> list[tuple[float, float]]:
    """Return the canvas pixels of the mask that have a neighbour outside it; `around`: those beside it."""
    region = np.pad(_on_canvas(mask, place), 1)
    region = ~region if around else region
    inner = region[1:-1, 1:-1] & region[:-2, 1:-1] & region[2:, 1:-1] & region[1:-1, :-2] & region[1:-1, 2:]
    rows, columns = np.nonzero(region[1:-1, 1:-1] & ~inner)
    return list(zip(columns.tolist(), rows.tolist(), strict=True))


def _on_canvas(mask: Mask, place: Letterbox) -> NDArray[np.bool_]:
    """Return the mask as the canvas shows it: the photograph's pixel below the centre of each of its own."""
    side = np.arange(max(place.width, place.height)) + 0.5
    across, down = place.to_photograph(np.stack([side] * 4, axis=1))[:, :2].T
    columns, rows = np.floor(across[: place.width]).astype(int), np.floor(down[: place.height]).astype(int)
    within = ((rows >= 0) & (rows < mask.height))[:, None] & ((columns >= 0) & (columns < mask.width))
    shown = decode(mask)[np.clip(rows, 0, mask.height - 1)[:, None], np.clip(columns, 0, mask.width - 1)]
    return np.asarray(shown & within)
