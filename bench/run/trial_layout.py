"""The nodes that ask systems about changed pictures, and detectors about their boxes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import ceil

from ..metrics import CUES, PART_CHANGES
from .entries import HEAD, Backbone, Detector, minor
from .graph import Node
from .inputs import Generated, is_plain
from .layout import Layout
from .once import once

TRIALS = "changed pictures"
BOX_MAPS = "maps of the detector"
"""By what names a plan keeps these nodes."""
CHANGES = (*PART_CHANGES.values(), *(f"{cue}={state}" for cue in CUES for state in ("agrees", "reversed")))
"""Conditions under which generated photographs are rendered again."""


@dataclass(frozen=True)
class TrialLayout:
    """Makes the nodes of trials upon those of a layout."""

    base: Layout
    made: dict[object, Node] = field(default_factory=dict)
    """Nodes that were asked for before."""

    def trials(self, detector: Detector, backbone: Backbone, seed: int, fold: str) -> dict[str, Node | str]:
        """Return the nodes that ask a cell about changed pictures, and its detector where it looked."""
        if not self.base.explained(seed, fold):
            return {}
        found: dict[str, Node | str] = {}
        if backbone is not HEAD:
            own = self.base.true_boxes if detector.view == "crop" else detector
            found[TRIALS] = self._trials(own, backbone, seed, fold)
        if detector.proposes:
            found[BOX_MAPS] = self._watch(detector, seed, fold)
        return found

    @once
    def _trials(self, detector: Detector, backbone: Backbone, seed: int, fold: str) -> Node:
        base, test = self.base, self.base.tested(fold)
        return Node(
            kind="trials",
            spec={
                **backbone.identity,
                "recipe": base.recipe_of(backbone),
                "ids": test,
                "data": base.source.digest,
                "device": base.device.partition(":")[0],
                "libraries_of_trials": {"torch": minor("torch")},
            },
            inputs={
                "crops": base.truth_crops(detector, backbone, seed, fold),
                "fit": base.fit(detector.view, backbone, seed, fold),
                **self._variants(fold),
                **base.source.nodes(test),
            },
            label=f"ask {backbone.name} about changed pictures, {detector.view}s, seed {seed}, fold {fold}",
            family=f"trials {base.suite.shown_name} {backbone.name}",
            local={"backbone": backbone.plugin.spec, "device": base.device, "source": base.source.local()},
        )

    def _variants(self, fold: str) -> Mapping[str, Node]:
        """Photographs rendered again under every change; there are none of photographs on disk."""
        source = self.base.source
        if not isinstance(source, Generated):
            return {}
        return {f"variants/{change}": self._variant(source, fold, change) for change in CHANGES}

    @once
    def _variant(self, source: Generated, fold: str, change: str) -> Node:
        plain = [one for one in self.base.suite.one_repeat if any(map(is_plain, self.base.tested(one)))]
        share = ceil(self.base.suite.explaining.changed / max(1, len(plain)))
        return source.variants(self.base.tested(fold), change, share)

    @once
    def _watch(self, detector: Detector, seed: int, fold: str) -> Node:
        base, test = self.base, self.base.tested(fold)
        rated = base.score_detector(detector, seed, fold)
        detect = rated.inputs["detect"]
        return Node(
            kind="watch_boxes",
            spec={
                **detector.identity,
                "ids": test,
                "inputs": ceil(base.suite.explaining.watched / len(base.suite.one_repeat)),
                "data": base.source.digest,
                "device": base.device.partition(":")[0],
            },
            inputs={
                "detect": detect,
                "rated": rated,
                **({"fit": detect.inputs["fit"]} if "fit" in detect.inputs else {}),
                **base.source.nodes(test),
            },
            label=f"explain boxes of {detector.label}, seed {seed}, fold {fold}",
            family=f"watch {base.suite.shown_name} {detector.name}",
            local={"detector": detector.plugin.spec, "device": base.device, "source": base.source.local()},
        )
