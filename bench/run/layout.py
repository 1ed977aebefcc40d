"""The nodes of one suite: D x B cells, but only B x views trainings, features once for all folds and seeds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from ..plugins import Plugin, input_size
from ..suite import Suite
from .entries import Backbone, minor
from .graph import Node
from .inputs import Source

USED_BY: Mapping[str, set[str]] = {
    "whole": set(),
    "training": {"context", "jitter", "per_clast", "background"},
    "detected": {"context"},
}
"""Which crop settings each kind of sample depends on."""


@dataclass(frozen=True)
class Layout:
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
        """Return the last node of a cell; all that it needs hangs from it."""
        test = sorted(self.suite.folds.folds[fold].test)
        return Node(
            kind="score",
            spec={"test": test, "data": self.source.digest},
            inputs={"classify": self._classify(detector, backbone, seed, fold), **self.source.nodes(test)},
            label=f"score {detector.name} + {backbone.name}, seed {seed}, fold {fold}",
            family="score",
            local={"source": self.source.local()},
        )

    def _classify(self, detector: Plugin, backbone: Backbone, seed: int, fold: str) -> Node:
        crops = self._test_crops(detector, backbone)
        inputs = {"crops": crops, "fit": self._fit(detector.made.view, backbone, seed, fold)}
        if backbone.mode == "frozen":
            inputs["features"] = self._features(backbone, crops)
        return Node(
            kind="classify",
            spec={
                **backbone.identity,
                "recipe": self._recipe(backbone),
                "test": sorted(self.suite.folds.folds[fold].test),
            },
            inputs=inputs,
            label=f"classify {detector.name} + {backbone.name}, seed {seed}, fold {fold}",
            family=f"classify {backbone.name}",
            local={"backbone": backbone.plugin.spec, "device": self.device},
        )

    def _fit(self, view: str, backbone: Backbone, seed: int, fold: str) -> Node:
        chosen = self.suite.folds.folds[fold]
        crops = self._training_crops(view, backbone)
        inputs = {"crops": crops}
        if backbone.mode == "frozen":
            inputs["features"] = self._features(backbone, crops)
        return Node(
            kind="fit",
            spec={
                **backbone.identity,
                "recipe": self._recipe(backbone),
                "seed": seed,
                "train": sorted(chosen.train),
                "validation": sorted(chosen.validation),
                "threads": self.suite.threads,
                "device": self.device.partition(":")[0],
                "torch": minor("torch"),
            },
            inputs=inputs,
            label=f"fit {backbone.name} on {view}s, seed {seed}, fold {fold}",
            family=f"fit {self.suite.shown_name} {view} {backbone.name}",
            local={"backbone": backbone.plugin.spec, "device": self.device},
        )

    def _features(self, backbone: Backbone, crops: Node) -> Node:
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

    def _training_crops(self, view: str, backbone: Backbone) -> Node:
        if view == "image":
            return self._crops(backbone, "whole", self._ids["all"], {})
        return self._crops(backbone, "training", self._ids["fit"], {})

    def _test_crops(self, detector: Plugin, backbone: Backbone) -> Node:
        if detector.made.view == "image":
            return self._training_crops("image", backbone)
        return self._crops(backbone, "detected", self._ids["test"], {"detect": self._detect(detector)})

    def _detect(self, detector: Plugin) -> Node:
        ids = self._ids["test"]
        return Node(
            kind="detect",
            spec={"plugin": detector.identity, "ids": ids, "data": self.source.digest},
            inputs=self.source.nodes(ids),
            label=f"detect with {detector.name}",
            family=f"detect {self.suite.shown_name} {detector.name}",
            local={"detector": detector.spec, "source": self.source.local()},
        )

    def _crops(self, backbone: Backbone, samples: str, ids: list[str], extra: Mapping[str, Node]) -> Node:
        size = self._recipe(backbone).get("size") or input_size(backbone.plugin.made)
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

    def _recipe(self, backbone: Backbone) -> dict[str, Any]:
        return self.suite.recipe(backbone.mode).model_dump(mode="json") if backbone.mode else {}
