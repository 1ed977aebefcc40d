"""Galleries that say how far to believe their maps: trust and gates above, removals photograph by photograph."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from statistics import fmean

from ..records import Cell, CellRecord, Score
from .exhibits import Exhibit, Removed
from .gallery import Gallery
from .leaderboard import system_scores
from .map_board import tables_of
from .trust_board import standing

_ASKED = ("cpf", "srg_map", "srg_control")
Shown = tuple[Cell, str]
"""A cell and a photograph."""


def with_evidence(
    gallery: Gallery, records: Sequence[CellRecord], method: str, scores: Mapping[str, Score] | None = None
) -> Gallery:
    """Return the gallery with what the system's results say of its maps.

    `records` are the cells of the system, `method` is the ranked one. `scores` are those of `leaderboard.Row`; without
    them they are computed.
    """
    scores = system_scores(records, method) if scores is None else scores
    return replace(gallery, standing=standing(scores), exhibits=with_removals(gallery.exhibits, records, method))


def with_removals(exhibits: Sequence[Exhibit], records: Sequence[CellRecord], method: str) -> tuple[Exhibit, ...]:
    """Return exhibits of answers with what removing cells said of the maps of their photograph, where anybody asked."""
    known = removed_by_photograph(records, method)
    return tuple(one if one.mistake else replace(one, removed=known.get((one.cell, one.photo.id))) for one in exhibits)


def removed_by_photograph(records: Iterable[CellRecord], method: str) -> dict[Shown, Removed]:
    """Return what the stored tables of the maps for the true sense hold, by cell and photograph.

    Where a photograph was explained clast by clast, values are the mean over its clasts.
    """
    found: dict[Shown, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for record in records:
        for table in tables_of([record], method, "sense"):
            for name in _ASKED:
                for image_id, value in zip(table.image_id, table.values.get(name, ()), strict=False):
                    own = found[record.cell, image_id][name]
                    own += [] if value is None else [value]
    return {shown: Removed(*(_mean(own[name]) for name in _ASKED)) for shown, own in found.items()}


def _mean(values: Sequence[float]) -> float | None:
    return fmean(values) if values else None
