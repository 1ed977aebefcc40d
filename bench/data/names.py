"""How class names in other people's files are read as ours."""

from __future__ import annotations

from ..records import Clast

_OURS = {"cw": "CW", "dextral": "CW", "ccw": "CCW", "sinistral": "CCW", "none": "none", "clast": "clast"}

EXPECTED = "CW, CCW, none or clast (a clast whose sense the file does not tell)"
"""What a message says was expected."""


def class_of(name: str) -> str | None:
    """Return CW, CCW, none or clast; None for a name that is none of them (case does not matter)."""
    return _OURS.get(name.strip().lower())


def class_told(clast: Clast) -> str:
    """Return the class of a clast, CW, CCW or none; clast for one that nobody has judged."""
    return clast.sense or "none" if clast.judged else "clast"


def truth_of(classes: list[str]) -> tuple[str | None, bool]:
    """Return image-level `(truth, present)` from the classes of the clasts that count.

    One sense among them is the truth; two senses leave it open; `none` alone, or nothing at all, means none. A clast
    that nobody has judged, or whose sense the file does not tell, leaves the truth open too, and counts as present.
    """
    senses = set(classes) & {"CW", "CCW"}
    if "clast" in classes or len(senses) == 2:
        return None, True
    if senses:
        return senses.pop(), True
    return "none", False
