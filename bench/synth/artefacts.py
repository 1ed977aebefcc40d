"""What photographs of thin sections show beside the rock, from bubbles and cracks to scale bars and watermarks.

    draw_artefacts   rng, share            ->  records, drawn without a look at the label
    etch             records, linear light ->  bubbles and cracks, before the camera
    overlay          records, photograph   ->  frames, bars, letters, arrows, watermarks, after it

Positions are shares of the picture's sides and sizes shares of its width, so a record looks alike at any resolution.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from .texture import Floats

Region = NDArray[np.bool_]
Coverage = NDArray[np.uint8]
Points = NDArray[np.float64]
Random = np.random.Generator
Option = TypeVar("Option")

KINDS: tuple[str, ...] = ("frame", "field", "bubble", "crack", "scale-bar", "letter", "arrow", "watermark")

FREQUENCY: Mapping[str, float] = {
    "frame": 0.6,
    "field": 0.05,
    "bubble": 0.4,
    "crack": 0.6,
    "scale-bar": 1.0,
    "letter": 0.9,
    "arrow": 0.4,
    "watermark": 0.25,
}
"""How often a picture has each kind when `share` is 1; frame and field exclude each other, so they sum to at most 1."""

_CAPTIONS = ("0.1 mm", "0.2 mm", "0.5 mm", "1 mm", "2 mm", "5 mm", "100 um", "200 um", "250 um", "500 um")
"""Written um, as microscopes' software does: the font at hand has no Greek letters."""
_PANELS = tuple("abcdefghABCD")
_PANEL_STYLES = ("{}", "{}", "({})", "{})")
_MINERALS = ("Qtz", "Fsp", "Pl", "Kfs", "Ms", "Bt", "Grt", "Cal", "Chl")
"""Abbreviations that rock-forming minerals have in the literature."""
_WATERMARKS = ("PREVIEW", "SAMPLE", "COPYRIGHT", "DO NOT COPY", "© 2004", "© 2011", "Thin section", "Rock library")

_SUPERSAMPLING = 3
_CAPITAL = 48
"""Height, in pixels, of the capitals that lettering is rasterised with before it is scaled to its place."""
_WHITE = 4.0
"""Linear light that counts as white, over the brightness of the rock: the camera exposes that to about 1/4."""


@dataclass(frozen=True, slots=True)
class Artefact:
    """One artefact; raises ValueError for a kind that is not among KINDS."""

    kind: str
    x: float
    """Place of its middle, 0..1 from the left. The middle of a frame is that of its opening."""
    y: float
    """Place of its middle, 0..1 from the top."""
    size: float
    """Share of the width: thickness of a frame, radius of a field or bubble, height of a letter's capitals; the length
    of the other kinds."""
    angle: float = 0.0
    """Degrees counter-clockwise as seen. The upper of two half-arrows points along it, the lower one against it:
    the pair reads CW where the cosine is positive, CCW where it is negative."""
    tone: float = 1.0
    """Brightness, 0 black .. 1 white."""
    text: str = ""
    """What a letter or watermark says; the caption of a scale bar."""
    seed: int = 0
    """Of the fine detail; 0 or more."""

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"Artefact field kind is {self.kind!r}; give one of {', '.join(KINDS)}.")


def draw_artefacts(rng: Random, share: float) -> tuple[Artefact, ...]:
    """Draw the artefacts of one picture: each kind with probability `share` (0..1) times its FREQUENCY.

    All are drawn in full and some kept, so that what is drawn next from `rng` does not depend on `share`.
    """
    kept = _draw_kinds(rng, share)
    every = [artefact for draw in _DRAWN for artefact in draw(rng)]
    return tuple(artefact for artefact in every if artefact.kind in kept)


def etch(light: Floats, artefacts: Sequence[Artefact], brightness: float) -> dict[str, Region]:
    """Put bubbles and cracks into linear light float32[H, W, 3] of a brightness, in place; other kinds are ignored.

    Returns the mask bool[H, W] of the pixels touched by each kind; a kind that touched none is absent.
    """
    return _put(_ETCHED, light, _WHITE * brightness, artefacts)


