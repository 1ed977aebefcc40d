"""Two tables below the systems': what detectors find, and where systems lose their points."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..metrics import KINDS, LOSSES, Impact
from .box_maps import BoxMapRow
from .detectors import DetectorRow
from .leaderboard import Leaderboard, Row
from .map_columns import BOX_COLUMNS
from .writing import drawn, md_line, md_text, short, with_interval

DETECTOR_COLUMNS: tuple[tuple[str, str], ...] = (
    ("ap", "AP"),
    ("ap50", "AP50"),
    ("ap75", "AP75"),
    ("ar", "AR"),
    ("clast_recall", "clasts found"),
    ("clast_image_recall", "clast photographs found"),
    ("clean_share", "clean photographs left clean"),
    ("hit_confidence", "confidence of hits"),
    ("false_alarm_confidence", "confidence of false alarms"),
)
LOST: tuple[tuple[str, str], ...] = tuple(
    zip(LOSSES, ("lost in detection", "lost in crop", "lost in classification"), strict=True)
)
"""Stages in the order of the pipeline."""
LOST_MEANS: dict[str, str] = {
    "lost_detection": "Points of macro-F1 that true boxes in place of all proposals would give back, once the boxes of "
    "proposals that meet a clast (IoU of .5 or more) are true: missed clasts, false alarms, threshold.",
    "lost_crop": "Points of macro-F1 that true boxes in place of those of the proposals that meet a clast would give "
    "back.",
    "lost_classification": "Points of macro-F1 that are missing even with true boxes.",
}


@dataclass(frozen=True, slots=True)
class Block:
    """A table with a title and what must be known to read it; the first column is text, all others are numbers."""

    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: tuple[str, ...]
    reasons: tuple[str, ...] = ()
    """Why lines are without values."""


DETECTOR_NOTE = (
    "Clasts of any sense. AP, AR: as COCO's, at most 100 proposals a photograph. The others at one threshold, chosen",
    "on validation photographs; found: IoU of .5 or more. Own head: trained to read the sense itself, so other boxes.",
)
LOST_NOTE = (
    "Macro-F1 lost by stage, found by putting the truth in its place: together 1 - macro-F1; below 0 the truth does",
    "harm. Then errors by TIDE's kinds: their number at the system's threshold, and the sense-aware AP50 that fixing",
    "them would give back, whatever the threshold.",
)
LOOKED_NOTE = (
    "Maps of the detector: of its box of a clast (found), of the true box of a clast that it has no box for (missed:",
    "what did it look at instead?), of its box where no clast is (false alarm). Lift: 0 chance, 1 all heat on clasts;",
    "shares of the heat by part; CPF and SRG as above, for what was found.",
)


def blocks(board: Leaderboard) -> tuple[Block, ...]:
    """Return the tables that the board has something for."""
    found = []
    if board.detectors:
        found.append(_detectors(board.detectors))
    if losing := losing_rows(board):
        found.append(_losses(losing))
    if board.box_maps:
        found.append(_looked(board.box_maps))
    return tuple(found)


def losing_rows(board: Leaderboard) -> tuple[Row, ...]:
    """Return the systems that propose boxes and were scored."""
    return tuple(row for row in board.rows if row.proposes and row.errors)


def drops(rows: Sequence[DetectorRow]) -> bool:
    """Whether any detector made proposals that were no boxes."""
    return any(row.n_dropped for row in rows)


def terminal_block(block: Block) -> str:
    """Draw a table with lines, what stands in brackets below its value."""
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    table = Table(title=block.title, title_justify="left")
    for at, name in enumerate(block.header):
        table.add_column(_two_lines(name), justify="right" if at else "left", no_wrap=True)
    for first, *cells in block.rows:
        name = first.replace(" + ", "\n+ ").replace(", own head", ",\nown head")
        table.add_row(Text(name), *(Text(cell.replace(" [", "\n[").replace(" (", "\n(")) for cell in cells))
    return "\n".join([drawn(table), *block.note, *block.reasons])


def markdown_block(block: Block) -> list[str]:
    """Write a GitHub table and its note as lines."""
    return [
        f"**{block.title}**",
        "",
        md_line(block.header),
        md_line(["---", *("---:" for _ in block.header[1:])]),
        *(md_line([md_text(first), *cells]) for first, *cells in block.rows),
        "",
        *block.note,
        *(f"- {md_text(text)}" for text in block.reasons),
    ]


def _detectors(rows: Sequence[DetectorRow]) -> Block:
    dropped = drops(rows)
    header = ("detector", *(title for _, title in DETECTOR_COLUMNS), *(["dropped"] if dropped else []), "n")
    return Block("Detectors", header, tuple(_detector_line(row, dropped=dropped) for row in rows), DETECTOR_NOTE)


def _detector_line(row: DetectorRow, *, dropped: bool) -> tuple[str, ...]:
    scores = (with_interval(row.scores.get(name)) for name, _ in DETECTOR_COLUMNS)
    return row.name, *scores, *([str(row.n_dropped)] if dropped else []), str(row.n_images)


def _looked(rows: Sequence[BoxMapRow]) -> Block:
    columns = [column for group in BOX_COLUMNS for column in group]
    reasons = [f"No maps of {row.detector}, {row.target}: {row.reason}." for row in rows if row.reason]
    reasons += [f"Lacking maps of {row.detector}, {row.method}: {row.partly}." for row in rows if row.partly]
    return Block(
        "Where detectors look",
        ("detector", "method", "box", *(column.title for column in columns), "boxes"),
        tuple(
            (row.detector, row.method, row.target, *(with_interval(row.scores.get(one.name)) for one in columns),
             str(row.n_maps))
            for row in rows
        ),
        LOOKED_NOTE,
        tuple(dict.fromkeys(reasons)),
    )  # fmt: skip


def _losses(rows: Sequence[Row]) -> Block:
    header = ("system", *(title for _, title in LOST), *KINDS)
    return Block("Where the points are lost", header, tuple(_loss_line(row) for row in rows), LOST_NOTE)


def _loss_line(row: Row) -> tuple[str, ...]:
    lost = (with_interval(row.scores.get(name)) for name in LOSSES)
    return row.system, *lost, *(_impact(row.errors[kind]) for kind in KINDS)


def _impact(impact: Impact) -> str:
    return f"{impact.count} ({short(impact.ap50_back)})"


def _two_lines(name: str) -> str:
    """Break a title at the space nearest to its middle, if it is long."""
    if len(name) <= 12:
        return name
    spaces = [at for at, char in enumerate(name) if char == " "]
    at = min(spaces, key=lambda place: abs(place - len(name) / 2), default=None)
    return name if at is None else f"{name[:at]}\n{name[at + 1 :]}"
