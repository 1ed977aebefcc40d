"""A leaderboard as text: for a terminal, Markdown, CSV or JSON."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict

from ..metrics import DETECTION_METRICS, GATES, KINDS, LOSSES, TRIAL_METRICS, metrics_for
from ..records import CLASSES, Score
from .detection_tables import blocks, markdown_block, terminal_block
from .leaderboard import BOXED, COLUMNS, GATES_COLUMN, Leaderboard, Row
from .map_board import MAP_NAMES
from .trust_board import TRUST, gate_marks
from .writing import drawn, md_line, md_text, short, with_interval

NOT_RUN = "published, not run here"


def _columns(board: Leaderboard) -> list[tuple[str, str]]:
    """The usual columns, the ranked metric first; those of boxes only where systems were asked for some."""
    known = {name: title for name, title in COLUMNS if board.detectors or name not in BOXED}
    if board.metric in known:
        return list(known.items())
    titles = {name: one.title for name, one in metrics_for(CLASSES).items()}
    titles |= {name: one.title for name, one in DETECTION_METRICS.items()}
    return [(board.metric, titles[board.metric]), *known.items()]


def _cells(row: Row, names: list[str]) -> list[str]:
    shown = [gate_marks(row.scores) if name == GATES_COLUMN else with_interval(row.scores.get(name)) for name in names]
    return [
        "–" if row.rank is None else str(row.rank),
        row.system,
        *shown,
        "–" if row.fit_s is None else f"{row.fit_s:.1f}",
        "–" if row.ms_per_image is None else f"{row.ms_per_image:.1f}",
        str(row.n_images),
    ]


def _matrix(board: Leaderboard) -> tuple[list[str], list[list[str]], list[list[str]]]:
    columns = _columns(board)
    names = [name for name, _ in columns]
    header = ["rank", "system", *(title for _, title in columns), "fit s", "ms/image", "n"]
    rows = [_cells(row, names) for row in board.rows]
    references = [
        ["", reference.name, *(short(reference.scores.get(name)) for name in names), "", "", str(reference.n_images)]
        for reference in board.references
    ]
    return header, rows, references


def _failures(board: Leaderboard) -> list[str]:
    """What a reader must know beside the rows."""
    failed = [
        f"FAILED {row.system}: {row.n_failed} of {row.n_cells} cells failed: {row.reason}"
        for row in board.rows
        if row.n_failed
    ]
    partial = [f"NOT RANKED {row.system}: {row.unranked}." for row in board.rows if row.unranked]
    silent = [f"NOT EXPLAINED {row.system}: {said}" for row in board.rows for said in row.unexplained]
    return [*failed, *partial, *silent, *(f"LEFT OUT {reason}" for reason in board.left_out)]


def _title(board: Leaderboard) -> str:
    return f"{board.suite} v{board.version} ({board.digest[:12]}), ranked by {board.metric}"


NOTE = (
    "95 % intervals. Rank = 1 + systems significantly better (paired bootstrap by group, Holm).",
    "Sense: balanced accuracy where the truth is CW or CCW; forced compares CW with CCW only, end to end counts",
    "`none` as wrong. Majority: share of the commoner sense, what always saying it would score unbalanced.",
    "Sense AP50: average precision of clasts found (IoU of .5) and called their sense.",
    "Lift: how much more of the map's heat lies on the clast than chance would put there (0 chance, 1 all of it), for",
    "the sense (CW against CCW) and for presence (a clast against none); tail share: of the sense map's heat on mantle",
    "and tails. CPF: rank correlation of the sense map with what each cell matters (0 chance). SRG: what its order",
    "gains over the reverse, as a share of what the best order gains (0 chance, 1 best). Trust: mean of CPF, SRG (at",
    "most 1) and lift; it speaks of the maps, quality is another column. Ranks by trust start anew for each kind of",
    "input (whole images, true-box crops): only systems explained on the same inputs are compared.",
    "Gates 1 to 5: " + ", ".join(gate.title.lower() for gate in GATES.values()) + ".",
    "✓ passed, ✗ failed (not ranked by trust), – undecided or not asked.",
)


def maps_note(board: Leaderboard) -> list[str]:
    """What lift and tail share are to be read by: chance, floor and ceiling, for systems explained on like inputs."""
    gathered: dict[tuple[str, ...], list[str]] = {}
    for row in board.rows:
        scores = [row.scores.get(name) for name in ("rho", "tail_area", "lift_centre", "lift_ceiling")]
        said = tuple(short(score.value if score else None) for score in scores)
        if said[0] != "–":
            gathered.setdefault(said, []).append(row.system)
    return [
        f"Outlines cover {rho} of what {', '.join(systems)} saw, tails {tails}; lift of a centred Gaussian {floor}, of "
        f"the outlines at the maps' resolution {top}."
        for (rho, tails, floor, top), systems in gathered.items()
    ]


def terminal(board: Leaderboard) -> str:
    """A table drawn with lines, intervals below their values, as wide as it needs to be."""
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    header, rows, references = _matrix(board)
    table = Table(title=_title(board), title_justify="left")
    for name in header:
        table.add_column(_TITLES.get(name, name), justify="left" if name == "system" else "right", no_wrap=True)
    for cells in rows:
        table.add_row(*(Text(cell.replace(" [", "\n[").replace(" + ", "\n+ ")) for cell in cells))
    if references:
        table.add_section()
        for cells in references:
            table.add_row(*(Text(cell) for cell in cells), style="dim")
    lines = [drawn(table)]
    lines += [f"Lower block: {NOT_RUN} ({board.references[0].source})."] if references else []
    more = [line for block in blocks(board) for line in ("", terminal_block(block))]
    return "\n".join([*lines, *NOTE, *maps_note(board), *_failures(board), *more]) + "\n"


_TITLES = {
    "presence AUROC": "presence\nAUROC",
    "sense, forced": "sense,\nforced",
    "sense, end to end": "sense,\nend to end",
    "lift, sense": "lift,\nsense",
    "lift, presence": "lift,\npresence",
    "tail share": "tail\nshare",
    "sense AP50": "sense\nAP50",
}
"""Column titles that take two lines on a terminal."""


def markdown(board: Leaderboard) -> str:
    """A GitHub table."""
    header, rows, references = _matrix(board)
    lines = [
        f"**{_title(board)}**",
        "",
        md_line(header),
        md_line(["---:" if name != "system" else "---" for name in header]),
    ]
    lines += [md_line([cells[0], md_text(cells[1]), *cells[2:]]) for cells in rows]
    lines += [md_line([cells[0], f"{md_text(cells[1])} ({NOT_RUN})", *cells[2:]]) for cells in references]
    notes = [f"- {md_text(text)}" for text in (*maps_note(board), *_failures(board))]
    more = [line for block in blocks(board) for line in ("", *markdown_block(block))]
    return "\n".join([*lines, "", *NOTE, *notes, *more]) + "\n"


def as_csv(board: Leaderboard) -> str:
    """Every metric of every system in full precision: value, low, high; then errors by kind, number and AP50 back."""
    names = [*metrics_for(CLASSES), *DETECTION_METRICS, *LOSSES, TRUST, *MAP_NAMES, *GATES, *TRIAL_METRICS]
    errors = [f"{kind}{end}" for kind in KINDS for end in ("_count", "_ap50_back")]
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    spread = [f"{name}{end}" for name in names for end in ("", "_low", "_high")]
    cost = [
        "trust_rank",
        "trust_stability",
        "failed_gates",
        "fit_s",
        "ms_per_image",
        "n_images",
        "n_cells",
        "n_failed",
        "reason",
    ]
    writer.writerow(["rank", "detector", "backbone", *spread, *errors, *cost])
    for row in board.rows:
        values = [v for name in names for v in _three(row.scores.get(name))]
        spent = [row.fit_s, row.ms_per_image, row.n_images, row.n_cells, row.n_failed, row.reason or ""]
        placed = [row.trust_rank, row.trust_stability, " ".join(row.failed_gates)]
        writer.writerow([row.rank, row.detector, row.backbone, *values, *_counts(row), *placed, *spent])
    for reference in board.references:
        values = [v for name in names for v in (reference.scores.get(name), None, None)]
        spent = [*[""] * 5, reference.n_images, "", "", reference.source]
        writer.writerow(["", NOT_RUN, reference.name, *values, *("" for _ in errors), *spent])
    return out.getvalue()


def _three(score: Score | None) -> tuple[float | None, float | None, float | None]:
    return (score.value, score.low, score.high) if score else (None, None, None)


def _counts(row: Row) -> list[float | None]:
    found = [row.errors.get(kind) for kind in KINDS]
    return [value for one in found for value in ((one.count, one.ap50_back) if one else (None, None))]


def as_json(board: Leaderboard) -> str:
    """Everything, for programs."""
    said = asdict(board)
    for told, row in zip(said["rows"], board.rows, strict=True):
        told["failed_gates"] = row.failed_gates
    return json.dumps(said, indent=1, sort_keys=True, allow_nan=False) + "\n"


FORMATS: Mapping[str, Callable[[Leaderboard], str]] = {
    "table": terminal,
    "md": markdown,
    "csv": as_csv,
    "json": as_json,
}