def overlay(image: NDArray[np.uint8], artefacts: Sequence[Artefact]) -> dict[str, Region]:
    """Put all other kinds onto RGB `uint8[H, W, 3]`, in place, frame and field below the rest.

    Returns the mask bool[H, W] of the pixels touched by each kind; a kind that touched none is absent.
    """
    upwards = sorted(artefacts, key=lambda artefact: artefact.kind not in {"frame", "field"})
    return _put(_OVERLAID, image, 255.0, upwards)


# ---- drawing records. Every number is one `rng.random()`: `integers` would use up more or less as it falls.


def _draw_kinds(rng: Random, share: float) -> set[str]:
    border = rng.random()
    kept = {kind for kind in KINDS if kind not in {"frame", "field"} and _happens(rng, share * FREQUENCY[kind])}
    if border < share * FREQUENCY["frame"]:
        kept.add("frame")
    elif border < share * (FREQUENCY["frame"] + FREQUENCY["field"]):
        kept.add("field")
    return kept


def _draw_borders(rng: Random) -> Iterable[Artefact]:
    for kind, slack, low, high in (("frame", 0.008, 0.015, 0.06), ("field", 0.03, 0.36, 0.55)):
        yield Artefact(
            kind,
            x=rng.uniform(0.5 - slack, 0.5 + slack),
            y=rng.uniform(0.5 - slack, 0.5 + slack),
            size=rng.uniform(low, high),
            tone=rng.uniform(0.0, 0.08),
            seed=_draw_seed(rng),
        )


def _draw_bubbles(rng: Random) -> Iterable[Artefact]:
    """Draw one to three bubbles, the first the largest."""
    largest = rng.uniform(0.02, 0.08)
    bubbles = [
        Artefact(
            "bubble",
            x=rng.random(),
            y=rng.random(),
            size=largest * rng.uniform(0.3, 1.0) ** rank,
            tone=_draw_tone(rng, bright=0.3),
            seed=_draw_seed(rng),
        )
        for rank in range(3)
    ]
    return bubbles[: _pick(rng, (1, 2, 3))]


def _draw_cracks(rng: Random) -> Iterable[Artefact]:
    """Draw one to three cracks of any direction; the later ones are more or less parallel to the first."""
    direction = rng.uniform(0, 180)
    cracks = [
        Artefact(
            "crack",
            x=rng.random(),
            y=rng.random(),
            size=rng.uniform(0.3, 1.2),
            angle=direction + rng.uniform(-20, 20),
            tone=_draw_tone(rng, bright=0.35),
            seed=_draw_seed(rng),
        )
        for _ in range(3)
    ]
    return cracks[: _pick(rng, (1, 2, 3))]


def _draw_scale_bars(rng: Random) -> Iterable[Artefact]:
    size, x, y = rng.uniform(0.12, 0.28), _pick(rng, (0.0, 1.0, 1.0)), rng.uniform(0.87, 0.92)
    margin = 0.05 + size / 2 + rng.uniform(0.0, 0.03)
    yield Artefact(
        "scale-bar",
        x=x + (margin if x == 0 else -margin),
        y=y,
        size=size,
        tone=_draw_tone(rng, bright=0.75),
        text=_pick(rng, _CAPTIONS),
        seed=_draw_seed(rng),
    )


def _draw_letters(rng: Random) -> Iterable[Artefact]:
    """Draw a panel letter in a corner, mineral names within the picture, or both."""
    tone = _draw_tone(rng, bright=0.75)
    left, top = _happens(rng, 0.8), _happens(rng, 0.9)
    margin_x, margin_y = rng.uniform(0.055, 0.075), rng.uniform(0.08, 0.11)
    panel = Artefact(
        "letter",
        x=margin_x if left else 1 - margin_x,
        y=margin_y if top else 1 - margin_y,
        size=rng.uniform(0.035, 0.06),
        tone=tone,
        text=_pick(rng, _PANEL_STYLES).format(_pick(rng, _PANELS)),
        seed=_draw_seed(rng),
    )
    height, look = rng.uniform(0.025, 0.035), _draw_seed(rng)  # the names of one picture look alike
    names = [
        Artefact(
            "letter",
            x=rng.uniform(0.12, 0.88),
            y=rng.uniform(0.2, 0.8),
            size=height,
            tone=tone,
            text=_pick(rng, _MINERALS),
            seed=look,
        )
        for _ in range(3)
    ]
    first, last = _pick(rng, ((0, 1), (0, 1), (0, 1), (0, 3), (0, 4), (1, 3), (1, 4)))
    return [panel, *names][first:last]


