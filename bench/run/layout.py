"""The nodes of one suite: D x B cells, but only B x views trainings and maps, features once for all folds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from ..plugins import DETECTORS, Plugin, input_size, load
from ..suite import Suite
from ..tracking import Runs, watched
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
    explainers: Sequence[Plugin] = ()
    controls: Sequence[Plugin] = ()
    tracked: Runs | None = None
    """Where TensorBoard's run folders lie; None when nothing is written there."""

    @cached_property
    def true_boxes(self) -> Plugin:
        """The detector whose crops are explained."""
        return load(DETECTORS, "ground-truth")

    @cached_property
    def _ids(self) -> dict[str, list[str]]:
        folds = self.suite.folds.folds.values()
        explained = {i for fold in self.suite.explained_folds for i in self.suite.folds.folds[fold].test}
        shown = {i for fold in folds for i in watched(fold.validation)}
        train = {i for fold in folds for i in fold.train}
        validation = {i for fold in folds for i in fold.validation}
        test = {i for fold in folds for i in fold.test}
        return {
            "all": sorted(train | validation | test),
            "train": sorted(train),
            "fit": sorted(train | validation),
            "test": sorted(test),
            "explained": sorted(explained),
            "shown": sorted(shown),
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
            local={
                "backbone": backbone.plugin.spec,
                "device": self.device,
                "tensorboard": self.tracked.folders(view, backbone.name, seed, fold) if self.tracked else [],
            },
        )

    def _features(self, backbone: Backbone, crops: Node) -> Node:
        wanted = (
            self._ids["train"] if self.suite.recipe("frozen").mirror and crops.spec["samples"] != "detected" else []
        )
        return Node(
            kind="features",
            spec={
                **backbone.identity,
                "mirror_ids": wanted,
                "map_ids": self._mapped(crops.spec["samples"]),
                "device": self.device.partition(":")[0],
            },
            inputs={"crops": crops},
            label=f"features of {backbone.name}, {crops.label}",
            family=f"features {self.suite.shown_name} {crops.spec['samples']} {backbone.name}",
            local={"backbone": backbone.plugin.spec, "device": self.device},
        )

    def _mapped(self, samples: str) -> list[str]:
        """Photographs whose maps in space are kept: those to be explained, and those shown while training."""
        explained = self._ids["explained"] if samples != "training" else []
        shown = self._ids["shown"] if samples != "detected" else []
        return sorted({*explained, *shown})

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

    def explain(
        self,
        detector: Plugin,
        backbone: Backbone,
        seed: int,
        fold: str,
        explainer: Plugin,
        *,
        ids: Sequence[str],
        told: Sequence[tuple[str, int, str]] | None = None,
    ) -> Node:
        """Return the node that explains a trained backbone on test inputs: the truth, or what was `told` of them."""
        crops = self._truth_crops(detector, backbone) if told is None else self._test_crops(detector, backbone)
        inputs = {"crops": crops, "fit": self._fit(detector.made.view, backbone, seed, fold)}
        cached = set(ids) <= set(self._ids["explained"])
        if backbone.mode == "frozen" and explainer.made.needs == "features" and cached:
            inputs["features"] = self._features(backbone, crops)
        return self._explain(explainer, inputs, backbone, ids=ids, told=told, which=f", seed {seed}, fold {fold}")

    def maps(self, detector: Plugin, backbone: Backbone, seed: int, fold: str) -> dict[str, Node | str]:
        """Return, by method, the node that scores the maps of a cell, or why there can be none; controls come along.

        Only one repeat is explained: the first seed, and folds that test no photograph twice.
        """
        if seed != self.suite.seeds[0] or fold not in self.suite.explained_folds:
            return {}
        found: dict[str, Node | str] = {}
        for explainer in self.explainers:
            found[explainer.name] = self.cannot(explainer, backbone) or self._localise(
                detector, backbone, seed, fold, explainer
            )
        if any(isinstance(node, Node) for node in found.values()):
            crops = self._truth_crops(detector, backbone)
            found |= {control.name: self._localise_control(control, crops, fold) for control in self.controls}
        return found

    @staticmethod
    def cannot(explainer: Plugin, backbone: Backbone) -> str | None:
        """Say why a method cannot work on a backbone, as far as can be told without trying."""
        if backbone.mode is None and explainer.made.needs in ("features", "network"):
            return f"brings its own training and prediction; {explainer.name} needs a network"
        return None

    def _localise(self, detector: Plugin, backbone: Backbone, seed: int, fold: str, explainer: Plugin) -> Node:
        test = sorted(self.suite.folds.folds[fold].test)
        inputs = {"explain": self.explain(detector, backbone, seed, fold, explainer, ids=test)}
        if backbone.mode is not None and explainer is self.explainers[0]:  # gate 1 speaks of the ranked method
            crops = self._truth_crops(detector, backbone)
            inputs["random"] = self._explain(
                explainer, {"crops": crops}, backbone, ids=self._ids["explained"], which=" with random weights"
            )
        return self._scored_maps(explainer, inputs, fold, f"{detector.made.view}s of {backbone.name}")

    def _localise_control(self, control: Plugin, crops: Node, fold: str) -> Node:
        explain = self._explain(control, {"crops": crops}, None, ids=self._ids["explained"])
        return self._scored_maps(control, {"explain": explain}, fold, crops.label)

    def _scored_maps(self, explainer: Plugin, inputs: Mapping[str, Node], fold: str, of: str) -> Node:
        test = sorted(self.suite.folds.folds[fold].test)
        return Node(
            kind="localise",
            spec={
                "method": explainer.name,
                "control": explainer.made.needs == "nothing",
                "ids": test,
                "data": self.source.digest,
            },
            inputs={**inputs, **self.source.nodes(test)},
            label=f"score maps of {explainer.name}, {of}, fold {fold}",
            family=f"localise {self.suite.shown_name}",
            local={"source": self.source.local()},
        )

    def _explain(
        self,
        explainer: Plugin,
        inputs: Mapping[str, Node],
        backbone: Backbone | None,
        *,
        ids: Sequence[str],
        told: Sequence[tuple[str, int, str]] | None = None,
        which: str = "",
    ) -> Node:
        entered = {"mode": None} if backbone is None else {**backbone.identity, "recipe": self._recipe(backbone)}
        name = "crops" if backbone is None else backbone.name
        return Node(
            kind="explain",
            spec={
                **entered,
                "method": explainer.identity,
                "weights_of": "fit" if "fit" in inputs else "random",
                "ids": sorted(ids),
                "told": told,
                "data": self.source.digest,
                "device": self.device.partition(":")[0],
                "libraries_of_maps": {name: minor(name) for name in ("torch", "grad-cam", "captum")},
            },
            inputs={**inputs, **self.source.nodes(ids)},
            label=f"explain {name} by {explainer.name}{which}",
            family=f"explain {self.suite.shown_name} {name} {explainer.name}",
            local={
                "backbone": None if backbone is None else backbone.plugin.spec,
                "explainer": explainer.spec,
                "device": self.device,
                "source": self.source.local(),
            },
        )

    def _truth_crops(self, detector: Plugin, backbone: Backbone) -> Node:
        """Whole photographs, or the true boxes: whatever detector a backbone serves, its maps are the same."""
        return self._test_crops(detector if detector.made.view == "image" else self.true_boxes, backbone)

    def _recipe(self, backbone: Backbone) -> dict[str, Any]:
        return self.suite.recipe(backbone.mode).model_dump(mode="json") if backbone.mode else {}
