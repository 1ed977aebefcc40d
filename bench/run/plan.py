"""From a suite and a choice of systems to the score node of every cell."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path

from ..errors import ClastbenchError, SuiteError
from ..records import Cell
from ..suite import Suite, sha256_of_json
from ..tracking import Runs
from .entries import (
    CONTROLS,
    HEAD,
    Backbone,
    Detector,
    enter_all,
    enter_detectors,
    file_name,
    load_explainers,
    shown,
)
from .graph import Node
from .inputs import Source
from .layout import Layout
from .map_layout import MapLayout
from .trial_layout import TrialLayout


@dataclass(frozen=True)
class Plan:
    """What a run comes to: the score node of every cell, and cells that cannot even start."""

    suite: Suite
    digest: str
    cells: Mapping[Cell, Node]
    plugins: Mapping[Cell, Mapping[str, Mapping[str, str]]]
    broken: Mapping[Cell, str]
    device: str
    maps: Mapping[Cell, Mapping[str, Node | str]]
    """By cell and method: the node that scores its maps, or why there can be none; what else is asked by its name."""
    looks: MapLayout
    entered: Mapping[Cell, tuple[Detector, Backbone]]
    """The detector and the backbone of every cell that can start."""
    downloads: tuple[str, ...] = ()
    """Weights files that a run would try to download; only while nothing may be downloaded."""
    skipped: tuple[Cell, ...] = ()
    """Squares of the grid that are none: folds that detectors leave out, heads of detectors that have none."""

    def map_nodes(self, cell: Cell) -> Mapping[str, Node]:
        """The nodes that say where a cell looked, by method or name."""
        return {method: node for method, node in self.maps[cell].items() if isinstance(node, Node)}

    def map_key(self, cell: Cell) -> str:
        """Stands for all that the map scores of a cell depend on; empty where it has none."""
        asked = {method: node.key if isinstance(node, Node) else node for method, node in self.maps[cell].items()}
        return sha256_of_json(asked) if asked else ""


def plan(
    suite: Suite,
    source: Source,
    *,
    detectors: Sequence[str],
    backbones: Sequence[str],
    explainers: Sequence[str],
    seeds: Sequence[int],
    device: str,
    download: bool = True,
    tensorboard: Path | None = None,
) -> Plan:
    """Lay out every node; nothing is computed yet. A plugin that cannot start breaks only its own cells.

    A detector's own head is a backbone of those detectors that have one, and of no others.
    """
    _check_split(suite, source)
    entered = enter_all(backbones, download=download)
    found = enter_detectors(detectors, download=download)
    tracked = None if tensorboard is None else _runs(tensorboard, suite, found.values())
    layout = Layout(suite, source, device, tracked)
    looks = MapLayout(layout, load_explainers(explainers), load_explainers(CONTROLS))
    changes = TrialLayout(layout)
    cells: dict[Cell, Node] = {}
    named: dict[Cell, Mapping[str, Mapping[str, str]]] = {}
    broken: dict[Cell, str] = {}
    pairs: dict[Cell, tuple[Detector, Backbone]] = {}
    skipped: list[Cell] = []
    for name, detector_name, seed, fold in product(backbones, detectors, seeds, suite.folds.folds):
        detector, backbone = found[detector_name], entered[name]
        if not isinstance(backbone, Backbone) or not isinstance(detector, Detector):
            cell = Cell(file_name(detector_name).removesuffix("@scratch"), shown(name), seed, fold)
            broken[cell] = str(detector if isinstance(detector, ClastbenchError) else backbone)
            named[cell] = {"detector": {"name": cell.detector}, "backbone": {"name": cell.backbone}}
            continue
        cell = Cell(detector.name, backbone.name, seed, fold)
        again = detector.proposes and suite.detection.one_repeat and fold not in suite.one_repeat
        if again or (backbone is HEAD and not detector.has_head):
            skipped.append(cell)
            continue
        if backbone is HEAD:
            detector = replace(detector, own_head=True)
        named[cell] = {"detector": _detector(detector), "backbone": _said(backbone)}
        if detector.view == "crop" and not source.has_boxes:
            broken[cell] = f"{detector.name}: none of the photographs has a box; use the detector whole-image."
            continue
        cells[cell] = layout.score(detector, backbone, seed, fold)
        pairs[cell] = detector, backbone
    downloads = {
        entry.absent
        for entry in (*entered.values(), *found.values())
        if isinstance(entry, Backbone | Detector) and entry.absent
    }
    maps = {
        cell: looks.maps(*pairs[cell], cell.seed, cell.fold) | changes.trials(*pairs[cell], cell.seed, cell.fold)
        for cell in cells
    }
    return Plan(
        suite=suite,
        digest=suite.digest(source.digest),
        cells=cells,
        plugins=named,
        broken=broken,
        device=device,
        maps=maps,
        looks=looks,
        entered=pairs,
        downloads=tuple(sorted(downloads)),
        skipped=tuple(skipped),
    )


def _runs(folder: Path, suite: Suite, found: Iterable[Detector | ClastbenchError]) -> Runs:
    """Say where the event files of those detectors lie that can start."""
    named: dict[str, list[str]] = {}
    folds: dict[str, tuple[str, ...]] = {}
    for detector in found:
        if isinstance(detector, Detector):
            named.setdefault(detector.view, []).append(detector.name)
            if detector.proposes and suite.detection.one_repeat:
                folds[detector.name] = suite.one_repeat
    return Runs(folder, suite.shown_name, named, folds)


def _check_split(suite: Suite, source: Source) -> None:
    try:
        source.check(suite.folds)
    except SuiteError as error:
        if suite.limit is None:
            raise
        raise SuiteError(f"{error} Raise --limit {suite.limit}.") from error


def _said(entry: Backbone | Detector) -> dict[str, str]:
    extra = {"mode": entry.mode, "weights_sha256": entry.weights_sha256}
    return {**entry.plugin.identity, **{name: value for name, value in extra.items() if value}}


def _detector(detector: Detector) -> dict[str, str]:
    """What a result says of its detector; `proposes` tells those that may be wrong."""
    return {**_said(detector), "proposes": "yes" if detector.proposes else "no"}