def _draw_arrows(rng: Random) -> Iterable[Artefact]:
    """Draw a pair of half-arrows above or below the middle; a coin of its own says which shear they claim."""
    yield Artefact(
        "arrow",
        x=rng.uniform(0.25, 0.75),
        y=_pick(rng, (0.15, 0.85)) + rng.uniform(-0.04, 0.04),
        size=rng.uniform(0.1, 0.2),
        angle=_pick(rng, (0.0, 180.0)) + rng.uniform(-12, 12),
        tone=_draw_tone(rng, bright=0.6),
        seed=_draw_seed(rng),
    )


def _draw_watermarks(rng: Random) -> Iterable[Artefact]:
    yield Artefact(
        "watermark",
        x=rng.uniform(0.45, 0.55),
        y=rng.uniform(0.4, 0.6),
        size=rng.uniform(0.4, 0.8),
        angle=_pick(rng, (0.0, -30.0, 30.0)) + rng.uniform(-3, 3),
        tone=_draw_tone(rng, bright=0.8),
        text=_pick(rng, _WATERMARKS),
        seed=_draw_seed(rng),
    )


_DRAWN: tuple[Callable[[Random], Iterable[Artefact]], ...] = (
    _draw_borders,
    _draw_bubbles,
    _draw_cracks,
    _draw_scale_bars,
    _draw_letters,
    _draw_arrows,
    _draw_watermarks,
)


def _happens(rng: Random, probability: float) -> bool:
    return bool(rng.random() < probability)


def _pick(rng: Random, options: Sequence[Option]) -> Option:
    return options[int(rng.random() * len(options))]


def _draw_tone(rng: Random, bright: float) -> float:
    """Draw a tone near white with probability `bright`, else one near black."""
    high, off = _happens(rng, bright), rng.uniform(0.0, 0.12)
    return 1 - off if high else off


def _draw_seed(rng: Random) -> int:
    return int(rng.random() * 2**32)


# ---- putting records into a picture


@dataclass(frozen=True, slots=True)
class _Canvas:
    """Pixels [H, W, 3] to draw into, the value that is white there, and the mask of those already drawn into."""

    pixels: NDArray[Any]
    touched: Region
    white: float

    @property
    def width(self) -> int:
        return int(self.pixels.shape[1])

    @property
    def height(self) -> int:
        return int(self.pixels.shape[0])

    def press(self, coverage: Coverage, left: int, top: int, tone: float, opacity: float = 1.0) -> None:
        """Blend a tone in where a tile uint8[h, w] covers the picture; what hangs over the edge is cut off."""
        first_row, first_column = max(-top, 0), max(-left, 0)
        tile = coverage[first_row : max(self.height - top, 0), first_column : max(self.width - left, 0)]
        if tile.size == 0:
            return
        rows = slice(top + first_row, top + first_row + tile.shape[0])
        columns = slice(left + first_column, left + first_column + tile.shape[1])
        old = self.pixels[rows, columns].astype(np.float32)
        new = old + (np.float32(tone * self.white) - old) * (tile * np.float32(opacity / 255))[:, :, None]
        self.pixels[rows, columns] = np.rint(new) if self.pixels.dtype == np.uint8 else new
        self.touched[rows, columns] |= tile > 0

    def fill(self, polygons: Sequence[Points], tone: float, opacity: float = 1.0) -> None:
        """Blend a tone into the union of polygons float64[n, 2], in pixels, with smooth edges."""
        from PIL import Image, ImageDraw  # noqa: PLC0415 – most rooms that import this one draw nothing

        corners = np.concatenate(polygons)
        left, top = (int(edge) for edge in np.maximum(np.floor(corners.min(0)), 0))
        right, bottom = (int(edge) for edge in np.minimum(np.ceil(corners.max(0)) + 1, (self.width, self.height)))
        if right <= left or bottom <= top:
            return
        tile = Image.new("L", (_SUPERSAMPLING * (right - left), _SUPERSAMPLING * (bottom - top)))
        brush = ImageDraw.Draw(tile)
        fine = ((corners - (left, top)) * _SUPERSAMPLING - 0.5).ravel().tolist()
        ends = np.cumsum([2 * len(polygon) for polygon in polygons]).tolist()
        for first, last in zip([0, *ends], ends, strict=False):
            brush.polygon(fine[first:last], fill=255)
        self.press(np.asarray(tile.reduce(_SUPERSAMPLING)), left, top, tone, opacity)

    def write(self, lettering: Coverage, x: float, y: float, tone: float, opacity: float = 1.0) -> None:
        """Blend lettering in with its middle at (x, y), in pixels."""
        height, width = lettering.shape
        self.press(lettering, round(x - width / 2), round(y - height / 2), tone, opacity)


