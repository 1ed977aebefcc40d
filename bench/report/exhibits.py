"""What a gallery shows: photographs with what was said about them or their clasts, and where the system looked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ..records import Cell, Explanation, Photomicrograph, Prediction, Score
from .finds.mistakes import DetectionMistake


@dataclass(frozen=True, slots=True)
class Removed:
    """What became of one photograph while its cells were removed in the order of its maps for the true sense."""

    cpf: float | None
    """Rank correlation of the maps with what each cell matters."""
    gap: float | None
    """LeRF less MoRF of the maps, in logits: above 0 the order is right."""
    control: float | None
    """The same for the order of what each cell matters: about the best there is."""


@dataclass(frozen=True, slots=True)
class Exhibit:
    """One photograph as one system saw it."""

    photo: Photomicrograph
    prediction: Prediction
    cell: Cell
    kind: str
    """One of `selection.ALL_KINDS`."""
    explanations: tuple[Explanation, ...] = ()
    """One a target; the sense map speaks for the sense that the system prefers, right or wrong."""
    lift: Mapping[str, float | None] = field(default_factory=dict)
    """Of these maps, by target; None where it is undefined (no clast with an outline)."""
    note: str | None = None
    """Why there are no maps."""
    mistake: DetectionMistake | None = None
    """The mistake about a clast that is shown; None where it is the answer about the photograph. It has no maps."""
    removed: Removed | None = None
    """None where nobody asked this photograph."""


@dataclass(frozen=True, slots=True)
class Unsolved:
    """One photograph that no system got right, with what each of them said."""

    photo: Photomicrograph
    said: Mapping[str, Prediction]
    """By system."""


@dataclass(frozen=True, slots=True)
class MapRow:
    """What the maps of one method came to for one system: a line of the map table."""

    method: str
    target: str
    """One of TARGETS; `any` for a control, which knows no target and stands beside both."""
    scores: Mapping[str, Score] = field(default_factory=dict)
    """By name, of `metrics.MAP_METRICS`."""
    reason: str | None = None
    """Why there are no maps: the method cannot work on this model."""
    lacking: Mapping[str, str] = field(default_factory=dict)
    """By one of `map_board.QUESTIONS`: in how many cells it failed, though there are maps, and the first reason."""
