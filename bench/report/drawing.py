"""Photographs, outlines and heat as panels of a print figure, by journals' rules.

At least 300 dots an inch, lines of at least half a point, no red with green, a sans-serif face, fonts embedded as
TrueType. Nothing of matplotlib's global state is left changed.
"""

from __future__ import annotations

import io
import math
import textwrap
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from glob import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..errors import UsageError
from ..records import Explanation, Photomicrograph
from ..run.samples import size_of
from .cards import length
from .contours import COLOURS, contours
from .heat import over
from .pictures import small

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FORMATS = (".pdf", ".png")
WIDTH = 7.2
"""Inches: two columns of a journal."""
DPI = 300
TEXT, SMALL = 7.5, 7.0
_LONGEST = 1200
_SETTINGS: Any = {
    "pdf.fonttype": 42,
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": TEXT,
    "axes.linewidth": 0.5,
    "text.usetex": False,
    "text.parse_math": False,
}


class Panel:
    """One photograph, ready to be drawn several times."""

    def __init__(self, photo: Photomicrograph, *, pixels: bool) -> None:
        """Load the photograph once; without `pixels` only its size is kept."""
        self.photo = photo
        self.image: NDArray[np.uint8] | None = None
        if pixels:
            image = photo.load()
            self.height, self.width = int(image.shape[0]), int(image.shape[1])
            self.image = small(image, _LONGEST)
        else:
            self.width, self.height = size_of(photo)

    def photograph(self, axes: Axes) -> None:
        """Draw the pixels, or grey, with a scale bar where the scale is known."""
        self._place(axes, self.image)
        self._scale_bar(axes)

    def outlined(self, axes: Axes) -> None:
        """Draw the outlines over the pixels, or over grey."""
        self._place(axes, self.image)
        self._contours(axes)

    def heated(self, axes: Axes, explanation: Explanation) -> None:
        """Draw the heat over the grey values, with the outlines."""
        if self.image is None:
            raise ValueError("heat shows pixels, and this panel has none")
        self._place(axes, over(self.image, explanation, self.image.shape[1] / self.width))
        self._contours(axes)

    def blank(self, axes: Axes, words: str) -> None:
        """Leave the place free, and say why."""
        axes.set_axis_off()
        text = plain(words)
        axes.text(
            0.5,
            0.5,
            "\n".join(lines_of(shortened(text, 160), 26)),
            ha="center",
            va="center",
            fontsize=SMALL,
            transform=axes.transAxes,
        )

    def _place(self, axes: Axes, image: NDArray[np.uint8] | None) -> None:
        axes.set_xticks([])
        axes.set_yticks([])
        axes.set_facecolor("#8c8c8c")
        if image is not None:
            axes.imshow(image, extent=(0, self.width, self.height, 0), interpolation="antialiased", aspect="auto")
        axes.set_xlim(0, self.width)
        axes.set_ylim(self.height, 0)

    def _contours(self, axes: Axes) -> None:
        step = max(self.width, self.height) / _LONGEST
        for contour in contours(self.photo, step=step):
            for ring in contour.rings:
                closed = np.vstack([ring, ring[:1]])
                axes.plot(*closed.T, color="black", linewidth=1.6, alpha=0.8, solid_joinstyle="round")
                axes.plot(*closed.T, color=COLOURS[contour.part], linewidth=0.8, solid_joinstyle="round")

    def _scale_bar(self, axes: Axes) -> None:
        if not self.photo.um_per_px:
            return
        um = nice_length(self.photo.um_per_px * self.width / 3)
        span, foot = um / self.photo.um_per_px, 0.93 * self.height
        ends = np.asarray([0.96 * self.width - span, 0.96 * self.width])
        for colour, wide in (("black", 3.0), ("white", 1.6)):
            axes.plot(ends, [foot, foot], color=colour, linewidth=wide, solid_capstyle="butt")
        axes.annotate(
            length(um), (float(ends[1]), foot), (0, 2.5), textcoords="offset points", ha="right", va="bottom",
            fontsize=SMALL, color="white", path_effects=halo(),
        )  # fmt: skip


def nice_length(longest: float) -> float:
    """Return the largest of 1, 2, 5 times a power of ten that is not longer."""
    power: float = 10.0 ** math.floor(math.log10(longest))
    steps: list[float] = [step * power for step in (1, 2, 5) if step * power <= longest * (1 + 1e-9)]
    return max(steps)


def panel_height(width: float, panel: Panel, highest: float = 2.4) -> float:
    """Return how high a panel of `width` inches is; a tall photograph is cut down in width instead."""
    return min(width * panel.height / panel.width, highest)


