"""The colours of the grid: viridis in 21 steps from 0 to 1, and whether black or white reads better on one."""

from __future__ import annotations

COLOURS: tuple[str, ...] = (
    "#440154", "#471365", "#482475", "#463480", "#414487", "#3b528b", "#355f8d", "#2f6c8e", "#2a788e", "#25848e",
    "#21918c", "#1e9c89", "#22a884", "#2fb47c", "#44bf70", "#5ec962", "#7ad151", "#9bd93c", "#bddf26", "#dfe318",
    "#fde725",
)  # fmt: skip
"""Perceptually uniform, and read alike by eyes that confuse red and green (Smith and van der Walt 2015).

`style.css` holds the same as classes `level-0` … `level-20`.
"""
_LAST = len(COLOURS) - 1
_BLACK_FROM = 0.179
"""Luminance at which black and white have the same contrast, 4.6 to 1 (WCAG 2.2)."""


def level(value: float) -> int:
    """Return the step of a value; what lies outside 0..1 has the colour of the nearer end."""
    return round(_LAST * min(max(value, 0.0), 1.0))


def colour(value: float) -> str:
    """Return the colour of a value as #rrggbb."""
    return COLOURS[level(value)]


def luminance(hexadecimal: str) -> float:
    """Return the relative luminance of #rrggbb, 0..1 (WCAG 2.2)."""
    shares = (int(hexadecimal[at : at + 2], 16) / 255 for at in (1, 3, 5))
    red, green, blue = (one / 12.92 if one <= 0.04045 else ((one + 0.055) / 1.055) ** 2.4 for one in shares)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def black_reads_better(hexadecimal: str) -> bool:
    """Whether black text has more contrast on a colour than white text has."""
    return luminance(hexadecimal) > _BLACK_FROM
