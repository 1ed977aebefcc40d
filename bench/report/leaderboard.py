"""The leaderboard: one row a system, ranked by one metric with paired tests."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from .. import results
from ..errors import DataError, UnknownNameError
from ..metrics import (
    DETECTION_METRICS,
    Impact,
    Observations,
    compare_all,
    confusion_scores,
    metrics_for,
    score_all,
)
from ..records import CLASSES, EXTERNAL, CellRecord, Score
from ..run.scoring import observe
from ..suite import Reference, Suite
from .box_maps import BoxMapRow, box_map_rows
from .detectors import Boxes, DetectorRow
from .map_board import MAP_COLUMNS, by_pair, map_ranks, map_scores, unmapped, unplaced
from .trust_board import (
    FORCED,
    TRUST,
    TrustRank,
    failed_gates,
    gates_named,
    trust_ranks,
    trust_scores,
    why_untrusted,
)
from .unanswered import unanswered

HEADLINE = "macro_f1"
GATES_COLUMN = "gates"
"""Is no score: a mark for each of the five gates."""
COLUMNS: tuple[tuple[str, str], ...] = (
    ("macro_f1", "macro-F1"),
    ("accuracy", "accuracy"),
    ("presence_auroc", "presence AUROC"),
    ("sense_forced", "sense, forced"),
    ("sense_end_to_end", "sense, end to end"),
    ("majority_rate", "majority"),
    ("sense_ap50", "sense AP50"),
    ("trust", "trust"),
    (GATES_COLUMN, "gates"),
    ("cpf", "CPF"),
    ("srg", "SRG"),
    ("lift_sense", "lift, sense"),
    ("lift_presence", "lift, presence"),
    ("tail_share", "tail share"),
)
_PARTIAL = "some folds or seeds are missing"
_UNMAPPED = "some of its cells have no maps"
BOXED = ("sense_ap50",)
"""The columns that only boxes have."""


@dataclass(frozen=True, slots=True)
class Row:
    """One system. `rank` is 1 + the number of systems significantly better; None when a cell failed or is missing."""

    rank: int | None
    detector: str
    backbone: str
    scores: Mapping[str, Score]
    fit_s: float | None
    """Seconds of all its trainings; None where the harness measured none."""
    ms_per_image: float | None
    n_images: int
    n_cells: int
    n_failed: int
    reason: str | None
    """Why cells failed: the first reason."""
    unmapped: str | None = None
    """Why maps of some cells are missing while others have them."""
    unanswered: Mapping[str, str] = field(default_factory=dict)
    """What was asked about its maps or changed pictures and failed, with the number of cells and why."""
    proposes: bool = False
    """Whether its detector proposes boxes, and so may be wrong."""
    errors: Mapping[str, Impact] = field(default_factory=dict)
    """What each of TIDE's kinds of error comes to, by name; empty without boxes."""
    trust_rank: int | None = None
    """1 + the number of systems significantly more trustworthy; None without trust, and where a gate is failed."""
    trust_stability: float | None = None
    """Share of random weightings of trust's parts under which that rank stays; None for one compared with nobody."""
    untrusted: str | None = None
    """Why a system that was explained has no rank by trust."""
    unranked: str | None = None
    """Why a system with a value has no rank."""

    @property
    def failed_gates(self) -> tuple[str, ...]:
        """The gates that it fails, by name."""
        return failed_gates(self.scores)

    @property
    def unexplained(self) -> tuple[str, ...]:
        """What could not be explained, a line each."""
        maps = (self.unmapped,) if self.unmapped else ()
        return (*maps, *(f"{asked}, {said}" for asked, said in self.unanswered.items()))

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
    left_out: tuple[str, ...] = ()
    """Result files that are there and not ranked, with the reason."""
    detectors: tuple[DetectorRow, ...] = ()
    """Best first; empty where no system was asked for boxes."""
    box_maps: tuple[BoxMapRow, ...] = ()
    """Where detectors looked; empty where nobody asked."""
    method: str = ""
    """The method whose maps are ranked; empty where the suite names none."""


def current_records(folder: Path, digest: str) -> tuple[list[CellRecord], tuple[str, ...]]:
    """Read the results that belong to the present version of a suite; of the others, say why they are left out."""
    records, left_out = [], []
    for path in results.paths(folder):
        try:
            record = results.read(path)
        except DataError as error:
            left_out.append(str(error))
            continue
        if record.suite_digest == digest:
            records.append(record)
        else:
            left_out.append(f"{path}: of another version of the suite.")
    return records, tuple(left_out)


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


