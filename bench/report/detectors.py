"""What boxes came to, folds and seeds together: scores of systems, one row a detector, and the ranks by them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ..metrics import (
    DETECTION_METRICS,
    LOSSES,
    Comparison,
    Finds,
    Impact,
    compare_detections,
    error_impacts,
    finds,
    ranks,
    score_detections,
)
from ..records import EXTERNAL, OWN_HEAD, Cell, CellRecord, Detections, Prediction, Score
from ..run.proposals import BOXES
from ..run.scoring import lost, score_read

Pair = tuple[str, str]
"""Detector and backbone."""
Trained = tuple[str, bool]
"""A detector, and whether it was trained to read the sense by itself: that makes other boxes."""
Part = tuple[int, str]
"""Seed and fold."""
Source = str | tuple[object, ...]
"""What tells the boxes of one cell from others: the digest of their file; the boxes themselves where there is none."""
Made = tuple[Trained, frozenset[tuple[Part, Source]]]
"""Which boxes a system rests on: what made those of each part. Equal for systems that share all of theirs."""

WHOLE = "whole photographs: no boxes"
"""Why a system that is not asked for boxes has no score of them."""
OF_BOXES: tuple[str, ...] = tuple(name for name, one in DETECTION_METRICS.items() if not one.of_senses)
"""The scores that a detector has whatever backbone reads its boxes."""
OF_SYSTEMS: tuple[str, ...] = (*(name for name in DETECTION_METRICS if name not in OF_BOXES), *LOSSES)


@dataclass(frozen=True, slots=True)
class DetectorRow:
    """One detector, whatever backbones read its boxes; with a head of its own it is another one.

    A detector whose boxes changed between two results that lie side by side has a row for either, named alike.
    """

    detector: str
    own_head: bool
    scores: Mapping[str, Score]
    """By name, of OF_BOXES."""
    n_dropped: int
    """Proposals that were no boxes."""
    n_images: int
    n_cells: int
    """Folds times seeds."""

    @property
    def name(self) -> str:
        """The detector, as readers see it."""
        return shown_name(self.detector, own_head=self.own_head)


class Boxes:
    """The boxes behind a suite's results; what is scored once is kept, since backbones share their detector's boxes."""

    def __init__(self, records: Iterable[CellRecord]) -> None:
        """Sort the cells that were asked for boxes."""
        self._cells: dict[Pair, list[CellRecord]] = defaultdict(list)
        self._whole: dict[str, list[CellRecord]] = defaultdict(list)
        self._kept: dict[Made, tuple[Score, ...]] = {}
        for record in sorted(records, key=lambda one: one.cell):
            cell = record.cell
            if record.detections is not None:
                self._cells[cell.detector, cell.backbone].append(record)
            elif record.status == "ok" and cell.detector != EXTERNAL:
                self._whole[cell.detector].append(record)

    def __bool__(self) -> bool:
        """Whether any system was asked for boxes."""
        return bool(self._cells)

    def scores(self, cells: Sequence[CellRecord]) -> tuple[Score, ...]:
        """Score the boxes of one system; a single cell has its scores already."""
        asked = _asked(cells)
        if not asked:
            return _without_source() if self and any(cell.status == "ok" for cell in cells) else ()
        if len(cells) == 1:
            return tuple(one for one in cells[0].scores if one.metric in (*OF_BOXES, *OF_SYSTEMS))
        n_seeds = len({cell.cell.seed for cell in asked})
        return (*self._agnostic(asked), *score_read(_told(asked), n_seeds), *lost(_told(asked), n_seeds))

    def errors(self, cells: Sequence[CellRecord]) -> Mapping[str, Impact]:
        """Return what each of TIDE's kinds of error comes to in one system; empty where no box has a sense."""
        asked = _asked(cells)
        return dict(error_impacts(pooled(asked))) if tells_senses(asked) else {}

    def detectors(self) -> tuple[DetectorRow, ...]:
        """Return one row a detector, the highest AP first, whole photographs last; none where nobody has boxes."""
        rows = [self._row(cells) for cells in _sharing(self._cells.values())]
        whole = [_whole_row(name, own) for name, own in self._whole.items()] if rows else []
        return tuple(sorted([*rows, *whole], key=_order))

    def ranks(self, systems: Iterable[Pair], metric: str) -> dict[Pair, int]:
        """Rank those of the systems that have boxes.

        Scores that know no senses are compared once a detector: systems that share boxes are equal, and no tests.
        """
        pairs = [pair for pair in systems if pair in self._cells]
        if DETECTION_METRICS[metric].of_senses:
            pairs = [pair for pair in pairs if tells_senses(self._cells[pair])]
        if not pairs:
            return {}
        if DETECTION_METRICS[metric].of_senses:
            compared = compare_detections({" + ".join(pair): pooled(self._cells[pair]) for pair in pairs}, metric)
            return _defined(pairs, compared.values, compared.ranks)
        made = {pair: _made(self._cells[pair]) for pair in pairs}
        first = {made[pair]: pair for pair in reversed(pairs)}
        compared = compare_detections({" + ".join(pair): pooled(self._cells[pair]) for pair in first.values()}, metric)
        place = [list(first).index(made[pair]) for pair in pairs]
        return _defined(pairs, [compared.values[at] for at in place], _spread(compared, place))

    def _agnostic(self, cells: Sequence[CellRecord]) -> tuple[Score, ...]:
        made = _made(cells)
        if made not in self._kept:
            stored = [one for one in cells[0].scores if one.metric in OF_BOXES]
            n_seeds = len({one.cell.seed for one in cells})
            self._kept[made] = tuple(stored) if len(cells) == 1 else score_detections(pooled(cells), n_seeds)
        return self._kept[made]

    def _row(self, cells: Sequence[CellRecord]) -> DetectorRow:
        return DetectorRow(
            *trained(cells[0].cell),
            scores={score.metric: score for score in self._agnostic(cells)},
            n_dropped=sum(found.n_dropped for _, found in _told(cells)),
            n_images=_n_images(cells),
            n_cells=len(cells),
        )


