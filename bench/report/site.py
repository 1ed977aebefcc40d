"""The static report: the leaderboard, a page a system, its failures, what nobody got right, scores by condition."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..metrics import (
    DETECTION_METRICS,
    GATES,
    KINDS,
    MAP_METRICS,
    METRICS,
    TRIAL_METRICS,
    TRUST,
    ClassificationReport,
    classification_report,
    confusion,
)
from ..metrics.clasts import MEANT
from ..records import CLASSES, TARGETS, CellRecord, Score
from ..results import slug
from ..run.scoring import observe
from .cards import cards, unsolved_cards
from .clast_table import clast_rows
from .condition_page import PAGE as CONDITIONS
from .condition_page import write_conditions
from .conditions import ConditionTable
from .detection_tables import DETECTOR_COLUMNS, LOST, LOST_MEANS, drops, losing_rows
from .detectors import WHOLE
from .evidence import with_evidence, with_removals
from .exhibits import Exhibit, MapRow, Unsolved
from .gallery import Gallery
from .grid_page import GridCard, write_grids
from .leaderboard import COLUMNS, GATES_COLUMN, Leaderboard, Row
from .loss_bars import bar
from .map_board import MAP_COLUMNS
from .map_columns import BOX_COLUMNS, LIFTS, SCORES, SHARES, lines
from .pictures import Pictures
from .scale import level
from .shelf import Shelf
from .system_evidence import evidence
from .trust_board import gate_lines

HEADLINES = ("macro_f1", "presence_auroc", "sense_forced", "sense_end_to_end", "trust")
"""The scores that a system's page begins with."""
UNSOLVED = "failed-by-every-system.html"


@dataclass(frozen=True, slots=True)
class SystemPage:
    """What the report says about one system."""

    row: Row
    records: tuple[CellRecord, ...]
    gallery: Gallery
    examples: tuple[Exhibit, ...] = ()
    """Photographs with maps, whether the system was right or not."""
    maps: tuple[MapRow, ...] = ()
    """What the maps of every method came to, controls and ceiling included."""


@dataclass(frozen=True, slots=True)
class Column:
    """One score of the leaderboard."""

    name: str
    title: str
    description: str


@dataclass(frozen=True, slots=True)
class ConfusionRow:
    """How photographs of one true class were called."""

    truth: str
    cells: tuple[tuple[int, float | None], ...]
    """Count, and its share of the true class; None when there is none."""


@dataclass(frozen=True, slots=True)
class Whisker:
    """A score and its interval on an axis 100 units long."""

    at: float
    low: float
    high: float


def write_report(
    folder: Path,
    board: Leaderboard,
    systems: Sequence[SystemPage],
    unsolved: Sequence[Unsolved],
    *,
    pixels: bool,
    rights: str | None,
    conditions: ConditionTable | None = None,
) -> Path:
    """Write the report of a suite into `folder` and return its `index.html`.

    `conditions` is None for a suite that has none: there is no page of them then.

    Every photograph is loaded once, and saved once below `pictures/`; without `pixels` no photograph and no map is
    written. What an earlier report left in the folder is removed; other files there stay.
    """
    shelf = Shelf(folder)
    pictures = Pictures(shelf, pixels=pixels)
    shared = {"board": board, "pixels": pixels, "rights": rights}
    pages = {page.row.system: f"{slug(page.row.system)}.html" for page in systems}
    grids = write_grids(shelf, board)
    path = shelf.write(
        "index.html", _index(board, pages, len(unsolved), conditions=conditions, grids=grids, shared=shared)
    )
    if conditions:
        write_conditions(shelf, conditions, pages, shared)
    for page in systems:
        name = pages[page.row.system]
        shown = evidence(shelf, Path(name).stem, page.records, page.maps, page.row.scores, method=board.method)
        shelf.write(f"systems/{name}", _system(page, name, pictures, shown, shared))
        shelf.write(f"galleries/{name}", _failures(page, name, pictures, shared))
    shelf.write(UNSOLVED, _unsolved(unsolved, pages, pictures, shared))
    return path


def columns(board: Leaderboard) -> tuple[Column, ...]:
    """Return the scores that the leaderboard shows, the ranked one first; those that no row has are left out."""
    shown = {name for row in board.rows for name in row.scores} | {board.metric}
    shown |= {GATES_COLUMN} if shown & {*GATES} else set()
    titles = {name: title for name, title in COLUMNS if name in shown}
    if board.metric not in titles:
        titles = {board.metric: _title(board.metric), **titles}
    return tuple(Column(name, title, _meaning(name)) for name, title in titles.items())


def whisker(score: Score | None) -> Whisker | None:
    """Place a score in 0..1 on the axis; None when it is undefined or lies elsewhere (MCC may be negative)."""
    if score is None or score.value is None:
        return None
    low = score.value if score.low is None else score.low
    high = score.value if score.high is None else score.high
    return Whisker(100 * score.value, 100 * low, 100 * high) if low >= 0 and high <= 1 else None


def confusion_rows(records: Sequence[CellRecord]) -> tuple[tuple[ConfusionRow, ...], ClassificationReport]:
    """Return the confusion matrix of all folds and seeds together, and what follows from it for each class."""
    matrix = confusion(observe([prediction for record in records for prediction in record.predictions]))
    rows = []
    for truth, counts in zip(CLASSES, matrix.tolist(), strict=True):
        total = sum(counts)
        rows.append(ConfusionRow(truth, tuple((count, count / total if total else None) for count in counts)))
    return tuple(rows), classification_report(matrix, CLASSES)


