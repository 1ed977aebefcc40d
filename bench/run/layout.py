"""The nodes of one suite: D x B cells, but only D + B x views trainings, and features once for all folds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from ..plugins import input_size
from ..suite import Suite
from ..tracking import Runs, watched
from .entries import HEAD, Backbone, Detector, enter_detector, minor
from .graph import Node
from .inputs import Source
from .once import once

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
    tracked: Runs | None = None
    """Where TensorBoard's run folders lie; None when nothing is written there."""
    made: dict[object, Node] = field(default_factory=dict)
    """Nodes that were asked for before."""

    @cached_property
    def true_boxes(self) -> Detector:
        """The detector whose crops are explained, and what all others are compared with."""
        return enter_detector("ground-truth")

    @cached_property
    def ids(self) -> dict[str, list[str]]:
        """Photographs by the part they play in any fold, sorted."""
        folds = self.suite.folds.folds.values()
        explained = {i for fold in self.suite.one_repeat for i in self.suite.folds.folds[fold].test}
        shown = {i for fold in folds for i in watched(fold.validation)}
        train = {i for fold in folds for i in fold.train}
        validation = {i for fold in folds for i in fold.validation}
        test = {i for fold in folds for i in fold.test}
        return {
            "all": sorted(train | validation | test),
            "train": sorted(train),
            "fit": sorted(train | validation),
            "test": sorted(test),
            "asked": sorted(test | validation),
            "explained": sorted(explained),
            "shown": sorted(shown),
        }

    def tested(self, fold: str) -> list[str]:
        """Return the test photographs of a fold, sorted."""
        return sorted(self.suite.folds.folds[fold].test)

    def explained(self, seed: int, fold: str) -> bool:
        """Say whether systems are asked where they looked: in one repeat, with the first seed."""
        return seed == self.suite.seeds[0] and fold in self.suite.one_repeat

    def score(self, detector: Detector, backbone: Backbone, seed: int, fold: str) -> Node:
        """Return the last node of a cell; all that it needs hangs from it."""
        test, tuned = self._asked(detector, fold)
        inputs = {"classify": self._classify(detector, backbone, seed, fold)}
        if detector.view == "crop":
            inputs |= {
                "detect": self.detect(detector, seed, fold),
                "rated": self.score_detector(detector, seed, fold),
            }
        if detector.proposes and backbone is not HEAD:
            inputs["truth"] = self._classify(self.true_boxes, backbone, seed, fold)
        return Node(
            kind="score",
            spec={"test": test, "validation": tuned, "data": self.source.digest},
            inputs={**inputs, **self.source.nodes([*test, *tuned])},
            label=f"score {detector.name} + {backbone.name}, seed {seed}, fold {fold}",
            family="score",
            local={"source": self.source.local()},
        )

    def _asked(self, detector: Detector, fold: str) -> tuple[list[str], list[str]]:
        """The photographs of a fold to test on, and those to choose thresholds on, if there are any to choose."""
        chosen = self.suite.folds.folds[fold]
        return sorted(chosen.test), sorted(chosen.validation) if detector.proposes else []

    @once
    def score_detector(self, detector: Detector, seed: int, fold: str) -> Node:
        """Return the node that scores the boxes of a detector, whoever reads them."""
        test, tuned = self._asked(detector, fold)
        return Node(
            kind="score_detector",
            spec={"test": test, "validation": tuned, "data": self.source.digest},
            inputs={"detect": self.detect(detector, seed, fold), **self.source.nodes([*test, *tuned])},
            label=f"score boxes of {detector.label}, seed {seed}, fold {fold}",
            family="score_detector",
            local={"source": self.source.local()},
        )

    @once
    def _classify(self, detector: Detector, backbone: Backbone, seed: int, fold: str) -> Node:
        test, tuned = self._asked(detector, fold)
        asked = sorted({*test, *tuned})
        label = f"classify {detector.name} + {backbone.name}, seed {seed}, fold {fold}"
        if backbone is HEAD:
            found = self.detect(detector, seed, fold)
            inputs = {"detect": found, "fit": found.inputs["fit"]}
            spec: dict[str, Any] = {"mode": backbone.name, "plugin": backbone.plugin.identity, "test": asked}
            return Node(kind="classify", spec=spec, inputs=inputs, label=label, family="classify by own head")
        crops = self.test_crops(detector, backbone, seed, fold)
        inputs = {"crops": crops, "fit": self.fit(detector.view, backbone, seed, fold)}
        if backbone.mode == "frozen":
            inputs["features"] = self.features(backbone, crops)
        elif "on_demand" in crops.spec:
            inputs |= self.source.nodes(asked)
        return Node(
            kind="classify",
            spec={**backbone.identity, "recipe": self.recipe_of(backbone), "test": asked},
            inputs=inputs,
            label=label,
            family=f"classify {backbone.name}",
            local={"backbone": backbone.plugin.spec, "device": self.device, "source": self.source.local()},
        )

    @once
    def fit(self, view: str, backbone: Backbone, seed: int, fold: str) -> Node:
        """Return the node that trains a backbone on one view."""
        chosen = self.suite.folds.folds[fold]
        crops = self._training_crops(view, backbone)
        inputs = {"crops": crops}
        if backbone.mode == "frozen":
            inputs["features"] = self.features(backbone, crops)
        return Node(
            kind="fit",
            spec={
                **backbone.identity,
                "recipe": self.recipe_of(backbone),
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

    @once
    def features(self, backbone: Backbone, crops: Node) -> Node:
        """Return the node that runs a frozen network over crops."""
        wanted = self.ids["train"] if self.suite.recipe("frozen").mirror and crops.spec["samples"] != "detected" else []
        return Node(
            kind="features",
            spec={
                **backbone.identity,
                "mirror_ids": wanted,
                "map_ids": self._mapped(crops),
                "device": self.device.partition(":")[0],
            },
            inputs={"crops": crops, **(self.source.nodes(crops.spec["ids"]) if "on_demand" in crops.spec else {})},
            label=f"features of {backbone.name}, {crops.label}",
            family=f"features {self.suite.shown_name} {crops.spec['samples']} {backbone.name}",
            local={"backbone": backbone.plugin.spec, "device": self.device, "source": self.source.local()},
        )

    def _mapped(self, crops: Node) -> list[str]:
        """Photographs whose maps in space are kept: those to be explained, and those shown while training.

        Proposals are many, and a gallery asks for few of them: it computes their maps anew.
        """
        if "on_demand" in crops.spec:
            return []
        samples = crops.spec["samples"]
        explained = self.ids["explained"] if samples != "training" else []
        shown = self.ids["shown"] if samples != "detected" else []
        return sorted({*explained, *shown})

    @once
    def _training_crops(self, view: str, backbone: Backbone) -> Node:
        if view == "image":
            return self._crops(backbone, "whole", self.ids["all"])
        return self._crops(backbone, "training", self.ids["fit"])

    @once
    def test_crops(self, detector: Detector, backbone: Backbone, seed: int, fold: str) -> Node:
        """Return the node that cuts what a backbone reads behind a detector."""
        if detector.view == "image":
            return self._training_crops("image", backbone)
        found = self.detect(detector, seed, fold)
        return self._crops(
            backbone, "detected", found.spec["ids"], found, which=f" of {detector.name}", on_demand=detector.proposes
        )

    @once
    def detect(self, detector: Detector, seed: int, fold: str) -> Node:
        """Ask a detector: one that learns about what its fold has kept from it, others once for all folds."""
        chosen = self.suite.folds.folds[fold]
        inputs, which = {}, ""
        if detector.mode is not None:
            ids = sorted({*chosen.test, *chosen.validation})
            inputs, which = {"fit": self._fit_detector(detector, seed, fold)}, f", seed {seed}, fold {fold}"
        else:
            ids = self.ids["asked" if detector.proposes else "test"]
        limit = {"max_boxes": self.suite.detection.max_boxes} if detector.proposes else {}
        return Node(
            kind="detect",
            spec={**detector.identity, **limit, "ids": ids, "data": self.source.digest},
            inputs={**inputs, **self.source.nodes(ids)},
            label=f"detect with {detector.label}{which}",
            family=f"detect {self.suite.shown_name} {detector.name}",
            local={"detector": detector.plugin.spec, "device": self.device, "source": self.source.local()},
        )

    @once
    def _fit_detector(self, detector: Detector, seed: int, fold: str) -> Node:
        chosen = self.suite.folds.folds[fold]
        train, validation = sorted(chosen.train), sorted(chosen.validation)
        return Node(
            kind="fit_detector",
            spec={
                **detector.identity,
                "recipe": self.suite.detection.training.model_dump(mode="json"),
                "seed": seed,
                "train": train,
                "validation": validation,
                "data": self.source.digest,
                "threads": self.suite.threads,
                "device": self.device.partition(":")[0],
            },
            inputs=dict(self.source.nodes([*train, *validation])),
            label=f"fit {detector.label}, seed {seed}, fold {fold}",
            family=f"fit {self.suite.shown_name} {detector.name}",
            local={"detector": detector.plugin.spec, "device": self.device, "source": self.source.local()},
        )

    def _crops(
        self,
        backbone: Backbone,
        samples: str,
        ids: list[str],
        found: Node | None = None,
        *,
        which: str = "",
        on_demand: bool = False,
    ) -> Node:
        size = self.recipe_of(backbone).get("size") or input_size(backbone.plugin.made)
        return Node(
            kind="crops",
            spec={
                "samples": samples,
                "size": list(size),
                "crops": self.suite.crops.model_dump(mode="json", include=USED_BY[samples]),
                "ids": ids,
                "data": self.source.digest,
                **({"on_demand": True} if on_demand else {}),
            },
            inputs={**({"detect": found} if found else {}), **({} if on_demand else self.source.nodes(ids))},
            label=f"{samples} crops{which} at {size[0]} × {size[1]}",
            family=f"crops {self.suite.shown_name} {samples}",
            local={"source": self.source.local()},
        )

    def truth_crops(self, detector: Detector, backbone: Backbone, seed: int, fold: str) -> Node:
        """Whole photographs, or the true boxes: whatever detector a backbone serves, its maps are the same."""
        return self.test_crops(detector if detector.view == "image" else self.true_boxes, backbone, seed, fold)

    def recipe_of(self, backbone: Backbone) -> dict[str, Any]:
        """Return what a backbone's mode is trained by, as JSON; nothing for one that trains itself."""
        return self.suite.recipe(backbone.mode).model_dump(mode="json") if backbone.mode else {}
