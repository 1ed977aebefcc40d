"""From a suite and a choice of systems to the score node of every cell."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

from ..errors import ClastbenchError, SuiteError
from ..plugins import Plugin
from ..records import Cell
from ..suite import Suite, sha256_of_json
from ..tracking import Runs
from .entries import CONTROLS, Backbone, enter_all, file_name, load_detectors, load_explainers, shown
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
    entered: Mapping[Cell, tuple[Plugin, Backbone]]
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
    """Lay out every node; nothing is computed yet. A backbone that cannot start breaks only its own cells."""
    _check_split(suite, source)
    entered = enter_all(backbones, download=download)
    found = load_detectors(detectors)
    tracked = None if tensorboard is None else Runs(tensorboard, suite.shown_name, _by_view(found.values()))
    layout = Layout(suite, source, device, load_explainers(explainers), load_explainers(CONTROLS), tracked)
    cells: dict[Cell, Node] = {}
    named: dict[Cell, Mapping[str, Mapping[str, str]]] = {}
    broken: dict[Cell, str] = {}
    pairs: dict[Cell, tuple[Plugin, Backbone]] = {}
    for name, detector_name, seed, fold in product(backbones, detectors, seeds, suite.folds.folds):
        detector, backbone = found[detector_name], entered[name]
        if isinstance(backbone, Backbone) and isinstance(detector, Plugin):
            cell = Cell(detector.name, backbone.name, seed, fold)
            cells[cell] = layout.score(detector, backbone, seed, fold)
            named[cell] = {"detector": detector.identity, "backbone": _said(backbone)}
            pairs[cell] = detector, backbone
        else:
            cell = Cell(file_name(detector_name), shown(name), seed, fold)
            broken[cell] = str(detector if isinstance(detector, ClastbenchError) else backbone)
            named[cell] = {"detector": {"name": cell.detector}, "backbone": {"name": cell.backbone}}
    downloads = {entry.absent for entry in entered.values() if isinstance(entry, Backbone) and entry.absent}
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


def _by_view(detectors: Iterable[Plugin | ClastbenchError]) -> dict[str, list[str]]:
    """Names of the detectors that can start, by the view their backbones are trained on."""
    named: dict[str, list[str]] = {}
    for detector in detectors:
        if isinstance(detector, Plugin):
            named.setdefault(detector.made.view, []).append(detector.name)
    return named


def _check_split(suite: Suite, source: Source) -> None:
    try:
        source.check(suite.folds)
    except SuiteError as error:
        if suite.limit is None:
            raise
        raise SuiteError(f"{error} Raise --limit {suite.limit}.") from error


def _said(backbone: Backbone) -> dict[str, str]:
    extra = {"mode": backbone.mode, "weights_sha256": backbone.weights_sha256}
    return {**backbone.plugin.identity, **{name: value for name, value in extra.items() if value}}
