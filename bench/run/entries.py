"""What takes part in a run: detectors and backbones by name, in a mode, with the weights they need."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any, TypeVar

from .. import plugins, weights
from ..errors import ClastbenchError, PluginError, UsageError, WeightsNotFoundError
from ..plugins import BACKBONES, DETECTORS, EXPLAINERS, Plugin, is_network, learns
from ..records import OWN_HEAD

CONTROLS = ("random", "centre", "sobel")
"""What every method of explanation must beat: explainers that know nothing of a model."""


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
    def label(self) -> str:
        """What tells it from all others."""
        return self.name

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
            "libraries": {name: minor(name) for name in ("torch", "torchvision", "timm")},
        }


@dataclass(frozen=True)
class Detector:
    """A detector as entered: plugin, mode, pretrained weights, and whether it reads the sense by itself."""

    plugin: Plugin
    mode: str | None = None
    """`scratch` or `finetune`; None for one that learns nothing."""
    weights_sha256: str | None = None
    absent: str | None = None
    """As for a Backbone."""
    own_head: bool = False

    @property
    def name(self) -> str:
        """As readers see it; to learn from scratch goes without saying."""
        return f"{self.plugin.name}@{self.mode}" if self.mode == "finetune" else self.plugin.name

    @property
    def label(self) -> str:
        """What tells it from all others: with or without a head of its own it is another network."""
        return f"{self.name}, own head" if self.own_head else self.name

    @property
    def view(self) -> str:
        """What its backbones are trained on."""
        view: str = self.plugin.made.view
        return view

    @property
    def proposes(self) -> bool:
        """True for one that may be wrong: neither whole photographs nor the truth."""
        return self.view == "crop" and not self.plugin.made.uses_truth

    @property
    def has_head(self) -> bool:
        """Whether it can read the sense by itself."""
        return self.mode is not None and hasattr(self.plugin.made, "own_head")

    @property
    def identity(self) -> dict[str, Any]:
        """Its part of every cache key."""
        stated = {name: version(name) for name in getattr(self.plugin.made, "libraries", ())}
        if self.mode is None:
            return {"plugin": self.plugin.identity, **({"libraries": stated} if stated else {})}
        return {
            "plugin": self.plugin.identity,
            "mode": self.mode,
            "weights": self.weights_sha256,
            "own_head": self.own_head,
            "libraries": {"torch": minor("torch"), **stated},
        }


HEAD = Backbone(Plugin(OWN_HEAD, OWN_HEAD, None, "", ""), None)
"""Stands for what a detector says by itself."""


version = cache(metadata.version)
"""The release of an installed package; to look it up takes a millisecond, and every node asks."""


def minor(package: str) -> str:
    """Return the release of a package without its last figure: 2.14."""
    return ".".join(version(package).split(".")[:2])


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
            if pattern != OWN_HEAD:
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
    if name == OWN_HEAD:
        return HEAD
    spec, mode = plugins.split_mode(name)
    plugin = plugins.load(BACKBONES, spec)
    plugins.check_backbone(plugin.made)
    if not is_network(plugin.made):
        if mode is not None:
            raise UsageError(f"Backbone {name!r} brings its own training; enter it without @{mode}.")
        return Backbone(plugin, None)
    mode = mode or str(getattr(plugin.made, "mode", "scratch"))
    if mode == "scratch":
        return Backbone(plugin, mode)
    return Backbone(plugin, mode, *_pretrained(f"Backbone {spec!r}", plugin, mode, download=download))


def _pretrained(who: str, plugin: Plugin, mode: str, *, download: bool) -> tuple[str | None, str | None]:
    """Return the digest of the weights that a plugin starts from, or else the name of the file that is not here yet."""
    checkpoint = getattr(plugin.made, "checkpoint", None)
    if checkpoint is None:
        raise WeightsNotFoundError(
            f"{who} states no checkpoint, so @{mode} would start from random weights; enter it as @scratch."
        )
    path = weights.fetch(checkpoint) if download else weights.find(checkpoint)
    return (None, checkpoint.files[0]) if path is None else (weights.digest(path), None)


def shown(name: str) -> str:
    """The name of what could not be entered: as it was given, without its folder; a network's default mode is added."""
    spec, mode = plugins.split_mode(name)
    mode = mode or _default_mode(spec)
    return f"{file_name(spec)}@{mode}" if mode else file_name(spec)


