"""The nodes that ask where the systems of a suite looked: maps, and the scores of maps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import ceil

from ..plugins import Plugin
from ..records import untrained
from .entries import HEAD, Backbone, Detector, minor
from .graph import Node
from .layout import Layout
from .once import once

FAITHFULNESS = "faithfulness of maps"
FURTHER = "faithfulness of further maps"
CHIRALITY = "maps of mirror images"
"""By what names a plan keeps nodes that are no method's own."""


@dataclass(frozen=True)
class MapLayout:
    """Makes the nodes of maps upon those of a layout; the first explainer is the ranked one."""

    base: Layout
    explainers: Sequence[Plugin] = ()
    controls: Sequence[Plugin] = ()
    made: dict[object, Node] = field(default_factory=dict)
    """Nodes that were asked for before."""

    def maps(self, detector: Detector, backbone: Backbone, seed: int, fold: str) -> dict[str, Node | str]:
        """Return, by method, the node that scores the maps of a cell, or why there can be none; controls come along.

        What speaks of several methods, or of more than a photograph, has a name of its own. Only one repeat is
        explained: the first seed, and folds that test no photograph twice.
        """
        if not self.base.explained(seed, fold):
            return {}
        if detector.view == "crop":  # whatever detector a backbone serves, its maps are those of true boxes
            detector = self.base.true_boxes
        found: dict[str, Node | str] = {}
        for explainer in self.explainers:
            found[explainer.name] = self.cannot(explainer, backbone) or self._localise(
                detector, backbone, seed, fold, explainer
            )
        able = [one for one in self.explainers if isinstance(found[one.name], Node)]
        if not able:
            return found
        crops = self.base.truth_crops(detector, backbone, seed, fold)
        found |= {control.name: self._localise_control(control, crops, fold) for control in self.controls}
        tested = [one for one in able if one.made.needs != "nothing"]
        ranked = [one for one in tested if one is self.explainers[0]]
        further = [one for one in tested if one not in ranked]
        if ranked:  # alone: a further method that breaks must not take its trust away
            found[FAITHFULNESS] = self._perturb(detector, backbone, seed, fold, *ranked)
            found[CHIRALITY] = self._chirality(detector, backbone, seed, fold, *ranked)  # gate 3 speaks of it
            if backbone.mode is not None:  # gate 1 does
                found[untrained(ranked[0].name)] = self._localise_random(detector, backbone, seed, fold, *ranked)
        if further:
            found[FURTHER] = self._perturb(detector, backbone, seed, fold, *further)
        return found

    @staticmethod
    def cannot(explainer: Plugin, backbone: Backbone) -> str | None:
        """Say why a method cannot work on a backbone, as far as can be told without trying."""
        if backbone is HEAD:
            return "is part of a detector: its maps are those of the detector"
        if backbone.mode is None and explainer.made.needs in ("features", "network"):
            return f"brings its own training and prediction; {explainer.name} needs a network"
        return None

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
        base = self.base
        if told is None:
            crops = base.truth_crops(detector, backbone, seed, fold)
        else:
            crops = base.test_crops(detector, backbone, seed, fold)
        inputs = {"crops": crops, "fit": base.fit(detector.view, backbone, seed, fold)}
        cached = set(ids) <= set(base.ids["explained"]) and (told is None or not detector.proposes)
        if backbone.mode == "frozen" and explainer.made.needs == "features" and cached:
            inputs["features"] = base.features(backbone, crops)
        return self._explain(explainer, inputs, backbone, ids=ids, told=told, which=f", seed {seed}, fold {fold}")

    @once
    def _localise(self, detector: Detector, backbone: Backbone, seed: int, fold: str, explainer: Plugin) -> Node:
        explain = self._true(detector, backbone, seed, fold, explainer)
        return self._scored_maps(explainer.name, explain, fold, f"{detector.view}s of {backbone.name}")

    @once
    def _localise_random(self, detector: Detector, backbone: Backbone, seed: int, fold: str, explainer: Plugin) -> Node:
        """Score the maps of untrained networks, which are the same for all folds."""
        crops = self.base.truth_crops(detector, backbone, seed, fold)
        explain = self._explain(
            explainer, {"crops": crops}, backbone, ids=self.base.ids["explained"], which=" with random weights"
        )
        return self._scored_maps(untrained(explainer.name), explain, fold, f"{detector.view}s of {backbone.name}")

    @once
    def _true(self, detector: Detector, backbone: Backbone, seed: int, fold: str, explainer: Plugin) -> Node:
        return self.explain(detector, backbone, seed, fold, explainer, ids=self.base.tested(fold))

    @once
    def _localise_control(self, control: Plugin, crops: Node, fold: str) -> Node:
        explain = self._explain(control, {"crops": crops}, None, ids=self.base.ids["explained"])
        return self._scored_maps(control.name, explain, fold, crops.label, control=True)

    def _scored_maps(self, method: str, explain: Node, fold: str, of: str, *, control: bool = False) -> Node:
        base, test = self.base, self.base.tested(fold)
        return Node(
            kind="localise",
            spec={"method": method, "control": control, "ids": test, "data": base.source.digest},
            inputs={"explain": explain, **base.source.nodes(test)},
            label=f"score maps of {method}, {of}, fold {fold}",
            family=f"localise {base.suite.shown_name}",
            local={"source": base.source.local()},
        )

    @once
    def _perturb(self, detector: Detector, backbone: Backbone, seed: int, fold: str, *explainers: Plugin) -> Node:
        """Test the maps of all methods in one go: most of what is removed is the same for all of them."""
        base, test, asked = self.base, self.base.tested(fold), self.base.suite.explaining
        maps = {f"explain/{one.name}": self._true(detector, backbone, seed, fold, one) for one in explainers}
        return Node(
            kind="perturb",
            spec={
                **backbone.identity,
                "recipe": base.recipe_of(backbone),
                "methods": {one.name: one.identity for one in explainers} if asked.diagnostics else {},
                "inputs": ceil(asked.perturbed / len(base.suite.one_repeat)),
                "ids": test,
                "data": base.source.digest,
                "device": base.device.partition(":")[0],
            },
            inputs={
                **maps,
                "crops": base.truth_crops(detector, backbone, seed, fold),
                "fit": base.fit(detector.view, backbone, seed, fold),
                **base.source.nodes(test),
            },
            label=f"test maps of {backbone.name} on {detector.view}s, seed {seed}, fold {fold}",
            family=f"perturb {base.suite.shown_name} {backbone.name}",
            local={
                "backbone": backbone.plugin.spec,
                "explainers": {one.name: one.spec for one in explainers},
                "device": base.device,
                "source": base.source.local(),
            },
        )

    @once
    def _chirality(self, detector: Detector, backbone: Backbone, seed: int, fold: str, explainer: Plugin) -> Node:
        crops = self.base.truth_crops(detector, backbone, seed, fold)
        inputs = {"crops": crops, "fit": self.base.fit(detector.view, backbone, seed, fold)}
        ids = self.base.tested(fold)
        mirrored = self._explain(explainer, inputs, backbone, ids=ids, mirrored=True, which=" on mirror images")
        return Node(
            kind="chirality",
            spec={"method": explainer.name, "ids": ids, "data": self.base.source.digest},
            inputs={
                "explain": self._true(detector, backbone, seed, fold, explainer),
                "mirrored": mirrored,
                **self.base.source.nodes(ids),
            },
            label=f"compare maps of mirror images, {detector.view}s of {backbone.name}, fold {fold}",
            family=f"chirality {self.base.suite.shown_name}",
            local={"source": self.base.source.local()},
        )

    def _explain(
        self,
        explainer: Plugin,
        inputs: Mapping[str, Node],
        backbone: Backbone | None,
        *,
        ids: Sequence[str],
        told: Sequence[tuple[str, int, str]] | None = None,
        mirrored: bool = False,
        which: str = "",
    ) -> Node:
        base = self.base
        entered = {"mode": None} if backbone is None else {**backbone.identity, "recipe": base.recipe_of(backbone)}
        name = "crops" if backbone is None else backbone.name
        return Node(
            kind="explain",
            spec={
                **entered,
                "method": explainer.identity,
                "weights_of": "fit" if "fit" in inputs else "random",
                "ids": sorted(ids),
                "told": told,
                **({"mirrored": True} if mirrored else {}),
                "data": base.source.digest,
                "device": base.device.partition(":")[0],
                "libraries_of_maps": {name: minor(name) for name in ("torch", "grad-cam", "captum")},
            },
            inputs={**inputs, **base.source.nodes(ids)},
            label=f"explain {name} by {explainer.name}{which}",
            family=f"explain {base.suite.shown_name} {name} {explainer.name}",
            local={
                "backbone": None if backbone is None else backbone.plugin.spec,
                "explainer": explainer.spec,
                "device": base.device,
                "source": base.source.local(),
            },
        )
