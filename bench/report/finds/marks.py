"""The boxes that are drawn over a photograph for one mistake about a clast, with the words beside them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from ...data.preview import BOX
from ...records import Box
from .mistakes import DetectionMistake, Proposal, TrueBox

Role = Literal["ignored", "true", "proposed", "mistaken"]
COLOURS: Mapping[Role, str] = MappingProxyType(
    {"ignored": "#bbbbbb", "true": BOX, "proposed": "#e69f00", "mistaken": "#d55e00"}
)
"""Of Okabe and Ito's palette, and greys; every role is told apart by its line or its words too."""


@dataclass(frozen=True, slots=True)
class Mark:
    """One box, and what is written beside it."""

    box: Box
    role: Role
    words: str


def marks(mistake: DetectionMistake) -> tuple[Mark, ...]:
    """Return all boxes of a photograph, the mistake last, so that it lies above all others."""
    missed = mistake.clast if mistake.proposal is None else None
    meant = [mistake.clast] if mistake.clast and not missed else []
    clasts = [_true(clast) for clast in (*mistake.other_clasts, *meant)]
    proposed = [Mark(one.xyxy, "proposed", _said(one)) for one in mistake.other_proposals]
    words = _said(mistake.proposal) if mistake.proposal else f"missed {missed.sense if missed else ''}"
    below = sorted(clasts, key=lambda mark: mark.role != "ignored")
    return (*below, *proposed, Mark(mistake.box, "mistaken", words))


def _true(clast: TrueBox) -> Mark:
    if clast.ignore:
        return Mark(clast.xyxy, "ignored", "ignored")
    if clast.sense is None:
        return Mark(clast.xyxy, "ignored", "not judged")
    return Mark(clast.xyxy, "true", f"true {clast.sense}")


def _said(proposal: Proposal) -> str:
    return f"{proposal.sense} {proposal.score:.2f}".replace(" 0.", " .")