_Drawer = Callable[[_Canvas, Artefact], None]


def _put(
    drawers: Mapping[str, _Drawer], pixels: NDArray[Any], white: float, artefacts: Iterable[Artefact]
) -> dict[str, Region]:
    masks: dict[str, Region] = {}
    for artefact in artefacts:
        if artefact.kind in drawers:
            touched = masks.setdefault(artefact.kind, np.zeros(pixels.shape[:2], np.bool_))
            drawers[artefact.kind](_Canvas(pixels, touched, white), artefact)
    return {kind: mask for kind, mask in masks.items() if mask.any()}


def _detail(artefact: Artefact) -> Random:
    return np.random.Generator(np.random.PCG64(artefact.seed))


def _offsets(canvas: _Canvas, artefact: Artefact) -> tuple[Floats, Floats]:
    """Return float32[1, W] and float32[H, 1]: pixel centres measured from the artefact's middle, in pixels."""
    x = np.arange(canvas.width, dtype=np.float32)[None, :] + np.float32(0.5 - artefact.x * canvas.width)
    y = np.arange(canvas.height, dtype=np.float32)[:, None] + np.float32(0.5 - artefact.y * canvas.height)
    return x, y


def _turned(points: Points, degrees: float) -> Points:
    """Return points [n, 2] (x right, y up) turned counter-clockwise, with y down as in pictures."""
    cosine, sine = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
    x, y = points[:, 0], points[:, 1]
    return np.column_stack([cosine * x - sine * y, -(sine * x + cosine * y)])


def _as_coverage(share: Floats) -> Coverage:
    coverage: Coverage = np.rint(np.clip(share, 0, 1) * np.float32(255)).astype(np.uint8)
    return coverage


# ---- frame and field


def _put_frame(canvas: _Canvas, artefact: Artefact) -> None:
    """Cover everything outside a rectangle with rounded corners."""
    detail = _detail(artefact)
    unit, thickness = canvas.width, artefact.size * canvas.width
    x, y = _offsets(canvas, artefact)
    half_width, half_height = canvas.width / 2 - thickness, canvas.height / 2 - thickness
    corner = min(detail.uniform(0.015, 0.09) * unit, max(half_width, 0.0), max(half_height, 0.0))
    beyond_x = np.abs(x) - np.float32(half_width - corner)
    beyond_y = np.abs(y) - np.float32(half_height - corner)
    beyond = np.sqrt(np.maximum(beyond_x, 0) ** 2 + np.maximum(beyond_y, 0) ** 2) - np.float32(corner)
    _shade_beyond(canvas, artefact, beyond, blur=detail.uniform(0.002, 0.006))


def _put_field(canvas: _Canvas, artefact: Artefact) -> None:
    """Cover everything outside a circle."""
    x, y = _offsets(canvas, artefact)
    beyond = np.sqrt(x * x + y * y) - np.float32(artefact.size * canvas.width)
    _shade_beyond(canvas, artefact, beyond, blur=_detail(artefact).uniform(0.003, 0.012))


