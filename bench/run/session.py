"""One run of a suite, from its name to written results."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from .. import results
from ..errors import DataError, StoreError, UsageError
from ..plugins import BACKBONES, DETECTORS, EXPLAINERS
from ..records import Cell, CellRecord
from ..suite import Suite
from . import record
from .catching_up import catch_up
from .device import find_device
from .entries import choose
from .executors import Executor, InProcess, Workers
from .graph import Node, topological
from .inputs import Source, open_source, opened_before
from .plan import Plan, plan
from .progress import Estimate, Progress
from .runner import missing, run
from .store import Store


@dataclass(frozen=True, slots=True)
class Places:
    """Where things lie."""

    store: Path
    out: Path
    data: Path | None = None


@dataclass(frozen=True, slots=True)
class Choice:
    """Which part of a suite to run, and on what."""

    detectors: Sequence[str] = ()
    backbones: Sequence[str] = ()
    explainers: Sequence[str] = ()
    device: str = "auto"
    jobs: int | None = None
    tensorboard: bool = True
    """Whether event files are written."""


@dataclass(frozen=True, slots=True)
class Prospect:
    """What a run would come to."""

    cells: int
    up_to_date: int
    hits: int
    nodes: Mapping[str, int]
    """Nodes to make, by kind."""
    seconds: float
    unknown: tuple[str, ...]
    """Families of nodes that were never timed here."""
    broken: tuple[str, ...]
    downloads: tuple[str, ...]
    """Weights files that are not on this machine; a run tries to download them first."""

    @property
    def trainings(self) -> int:
        """How many of the nodes are trainings, of backbones and of detectors."""
        return sum(self.nodes.get(kind, 0) for kind in ("fit", "fit_detector"))


@dataclass(frozen=True, slots=True)
class Summary:
    """What a run came to."""

    cells: int
    up_to_date: int
    failed: Mapping[Cell, str]
    unmapped: Mapping[Cell, str]
    """Cells that were scored while explaining them failed; tried again on the next run."""
    made: int
    folder: Path


class Session:
    """A suite with a choice of systems, ready to be run."""

    def __init__(self, suite: Suite, places: Places, choice: Choice, *, download: bool = True) -> None:
        self.suite, self.places, self.choice = suite, places, choice
        self.store = Store(places.store)
        self.source: Source = open_source(suite, places.data)
        asked = choose((), choice.explainers, EXPLAINERS)
        self.plan: Plan = plan(
            suite,
            self.source,
            detectors=choose(suite.detectors, choice.detectors, DETECTORS),
            backbones=choose(suite.entered_backbones, choice.backbones, BACKBONES),
            explainers=[*suite.explainers, *(name for name in asked if name not in suite.explainers)],
            seeds=suite.seeds,
            device=find_device(choice.device),
            download=download,
            tensorboard=self.store.tensorboard if choice.tensorboard else None,
        )
        self.folder = places.out / suite.shown_name

    def _stale(self) -> dict[Cell, Node]:
        """Cells whose result file is not there, failed, or is of another key."""
        return {cell: node for cell, node in self.plan.cells.items() if not self._up_to_date(cell, node)}

    def _up_to_date(self, cell: Cell, node: Node) -> bool:
        path = results.path_of(self.folder, cell)
        if not path.is_file():
            return False
        try:
            found = results.read(path)
        except DataError:
            return False
        keys = (found.key, found.map_key, found.suite_digest)
        return found.status == "ok" and keys == (node.key, self.plan.map_key(cell), self.plan.digest)

    def _targets(self, cells: Iterable[Cell]) -> list[Node]:
        """The nodes that the results of some cells are read from."""
        return [node for cell in cells for node in (self.plan.cells[cell], *self.plan.map_nodes(cell).values())]

    def prospect(self) -> Prospect:
        """Look ahead; nothing is made, nothing is downloaded."""
        stale = self._stale()
        needed = missing(self._targets(stale), self.store)
        every = {node.key: node for node in topological(self._targets(self.plan.cells))}
        kinds: dict[str, int] = {}
        for node in needed.values():
            kinds[node.kind] = kinds.get(node.kind, 0) + 1
        jobs, _ = _workers(self.choice, self.suite, self.plan.device)
        estimate = Estimate(list(needed.values()), max(1, jobs), self.store.timings())
        return Prospect(
            cells=len(self.plan.cells) + len(self.plan.broken),
            up_to_date=len(self.plan.cells) - len(stale),
            hits=sum(self.store.has(node) for node in every.values()),
            nodes=kinds,
            seconds=estimate.seconds(),
            unknown=tuple(estimate.unknown()),
            broken=tuple(sorted({f"{cell.system}: {reason}" for cell, reason in self.plan.broken.items()})),
            downloads=self.plan.downloads,
        )

    def run(self, progress: Progress) -> Summary:
        """Make every cell that is not up to date and write its result file; failures never stop other cells."""
        opened_before.cache_clear()  # a long-lived process may have read an older version of the data
        stale = self._stale()
        targets = self._targets(stale)
        needed = missing(targets, self.store)
        if any(node.kind in ("crops", "fit_detector", "detect", "watch_boxes") for node in needed.values()):
            self.source.require_pixels()
        for folder in (self.store.root, self.folder):
            _require_writable(folder)
        self.store.sweep()
        reasons: Mapping[str, str] = {}
        if needed:
            reasons = run(targets, self.store, self._executor(), progress)
        failed, unmapped = dict(self.plan.broken), {}
        for cell, node in stale.items():
            found = self._finished(cell, node, reasons)
            results.write(found, self.folder)
            if found.reason is not None:
                failed[cell] = found.reason
            elif found.map_key != self.plan.map_key(cell):
                unmapped[cell] = next(
                    reasons[one.key] for one in self.plan.map_nodes(cell).values() if one.key in reasons
                )
        self._forget_others()
        for cell, reason in self.plan.broken.items():
            results.write(record.failed(self.plan, cell, "", reason), self.folder)
        self._show()
        up_to_date = len(self.plan.cells) - len(stale)
        made = sum(self.store.has(node) for node in needed.values())
        cells = len(self.plan.cells) + len(self.plan.broken)
        return Summary(cells, up_to_date, failed, unmapped, made, self.folder)

    def _forget_others(self) -> None:
        """Remove failed results of cells that are none, now that all can be loaded."""
        for cell in self.plan.cells:
            if "@" in cell.backbone:  # while it could not even be loaded, it had no mode
                results.forget(replace(cell, backbone=cell.backbone.rpartition("@")[0]), self.folder)
        for cell in self.plan.skipped:  # while its detector could not be loaded, nobody knew
            results.forget(cell, self.folder)

    def _finished(self, cell: Cell, node: Node, reasons: Mapping[str, str]) -> CellRecord:
        """Put a cell's record together; what cannot be read back from the store is a failure of this cell alone."""
        reason = reasons.get(node.key)
        if reason is None:
            try:
                return record.finished(self.plan, cell, node, self.store, reasons)
            except StoreError as error:
                reason = str(error)
        return record.failed(self.plan, cell, node.key, reason)

    def _show(self) -> None:
        """Bring TensorBoard's event files up to date."""
        if self.choice.tensorboard:
            catch_up(self.plan, self.store, self.folder)

    def _executor(self) -> Executor:
        jobs, threads = _workers(self.choice, self.suite, self.plan.device)
        return Workers(jobs, threads) if jobs else InProcess(threads)


def _require_writable(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise UsageError(f"{folder}: cannot be written to ({error.strerror}); choose another folder.") from error


def _workers(choice: Choice, suite: Suite, device: str) -> tuple[int, int]:
    """Workers × threads ≤ cores; one worker a GPU."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if choice.jobs is not None:
        return choice.jobs, suite.threads
    return (1 if device != "cpu" else max(1, cores // suite.threads)), suite.threads
