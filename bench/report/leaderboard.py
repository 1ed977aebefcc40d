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
    Comparison,
    Impact,
    Observations,
    compare_all,
    compare_maps,
    confusion_scores,
    gate_randomisation,
    metrics_for,
    score_all,
    score_maps,
)
from ..records import CLASSES, EXTERNAL, CellRecord, MapScores, Score, ceiling, untrained
from ..run.scoring import observe
from ..suite import Reference, Suite
from .detectors import Boxes, DetectorRow
from .exhibits import MapRow

HEADLINE = "macro_f1"
COLUMNS: tuple[tuple[str, str], ...] = (
    ("macro_f1", "macro-F1"),
    ("accuracy", "accuracy"),
    ("presence_auroc", "presence AUROC"),
    ("sense_forced", "sense, forced"),
    ("sense_end_to_end", "sense, end to end"),
    ("majority_rate", "majority"),
    ("sense_ap50", "sense AP50"),
    ("lift_sense", "lift, sense"),
    ("lift_presence", "lift, presence"),
    ("tail_share", "tail share"),
    ("gate_randomisation", "gate 1"),
)
BOXED = ("sense_ap50",)
"""The columns that only boxes have."""
MAP_COLUMNS: Mapping[str, tuple[str, str]] = {
    "lift_sense": ("sense", "lift"),
    "lift_presence": ("presence", "lift"),
    "tail_share": ("sense", "share_tails"),
}
"""Target and metric behind each column that speaks of the ranked method's maps."""
MAP_CONTEXT: Mapping[str, tuple[str, str]] = {"rho": ("sense", "rho"), "tail_area": ("sense", "area_tails")}
"""What chance would give: the outlines' and the tails' share of the area."""
GATE = "gate_randomisation"
MAP_NAMES = (*MAP_COLUMNS, GATE, *MAP_CONTEXT, "lift_centre", "lift_ceiling")
"""All that is said of maps; the last two are the lift of a centred Gaussian and of the outlines themselves."""


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
    proposes: bool = False
    """Whether its detector proposes boxes, and so may be wrong."""
    errors: Mapping[str, Impact] = field(default_factory=dict)
    """What each of TIDE's kinds of error comes to, by name; empty without boxes."""

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
    if metric in MAP_COLUMNS:
        ranks = _map_ranks({pair: by_system[pair] for pair in whole}, metric, method)
    elif metric in DETECTION_METRICS:
        ranks = boxes.ranks(whole, metric)
    else:
        ranks = _ranks(whole, metric)
    rows = [
        _row(cells, observed[pair], ranks.get(pair), method=method, boxes=boxes) for pair, cells in by_system.items()
    ]
    return Leaderboard(
        suite=suite.shown_name,
        version=suite.version,
        digest=digest,
        metric=metric,
        rows=tuple(sorted(rows, key=lambda row: _order(row, metric))),
        references=tuple(_reference(reference) for reference in suite.references),
        left_out=left_out,
        detectors=boxes.detectors(),
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
        raise UnknownNameError("metric", metric, [*metrics_for(CLASSES), *DETECTION_METRICS, *MAP_COLUMNS])
    if not observed:
        return {}
    pairs = {" + ".join(pair): pair for pair in observed}
    return _by_pair(compare_all({name: observed[pair] for name, pair in pairs.items()}, metric), pairs)


def _map_ranks(
    cells: Mapping[tuple[str, str], Sequence[CellRecord]], metric: str, method: str
) -> dict[tuple[str, str], int]:
    """Rank by what the maps came to, among systems explained on the same inputs; without maps there is no rank."""
    target, name = MAP_COLUMNS[metric]
    tables = {pair: tables_of(own, method, target) for pair, own in cells.items()}
    alike: dict[object, dict[str, tuple[str, str]]] = defaultdict(dict)
    for pair, own in tables.items():
        if any(one.values for one in own) and not any(one.reason for one in own):
            alike[_inputs(own)][" + ".join(pair)] = pair
    ranks: dict[tuple[str, str], int] = {}
    for pairs in alike.values():
        ranks |= _by_pair(compare_maps({shown: tables[pair] for shown, pair in pairs.items()}, name), pairs)
    return ranks


def _inputs(tables: Sequence[MapScores]) -> object:
    """What maps are of: only scores of the same inputs compare, since a tight crop makes lift another question."""
    seen = ((one.image_id, one.values.get("rho", ())) for one in tables)
    return tuple(sorted(pair for ids, rho in seen for pair in zip(ids, rho, strict=True)))


def _by_pair(compared: Comparison, pairs: Mapping[str, tuple[str, str]]) -> dict[tuple[str, str], int]:
    ranked = zip(compared.systems, compared.ranks, compared.values, strict=True)
    return {pairs[name]: rank for name, rank, value in ranked if value is not None}


def tables_of(cells: Sequence[CellRecord], method: str, target: str) -> list[MapScores]:
    """Return the tables of one method (or of maps from outside) and target, one a cell that was explained."""
    return [
        table for cell in cells for table in cell.maps if table.method in (method, EXTERNAL) and table.target == target
    ]


def map_scores(cells: Sequence[CellRecord], method: str) -> dict[str, Score]:
    """Return the columns that speak of maps, gate 1, and what to read them by; those without a value say why."""
    found = {}
    for column, (target, name) in {**MAP_COLUMNS, **MAP_CONTEXT}.items():
        tables = tables_of(cells, method, target)
        if tables:
            found[column] = replace(_one(tables, name), metric=column)
    for column, other in (("lift_centre", "centre"), ("lift_ceiling", ceiling(method))):
        tables = [table for cell in cells for table in cell.maps if table.method == other]
        if tables:
            found[column] = replace(_one(tables, "lift"), metric=column)
    if tables_of(cells, method, "sense"):
        found[GATE] = _gate(cells, method)
    return found


def _one(tables: Sequence[MapScores], name: str) -> Score:
    """Score one metric; a fold whose maps failed is left out (and named below the table), one without any is empty."""
    usable = [_only(table, name) for table in tables if table.reason is None]
    scored = [score for score in score_maps(usable) if score.metric == name]
    reason = next((table.reason for table in tables if table.reason), "no test photograph has a sense and an outline")
    return scored[0] if scored else Score(name, None, reason=reason)


def _gate(cells: Sequence[CellRecord], method: str) -> Score:
    """Gate 1 for the sense, over the cells that have both kinds of maps."""
    trained, random, reasons = [], [], []
    for cell in cells:
        ours = [table for table in cell.maps if (table.method, table.target) == (method, "sense")]
        theirs = [table for table in cell.maps if (table.method, table.target) == (untrained(method), "sense")]
        reasons += [table.reason for table in (*ours, *theirs) if table.reason]
        if ours and theirs and not ours[0].reason and not theirs[0].reason:
            trained.append(_only(ours[0], "lift"))
            random.append(_only(theirs[0], "lift"))
    if trained:
        return gate_randomisation(trained, random)
    return Score(GATE, None, reason=reasons[0] if reasons else "no network of random weights was explained")


def map_rows(cells: Sequence[CellRecord]) -> tuple[MapRow, ...]:
    """Return every score of every method's maps of one system, controls and ceiling included."""
    gathered: dict[tuple[str, str], list[MapScores]] = defaultdict(list)
    for cell in cells:
        for table in cell.maps:
            gathered[table.method, table.target].append(table)
    found = []
    for (method, target), tables in gathered.items():
        usable = [table for table in tables if table.reason is None]
        reason = None if usable else tables[0].reason
        found.append(MapRow(method, target, {score.metric: score for score in score_maps(usable)}, reason))
    return tuple(found)


def _only(table: MapScores, name: str) -> MapScores:
    return replace(table, values={name: table.values[name]} if name in table.values else {})


def _row(cells: Sequence[CellRecord], seen: Observations, rank: int | None, *, method: str, boxes: Boxes) -> Row:
    bad = [cell for cell in cells if cell.status == "failed"]
    scores = (*_scores(cells, seen), *boxes.scores(cells))
    training = [cell.timings["fit_s"] for cell in cells if "fit_s" in cell.timings]
    inference = [cell.timings["ms_per_image"] for cell in cells if "ms_per_image" in cell.timings]
    return Row(
        rank=rank,
        detector=cells[0].cell.detector,
        backbone=cells[0].cell.backbone,
        scores={score.metric: score for score in scores} | map_scores(cells, method),
        fit_s=sum(training) if training else None,
        ms_per_image=sum(inference) / len(inference) if inference else None,
        n_images=len(set(seen.image_id)),
        n_cells=len(cells),
        n_failed=len(bad),
        reason=bad[0].reason if bad else None,
        unmapped=_unmapped(cells, method),
        proposes=_proposes(cells),
        errors=boxes.errors(cells),
    )


def _unmapped(cells: Sequence[CellRecord], method: str) -> str | None:
    tables = tables_of(cells, method, "sense")
    reasons = [table.reason for table in tables if table.reason]
    return f"{len(reasons)} of {len(tables)} cells: {reasons[0]}" if 0 < len(reasons) < len(tables) else None


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
