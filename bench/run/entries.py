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
from ..plugins import BACKBONES, DETECTORS, EXPLAINERS, Plugin, is_network

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
    plugins.check_backbone(plugin.made)
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


def load_detectors(names: Sequence[str]) -> dict[str, Plugin | ClastbenchError]:
    """Load every detector, or keep the error that breaks its cells; raises like `enter_all`."""
    found = _or_why(names, _detector)
    _refuse_twins("detectors", [detector.name for detector in found.values() if isinstance(detector, Plugin)])
    return found


def _detector(name: str) -> Plugin:
    plugin = plugins.load(DETECTORS, name)
    plugins.check_detector(plugin.made)
    return plugin


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