def build(
    suite: Suite,
    digest: str,
    records: Iterable[CellRecord],
    metric: str = HEADLINE,
    left_out: tuple[str, ...] = (),
) -> Leaderboard:
    """Rank the systems of one suite; best first, failed ones last.

    Raises:
        UnknownNameError: nobody registered the metric.
    """
    by_system: dict[tuple[str, str], list[CellRecord]] = defaultdict(list)
    for record in records:
        by_system[record.cell.detector, record.cell.backbone].append(record)
    boxes = Boxes(record for cells in by_system.values() for record in cells)
    observed = {pair: _observations(cells) for pair, cells in by_system.items()}
    whole = {pair: seen for pair, seen in observed.items() if complete(by_system[pair], suite)}
    method = suite.explainers[0] if suite.explainers else ""
    rows = {pair: _row(cells, observed[pair], method=method, boxes=boxes) for pair, cells in by_system.items()}
    cells_of = {pair: by_system[pair] for pair in whole}
    trusted = trust_ranks({pair: own for pair, own in cells_of.items() if not rows[pair].failed_gates}, method)
    if metric == TRUST:
        ranks = {pair: one.rank for pair, one in trusted.items()}
    elif metric in MAP_COLUMNS:
        ranks = map_ranks(cells_of, metric, method)
    elif metric in DETECTION_METRICS:
        ranks = boxes.ranks(whole, metric)
    else:
        ranks = _ranks(whole, metric)
    placed = [
        replace(
            _placed(row, trusted.get(pair)),
            rank=ranks.get(pair),
            unranked=None if pair in ranks else _unranked(row, by_system[pair], method, metric, whole=pair in whole),
            untrusted=None if pair in trusted else _untrusted(row, by_system[pair], method, whole=pair in whole),
        )
        for pair, row in rows.items()
    ]
    return Leaderboard(
        suite=suite.shown_name,
        version=suite.version,
        digest=digest,
        metric=metric,
        rows=tuple(sorted(placed, key=lambda row: _order(row, metric))),
        references=tuple(_reference(reference) for reference in suite.references),
        left_out=left_out,
        detectors=boxes.detectors(),
        box_maps=box_map_rows(record for cells in by_system.values() for record in cells),
        method=method,
    )


def complete(cells: Sequence[CellRecord], suite: Suite) -> bool:
    """True when every fold (and, for systems that the harness ran, every seed) is there and scored.

    A detector that proposes boxes takes part in one repeat only where the suite says so.
    """
    if any(cell.status == "failed" for cell in cells):
        return False
    scored = {(cell.cell.seed, cell.cell.fold) for cell in cells}
    seeds = {0} if cells[0].cell.detector == EXTERNAL else set(suite.seeds)
    once = suite.detection.one_repeat and _proposes(cells)
    return scored >= {(seed, fold) for seed in seeds for fold in (suite.one_repeat if once else suite.folds.folds)}


def _proposes(cells: Sequence[CellRecord]) -> bool:
    return any(cell.plugins.get("detector", {}).get("proposes") == "yes" for cell in cells)


def _observations(cells: Sequence[CellRecord]) -> Observations:
    """Every prediction of every fold and seed is one observation."""
    return observe([prediction for cell in cells for prediction in cell.predictions])


def _ranks(observed: Mapping[tuple[str, str], Observations], metric: str) -> dict[tuple[str, str], int]:
    if metric not in metrics_for(CLASSES):
        raise UnknownNameError("metric", metric, [*metrics_for(CLASSES), *DETECTION_METRICS, TRUST, *MAP_COLUMNS])
    if not observed:
        return {}
    pairs = {" + ".join(pair): pair for pair in observed}
    return by_pair(compare_all({name: observed[pair] for name, pair in pairs.items()}, metric), pairs)


def _placed(row: Row, trusted: TrustRank | None) -> Row:
    return replace(row, trust_rank=trusted.rank, trust_stability=trusted.stability) if trusted else row


def _unranked(row: Row, cells: Sequence[CellRecord], method: str, metric: str, *, whole: bool) -> str | None:
    """Why a system without a rank has none, where its value does not say so itself."""
    if row.n_failed or metric not in row.scores or row.scores[metric].value is None:
        return None
    if metric == TRUST:
        return _untrusted(row, cells, method, whole=whole)
    if not whole:
        return _PARTIAL
    return (unplaced(cells, method, metric) if metric in MAP_COLUMNS else None) or _UNMAPPED


def _untrusted(row: Row, cells: Sequence[CellRecord], method: str, *, whole: bool) -> str | None:
    """Why a system without a rank by trust has none; None where nobody asked."""
    if TRUST not in row.scores:
        return None
    if row.n_failed:
        return f"{row.n_failed} of {row.n_cells} cells failed"
    if not whole:
        return _PARTIAL
    if row.scores[TRUST].value is None:
        return "its trust is undefined"
    if row.failed_gates:
        return f"fails {gates_named(row.failed_gates)}"
    return why_untrusted(cells, method) or _UNMAPPED


def _row(cells: Sequence[CellRecord], seen: Observations, *, method: str, boxes: Boxes) -> Row:
    bad = [cell for cell in cells if cell.status == "failed"]
    training = [cell.timings["fit_s"] for cell in cells if "fit_s" in cell.timings]
    inference = [cell.timings["ms_per_image"] for cell in cells if "ms_per_image" in cell.timings]
    return Row(
        rank=None,
        detector=cells[0].cell.detector,
        backbone=cells[0].cell.backbone,
        scores=_with_maps((*_scores(cells, seen), *boxes.scores(cells)), cells, method, seen),
        fit_s=sum(training) if training else None,
        ms_per_image=sum(inference) / len(inference) if inference else None,
        n_images=len(set(seen.image_id)),
        n_cells=len(cells),
        n_failed=len(bad),
        reason=bad[0].reason if bad else None,
        unmapped=unmapped(cells, method),
        unanswered=unanswered(cells, method),
        proposes=_proposes(cells),
        errors=boxes.errors(cells),
    )


def system_scores(cells: Sequence[CellRecord], method: str) -> dict[str, Score]:
    """Return what the leaderboard says of one system without its boxes: answers, maps, trust, changed pictures."""
    seen = _observations(cells)
    return _with_maps(_scores(cells, seen), cells, method, seen)


def _with_maps(
    scores: Iterable[Score], cells: Sequence[CellRecord], method: str, seen: Observations
) -> dict[str, Score]:
    named = {score.metric: score for score in scores}
    return named | map_scores(cells, method) | trust_scores(cells, method, named.get(FORCED), seen)


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
