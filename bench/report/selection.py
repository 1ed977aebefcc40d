"""Which photographs and mistakes a gallery shows: kinds of failure as small named rules, and the draw among them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

import numpy as np

from ..errors import UnknownNameError, UsageError
from ..metrics.mistakes import KINDS as OF_CLASTS
from ..metrics.mistakes import ErrorKind
from ..records import CLASSES, MIRRORED, SENSES, Box, Cell, CellRecord, Prediction
from .finds.mistakes import DetectionMistake, detection_mistakes, proposes

Order = Literal["confidence", "random"]
ORDERS: tuple[Order, ...] = ("confidence", "random")


def said(prediction: Prediction) -> str:
    """Return the most probable class; among equals the first in the order of CLASSES."""
    return CLASSES[int(np.argmax(prediction.probabilities))]


def confidence(prediction: Prediction) -> float:
    """Return the probability of what was said."""
    return max(prediction.probabilities)


@dataclass(frozen=True, slots=True)
class Kind:
    """One way to be wrong (or right) about a photograph."""

    name: str
    title: str
    description: str
    rule: Callable[[str, str], bool]
    """From the truth and what was said, both of CLASSES."""

    def holds(self, prediction: Prediction) -> bool:
        """Say whether the prediction is of this kind; one without an image-level truth is of none."""
        return prediction.truth is not None and self.rule(prediction.truth, said(prediction))


_LISTED = (
    Kind(
        "fp",
        "A sense where there is none",
        "The truth is none; the system said CW or CCW.",
        lambda truth, called: truth == "none" and called in SENSES,
    ),
    Kind(
        "fn",
        "A sense that was missed",
        "The truth is CW or CCW; the system said none.",
        lambda truth, called: truth in SENSES and called == "none",
    ),
    Kind(
        "wrong-sense",
        "The opposite sense",
        "The truth is CW and the system said CCW, or the other way round.",
        lambda truth, called: truth in SENSES and called == MIRRORED[truth],
    ),
    Kind(
        "right",
        "Right",
        "The system said the truth, none included.",
        lambda truth, called: called == truth,
    ),
)
FAILURES = ("fp", "fn", "wrong-sense")
KINDS: Mapping[str, Kind] = MappingProxyType({kind.name: kind for kind in _LISTED})
"""By name. Every prediction with an image-level truth is of exactly one kind."""
ALL_KINDS: Mapping[str, Kind | ErrorKind] = MappingProxyType({**KINDS, **OF_CLASTS})
"""By name: kinds of answers about photographs, then TIDE's kinds of mistakes about clasts."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """One prediction that a gallery shows, or one mistake about a clast of its photograph."""

    cell: Cell
    prediction: Prediction
    kind: str
    """One of ALL_KINDS."""
    confidence: float
    """Probability of what was said; of a mistake about a clast its weight."""
    mistake: DetectionMistake | None = None
    """None for kinds of answers about photographs."""


@dataclass(frozen=True, slots=True)
class Selection:
    """What a gallery shows, out of how many, and by which rule."""

    chosen: tuple[Chosen, ...]
    counts: Mapping[str, int]
    """By kind asked for: how many photographs or mistakes are of it, shown or not."""
    n: int
    order: Order
    seed: int
    rule: str
    """One sentence for captions."""


@dataclass(frozen=True, slots=True)
class UnsolvedPhotograph:
    """One photograph that no system got right, by id, with what each of them said."""

    image_id: str
    truth: str
    said: Mapping[str, Prediction]
    """By system."""


def default_kinds(records: Iterable[CellRecord]) -> tuple[str, ...]:
    """Return the kinds that a gallery of these cells shows unless others are asked for."""
    return (*FAILURES, *OF_CLASTS) if any(map(proposes, records)) else FAILURES


def select(
    records: Sequence[CellRecord],
    kinds: Sequence[str],
    *,
    n: int = 24,
    order: Order = "confidence",
    seed: int = 0,
) -> Selection:
    """Choose at most `n` photographs or mistakes of each kind, kinds in the order asked for.

    A photograph comes once a system, as its first cell in the order of `Cell` predicted it; of the kinds of mistakes
    about clasts it comes once a mistake. By confidence, the surest come first (missed clasts: the largest), equally
    sure ones by image id; at random, the draw depends on the seed and on nothing else.

    Raises:
        UnknownNameError: nobody defined the kind or the order.
        UsageError: `n` is not positive, or the system proposes no boxes that could be mistaken.
    """
    for name in kinds:
        if name not in ALL_KINDS:
            raise UnknownNameError("kind", name, ALL_KINDS)
    if order not in ORDERS:
        raise UnknownNameError("order", order, ORDERS)
    if n < 1:
        raise UsageError(f"A gallery shows at least 1 photograph of each kind, not {n}.")
    asked = tuple(dict.fromkeys(kinds))
    _refuse_clasts_of_whole_images(records, asked)
    found = {name: list(_candidates(records, name)) for name in asked if name in KINDS}
    found |= _mistakes(records, [name for name in asked if name in OF_CLASTS])
    chosen = tuple(one for name in asked for one in _ordered(found[name], order, seed)[:n])
    counts = MappingProxyType({name: len(found[name]) for name in asked})
    return Selection(chosen, counts, n, order, seed, _rule(asked, n, order, seed))


