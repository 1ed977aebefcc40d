"""Where the words beside boxes stand, so that they cover one another as little as can be."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ...records import Box
from .marks import Mark, Role

_WIDE = 0.7
"""Width of a character by the height of the text, generously."""
_FIRST: tuple[Role, ...] = ("mistaken", "true", "proposed", "ignored")
"""Who chooses a place first."""


@dataclass(frozen=True, slots=True)
class Label:
    """Words with their place."""

    words: str
    role: Role
    x: float
    """Left end, in pixels of the photograph."""
    y: float
    """Base line."""


def labels(marks: Sequence[Mark], width: float, height: float, text: float) -> tuple[Label, ...]:
    """Place the words of all marks on a photograph of `width` by `height` pixels; letters are `text` pixels high.

    Each takes the place at its box, of eight without and within, where it covers least of the words placed before.
    All of it lies on the photograph, as far as it fits.
    """
    taken: list[Box] = []
    found = []
    for mark in sorted(marks, key=lambda mark: _FIRST.index(mark.role)):
        places = [_inside(place, width, height) for place in _places(mark, text)]
        best = min(places, key=lambda place: sum(_shared(place, one) for one in taken))
        taken.append(best)
        found.append(Label(mark.words, mark.role, best[0], best[3] - 0.25 * text))
    return tuple(found)


def _places(mark: Mark, text: float) -> Iterator[Box]:
    """Yield room for the words, the best place first: above the box, below it, at its upper and its lower border."""
    x0, y0, x1, y1 = mark.box
    wide, high, gap = _WIDE * text * len(mark.words), 1.2 * text, 0.2 * text
    for top in (y0 - gap - high, y1 + gap, y0 + gap, y1 - gap - high):
        within = gap if top in (y0 + gap, y1 - gap - high) else 0.0
        for left in (x0 + within, x1 - within - wide):
            yield left, top, left + wide, top + high


def _inside(place: Box, width: float, height: float) -> Box:
    x0, y0, x1, y1 = place
    right, down = _shift(x0, x1, width), _shift(y0, y1, height)
    return x0 + right, y0 + down, x1 + right, y1 + down


def _shift(low: float, high: float, end: float) -> float:
    """Return how far a span must move to lie in 0..end; what is too long begins at 0."""
    return max(-low, min(0.0, end - high))


def _shared(one: Box, other: Box) -> float:
    wide = min(one[2], other[2]) - max(one[0], other[0])
    high = min(one[3], other[3]) - max(one[1], other[1])
    return max(wide, 0.0) * max(high, 0.0)
