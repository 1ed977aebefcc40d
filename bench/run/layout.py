"""The nodes of one suite: D x B cells, but only D + B x views trainings, and features once for all folds."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Concatenate, ParamSpec

from ..plugins import Plugin, input_size
from ..suite import Suite
from ..tracking import Runs, watched
from .entries import HEAD, Backbone, Detector, enter_detector, minor
from .graph import Node
from .inputs import Source

USED_BY: Mapping[str, set[str]] = {
    "whole": set(),
    "training": {"context", "jitter", "per_clast", "background"},
    "detected": {"context"},
}
"""Which crop settings each kind of sample depends on."""


Said = ParamSpec("Said")


def _once(make: Callable[Concatenate[Layout, Said], Node]) -> Callable[Concatenate[Layout, Said], Node]:
    """Make each node once: cells share most of theirs, and a node hashes its key once."""

    def found(self: Layout, /, *said: Said.args, **named: Said.kwargs) -> Node:
        words = tuple(_word(one) for one in (*said, *named.values()))
        if (make.__name__, *words) not in self.made:
            self.made[make.__name__, *words] = make(self, *said, **named)
        return self.made[make.__name__, *words]

    return found


def _word(said: object) -> object:
    """Return what tells an argument from others: plugins by their name, nodes by their key."""
    if isinstance(said, Detector):
        return _told(said)
    if isinstance(said, Backbone):
        return said.name
    return said.key if isinstance(said, Node) else said


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
    made: dict[object, Node] = field(default_factory=dict)
    """Nodes that were asked for before."""

    @cached_property
    def true_boxes(self) -> Detector:
        """The detector whose crops are explained, and what all others are compared with."""
        return enter_detector("ground-truth")

    @cached_property
    def _ids(self) -> dict[str, list[str]]:
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

    def score(self, detector: Detector, backbone: Backbone, seed: int, fold: str) -> Node:
        """Return the last node of a cell; all that it needs hangs from it."""
        test, tuned = self._asked(detector, fold)
        inputs = {"classify": self._classify(detector, backbone, seed, fold)}
        if detector.view == "crop":
            inputs |= {
                "detect": self._detect(detector, seed, fold),
                "rated": self._score_detector(detector, seed, fold),
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

    @_once
    def _score_detector(self, detector: Detector, seed: int, fold: str) -> Node:
        test, tuned = self._asked(detector, fold)
        return Node(
            kind="score_detector",
            spec={"test": test, "validation": tuned, "data": self.source.digest},
            inputs={"detect": self._detect(detector, seed, fold), **self.source.nodes([*test, *tuned])},
            label=f"score boxes of {_told(detector)}, seed {seed}, fold {fold}",
            family="score_detector",
            local={"source": self.source.local()},
        )

    @_once
    def _classify(self, detector: Detector, backbone: Backbone, seed: int, fold: str) -> Node:
        test, tuned = self._asked(detector, fold)
        asked = sorted({*test, *tuned})
        label = f"classify {detector.name} + {backbone.name}, seed {seed}, fold {fold}"
        if backbone is HEAD:
            found = self._detect(detector, seed, fold)
            inputs = {"detect": found, "fit": found.inputs["fit"]}
            spec: dict[str, Any] = {"mode": backbone.name, "plugin": backbone.plugin.identity, "test": asked}
            return Node(kind="classify", spec=spec, inputs=inputs, label=label, family="classify by own head")
        crops = self._test_crops(detector, backbone, seed, fold)
        inputs = {"crops": crops, "fit": self._fit(detector.view, backbone, seed, fold)}
        if backbone.mode == "frozen":
            inputs["features"] = self._features(backbone, crops)
        elif "on_demand" in crops.spec:
            inputs |= self.source.nodes(asked)
        return Node(
            kind="classify",
            spec={**backbone.identity, "recipe": self._recipe(backbone), "test": asked},
            inputs=inputs,
            label=label,
            family=f"classify {backbone.name}",
            local={"backbone": backbone.plugin.spec, "device": self.device, "source": self.source.local()},
        )

    @_once
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

    @_once
    def _features(self, backbone: Backbone, crops: Node) -> Node:
        wanted = (
            self._ids["train"] if self.suite.recipe("frozen").mirror and crops.spec["samples"] != "detected" else []
        )
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
        explained = self._ids["explained"] if samples != "training" else []
        shown = self._ids["shown"] if samples != "detected" else []
        return sorted({*explained, *shown})

    @_once
    def _training_crops(self, view: str, backbone: Backbone) -> Node:
        if view == "image":
            return self._crops(backbone, "whole", self._ids["all"])
        return self._crops(backbone, "training", self._ids["fit"])

    @_once
    def _test_crops(self, detector: Detector, backbone: Backbone, seed: int, fold: str) -> Node:
        if detector.view == "image":
            return self._training_crops("image", backbone)
        found = self._detect(detector, seed, fold)
        return self._crops(
            backbone, "detected", found.spec["ids"], found, which=f" of {detector.name}", on_demand=detector.proposes
        )

    @_once
    def _detect(self, detector: Detector, seed: int, fold: str) -> Node:
        """Ask a detector: one that learns about what its fold has kept from it, others once for all folds."""
        chosen = self.suite.folds.folds[fold]
        inputs, which = {}, ""
        if detector.mode is not None:
            ids = sorted({*chosen.test, *chosen.validation})
            inputs, which = {"fit": self._fit_detector(detector, seed, fold)}, f", seed {seed}, fold {fold}"
        else:
            ids = self._ids["asked" if detector.proposes else "test"]
        limit = {"max_boxes": self.suite.detection.max_boxes} if detector.proposes else {}
        return Node(
            kind="detect",
            spec={**detector.identity, **limit, "ids": ids, "data": self.source.digest},
            inputs={**inputs, **self.source.nodes(ids)},
            label=f"detect with {_told(detector)}{which}",
            family=f"detect {self.suite.shown_name} {detector.name}",
            local={"detector": detector.plugin.spec, "device": self.device, "source": self.source.local()},
        )

    @_once
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
            label=f"fit {_told(detector)}, seed {seed}, fold {fold}",
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
        size = self._recipe(backbone).get("size") or input_size(backbone.plugin.made)
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

    def explain(
        self,
        detector: Detector,
        backbone: Backbone,
        seed: int,
        fold: str,
        explainer: Plugin,
        *,
        ids: Sequence[str],
        told: Sequence[tuple[str, int, str]] | None = None,
    ) -> Node:
        """Return the node that explains a trained backbone on test inputs: the truth, or what was `told` of them."""
        if told is None:
            crops = self._truth_crops(detector, backbone, seed, fold)
        else:
            crops = self._test_crops(detector, backbone, seed, fold)
        inputs = {"crops": crops, "fit": self._fit(detector.view, backbone, seed, fold)}
        cached = set(ids) <= set(self._ids["explained"]) and (told is None or not detector.proposes)
        if backbone.mode == "frozen" and explainer.made.needs == "features" and cached:
            inputs["features"] = self._features(backbone, crops)
        return self._explain(explainer, inputs, backbone, ids=ids, told=told, which=f", seed {seed}, fold {fold}")

    def maps(self, detector: Detector, backbone: Backbone, seed: int, fold: str) -> dict[str, Node | str]:
        """Return, by method, the node that scores the maps of a cell, or why there can be none; controls come along.

        Only one repeat is explained: the first seed, and folds that test no photograph twice.
        """
        if seed != self.suite.seeds[0] or fold not in self.suite.one_repeat:
            return {}
        found: dict[str, Node | str] = {}
        for explainer in self.explainers:
            found[explainer.name] = self.cannot(explainer, backbone) or self._localise(
                detector, backbone, seed, fold, explainer
            )
        if any(isinstance(node, Node) for node in found.values()):
            crops = self._truth_crops(detector, backbone, seed, fold)
            found |= {control.name: self._localise_control(control, crops, fold) for control in self.controls}
        return found

    @staticmethod
    def cannot(explainer: Plugin, backbone: Backbone) -> str | None:
        """Say why a method cannot work on a backbone, as far as can be told without trying."""
        if backbone is HEAD:
            return "is part of a detector; maps of detectors are not made yet"
        if backbone.mode is None and explainer.made.needs in ("features", "network"):
            return f"brings its own training and prediction; {explainer.name} needs a network"
        return None

    def _localise(self, detector: Detector, backbone: Backbone, seed: int, fold: str, explainer: Plugin) -> Node:
        test = sorted(self.suite.folds.folds[fold].test)
        inputs = {"explain": self.explain(detector, backbone, seed, fold, explainer, ids=test)}
        if backbone.mode is not None and explainer is self.explainers[0]:  # gate 1 speaks of the ranked method
            crops = self._truth_crops(detector, backbone, seed, fold)
            inputs["random"] = self._explain(
                explainer, {"crops": crops}, backbone, ids=self._ids["explained"], which=" with random weights"
            )
        return self._scored_maps(explainer, inputs, fold, f"{detector.view}s of {backbone.name}")

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

    def _truth_crops(self, detector: Detector, backbone: Backbone, seed: int, fold: str) -> Node:
        """Whole photographs, or the true boxes: whatever detector a backbone serves, its maps are the same."""
        return self._test_crops(detector if detector.view == "image" else self.true_boxes, backbone, seed, fold)

    def _recipe(self, backbone: Backbone) -> dict[str, Any]:
        return self.suite.recipe(backbone.mode).model_dump(mode="json") if backbone.mode else {}


def _told(detector: Detector) -> str:
    return f"{detector.name}, own head" if detector.own_head else detector.name