def failed_by_every_system(records_by_system: Mapping[str, Sequence[CellRecord]]) -> tuple[UnsolvedPhotograph, ...]:
    """Return the photographs that every system predicted and none got right, by image id.

    A system whose cells all failed said nothing, and has no vote.
    """
    told = {
        system: {prediction.image_id: prediction for _, prediction in _once(records)}
        for system, records in records_by_system.items()
    }
    voters = {system: by_id for system, by_id in told.items() if by_id}
    if not voters:
        return ()
    shared = set.intersection(*(set(by_id) for by_id in voters.values()))
    found = []
    for image_id in sorted(shared):
        answers = {system: by_id[image_id] for system, by_id in voters.items()}
        truth = next(iter(answers.values())).truth
        if truth is not None and not any(KINDS["right"].holds(one) for one in answers.values()):
            found.append(UnsolvedPhotograph(image_id, truth, MappingProxyType(answers)))
    return tuple(found)


def _candidates(records: Iterable[CellRecord], kind: str) -> Iterator[Chosen]:
    for cell, prediction in _once(records):
        if KINDS[kind].holds(prediction):
            yield Chosen(cell, prediction, kind, confidence(prediction))


def _mistakes(records: Iterable[CellRecord], kinds: Sequence[str]) -> dict[str, list[Chosen]]:
    found: dict[str, list[Chosen]] = {name: [] for name in kinds}
    if not kinds:
        return found
    for record, first in _first_told(records):
        ids = {prediction.image_id for prediction in first}
        for prediction, mistake in detection_mistakes(record, ids, kinds):
            found[mistake.kind].append(Chosen(record.cell, prediction, mistake.kind, mistake.weight, mistake))
    return found


def _refuse_clasts_of_whole_images(records: Sequence[CellRecord], kinds: Sequence[str]) -> None:
    asked = [name for name in kinds if name in OF_CLASTS]
    if asked and not any(map(proposes, records)):
        system = records[0].cell.system if records else "This system"
        raise UsageError(
            f"{system}: proposes no boxes that could be wrong, so it has nothing of kind {', '.join(asked)}; kinds of "
            f"whole photographs: {', '.join(KINDS)}."
        )


def _once(records: Iterable[CellRecord]) -> Iterator[tuple[Cell, Prediction]]:
    """Yield every photograph once a system, from the first cell that predicted it."""
    for record, first in _first_told(records):
        for prediction in first:
            yield record.cell, prediction


def _first_told(records: Iterable[CellRecord]) -> Iterator[tuple[CellRecord, list[Prediction]]]:
    """Yield each cell with the predictions of photographs of which no earlier cell of its system spoke."""
    seen: dict[str, set[str]] = defaultdict(set)
    for record in sorted(records, key=lambda record: record.cell):
        told = seen[record.cell.system]
        first = [one for one in record.predictions if one.image_id not in told]
        told.update(one.image_id for one in first)
        yield record, first


def _ordered(found: list[Chosen], order: Order, seed: int) -> list[Chosen]:
    by_id = sorted(found, key=_place)
    if order == "random":
        return [by_id[at] for at in np.random.default_rng(seed).permutation(len(by_id))]
    return sorted(by_id, key=lambda one: -one.confidence)


def _place(one: Chosen) -> tuple[str, Cell, Box | tuple[()]]:
    return one.prediction.image_id, one.cell, one.mistake.box if one.mistake else ()


def _rule(kinds: Sequence[str], n: int, order: Order, seed: int) -> str:
    shown = {"photographs": KINDS, "mistakes about clasts": OF_CLASTS}
    what = " or ".join(name for name, some in shown.items() if any(kind in some for kind in kinds)) or "photographs"
    if order == "random":
        return f"At most {n} {what} of each kind, drawn at random with seed {seed}."
    sure = f"The (at most) {n} {what} of each kind on which the system was surest of what it said, surest first"
    return f"{sure}; of missed clasts the largest." if "miss" in kinds else f"{sure}."