def shown_name(detector: str, *, own_head: bool) -> str:
    """Return a detector as readers see it."""
    return f"{detector}, own head" if own_head else detector


def trained(cell: Cell) -> Trained:
    """Return which training made the boxes of a cell."""
    return _trained((cell.detector, cell.backbone))


def pooled(cells: Sequence[CellRecord]) -> Finds:
    """Put what several cells found side by side; those without boxes add nothing."""
    return finds(_told(cells))


def tells_senses(cells: Sequence[CellRecord]) -> bool:
    """Whether boxes were found that say more than that a clast is there; a model from outside may leave it at that."""
    asked = _asked(cells)
    return bool(asked) and not pooled(asked).senses_left_open


def _trained(pair: Pair) -> Trained:
    detector, backbone = pair
    if detector == EXTERNAL:  # every model from outside has boxes of its own
        return f"{EXTERNAL} + {backbone}", False
    return detector, backbone == OWN_HEAD


def _made(cells: Sequence[CellRecord]) -> Made:
    return trained(cells[0].cell), frozenset((_part(one), _source(one)) for one in cells)


def _part(record: CellRecord) -> Part:
    return record.cell.seed, record.cell.fold


def _source(record: CellRecord) -> Source:
    found = record.detections
    assert found is not None, "a cell that was asked for boxes"
    return record.artefacts.get(f"detect/{BOXES}") or (found.image_id, found.xyxy, found.score)


def _sharing(systems: Iterable[Sequence[CellRecord]]) -> list[list[CellRecord]]:
    """Put the systems of a detector together that agree on the boxes of all parts they share: one cell a part."""
    shared: dict[Trained, list[dict[Part, CellRecord]]] = defaultdict(list)
    for cells in systems:
        own = {_part(one): one for one in cells}
        alike = shared[trained(cells[0].cell)]
        for known in alike:
            if all(_source(own[part]) == _source(known[part]) for part in own.keys() & known.keys()):
                known.update(own)
                break
        else:
            alike.append(own)
    return [[known[part] for part in sorted(known)] for alike in shared.values() for known in alike]


def _asked(cells: Sequence[CellRecord]) -> list[CellRecord]:
    """Return the cells with boxes, by seed and fold: that orders equal scores on a photograph that comes twice."""
    return sorted((one for one in cells if one.detections is not None), key=lambda one: one.cell)


def _told(cells: Sequence[CellRecord]) -> list[tuple[Sequence[Prediction], Detections]]:
    return [(cell.predictions, cell.detections) for cell in cells if cell.detections is not None]


def _without_source() -> tuple[Score, ...]:
    better = {name: one.higher_is_better for name, one in DETECTION_METRICS.items()} | dict.fromkeys(LOSSES, False)
    return tuple(Score(name, None, higher_is_better=better[name], reason=WHOLE) for name in (*OF_BOXES, *OF_SYSTEMS))


def _whole_row(name: str, cells: Sequence[CellRecord]) -> DetectorRow:
    scores = {score.metric: score for score in _without_source() if score.metric in OF_BOXES}
    n_cells = len({(one.cell.seed, one.cell.fold) for one in cells})
    return DetectorRow(name, own_head=False, scores=scores, n_dropped=0, n_images=_n_images(cells), n_cells=n_cells)


def _n_images(cells: Sequence[CellRecord]) -> int:
    return len({said.image_id for cell in cells for said in cell.predictions})


def _order(row: DetectorRow) -> tuple[bool, float, str]:
    value = row.scores["ap"].value
    return value is None, -(value or 0.0), row.name


def _spread(compared: Comparison, place: Sequence[int]) -> tuple[int, ...]:
    """Return the ranks of systems from those of their detectors; systems that share one do not beat each other."""
    square = np.ix_(place, place)
    values = [compared.values[at] for at in place]
    return ranks(
        values,
        compared.adjusted[square],
        higher_is_better=compared.higher_is_better,
        differences=compared.differences[square],
    )


def _defined(pairs: Sequence[Pair], values: Sequence[float | None], found: Sequence[int]) -> dict[Pair, int]:
    return {pair: rank for pair, value, rank in zip(pairs, values, found, strict=True) if value is not None}
