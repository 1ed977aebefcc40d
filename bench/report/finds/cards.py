"""A mistake about a clast made ready for a page: picture, boxes, and the words beside them."""

from __future__ import annotations

from dataclasses import dataclass

from ..exhibits import Exhibit
from ..pictures import Picture
from . import captions
from .labels import Label, labels
from .marks import Mark, marks
from .mistakes import DetectionMistake

_LETTERS_ACROSS = 36
"""The height of a letter is this part of the longer side."""


@dataclass(frozen=True, slots=True)
class FindCard:
    """One mistake about a clast on a page."""

    anchor: str
    exhibit: Exhibit
    mistake: DetectionMistake
    picture: Picture
    facts: tuple[tuple[str, str], ...]
    """What is known of mistake and photograph."""

    @property
    def kind(self) -> str:
        """The kind of mistake in words."""
        return captions.title(self.mistake)

    @property
    def truth(self) -> str:
        """What is there."""
        return captions.truth(self.mistake)

    @property
    def said(self) -> str:
        """What the system said."""
        return captions.said(self.mistake)

    @property
    def marks(self) -> tuple[Mark, ...]:
        """All boxes, the mistake last."""
        return marks(self.mistake)

    @property
    def text(self) -> float:
        """Height of the letters on the picture, in pixels of the photograph."""
        return max(self.picture.width, self.picture.height) / _LETTERS_ACROSS

    @property
    def labels(self) -> tuple[Label, ...]:
        """The words beside the boxes, with their places."""
        return labels(self.marks, self.picture.width, self.picture.height, self.text)
