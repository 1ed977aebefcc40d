"""The leaderboard: one row a system, ranked by one metric with paired tests."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .. import results
from ..errors import DataError, UnknownNameError
from ..metrics import Observations, compare_all, confusion_scores, metrics_for, score_all
from ..records import CLASSES, CellRecord, Score
from ..suite import Reference, Suite

HEADLINE = "macro_f1"
COLUMNS: tuple[tuple[str, str], ...] = (
    ("macro_f1", "macro-F1"),
    ("accuracy", "accuracy"),
    ("presence_auroc", "presence AUROC"),
    ("sense_forced", "sense, forced"),
    ("sense_end_to_end", "sense, end to end"),
    ("majority_rate", "majority"),
)


@dataclass(frozen=True, slots=True)
class Row:
    """One system. `rank` is 1 + the number of systems significantly better; None when a cell failed."""

    rank: int | None
    detector: str
    backbone: str
    scores: Mapping[str, Score]
    fit_s: float
    """Seconds of all its trainings."""
    ms_per_image: float
    n_images: int
    n_cells: int
    n_failed: int
    reason: str | None
    """Why cells failed: the first reason."""

    @property
    def system(self) -> str:
        """The pair, as readers see it."""
        return f"{self.detector} + {self.backbone}"


@dataclass(frozen=True, slots=True)
class ReferenceRow:
    """A published result, not run here."""

    name: str
    source: str
    scores: Mapping[str, float | None]
    n_images: int


@dataclass(frozen=True, slots=True)
class Leaderboard:
    """What `rank` prints."""

    suite: str
    version: int
    digest: str
    metric: str
    rows: tuple[Row, ...]
    references: tuple[ReferenceRow, ...]


def current_records(folder: Path, digest: str) -> list[CellRecord]:
    """Read those results of a suite that belong to its present version."""
    return [record for record in results.read_all(folder) if record.suite_digest == digest]


def read_records(folder: Path, digest: str) -> list[CellRecord]:
    """Read all results of a suite.

    Raises:
        DataError: there are none, or some are of another version of the suite: such scores cannot be compared.
    """
    records = list(results.read_all(folder))
    if not records:
        raise DataError(f"{folder}: no results yet; run `clastbench run` first, or say where they are with --out.")
    for record in records:
        if record.suite_digest != digest:
            where = results.path_of(folder, record.cell)
            raise DataError(
                f"{where}: made with another version of the suite (digest {record.suite_digest[:12]}, now "
                f"{digest[:12]}); run the suite again, or remove that file."
            )
    return records


def build(suite: Suite, digest: str, records: Iterable[CellRecord], metric: str = HEADLINE) -> Leaderboard:
    """Rank the systems of one suite; best first, failed ones last.

    Raises:
        UnknownNameError: nobody registered the metric.
    """
    by_system: dict[tuple[str, str], list[CellRecord]] = defaultdict(list)
    for record in records:
        by_system[record.cell.detector, record.cell.backbone].append(record)
    observed = {pair: _observations(cells) for pair, cells in by_system.items()}
    whole = {pair: seen for pair, seen in observed.items() if all(cell.status == "ok" for cell in by_system[pair])}
    ranks = _ranks(whole, metric)
    rows = [_row(pair, by_system[pair], observed[pair], ranks.get(pair)) for pair in by_system]
    return Leaderboard(
        suite=suite.shown_name,
        version=suite.version,
        digest=digest,
        metric=metric,
        rows=tuple(sorted(rows, key=lambda row: _order(row, metric))),
        references=tuple(_reference(reference) for reference in suite.references),
    )


def _observations(cells: Sequence[CellRecord]) -> Observations:
    """Every prediction of every fold and seed is one observation."""
    said = [prediction for cell in cells for prediction in cell.predictions]
    return Observations(
        image_id=tuple(p.image_id for p in said),
        group=tuple(p.group for p in said),
        truth=np.asarray([-1 if p.truth is None else CLASSES.index(p.truth) for p in said], np.int8),
        present=np.asarray([p.present for p in said], bool),
        probabilities=np.asarray([p.probabilities for p in said], np.float64).reshape(-1, len(CLASSES)),
    )


def _ranks(observed: Mapping[tuple[str, str], Observations], metric: str) -> dict[tuple[str, str], int]:
    if metric not in metrics_for(CLASSES):
        raise UnknownNameError("metric", metric, metrics_for(CLASSES))
    if not observed:
        return {}
    pairs = {" + ".join(pair): pair for pair in observed}
    compared = compare_all({name: observed[pair] for name, pair in pairs.items()}, metric)
    ranked = zip(compared.systems, compared.ranks, compared.values, strict=True)
    return {pairs[name]: rank for name, rank, value in ranked if value is not None}


def _row(pair: tuple[str, str], cells: Sequence[CellRecord], seen: Observations, rank: int | None) -> Row:
    bad = [cell for cell in cells if cell.status == "failed"]
    scores = _scores(cells, seen)
    inference = [cell.timings["ms_per_image"] for cell in cells if "ms_per_image" in cell.timings]
    return Row(
        rank=rank,
        detector=pair[0],
        backbone=pair[1],
        scores={score.metric: score for score in scores},
        fit_s=sum(cell.timings.get("fit_s", 0.0) for cell in cells),
        ms_per_image=sum(inference) / len(inference) if inference else 0.0,
        n_images=len(set(seen.image_id)),
        n_cells=len(cells),
        n_failed=len(bad),
        reason=bad[0].reason if bad else None,
    )


def _scores(cells: Sequence[CellRecord], seen: Observations) -> tuple[Score, ...]:
    """Score all folds and seeds together; a single cell has its scores already."""
    if len(cells) == 1:
        return cells[0].scores
    return score_all(seen, n_seeds=len({cell.cell.seed for cell in cells})) if len(seen) else ()


def _order(row: Row, metric: str) -> tuple[bool, bool, float, str]:
    score = row.scores.get(metric)
    if score is None or score.value is None:
        return True, True, 0.0, row.system
    return row.rank is None, False, -score.value if score.higher_is_better else score.value, row.system


def _reference(reference: Reference) -> ReferenceRow:
    order = [reference.classes.index(name) for name in CLASSES]
    matrix = np.asarray(reference.confusion)[np.ix_(order, order)]
    return ReferenceRow(reference.name, reference.source, confusion_scores(matrix, CLASSES), int(matrix.sum()))
