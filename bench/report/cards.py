"""Exhibits made ready for a page: picture, outlines, heat, and the words beside them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ..records import MIRRORED, TARGETS
from ..results import slug
from ..run.answers import preferred
from .exhibits import Exhibit, Unsolved
from .finds import captions as finds_captions
from .finds.cards import FindCard
from .finds.mistakes import DetectionMistake
from .heat import Heat, heat
from .pictures import Picture, Pictures
from .selection import KINDS, confidence, said

NO_MAPS = "No maps were made for this photograph."
HIDDEN = "Maps are not shown: they count as pixels of the photograph, and this copy was written without pixels."


@dataclass(frozen=True, slots=True)
class Card:
    """One exhibit on a page."""

    anchor: str
    exhibit: Exhibit
    picture: Picture
    heats: tuple[tuple[str, Heat], ...]
    """With the question that each map answers."""
    missing: str | None
    """Why there is no heat."""

    @property
    def said(self) -> str:
        """The most probable class."""
        return said(self.exhibit.prediction)

    @property
    def confidence(self) -> float:
        """The probability of what was said."""
        return confidence(self.exhibit.prediction)

    @property
    def kind(self) -> str:
        """The kind of failure in words."""
        return KINDS[self.exhibit.kind].title if self.exhibit.kind in KINDS else self.exhibit.kind

    @property
    def lifts(self) -> tuple[tuple[str, float | None], ...]:
        """Target and lift."""
        known = self.exhibit.lift
        return tuple(
            (target, known[target]) for target in (*TARGETS, *sorted(set(known) - {*TARGETS})) if target in known
        )

    @property
    def removals(self) -> tuple[tuple[str, float | None, str], ...]:
        """What removing cells says of the maps for the true sense: a name, its value, and why it has none."""
        known = self.exhibit.removed
        if known is None:
            return ()
        return (
            ("CPF, true sense", known.cpf, "the map or the answers are constant, or not finite"),
            ("LeRF − MoRF, true sense", known.gap, "the map or an answer is not finite"),
            ("LeRF − MoRF, best order", known.control, "an answer is not finite"),
        )

    @property
    def facts(self) -> tuple[tuple[str, str], ...]:
        """What is known of photograph and prediction."""
        return (("Kind", self.kind), *_circumstances(self.exhibit, self.picture))


@dataclass(frozen=True, slots=True)
class UnsolvedCard:
    """One photograph that nobody got right, on a page."""

    anchor: str
    unsolved: Unsolved
    picture: Picture

    @property
    def answers(self) -> tuple[tuple[str, str, tuple[float, ...]], ...]:
        """System, what it said, and its probabilities."""
        told = sorted(self.unsolved.said.items())
        return tuple((system, said(prediction), prediction.probabilities) for system, prediction in told)


def cards(exhibits: Sequence[Exhibit], pictures: Pictures, *, pixels: bool) -> tuple[Card | FindCard, ...]:
    """Make exhibits ready, in their order."""
    anchors = _anchors([exhibit.photo.id for exhibit in exhibits])
    return tuple(
        _find_card(exhibit, exhibit.mistake, anchor, pictures)
        if exhibit.mistake
        else _card(exhibit, anchor, pictures, pixels)
        for exhibit, anchor in zip(exhibits, anchors, strict=True)
    )


def grouped(shown: Sequence[Card | FindCard]) -> tuple[tuple[str, tuple[Card | FindCard, ...]], ...]:
    """Return the cards by kind, kinds and cards in their order."""
    kinds = dict.fromkeys(card.kind for card in shown)
    return tuple((kind, tuple(card for card in shown if card.kind == kind)) for kind in kinds)


def unsolved_cards(unsolved: Sequence[Unsolved], pictures: Pictures) -> tuple[UnsolvedCard, ...]:
    """Make unsolved photographs ready, in their order."""
    anchors = _anchors([one.photo.id for one in unsolved])
    return tuple(UnsolvedCard(anchor, one, pictures[one.photo]) for one, anchor in zip(unsolved, anchors, strict=True))


def question(exhibit: Exhibit, target: str) -> str:
    """Say which question the map of a target answers."""
    if target == "sense":
        sense = preferred(exhibit.prediction)
        return f"Sense: why {sense} and not {MIRRORED[sense]}"
    return "Presence: why a clast and not none" if target == "presence" else target


def angle(degrees: float) -> str:
    """Write an angle in whole degrees with its sign."""
    whole = round(degrees)
    return f"{'+' if whole > 0 else '−' if whole < 0 else ''}{abs(whole)}°"


def length(um: float) -> str:
    """Write a length in micrometres or millimetres."""
    return f"{um / 1000:.3g} mm" if um >= 1000 else f"{um:.3g} µm"


def _card(exhibit: Exhibit, anchor: str, pictures: Pictures, pixels: bool) -> Card:
    shown = _in_order(exhibit) if pixels else []
    missing = None if exhibit.explanations else exhibit.note or NO_MAPS
    missing = missing if pixels else HIDDEN
    heats = tuple((question(exhibit, one.target), one) for one in shown)
    return Card(anchor, exhibit, pictures[exhibit.photo], heats, missing)


def _find_card(exhibit: Exhibit, mistake: DetectionMistake, anchor: str, pictures: Pictures) -> FindCard:
    picture = pictures[exhibit.photo]
    figures = ((f"{name[0].upper()}{name[1:]}", text) for name, text in finds_captions.figures(mistake))
    return FindCard(anchor, exhibit, mistake, picture, (*figures, *_circumstances(exhibit, picture)))


def _circumstances(exhibit: Exhibit, picture: Picture) -> tuple[tuple[str, str], ...]:
    """What is known of the photograph, and which model spoke of it."""
    photo, cell = exhibit.photo, exhibit.cell
    foliation = None if photo.foliation_deg is None else f"{angle(photo.foliation_deg)} to the horizontal"
    wide = None if photo.um_per_px is None else length(photo.um_per_px * picture.width)
    rows = (
        ("Light", photo.light),
        ("Foliation", foliation),
        ("Width of view", wide),
        ("Fold, seed", f"{cell.fold}, {cell.seed}"),
    )
    return tuple((name, value or "not known") for name, value in rows)


def _in_order(exhibit: Exhibit) -> list[Heat]:
    known: Mapping[str, int] = {target: place for place, target in enumerate(TARGETS)}
    explained = sorted(exhibit.explanations, key=lambda one: known.get(one.target, len(known)))
    return [heat(one) for one in explained]


def _anchors(ids: Sequence[str]) -> list[str]:
    """Return one fragment a photograph, told apart where an id comes twice."""
    found: list[str] = []
    for image_id in ids:
        name = f"photo-{slug(image_id)}"
        times = sum(one == name or one.startswith(f"{name}~") for one in found)
        found.append(f"{name}~{times + 1}" if times else name)
    return found
