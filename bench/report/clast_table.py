"""The confusion of clasts as lines of a table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..metrics import clast_confusion
from ..metrics.clasts import MEANT, SAID
from ..records import CellRecord
from .detectors import pooled, tells_senses


@dataclass(frozen=True, slots=True)
class ClastRow:
    """Of which clasts one thing was said."""

    said: str
    """One of SAID."""
    cells: tuple[tuple[int | None, float | None], ...]
    """For each of MEANT the count (None where nothing can be: nobody misses the background), and its share of the
    column; None when there is none."""


def clast_rows(records: Sequence[CellRecord]) -> tuple[ClastRow, ...]:
    """Return the confusion of all folds and seeds together; empty where no box has a sense."""
    if not tells_senses(records):
        return ()
    table = clast_confusion(pooled(records))
    totals = table.sum(axis=0).tolist()
    rows = []
    for said, counts in zip(SAID, table.tolist(), strict=True):
        shares = [count / total if total else None for count, total in zip(counts, totals, strict=True)]
        impossible = [(said, meant) == ("missed", "background") for meant in MEANT]
        cells = zip(counts, shares, impossible, strict=True)
        rows.append(ClastRow(said, tuple((None, None) if never else (count, share) for count, share, never in cells)))
    return tuple(rows)
