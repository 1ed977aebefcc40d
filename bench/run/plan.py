"""From a suite and a choice of systems to the nodes of its run: D × B cells, but only B × views trainings."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cached_property
from importlib.metadata import version
from itertools import product
from typing import Any

from .. import plugins, weights
from ..errors import ClastbenchError, PluginError, SuiteError, UsageError
from ..plugins import BACKBONES, DETECTORS, Plugin, input_size, is_network
from ..records import Cell
from ..suite import Suite
from .graph import Node
from .inputs import Source


@dataclass(frozen=True)
class Backbone:
    """A backbone as entered: plugin, mode and pretrained weights."""

    plugin: Plugin
    mode: str | None
    """None for a Classifier, which brings its own training."""
    weights_sha256: str | None = None
    absent: str | None = None
    """The weights file it needs and that is not on this machine yet; only while nothing may be downloaded."""

    @property
    def name(self) -> str:
        """As readers see it."""
        return f"{self.plugin.name}@{self.mode}" if self.mode else self.plugin.name

    @property
    def identity(self) -> dict[str, Any]:
        """Its part of every cache key."""
        return {"plugin": self.plugin.identity, "mode": self.mode, "weights": self.weights_sha256}


@dataclass(frozen=True)
class Plan:
    """What a run comes to: the score node of every cell, and cells that cannot even start."""

    suite: Suite
    digest: str
    cells: Mapping[Cell, Node]
    plugins: Mapping[Cell, Mapping[str, Mapping[str, str]]]
    broken: Mapping[Cell, str]
    downloads: tuple[str, ...] = ()
    """Weights files that a run would try to download; only while nothing may be downloaded."""


def choose(entered: Sequence[str], patterns: Sequence[str], group: str) -> list[str]:
    """Pick entries by glob; a pattern that matches none is taken for a plugin of its own.

    Raises:
        UnknownNameError: a pattern neither matches an entry nor names a plugin.
    """
    if not patterns:
        return list(entered)
    chosen: list[str] = []
    for pattern in patterns:
        matching = [
            name for name in entered if fnmatchcase(name, pattern) or fnmatchcase(name.partition("@")[0], pattern)
        ]
        if not matching:
            _look_up(pattern, group)
            matching = [pattern]
        chosen += [name for name in matching if name not in chosen]
    return chosen


def _look_up(name: str, group: str) -> None:
    """Refuse a name nobody registered; a plugin that is there but broken breaks only its own cells, later."""
    with contextlib.suppress(PluginError):
        plugins.load(group, plugins.split_mode(name)[0])


def enter(name: str, *, download: bool) -> Backbone:
    """Load a backbone and find the weights it needs.

    Raises:
        WeightsNotFoundError: the mode needs pretrained weights that are nowhere to be had.
    """
    spec, mode = plugins.split_mode(name)
    plugin = plugins.load(BACKBONES, spec)
    if not is_network(plugin.made):
        if mode is not None:
            raise UsageError(f"Backbone {name!r} brings its own training; enter it without @{mode}.")
        return Backbone(plugin, None)
    mode = mode or getattr(plugin.made, "mode", "scratch")
    checkpoint = getattr(plugin.made, "checkpoint", None)
    if mode == "scratch" or checkpoint is None:
        return Backbone(plugin, mode)
    path = weights.fetch(checkpoint) if download else weights.find(checkpoint)
    if path is None:
        return Backbone(plugin, mode, absent=checkpoint.files[0])
    return Backbone(plugin, mode, weights.digest(path))


def shown(name: str) -> str:
    """The name a backbone would be shown by, even if it cannot be loaded."""
    try:
        return enter(name, download=False).name
    except ClastbenchError:
        return name


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
    layout = _Layout(suite, source, device)
    entered = _enter_all(backbones, download=download)
    cells: dict[Cell, Node] = {}
    named: dict[Cell, Mapping[str, Mapping[str, str]]] = {}
    broken: dict[Cell, str] = {}
    for name, detector_name, seed, fold in product(backbones, detectors, seeds, suite.folds.folds):
        detector, backbone = plugins.load(DETECTORS, detector_name), entered[name]
        if isinstance(backbone, Backbone):
            cell = Cell(detector.name, backbone.name, seed, fold)
            cells[cell] = layout.score(detector, backbone, seed, fold)
            named[cell] = {"detector": detector.identity, "backbone": _said(backbone)}
        else:
            cell = Cell(detector.name, shown(name), seed, fold)
            broken[cell] = str(backbone)
            named[cell] = {"detector": detector.identity, "backbone": {"name": name}}
    downloads = {found.absent for found in entered.values() if isinstance(found, Backbone) and found.absent}
    return Plan(suite, suite.digest(source.digest), cells, named, broken, tuple(sorted(downloads)))


def _enter_all(names: Sequence[str], *, download: bool) -> dict[str, Backbone | ClastbenchError]:
    """Enter every backbone, or keep the error that breaks its cells.

    Raises:
        UsageError: a name is written wrongly, or two backbones would share one row.
    """
    entered: dict[str, Backbone | ClastbenchError] = {}
    for name in names:
        try:
            entered[name] = enter(name, download=download)
        except UsageError:
            raise
        except ClastbenchError as error:
            entered[name] = error
    rows = [found.name for found in entered.values() if isinstance(found, Backbone)]
    for row in rows:
        if rows.count(row) > 1:
            raise UsageError(f"Two backbones are both named {row!r}; enter one, or rename the class or file of one.")
    return entered


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


@dataclass(frozen=True)
class _Layout:
    """Makes the nodes of one suite on one device."""

    suite: Suite
    source: Source
    device: str

    @cached_property
    def _ids(self) -> dict[str, list[str]]:
        folds = self.suite.folds.folds.values()
        train = {i for fold in folds for i in fold.train}
        watched = {i for fold in folds for i in fold.validation}
        test = {i for fold in folds for i in fold.test}
        return {
            "all": sorted(train | watched | test),
            "train": sorted(train),
            "fit": sorted(train | watched),
            "test": sorted(test),
        }

    def score(self, detector: Plugin, backbone: Backbone, seed: int, fold: str) -> Node:
        test = sorted(self.suite.folds.folds[fold].test)
        return Node(
            kind="score",
            spec={"test": test, "data": self.source.digest},
            inputs={"classify": self.classify(detector, backbone, seed, fold), **self.source.nodes(test)},
            label=f"score {detector.name} + {backbone.name}, seed {seed}, fold {fold}",
            family="score",
            local={"source": self.source.local()},
        )

    def classify(self, detector: Plugin, backbone: Backbone, seed: int, fold: str) -> Node:
        crops = self.test_crops(detector, backbone)
        inputs = {"crops": crops, "fit": self.fit(detector.made.view, backbone, seed, fold)}
        if backbone.mode == "frozen":
            inputs["features"] = self.features(backbone, crops)
        return Node(
            kind="classify",
            spec={
                **backbone.identity,
                "recipe": self.recipe(backbone),
                "test": sorted(self.suite.folds.folds[fold].test),
            },
            inputs=inputs,
            label=f"classify {detector.name} + {backbone.name}, seed {seed}, fold {fold}",
            family=f"classify {backbone.name}",
            local={"backbone": backbone.plugin.spec, "device": self.device},
        )

    def fit(self, view: str, backbone: Backbone, seed: int, fold: str) -> Node:
        chosen = self.suite.folds.folds[fold]
        crops = self.training_crops(view, backbone)
        inputs = {"crops": crops}
        if backbone.mode == "frozen":
            inputs["features"] = self.features(backbone, crops)
        return Node(
            kind="fit",
            spec={
                **backbone.identity,
                "recipe": self.recipe(backbone),
                "seed": seed,
                "train": sorted(chosen.train),
                "validation": sorted(chosen.validation),
                "threads": self.suite.threads,
                "device": self.device.partition(":")[0],
                "torch": ".".join(version("torch").split(".")[:2]),
            },
            inputs=inputs,
            label=f"fit {backbone.name} on {view}s, seed {seed}, fold {fold}",
            family=f"fit {self.suite.shown_name} {view} {backbone.name}",
            local={"backbone": backbone.plugin.spec, "device": self.device},
        )

    def features(self, backbone: Backbone, crops: Node) -> Node:
        wanted = (
            self._ids["train"] if self.suite.recipe("frozen").mirror and crops.spec["samples"] != "detected" else []
        )
        return Node(
            kind="features",
            spec={**backbone.identity, "mirror_ids": wanted},
            inputs={"crops": crops},
            label=f"features of {backbone.name}, {crops.label}",
            family=f"features {self.suite.shown_name} {crops.spec['samples']} {backbone.name}",
            local={"backbone": backbone.plugin.spec, "device": self.device},
        )

    def training_crops(self, view: str, backbone: Backbone) -> Node:
        if view == "image":
            return self.crops(backbone, "whole", self._ids["all"], {})
        return self.crops(backbone, "training", self._ids["fit"], {})

    def test_crops(self, detector: Plugin, backbone: Backbone) -> Node:
        if detector.made.view == "image":
            return self.training_crops("image", backbone)
        return self.crops(backbone, "detected", self._ids["test"], {"detect": self.detect(detector)})

    def detect(self, detector: Plugin) -> Node:
        ids = self._ids["test"]
        return Node(
            kind="detect",
            spec={"plugin": detector.identity, "ids": ids, "data": self.source.digest},
            inputs=self.source.nodes(ids),
            label=f"detect with {detector.name}",
            family=f"detect {self.suite.shown_name} {detector.name}",
            local={"detector": detector.spec, "source": self.source.local()},
        )

    def crops(self, backbone: Backbone, samples: str, ids: list[str], extra: Mapping[str, Node]) -> Node:
        size = self.recipe(backbone).get("size") or input_size(backbone.plugin.made)
        return Node(
            kind="crops",
            spec={
                "samples": samples,
                "size": list(size),
                "crops": self.suite.crops.model_dump(mode="json"),
                "ids": ids,
                "data": self.source.digest,
            },
            inputs={**extra, **self.source.nodes(ids)},
            label=f"{samples} crops at {size[0]} × {size[1]}",
            family=f"crops {self.suite.shown_name} {samples}",
            local={"source": self.source.local()},
        )

    def recipe(self, backbone: Backbone) -> dict[str, Any]:
        return self.suite.recipe(backbone.mode).model_dump(mode="json") if backbone.mode else {}
