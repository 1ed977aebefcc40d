"""Which photographs a gallery shows: kinds of failure as small named rules, and the draw among them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

import numpy as np

from ..errors import UnknownNameError, UsageError
from ..records import CLASSES, MIRRORED, SENSES, Cell, CellRecord, Prediction

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
    """One way to be wrong (or right)."""

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


@dataclass(frozen=True, slots=True)
class Chosen:
    """One prediction that a gallery shows."""

    cell: Cell
    prediction: Prediction
    kind: str
    confidence: float
    """Probability of what was said."""


@dataclass(frozen=True, slots=True)
class Selection:
    """What a gallery shows, out of how many, and by which rule."""

    chosen: tuple[Chosen, ...]
    counts: Mapping[str, int]
    """By kind asked for: how many photographs are of it, shown or not."""
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


def select(
    records: Sequence[CellRecord],
    kinds: Sequence[str],
    *,
    n: int = 24,
    order: Order = "confidence",
    seed: int = 0,
) -> Selection:
    """Choose at most `n` photographs of each kind, kinds in the order asked for.

    A photograph comes once a system, as its first cell in the order of `Cell` predicted it. By confidence, the surest
    come first, equally sure ones by image id; at random, the draw depends on the seed and on nothing else.

    Raises:
        UnknownNameError: nobody defined the kind or the order.
        UsageError: `n` is not positive.
    """
    for name in kinds:
        if name not in KINDS:
            raise UnknownNameError("kind", name, KINDS)
    if order not in ORDERS:
        raise UnknownNameError("order", order, ORDERS)
    if n < 1:
        raise UsageError(f"A gallery shows at least 1 photograph of each kind, not {n}.")
    asked = tuple(dict.fromkeys(kinds))
    found = {name: list(_candidates(records, name)) for name in asked}
    chosen = tuple(one for name in asked for one in _ordered(found[name], order, seed)[:n])
    counts = MappingProxyType({name: len(found[name]) for name in asked})
    return Selection(chosen, counts, n, order, seed, _rule(n, order, seed))


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


def _once(records: Iterable[CellRecord]) -> Iterator[tuple[Cell, Prediction]]:
    """Yield every photograph once a system, from the first cell that predicted it."""
    seen: set[tuple[str, str]] = set()
    for record in sorted(records, key=lambda record: record.cell):
        for prediction in record.predictions:
            key = record.cell.system, prediction.image_id
            if key not in seen:
                seen.add(key)
                yield record.cell, prediction


def _ordered(found: list[Chosen], order: Order, seed: int) -> list[Chosen]:
    by_id = sorted(found, key=lambda one: (one.prediction.image_id, one.cell))
    if order == "random":
        return [by_id[at] for at in np.random.default_rng(seed).permutation(len(by_id))]
    return sorted(by_id, key=lambda one: -one.confidence)


def _rule(n: int, order: Order, seed: int) -> str:
    if order == "random":
        return f"At most {n} photographs of each kind, drawn at random with seed {seed}."
    return f"The (at most) {n} photographs of each kind on which the system was surest of what it said, surest first."