def add(figure: Figure, left: float, top: float, size: tuple[float, float], panel: Panel) -> Axes:
    """Add axes at inches from the left and the top, with the photograph's aspect ratio inside `size`."""
    wide, high = size
    drawn = min(wide, high * panel.width / panel.height)
    total_width, total_height = (float(side) for side in figure.get_size_inches())
    place = (
        (left + (wide - drawn) / 2) / total_width,
        1 - (top + high) / total_height,
        drawn / total_width,
        high / total_height,
    )
    return figure.add_axes(place)


def write(figure: Figure, x: float, y: float, words: str, **style: Any) -> None:
    """Write text at inches from the left and the top."""
    wide, high = (float(side) for side in figure.get_size_inches())
    figure.text(x / wide, 1 - y / high, plain(words), **{"fontsize": TEXT, "va": "top", **style})


def shortened(words: str, most: int) -> str:
    """Cut text that is longer than `most` characters."""
    return words if len(words) <= most else words[: most - 1].rstrip() + "…"


def lines_of(words: str, width: int) -> list[str]:
    """Break text into lines of at most `width` characters."""
    return textwrap.wrap(words, width)


@cache
def _drawable() -> frozenset[int]:
    from matplotlib.font_manager import FontProperties, fontManager  # noqa: PLC0415
    from matplotlib.ft2font import FT2Font  # noqa: PLC0415

    return frozenset(FT2Font(fontManager.findfont(FontProperties(family="DejaVu Sans"))).get_charmap())


def plain(words: str) -> str:
    """Return text that the face can draw, on one line: other characters become a question mark."""
    return "".join(char if ord(char) in _drawable() and char.isprintable() else "?" for char in " ".join(words.split()))


@contextmanager
def settings() -> Iterator[None]:
    """Draw by our rules, and leave matplotlib as it was."""
    import matplotlib as mpl  # noqa: PLC0415

    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(_SETTINGS)
        yield


def new_figure(width: float, height: float) -> Figure:
    """Return a figure of so many inches, bound to no window and to no global list."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # noqa: PLC0415
    from matplotlib.figure import Figure  # noqa: PLC0415

    figure = Figure(figsize=(width, height))
    FigureCanvasAgg(figure)
    return figure


def save(figures: Sequence[Figure], path: Path, dpi: int) -> list[Path]:
    """Write a PDF of all pages, or one PNG a page: NAME.png, else NAME-01.png, NAME-02.png, …; no dates in them."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix.lower() == ".pdf":
        from matplotlib.backends.backend_pdf import PdfPages  # noqa: PLC0415

        metadata = {"Creator": "clastbench", "Producer": None, "CreationDate": None}
        with PdfPages(path, metadata=metadata) as pages:
            for figure in figures:
                pages.savefig(figure, dpi=dpi)
        return [path]
    for earlier in (path, *path.parent.glob(f"{escape(path.stem)}-[0-9][0-9]*.png")):
        earlier.unlink(missing_ok=True)  # a shorter sheet must not be followed by pages of a longer one
    names = [path] if len(figures) == 1 else [path.with_name(f"{path.stem}-{n:02d}.png") for n in _from_one(figures)]
    for figure, name in zip(figures, names, strict=True):
        name.write_bytes(as_png(figure, dpi))
    return names


def as_png(figure: Figure, dpi: int) -> bytes:
    """Return a figure as PNG, without a date or a name of the software."""
    out = io.BytesIO()
    figure.savefig(out, format="png", dpi=dpi, metadata={"Software": None})
    return out.getvalue()


def as_pdf(figure: Figure) -> bytes:
    """Return a figure as PDF, without a date or a name of the software."""
    out = io.BytesIO()
    metadata = {"Creator": "clastbench", "Producer": None, "CreationDate": None}
    figure.savefig(out, format="pdf", dpi=DPI, metadata=metadata)
    return out.getvalue()


def check_format(path: Path, dpi: int = DPI) -> None:
    """Refuse what is no print format.

    Raises:
        UsageError: the name ends in neither .png nor .pdf, or there are fewer than 300 dots an inch.
    """
    if path.suffix.lower() not in FORMATS:
        raise UsageError(f"{path}: a print sheet is a .png or a .pdf file.")
    if dpi < DPI:
        raise UsageError(f"A print sheet needs at least {DPI} dots an inch, not {dpi}.")


def _from_one(figures: Sequence[Figure]) -> range:
    return range(1, len(figures) + 1)


def halo(width: float = 1.5) -> list[Any]:
    """Return path effects that set letters or lines off from any photograph; `width` in points."""
    from matplotlib.patheffects import Normal, Stroke  # noqa: PLC0415

    return [Stroke(linewidth=width, foreground="black"), Normal()]
