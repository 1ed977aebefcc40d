"""The words about one mistake about a clast: what was said of what, how sure, and what the lines mean."""

from __future__ import annotations

from collections.abc import Sequence

from ...metrics.mistakes import KINDS
from .mistakes import DetectionMistake

BOXES_MEAN = (
    "Boxes: the mistake (a proposal, or a clast that was missed) in vermilion with a thick line; other proposals that "
    "count in orange with the sense they say and their score; clasts in white with their true sense; regions that "
    "are not counted in grey and dashed (Okabe and Ito's palette)."
)
SCORES_MEAN = (
    "Score: the detector's score times the probability of the sense that is said; proposals at or above the threshold "
    "count."
)


def title(mistake: DetectionMistake) -> str:
    """Name the kind of the mistake, in words and as TIDE does."""
    return f"{KINDS[mistake.kind].title} ({mistake.kind})"


def truth(mistake: DetectionMistake) -> str:
    """Say what is there."""
    return "no clast" if mistake.clast is None else mistake.clast.sense or "not judged"


def said(mistake: DetectionMistake) -> str:
    """Say what the system said."""
    return "nothing" if mistake.proposal is None else mistake.proposal.sense


def figures(mistake: DetectionMistake) -> tuple[tuple[str, str], ...]:
    """Return the figures of a mistake by name, those that it has."""
    found = [] if mistake.iou is None else [("IoU", _written(mistake.iou))]
    if mistake.proposal:
        found.append(("score", _written(mistake.proposal.score)))
    found.append(("threshold", _written(mistake.threshold)))
    if mistake.proposal:
        found.append(("detector's score", _written(mistake.proposal.detector_score)))
    return tuple(found)


def verdict(mistake: DetectionMistake) -> str:
    """Write truth and answer."""
    there = truth(mistake)
    return f"{there if mistake.clast is None else f'true {there}'}, said {said(mistake)}"


def in_figures(mistake: DetectionMistake) -> str:
    """Write the figures of a mistake in one line."""
    return " · ".join(f"{name} {text}" for name, text in figures(mistake))


def row_title(mistake: DetectionMistake, image_id: str, more: Sequence[str]) -> str:
    """Write kind, photograph, truth, answer and figures, and what more is known."""
    return " · ".join([title(mistake), image_id, verdict(mistake), in_figures(mistake), *more])


def _written(value: float) -> str:
    return f"{value:.3f}".removeprefix("0")
