"""From a suite and a choice of systems to the score node of every cell."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product

from ..errors import ClastbenchError, SuiteError
from ..plugins import Plugin
from ..records import Cell
from ..suite import Suite
from .entries import Backbone, enter_all, file_name, load_detectors, shown
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
    downloads: tuple[str, ...] = ()
    """Weights files that a run would try to download; only while nothing may be downloaded."""


def plan(
    suite: Suite,
    source: Source,
    *,
    detectors: Sequence[str],
    backbones: Sequence[str],
    seeds: Sequence[int],
    device: str,
    download: bool = True,
) -> Plan:
    """Lay out every node; nothing is computed yet. A backbone that cannot start breaks only its own cells."""
    _check_split(suite, source)
    layout = Layout(suite, source, device)
    entered = enter_all(backbones, download=download)
    found = load_detectors(detectors)
    cells: dict[Cell, Node] = {}
    named: dict[Cell, Mapping[str, Mapping[str, str]]] = {}
    broken: dict[Cell, str] = {}
    for name, detector_name, seed, fold in product(backbones, detectors, seeds, suite.folds.folds):
        detector, backbone = found[detector_name], entered[name]
        if isinstance(backbone, Backbone) and isinstance(detector, Plugin):
            cell = Cell(detector.name, backbone.name, seed, fold)
            cells[cell] = layout.score(detector, backbone, seed, fold)
            named[cell] = {"detector": detector.identity, "backbone": _said(backbone)}
        else:
            cell = Cell(file_name(detector_name), shown(name), seed, fold)
            broken[cell] = str(detector if isinstance(detector, ClastbenchError) else backbone)
            named[cell] = {"detector": {"name": cell.detector}, "backbone": {"name": cell.backbone}}
    downloads = {entry.absent for entry in entered.values() if isinstance(entry, Backbone) and entry.absent}
    return Plan(suite, suite.digest(source.digest), cells, named, broken, device, tuple(sorted(downloads)))


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