def _shade_beyond(canvas: _Canvas, artefact: Artefact, beyond: Floats, blur: float) -> None:
    """Blend the tone in where the distance to the edge, in pixels, is positive; the edge is `blur` widths wide."""
    width = np.float32(max(blur * canvas.width, 1.0))
    canvas.press(_as_coverage(beyond / width + np.float32(0.5)), 0, 0, artefact.tone)


# ---- bubble and crack


def _put_bubble(canvas: _Canvas, artefact: Artefact) -> None:
    """Blur the disc, then draw its rim: wide and dark as total reflection makes it, or bright within a dark line."""
    radius = artefact.size * canvas.width
    x, y = _offsets(canvas, artefact)
    rows, columns = np.flatnonzero(np.abs(y) <= 1.1 * radius + 1), np.flatnonzero(np.abs(x) <= 1.1 * radius + 1)
    if radius <= 0 or rows.size == 0 or columns.size == 0:
        return
    top, left = int(rows[0]), int(columns[0])
    detail = _detail(artefact)
    bearing, depth = _beneath_rim(detail, x[:, columns], y[rows], radius)
    inside = np.clip(depth + np.float32(0.5), 0, 1)
    _blur_within(canvas, _as_coverage(inside), left, top, radius)
    rim = np.float32(max(detail.uniform(0.12, 0.35) * radius, 1.0))
    lit = 0.85 + 0.15 * np.cos(bearing - np.float32(detail.uniform(0, 2 * np.pi)))
    shade = inside * (1 - np.clip(depth / rim, 0, 1) ** 2) * lit
    line = inside * np.clip(1.6 - depth / max(0.07 * radius, 0.6), 0, 1)
    glint = 0.5 * inside * np.exp(-(((depth - 1.15 * rim) / (0.25 * rim)) ** 2)) * (2 * lit - 1)
    canvas.press(_as_coverage(shade), left, top, artefact.tone, 0.9)
    canvas.press(_as_coverage(line), left, top, 0.02, 0.85)
    canvas.press(_as_coverage(glint), left, top, 0.7, 0.8)


def _beneath_rim(detail: Random, x: Floats, y: Floats, radius: float) -> tuple[Floats, Floats]:
    """Return each pixel's bearing from a bubble's middle and its depth, in pixels, below the not quite round rim."""
    bearing = np.arctan2(y, x)
    swell = np.ones_like(bearing)
    for lobes in (2, 3):
        swell += detail.uniform(0.0, 0.06) / lobes * np.cos(lobes * bearing + np.float32(detail.uniform(0, 2 * np.pi)))
    return bearing, (radius - np.sqrt(x * x + y * y) / swell).astype(np.float32)


def _blur_within(canvas: _Canvas, coverage: Coverage, left: int, top: int, radius: float) -> None:
    """Let the light inside a bubble lose most of its contrast and gain a little brightness."""
    from scipy import ndimage  # noqa: PLC0415 – takes a while to import

    rows, columns = slice(top, top + coverage.shape[0]), slice(left, left + coverage.shape[1])
    clear = canvas.pixels[rows, columns]
    across = max(3, round(radius / 2))
    faint = np.float32(1.12) * ndimage.uniform_filter(clear, (across, across, 0), mode="nearest")
    canvas.pixels[rows, columns] += (faint - clear) * (coverage * np.float32(0.75 / 255))[:, :, None]
    canvas.touched[rows, columns] |= coverage > 0


def _put_crack(canvas: _Canvas, artefact: Artefact) -> None:
    """Draw a wandering line of varying width with one side branch; a bright one has dark walls."""
    if artefact.size <= 0:
        return
    detail = _detail(artefact)
    unit = canvas.width
    path, width = _wander(detail, artefact.size, detail.uniform(0.003, 0.008))
    fork = int(detail.uniform(0.25, 0.75) * len(path))
    branch, narrow = _wander(detail, artefact.size * detail.uniform(0.15, 0.35), 0.5 * float(width[fork]))
    swerve = detail.uniform(15, 50) * (1 if detail.random() < 0.5 else -1)
    branch = path[fork] + _turned(branch - branch[0], swerve) * (1, -1)
    middle = (artefact.x * canvas.width, artefact.y * canvas.height)
    ribbons = [(middle + unit * _turned(way, artefact.angle), unit * w) for way, w in ((path, width), (branch, narrow))]
    dark = artefact.tone < 0.5
    canvas.fill([piece for way, w in ribbons for piece in _ribbon(way, w)], artefact.tone if dark else 0.1, 0.8)
    if not dark:
        canvas.fill([piece for way, w in ribbons for piece in _ribbon(way, 0.5 * w)], artefact.tone, 0.75)


