"""From a session and its results to galleries, reports and panels: choose photographs, explain them, hand them over."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from .errors import DataError, UnknownNameError, UsageError
from .plugins import Plugin
from .records import Cell, CellRecord, Explanation, Prediction
from .report.conditions import ConditionTable, build_by_condition, conditions_of
from .report.evidence import with_evidence
from .report.exhibits import Exhibit, Unsolved
from .report.leaderboard import build, current_records
from .report.map_board import map_rows
from .report.selection import Chosen, Order, Selection, default_kinds, failed_by_every_system, select
from .run.entries import load_explainers
from .run.inputs import Files
from .run.progress import Progress
from .run.session import Session
from .run.viewing import Look, Shown, Viewer, by_cell

if TYPE_CHECKING:
    from .report.gallery import Gallery

EXAMPLES = 6
"""Photographs that a system's page shows: those it was surest of and right."""
PER_KIND = 24
BLIND = ("chance", "majority")
"""Floors that look at no picture: that they happen to be right says nothing about one."""


class Curator:
    """Shows what the results of a session hold; photographs are explained when they are shown."""

    def __init__(self, session: Session, progress: Progress) -> None:
        self._session = session
        self._viewer = Viewer(session, progress)
        self._records, self._left_out = current_records(session.folder, session.plan.digest)
        if not self._records:
            why = f" ({self._left_out[0]})" if self._left_out else ""
            raise DataError(f"{session.folder}: no results of this version of the suite yet; run it first{why}.")
        explainers = session.plan.looks.explainers or load_explainers(("grad-cam",))
        self._ranked: Plugin = explainers[0]
        self._keys = {record.cell: record.key for record in self._records}
        self._looks: dict[Shown, Look] = {}

    def gallery(
        self, system: str, kinds: Sequence[str] | None, *, n: int, order: Order, seed: int, explained: bool = True
    ) -> Gallery:
        """Choose photographs and mistakes of one system, by default of all kinds that it has, and explain them."""
        cells = self._of(system)
        selection = select(cells, default_kinds(cells) if kinds is None else kinds, n=n, order=order, seed=seed)
        if explained:
            self._session.source.require_pixels()
            self._look(selection.chosen)
        gallery = self._gallery(cells[0].cell.system, cells, selection)
        return with_evidence(gallery, cells, self._ranked.name)

    def report(self, folder: Path, *, pixels: bool) -> Path:
        """Write the static report of all results that are there."""
        from .report.site import SystemPage, write_report  # noqa: PLC0415

        board = build(self._session.suite, self._session.plan.digest, self._records, left_out=self._left_out)
        cells = {row.system: [one for one in self._records if one.cell.system == row.system] for row in board.rows}
        shown = {
            system: [one for one in own if one.status == "ok" and self._shown(one)] for system, own in cells.items()
        }
        failures = {system: select(own, default_kinds(own), n=PER_KIND) for system, own in shown.items()}
        right = {system: select(own, ("right",), n=EXAMPLES).chosen for system, own in shown.items()}
        if pixels:  # explained all at once: one node a cell
            self._session.source.require_pixels()
            self._look([one for system in shown for one in (*failures[system].chosen, *right[system])])
        systems = [
            SystemPage(
                row=row,
                records=tuple(cells[row.system]),
                maps=map_rows(cells[row.system]),
                gallery=self._gallery(row.system, shown[row.system], failures[row.system]),
                examples=self._exhibits(right[row.system]),
            )
            for row in board.rows
        ]
        return write_report(
            folder,
            board,
            systems,
            self._unsolved(),
            pixels=pixels,
            rights=self.rights,
            conditions=self._conditions(),
        )

    def panel(self, system: str, image_id: str, methods: Sequence[str], path: Path) -> Path:
        """Draw one photograph with the maps of several methods side by side."""
        from .report.sheets import write_panel  # noqa: PLC0415

        cell, said = self._said_of(system, image_id)
        (photo,) = self._viewer.photographs([image_id])
        found: list[Explanation] = []
        notes = []
        for explainer in load_explainers(methods):
            look = self._viewer.look({cell: [said]}, self._keys, explainer)[cell, image_id]
            found += look.explanations
            if look.note:
                notes.append(f"{explainer.name}: {look.note}")
        if not found:
            raise UsageError(f"{system}: nothing could be explained; {'; '.join(notes)}.")
        return write_panel(photo, said, found, path, title=f"{system}, {image_id}", notes=notes)

    @property
    def rights(self) -> str | None:
        """What a reader must know before passing pictures on."""
        if not isinstance(self._session.source, Files):
            return None
        return (
            "These pages show photographs that were brought by whoever ran the suite. Mind their rights before you "
            "pass the pages on; --no-pixels makes pages that show none."
        )

    def _of(self, system: str) -> list[CellRecord]:
        """The scored cells of a system's explained repeat, by `DETECTOR+BACKBONE[/seedS-FOLD]`."""
        name, slash, number = system.partition("/seed")
        part = f"seed{number}" if slash else ""
        cells = [one for one in self._records if name in (one.cell.system, one.cell.word)]
        if not cells:
            raise UnknownNameError("system", name, {one.cell.word for one in self._records})
        if part:
            cells = [one for one in cells if one.cell.part == part]
            if not cells:
                raise UnknownNameError(f"cell of {name}", part, {one.cell.part for one in self._records})
        shown = [one for one in cells if part or self._shown(one)]
        scored = [one for one in shown if one.status == "ok"]
        if not scored:
            why = shown[0].reason if shown else "the repeat that is explained was not run"
            raise DataError(f"{name}: nothing to show: {why}")
        return scored

    def _shown(self, record: CellRecord) -> bool:
        """Whether a cell belongs to the repeat that is explained, in which every photograph comes once."""
        suite = self._session.suite
        seeds = {0, suite.seeds[0]} if record.cell not in self._session.plan.cells else {suite.seeds[0]}
        return record.cell.seed in seeds and record.cell.fold in suite.one_repeat

    def _said_of(self, system: str, image_id: str) -> tuple[Cell, Prediction]:
        for record in self._of(system):
            for said in record.predictions:
                if said.image_id == image_id:
                    return record.cell, said
        tested = sorted(said.image_id for record in self._of(system) for said in record.predictions)
        raise UnknownNameError(f"test photograph of {system}", image_id, tested)

    def _look(self, chosen: Sequence[Chosen]) -> None:
        """Explain the photographs whose answers are shown; mistakes about clasts are shown without maps."""
        asked = by_cell([(one.cell, one.prediction) for one in chosen if one.mistake is None])
        self._looks |= self._viewer.look(asked, self._keys, self._ranked)

    def _gallery(self, system: str, cells: Sequence[CellRecord], selection: Selection) -> Gallery:
        from .report.gallery import Gallery, provenance  # noqa: PLC0415

        session = self._session
        return Gallery(
            title=system,
            suite=session.suite.shown_name,
            version=session.suite.version,
            digest=session.plan.digest,
            system=system,
            selection=selection,
            exhibits=self._exhibits(selection.chosen),
            provenance=provenance(cells),
            rights=self.rights,
        )

    def _exhibits(self, chosen: Sequence[Chosen]) -> tuple[Exhibit, ...]:
        photographs = self._viewer.photographs([one.prediction.image_id for one in chosen])
        found = []
        for one, photo in zip(chosen, photographs, strict=True):
            look = Look() if one.mistake else self._looks.get((one.cell, photo.id), Look())
            seen = look.explanations, look.lift, look.note
            found.append(Exhibit(photo, one.prediction, one.cell, one.kind, *seen, one.mistake))
        return tuple(found)

    def _conditions(self) -> ConditionTable | None:
        session = self._session
        if not conditions_of(session.suite):
            return None
        return build_by_condition(session.suite, session.plan.digest, self._records)

    def _unsolved(self) -> list[Unsolved]:
        by_system: dict[str, list[CellRecord]] = defaultdict(list)
        for record in self._records:
            if record.status == "ok" and self._shown(record) and record.cell.backbone not in BLIND:
                by_system[record.cell.system].append(record)
        failed = failed_by_every_system(by_system)
        photographs = self._viewer.photographs([one.image_id for one in failed])
        return [Unsolved(photo, one.said) for photo, one in zip(photographs, failed, strict=True)]
