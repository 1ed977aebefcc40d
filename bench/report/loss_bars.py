"""Where the points of a system are lost, as a bar: what is left of macro-F1, and what each stage takes."""

from __future__ import annotations

from dataclasses import dataclass

from ..metrics import LOSSES
from .leaderboard import Row


@dataclass(frozen=True, slots=True)
class Segment:
    """One part of a bar 100 units long."""

    name: str
    """`kept`, or one of LOSSES."""
    start: float
    width: float


def bar(row: Row) -> tuple[Segment, ...]:
    """Stack macro-F1 and what is lost, the last stage first, so that true boxes fill the bar from the right.

    The parts sum to 1. Where one is negative (the truth does harm) it is left out, and the others, which then sum to
    more than 1, are drawn to scale among themselves. Empty where a part is undefined.
    """
    scores = {"kept": row.scores.get("macro_f1"), **{name: row.scores.get(name) for name in reversed(LOSSES)}}
    values = {name: score.value for name, score in scores.items() if score and score.value is not None}
    if len(values) < len(scores):
        return ()
    drawn = {name: value for name, value in values.items() if value > 0}
    whole = sum(drawn.values())
    segments, start = [], 0.0
    for name, value in drawn.items():
        width = 100 * value / whole
        segments.append(Segment(name, start, width))
        start += width
    return tuple(segments)