def _wander(detail: Random, length: float, width: float) -> tuple[Points, NDArray[np.float64]]:
    """Return a rough path [n, 2] of a length about the origin and its width [n] at each point, tapering to the ends."""
    n = 40
    along = np.linspace(-0.5, 0.5, n)
    walk = np.cumsum(detail.standard_normal(n))
    walk -= np.linspace(walk[0], walk[-1], n)  # both ends on the line, so that the angle holds
    off = 0.012 * walk + 0.003 * detail.standard_normal(n)
    swell = np.convolve(detail.uniform(0.2, 1.8, n + 4), np.full(5, 0.2), "valid") * detail.uniform(0.6, 1.4, n)
    return length * np.column_stack([along, off]), width * swell * (1 - (2 * np.abs(along)) ** 3 * 0.8)


def _ribbon(way: Points, width: NDArray[np.float64]) -> Sequence[Points]:
    """Return one quadrangle for each step of a path [n, 2] whose width [n] varies."""
    step = np.gradient(way, axis=0)
    normal = np.column_stack([-step[:, 1], step[:, 0]]) / np.maximum(np.hypot(*step.T), 1e-9)[:, None]
    left, right = way + normal * width[:, None] / 2, way - normal * width[:, None] / 2
    return list(np.stack([left[:-1], left[1:], right[1:], right[:-1]], axis=1))


# ---- scale bar, letter, watermark, arrow


@lru_cache(maxsize=128)
def _rasterised(text: str, bold: bool) -> Coverage:
    """Return a line of text, uint8[h, w], cut to its ink; its capitals are _CAPITAL pixels high."""
    from PIL import Image, ImageDraw, ImageFont  # noqa: PLC0415 – most rooms that import this one draw nothing

    font = ImageFont.load_default(size=_CAPITAL / 0.7)
    stroke = 1 if bold else 0
    left, top, right, bottom = (int(edge) for edge in font.getbbox(text, stroke_width=stroke))
    tile = Image.new("L", (max(right - left, 1), max(bottom - top, 1)))
    ImageDraw.Draw(tile).text((-left, -top), text, fill=255, font=font, stroke_width=stroke)
    coverage = np.array(tile)
    coverage.flags.writeable = False  # the cache hands out the same array again and again
    return coverage


def _lettering(text: str, scale: float, degrees: float = 0.0, *, bold: bool = False) -> Coverage:
    """Return text at a scale over its rasterised size, turned counter-clockwise."""
    from PIL import Image  # noqa: PLC0415 – most rooms that import this one draw nothing

    raster = Image.fromarray(_rasterised(text, bold))
    size = (max(round(raster.width * scale), 1), max(round(raster.height * scale), 1))
    tile = raster.resize(size, Image.Resampling.BILINEAR)
    if degrees:
        tile = tile.rotate(degrees, Image.Resampling.BICUBIC, expand=True)
    return np.asarray(tile)


def _rectangle(x: float, y: float, width: float, height: float) -> Points:
    """Return the corners [4, 2] of a rectangle around a middle."""
    corners = np.array([(-0.5, -0.5), (0.5, -0.5), (0.5, 0.5), (-0.5, 0.5)])
    return corners * (width, height) + (x, y)


