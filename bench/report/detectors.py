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
from ..run.scoring import NO_SENSE, lost, score_read

Pair = tuple[str, str]
"""Detector and backbone."""
Trained = tuple[str, bool]
"""A detector, and whether it was trained to read the sense by itself: that makes other boxes."""

WHOLE = "whole photographs: no boxes"
"""Why a system that is not asked for boxes has no score of them."""
OF_BOXES: tuple[str, ...] = tuple(name for name, one in DETECTION_METRICS.items() if not one.of_senses)
"""The scores that a detector has whatever backbone reads its boxes."""
OF_SYSTEMS: tuple[str, ...] = (*(name for name in DETECTION_METRICS if name not in OF_BOXES), *LOSSES)


@dataclass(frozen=True, slots=True)
class DetectorRow:
    """One detector, whatever backbones read its boxes; with a head of its own it is another one."""

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
        return f"{self.detector}, own head" if self.own_head else self.detector


class Boxes:
    """The boxes behind a suite's results; what is scored once is kept, since backbones share their detector's boxes."""

    def __init__(self, records: Iterable[CellRecord]) -> None:
        """Sort the cells that were asked for boxes."""
        self._cells: dict[Pair, list[CellRecord]] = defaultdict(list)
        self._by_trained: dict[Trained, dict[tuple[int, str], CellRecord]] = defaultdict(dict)
        self._whole: dict[str, list[CellRecord]] = defaultdict(list)
        self._kept: dict[tuple[Trained, frozenset[tuple[int, str]]], tuple[Score, ...]] = {}
        for record in sorted(records, key=lambda one: one.cell):
            cell = record.cell
            if record.detections is not None:
                self._cells[cell.detector, cell.backbone].append(record)
                self._by_trained[trained(cell)].setdefault((cell.seed, cell.fold), record)
            elif record.status == "ok" and cell.detector != EXTERNAL:
                self._whole[cell.detector].append(record)

    def __bool__(self) -> bool:
        """Whether any system was asked for boxes."""
        return bool(self._cells)

    def scores(self, cells: Sequence[CellRecord]) -> tuple[Score, ...]:
        """Score the boxes of one system; a single cell has its scores already."""
        asked = _asked(cells)
        if not asked:
            return _without_boxes() if self and any(cell.status == "ok" for cell in cells) else ()
        if len(cells) == 1:
            return tuple(one for one in cells[0].scores if one.metric in (*OF_BOXES, *OF_SYSTEMS))
        n_seeds = len({cell.cell.seed for cell in asked})
        agnostic = self._agnostic(trained(asked[0].cell), {(one.cell.seed, one.cell.fold) for one in asked})
        return (*agnostic, *score_read(_told(asked), n_seeds), *lost(_told(asked), n_seeds))

    def errors(self, cells: Sequence[CellRecord]) -> Mapping[str, Impact]:
        """Return what each of TIDE's kinds of error comes to in one system; empty where no box has a sense."""
        asked = _asked(cells)
        return dict(error_impacts(pooled(asked))) if tells_senses(asked) else {}

    def detectors(self) -> tuple[DetectorRow, ...]:
        """Return one row a detector, the highest AP first, whole photographs last; none where nobody has boxes."""
        rows = [self._row(one, list(cells.values())) for one, cells in self._by_trained.items()]
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
        first = {_trained(pair): pair for pair in reversed(pairs)}
        compared = compare_detections({str(one): pooled(self._cells[pair]) for one, pair in first.items()}, metric)
        place = [list(first).index(_trained(pair)) for pair in pairs]
        return _defined(pairs, [compared.values[at] for at in place], _spread(compared, place))

    def _agnostic(self, key: Trained, covered: set[tuple[int, str]]) -> tuple[Score, ...]:
        kept = key, frozenset(covered)
        if kept not in self._kept:
            cells = [self._by_trained[key][part] for part in sorted(covered)]
            stored = [one for one in cells[0].scores if one.metric in OF_BOXES]
            n_seeds = len({seed for seed, _ in covered})
            self._kept[kept] = tuple(stored) if len(cells) == 1 else score_detections(pooled(cells), n_seeds)
        return self._kept[kept]

    def _row(self, key: Trained, cells: Sequence[CellRecord]) -> DetectorRow:
        scores = self._agnostic(key, {(one.cell.seed, one.cell.fold) for one in cells})
        return DetectorRow(
            *key,
            scores={score.metric: score for score in scores},
            n_dropped=sum(found.n_dropped for _, found in _told(cells)),
            n_images=_n_images(cells),
            n_cells=len(cells),
        )


def trained(cell: Cell) -> Trained:
    """Return which training made the boxes of a cell."""
    return _trained((cell.detector, cell.backbone))


def pooled(cells: Sequence[CellRecord]) -> Finds:
    """Put what several cells found side by side; those without boxes add nothing."""
    return finds(_told(cells))


def tells_senses(cells: Sequence[CellRecord]) -> bool:
    """Whether boxes were found that say more than that a clast is there; a model from outside may leave it at that."""
    asked = [one for cell in cells if cell.detections for one in cell.scores if one.metric == "sense_ap50"]
    return bool(asked) and not all(one.reason == NO_SENSE for one in asked)


def _trained(pair: Pair) -> Trained:
    detector, backbone = pair
    if detector == EXTERNAL:  # every model from outside has boxes of its own
        return f"{EXTERNAL} + {backbone}", False
    return detector, backbone == OWN_HEAD


def _asked(cells: Sequence[CellRecord]) -> list[CellRecord]:
    """Return the cells with boxes, by seed and fold: equal scores count in the order of their photographs."""
    return sorted((one for one in cells if one.detections is not None), key=lambda one: one.cell)


def _told(cells: Sequence[CellRecord]) -> list[tuple[Sequence[Prediction], Detections]]:
    return [(cell.predictions, cell.detections) for cell in cells if cell.detections is not None]


def _without_boxes() -> tuple[Score, ...]:
    better = {name: one.higher_is_better for name, one in DETECTION_METRICS.items()} | dict.fromkeys(LOSSES, False)
    return tuple(Score(name, None, higher_is_better=better[name], reason=WHOLE) for name in (*OF_BOXES, *OF_SYSTEMS))


def _whole_row(name: str, cells: Sequence[CellRecord]) -> DetectorRow:
    scores = {score.metric: score for score in _without_boxes() if score.metric in OF_BOXES}
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