def file_name(spec: str) -> str:
    """Drop the folder from `path/to/file.py:Class`."""
    path, colon, attribute = spec.rpartition(":")
    return f"{Path(path).name}:{attribute}" if colon and path.endswith(".py") else spec


def _default_mode(spec: str) -> str | None:
    with contextlib.suppress(ClastbenchError):
        made = plugins.load(BACKBONES, spec).made
        return getattr(made, "mode", "scratch") if is_network(made) else None
    return None


def enter_all(names: Sequence[str], *, download: bool) -> dict[str, Backbone | ClastbenchError]:
    """Enter every backbone, or keep the error that breaks its cells.

    Raises:
        UsageError: a name is written wrongly, or two backbones would share one row.
    """
    entered = _or_why(names, lambda name: enter(name, download=download))
    _refuse_twins("backbones", [entry.name for entry in entered.values() if isinstance(entry, Backbone)])
    return entered


def enter_detectors(names: Sequence[str], *, download: bool) -> dict[str, Detector | ClastbenchError]:
    """Load every detector, or keep the error that breaks its cells; raises like `enter_all`."""
    found = _or_why(names, lambda name: enter_detector(name, download=download))
    _refuse_twins("detectors", [detector.name for detector in found.values() if isinstance(detector, Detector)])
    return found


def enter_detector(name: str, *, download: bool = True) -> Detector:
    """Load a detector and find the weights it needs; raises like `enter`."""
    spec, mode = plugins.split_mode(name)
    plugin = plugins.load(DETECTORS, spec)
    plugins.check_detector(plugin.made)
    _require(spec, getattr(plugin.made, "libraries", ()))
    if not learns(plugin.made):
        if mode is not None:
            raise UsageError(f"Detector {name!r} learns nothing; enter it without @{mode}.")
        return Detector(plugin)
    if mode == "frozen":
        raise UsageError(f"Detector {name!r}: expected {spec}@scratch or {spec}@finetune.")
    if mode != "finetune":
        return Detector(plugin, "scratch")
    return Detector(plugin, mode, *_pretrained(f"Detector {spec!r}", plugin, mode, download=download))


def _require(spec: str, libraries: Sequence[str]) -> None:
    """Refuse a detector whose libraries are not installed: they are part of its cache key."""
    for library in libraries:
        try:
            version(library)
        except metadata.PackageNotFoundError as error:
            raise PluginError(
                f"Detector {spec!r} needs the package {library}: pip install 'clastbench[all]'."
            ) from error


def load_explainers(names: Sequence[str]) -> tuple[Plugin, ...]:
    """Load methods of explanation.

    Raises:
        ClastbenchError: one of them is unknown or broken; the run could not be complete without it.
    """
    found = tuple(plugins.load(EXPLAINERS, name) for name in names)
    for plugin in found:
        plugins.check_explainer(plugin.made)
    _refuse_twins("explainers", [plugin.name for plugin in found])
    return found


Entry = TypeVar("Entry")


def _or_why(names: Sequence[str], load: Callable[[str], Entry]) -> dict[str, Entry | ClastbenchError]:
    """Load each name, or keep why it could not be; what the reader wrote wrongly is raised at once."""
    loaded: dict[str, Entry | ClastbenchError] = {}
    for name in names:
        try:
            loaded[name] = load(name)
        except UsageError:
            raise
        except ClastbenchError as error:
            loaded[name] = error
    return loaded


def _refuse_twins(kind: str, rows: Sequence[str]) -> None:
    for row in rows:
        if rows.count(row) > 1:
            raise UsageError(f"Two {kind} are both named {row!r}; enter one, or rename the class or file of one.")
