"""From a suite and a choice of systems to the nodes of its run: D × B cells, but only B × views trainings."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cached_property
from importlib.metadata import version
from itertools import product
from pathlib import Path
from typing import Any

from .. import plugins, weights
from ..errors import ClastbenchError, PluginError, SuiteError, UsageError, WeightsNotFoundError
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
        said: dict[str, Any] = {"plugin": self.plugin.identity, "mode": self.mode}
        if self.mode is None:
            return said
        made = self.plugin.made
        return {
            **said,
            "weights": self.weights_sha256,
            "preprocessing": [list(map(float, made.mean)), list(map(float, made.std))],
            "libraries": {name: _minor(name) for name in ("torch", "torchvision", "timm")},
        }


def _minor(package: str) -> str:
    """Return the release of a package without its last figure: 2.14."""
    return ".".join(version(package).split(".")[:2])


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
    if mode == "scratch":
        return Backbone(plugin, mode)
    if checkpoint is None:
        raise WeightsNotFoundError(
            f"Backbone {spec!r} states no checkpoint, so @{mode} would start from random weights; enter it as @scratch."
        )
    path = weights.fetch(checkpoint) if download else weights.find(checkpoint)
    if path is None:
        return Backbone(plugin, mode, absent=checkpoint.files[0])
    return Backbone(plugin, mode, weights.digest(path))


def _shown(name: str) -> str:
    """The name of what could not be entered: as it was given, without its folder; a network's default mode is added."""
    spec, mode = plugins.split_mode(name)
    mode = mode or _default_mode(spec)
    return f"{_file_name(spec)}@{mode}" if mode else _file_name(spec)


def _file_name(spec: str) -> str:
    """Drop the folder from `path/to/file.py:Class`."""
    path, colon, attribute = spec.rpartition(":")
    return f"{Path(path).name}:{attribute}" if colon and path.endswith(".py") else spec


def _default_mode(spec: str) -> str | None:
    with contextlib.suppress(ClastbenchError):
        made = plugins.load(BACKBONES, spec).made
        return getattr(made, "mode", "scratch") if is_network(made) else None
    return None


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
    found = _load_detectors(detectors)
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
            cell = Cell(_file_name(detector_name), _shown(name), seed, fold)
            broken[cell] = str(detector if isinstance(detector, ClastbenchError) else backbone)
            named[cell] = {"detector": {"name": cell.detector}, "backbone": {"name": cell.backbone}}
    downloads = {entry.absent for entry in entered.values() if isinstance(entry, Backbone) and entry.absent}
    return Plan(suite, suite.digest(source.digest), cells, named, broken, device, tuple(sorted(downloads)))


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
    _refuse_twins("backbones", [entry.name for entry in entered.values() if isinstance(entry, Backbone)])
    return entered


def _load_detectors(names: Sequence[str]) -> dict[str, Plugin | ClastbenchError]:
    """Load every detector, or keep the error that breaks its cells."""
    found: dict[str, Plugin | ClastbenchError] = {}
    for name in names:
        try:
            plugin = plugins.load(DETECTORS, name)
            plugins.check_detector(plugin.made)
            found[name] = plugin
        except UsageError:
            raise
        except ClastbenchError as error:
            found[name] = error
    _refuse_twins("detectors", [detector.name for detector in found.values() if isinstance(detector, Plugin)])
    return found


def _refuse_twins(kind: str, rows: Sequence[str]) -> None:
    for row in rows:
        if rows.count(row) > 1:
            raise UsageError(f"Two {kind} are both named {row!r}; enter one, or rename the class or file of one.")


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


USED_BY: Mapping[str, set[str]] = {
    "whole": set(),
    "training": {"context", "jitter", "per_clast", "background"},
    "detected": {"context"},
}
"""Which crop settings each kind of sample depends on."""


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
                "torch": _minor("torch"),
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
            spec={**backbone.identity, "mirror_ids": wanted, "device": self.device.partition(":")[0]},
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
                "crops": self.suite.crops.model_dump(mode="json", include=USED_BY[samples]),
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
