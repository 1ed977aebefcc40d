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
    """By cell and method: the node that scores its maps, or why there can be none."""
    layout: Layout
    entered: Mapping[Cell, tuple[Detector, Backbone]]
    """The detector and the backbone of every cell that can start."""
    downloads: tuple[str, ...] = ()
    """Weights files that a run would try to download; only while nothing may be downloaded."""

    def map_nodes(self, cell: Cell) -> Mapping[str, Node]:
        """The nodes that score the maps of a cell, by method."""
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
    tracked = None if tensorboard is None else Runs(tensorboard, suite.shown_name, _by_view(found.values()))
    layout = Layout(suite, source, device, load_explainers(explainers), load_explainers(CONTROLS), tracked)
    cells: dict[Cell, Node] = {}
    named: dict[Cell, Mapping[str, Mapping[str, str]]] = {}
    broken: dict[Cell, str] = {}
    pairs: dict[Cell, tuple[Detector, Backbone]] = {}
    for name, detector_name, seed, fold in product(backbones, detectors, seeds, suite.folds.folds):
        detector, backbone = found[detector_name], entered[name]
        if not isinstance(backbone, Backbone) or not isinstance(detector, Detector):
            cell = Cell(file_name(detector_name), shown(name), seed, fold)
            broken[cell] = str(detector if isinstance(detector, ClastbenchError) else backbone)
            named[cell] = {"detector": {"name": cell.detector}, "backbone": {"name": cell.backbone}}
            continue
        if detector.proposes and suite.detection.one_repeat and fold not in suite.one_repeat:
            continue
        if backbone is HEAD:
            if not detector.has_head:
                continue
            detector = replace(detector, own_head=True)
        cell = Cell(detector.name, backbone.name, seed, fold)
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
    maps = {cell: layout.maps(*pairs[cell], cell.seed, cell.fold) for cell in cells}
    return Plan(
        suite=suite,
        digest=suite.digest(source.digest),
        cells=cells,
        plugins=named,
        broken=broken,
        device=device,
        maps=maps,
        layout=layout,
        entered=pairs,
        downloads=tuple(sorted(downloads)),
    )


def _by_view(detectors: Iterable[Detector | ClastbenchError]) -> dict[str, list[str]]:
    """Names of the detectors that can start, by the view their backbones are trained on."""
    named: dict[str, list[str]] = {}
    for detector in detectors:
        if isinstance(detector, Detector):
            named.setdefault(detector.view, []).append(detector.name)
    return named


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