def _index(
    board: Leaderboard,
    pages: Mapping[str, str],
    n_unsolved: int,
    *,
    conditions: ConditionTable | None,
    grids: Sequence[GridCard],
    shared: Mapping[str, Any],
) -> str:
    from .pages import render  # noqa: PLC0415 - brings Jinja2

    return render(
        "index.html",
        root="",
        columns=columns(board),
        grids=grids,
        level=level,
        detector_columns=[Column(one, title, _meaning(one)) for one, title in DETECTOR_COLUMNS],
        dropped=drops(board.detectors),
        losing=[(row, bar(row)) for row in losing_rows(board)],
        loss_columns=_LOSSES,
        kinds=tuple(KINDS.values()),
        ranked=_title(board.metric),
        whiskers={row.system: whisker(row.scores.get(board.metric)) for row in board.rows},
        partial=[
            (row, row.unranked or f"its {_title(board.metric)} is undefined")
            for row in board.rows
            if row.rank is None and not row.n_failed
        ],
        trusted=any(TRUST.name in row.scores for row in board.rows),
        box_columns=BOX_COLUMNS,
        pages=pages,
        n_unsolved=n_unsolved,
        unsolved_page=UNSOLVED,
        factors=[factor.replace("-", " ") for factor in conditions.factors] if conditions else [],
        conditions_page=CONDITIONS,
        links=[(CONDITIONS, "Scores by condition")] if conditions else (),
        **shared,
    )


def _system(
    page: SystemPage, name: str, pictures: Pictures, shown: Mapping[str, Any], shared: Mapping[str, Any]
) -> str:
    from .pages import render  # noqa: PLC0415

    matrix, report = confusion_rows(page.records)
    examples = with_removals(page.examples, page.records, shared["board"].method)
    return render(
        "system.html",
        root="../",
        page=page,
        headlines=[(_title(one), page.row.scores[one]) for one in HEADLINES if one in page.row.scores],
        scores=[
            (_title(one), _meaning(one), score)
            for one, score in page.row.scores.items()
            if score.reason != WHOLE and one not in {*GATES, *TRIAL_METRICS} and not one.startswith("cue_")
        ],
        clasts=clast_rows(page.records),
        MEANT=MEANT,
        segments=bar(page.row),
        loss_columns=_LOSSES,
        kinds=tuple(KINDS.values()),
        whisker=whisker,
        matrix=matrix,
        report=report,
        map_columns=(SCORES, SHARES, LIFTS),
        map_tables=[(target, lines(page.maps, target)) for target in TARGETS] if page.maps else [],
        cards=cards(examples, pictures, pixels=shared["pixels"]),
        links=[(f"../galleries/{name}", "Failures of this system"), (f"../{UNSOLVED}", "Failed by every system")],
        **shown,
        **shared,
    )


def _failures(page: SystemPage, name: str, pictures: Pictures, shared: Mapping[str, Any]) -> str:
    from .pages import render  # noqa: PLC0415

    gallery = with_evidence(page.gallery, page.records, shared["board"].method, page.row.scores)
    return render(
        "gallery.html",
        root="../",
        gallery=gallery,
        cards=cards(gallery.exhibits, pictures, pixels=shared["pixels"]),
        links=[(f"../systems/{name}", "Scores of this system"), (f"../{UNSOLVED}", "Failed by every system")],
        **shared,
    )


def _unsolved(
    unsolved: Sequence[Unsolved], pages: Mapping[str, str], pictures: Pictures, shared: Mapping[str, Any]
) -> str:
    from .pages import render  # noqa: PLC0415

    shown = unsolved_cards(unsolved, pictures)
    return render("unsolved.html", root="", cards=shown, pages=pages, links=[("index.html", "Leaderboard")], **shared)


def _title(name: str) -> str:
    for known in (METRICS, DETECTION_METRICS):
        if name in known:
            return known[name].title
    return {**dict(COLUMNS), **dict(LOST), **_CONTEXT}.get(name, name)


def _meaning(name: str) -> str:
    if name in METRICS:
        return METRICS[name].description
    if name in DETECTION_METRICS:
        return DETECTION_METRICS[name].description
    if name in LOST_MEANS:
        return LOST_MEANS[name]
    if name in MAP_COLUMNS:
        target, metric = MAP_COLUMNS[name]
        return f"Of the maps of {target}. {MAP_METRICS[metric].description}"
    if name == GATES_COLUMN:
        rules = "; ".join(f"{one.number} {one.title.lower()}: {one.rule}" for one in gate_lines({}))
        return f"{rules}. ✓ passed, ✗ failed, – undecided or not asked."
    return f"{TRUST.description} {_APART}" if name == TRUST.name else ""


_APART = (
    "Ranks by trust start anew for each kind of input (whole images, true-box crops): only systems explained on the "
    "same inputs are compared."
)
_LOSSES = tuple(Column(name, title, LOST_MEANS[name]) for name, title in LOST)
_CONTEXT = {
    "rho": "outlines' share of the area",
    "tail_area": "tails' share of the area",
    "lift_centre": "lift of a centred Gaussian",
    "lift_ceiling": "lift of the outlines themselves",
}