def _put_scale_bar(canvas: _Canvas, artefact: Artefact) -> None:
    """Draw a bar with its caption above or below, in some cases with end ticks or on a box of the opposite tone."""
    length = artefact.size * canvas.width
    if length <= 0:
        return
    detail = _detail(artefact)
    boxed, ticks, above = detail.random() < 0.35, detail.random() < 0.3, detail.random() < 0.85
    thickness = max(detail.uniform(0.005, 0.014) * canvas.width, 1.0)
    capital = detail.uniform(0.024, 0.034) * canvas.width
    caption = _lettering(artefact.text, capital / _CAPITAL) if artefact.text else np.zeros((1, 1), np.uint8)
    x, y = artefact.x * canvas.width, artefact.y * canvas.height
    apart = (thickness + capital) / 2 + 0.5 * capital
    text_y = y - apart if above else y + apart
    if boxed:
        pad = 0.6 * capital
        box = _rectangle(
            x, (y + text_y) / 2, max(length, caption.shape[1]) + 2 * pad, apart + (thickness + capital) / 2 + 2 * pad
        )
        canvas.fill([box], 1 - artefact.tone)
    bars = [_rectangle(x, y, length, thickness)]
    if ticks:
        bars += [_rectangle(x + end * length / 2, y, 0.6 * thickness, 2.6 * thickness) for end in (-1, 1)]
    canvas.fill(bars, artefact.tone)
    canvas.write(caption, x, text_y, artefact.tone)


def _put_letter(canvas: _Canvas, artefact: Artefact) -> None:
    """Write a panel letter or a mineral's name, in some cases on a box of the opposite tone."""
    capital = artefact.size * canvas.width
    if capital <= 0 or not artefact.text:
        return
    detail = _detail(artefact)
    lettering = _lettering(artefact.text, capital / _CAPITAL, bold=detail.random() < 0.6)
    x, y = artefact.x * canvas.width, artefact.y * canvas.height
    if detail.random() < 0.25:
        side = 1.7 * capital
        canvas.fill([_rectangle(x, y, max(side, lettering.shape[1] + 0.7 * capital), side)], 1 - artefact.tone)
    canvas.write(lettering, x, y, artefact.tone)


def _put_watermark(canvas: _Canvas, artefact: Artefact) -> None:
    """Write a text through which the picture shows."""
    length = artefact.size * canvas.width
    if length <= 0 or not artefact.text:
        return
    detail = _detail(artefact)
    bold = detail.random() < 0.5
    lettering = _lettering(artefact.text, length / _rasterised(artefact.text, bold).shape[1], artefact.angle, bold=bold)
    x, y = artefact.x * canvas.width, artefact.y * canvas.height
    canvas.write(lettering, x, y, artefact.tone, detail.uniform(0.25, 0.5))


def _put_arrow(canvas: _Canvas, artefact: Artefact) -> None:
    """Draw two half-arrows side by side that point opposite ways, their barbs on the outer sides."""
    length = artefact.size * canvas.width
    if length <= 0:
        return
    detail = _detail(artefact)
    gap, thick = detail.uniform(0.1, 0.25), detail.uniform(0.03, 0.06)
    barb, lift = detail.uniform(0.22, 0.36), detail.uniform(0.1, 0.2)
    shaft = np.array([(-0.5, 0.0), (0.5, 0.0), (0.5 - 0.6 * thick * barb / lift, thick), (-0.5, thick)])
    head = np.array([(0.5, 0.0), (0.5 - barb, lift), (0.5 - 0.8 * barb, 0.0)])
    upper = [np.add(part, (0, gap / 2)) for part in (shaft, head)]
    dextral = np.cos(np.deg2rad(artefact.angle)) >= 0
    pair = [sign * part * (1 if dextral else -1, 1) for part in upper for sign in (1, -1)]
    middle = (artefact.x * canvas.width, artefact.y * canvas.height)
    degrees = artefact.angle if dextral else artefact.angle - 180
    canvas.fill([middle + length * _turned(part, degrees) for part in pair], artefact.tone)


_ETCHED: Mapping[str, _Drawer] = {"bubble": _put_bubble, "crack": _put_crack}
_OVERLAID: Mapping[str, _Drawer] = {
    "frame": _put_frame,
    "field": _put_field,
    "scale-bar": _put_scale_bar,
    "letter": _put_letter,
    "arrow": _put_arrow,
    "watermark": _put_watermark,
}
