"""Explains chosen photographs as a trained system saw them, when a gallery or a reader asks."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from ..data.letterbox import place_of
from ..plugins import Plugin
from ..records import EXTERNAL, TARGETS, Cell, Explanation, Photomicrograph, Prediction
from .answers import deciding, preferred, softmax
from .executors import InProcess
from .graph import Node
from .inputs import look_up
from .learning import read_samples
from .localising import lift_of
from .looking import read_maps
from .progress import Progress
from .runner import run
from .samples import size_of
from .session import Session

Shown = tuple[Cell, str]
"""A cell and a photograph."""


@dataclass(frozen=True, slots=True)
class Look:
    """Where a system looked on one photograph by one method; without maps, `note` says why."""

    explanations: tuple[Explanation, ...] = ()
    """One a target; the sense map speaks for the sense that the system prefers."""
    lift: Mapping[str, float | None] = field(default_factory=dict)
    note: str | None = None


class Viewer:
    """Looks through the eyes of a session's systems; every photograph is opened once."""

    def __init__(self, session: Session, progress: Progress) -> None:
        self._session, self._progress = session, progress
        self._photographs: dict[str, Photomicrograph] = {}

    def photographs(self, ids: Sequence[str]) -> list[Photomicrograph]:
        """Return photographs in the order of the ids."""
        new = sorted(set(ids) - self._photographs.keys())
        self._photographs |= {photo.id: photo for photo in look_up(self._session.source, new)}
        return [self._photographs[image_id] for image_id in ids]

    def look(
        self, asked: Mapping[Cell, Sequence[Prediction]], keys: Mapping[Cell, str], explainer: Plugin
    ) -> dict[Shown, Look]:
        """Explain photographs of several cells by one method; what cannot be explained says why.

        `keys` are those of the cells' results: maps of any other model than the one that predicted would be a lie.
        """
        plan = self._session.plan
        found: dict[Shown, Look] = {}
        ready: dict[Cell, Sequence[Prediction]] = {}
        for cell, said in asked.items():
            reason = self._cannot(cell, keys[cell], explainer)
            if reason:
                found |= {(cell, one.image_id): Look(note=f"{cell.backbone}: {reason}") for one in said}
            else:
                ready[cell] = said
        failures = self._make([self._classify(cell) for cell in ready])
        nodes: dict[Cell, Node] = {}
        for cell, said in ready.items():
            key = self._classify(cell).key
            told = [] if key in failures else self._told(cell, said)
            why = failures.get(key, "nothing was found here, so no crop was classified")
            lacking = {one.image_id for one in said} - {image_id for image_id, _, _ in told}
            found |= {(cell, image_id): Look(note=why) for image_id in lacking}
            if told:
                ids = [image_id for image_id, _, _ in told]
                looks, pair = plan.looks, plan.entered[cell]
                nodes[cell] = looks.explain(*pair, cell.seed, cell.fold, explainer, ids=ids, told=told)
        failures = self._make(list(nodes.values()))
        for cell, node in nodes.items():
            found |= {(cell, image_id): look for image_id, look in self._read(node, explainer, failures).items()}
        return found

    def _cannot(self, cell: Cell, key: str, explainer: Plugin) -> str | None:
        """Say why a cell cannot be explained at all."""
        plan = self._session.plan
        if cell.detector == EXTERNAL:
            return "its predictions came from outside, so there is no model to explain"
        for name in (cell, replace(cell, backbone=cell.backbone.rpartition("@")[0])):  # what is broken has no mode
            if name in plan.broken:
                return f"cannot be loaded any more: {plan.broken[name]}"
        if cell not in plan.entered:
            return "is not among the suite's systems; say where its plugin lies with --backbone FILE:Class"
        if key != plan.cells[cell].key:
            return "was run with another version of this model or on another device; run the suite again"
        return plan.looks.cannot(explainer, plan.entered[cell][1])

    def _classify(self, cell: Cell) -> Node:
        return self._session.plan.cells[cell].inputs["classify"]

    def _told(self, cell: Cell, said: Sequence[Prediction]) -> list[tuple[str, int, str]]:
        """Which input of each photograph decided, and which sense the system prefers there."""
        folder = self._session.store.read(self._classify(cell))
        inputs, read = read_samples(folder), softmax(np.load(folder / "logits.npy"))
        best = deciding(inputs, read, proposes=self._session.plan.entered[cell][0].proposes)
        first: dict[str, int] = {}
        for row, one in enumerate(inputs):  # the inputs of a photograph follow each other
            first.setdefault(one.image_id, row)
        ordered = [one for one in sorted(said, key=lambda one: one.image_id) if one.image_id in best]
        return [(one.image_id, best[one.image_id] - first[one.image_id], preferred(one)) for one in ordered]

    def _make(self, nodes: Sequence[Node]) -> Mapping[str, str]:
        session = self._session
        if not nodes or all(session.store.has(node) for node in nodes):
            return {}
        session.source.require_pixels()
        return run(nodes, session.store, InProcess(session.suite.threads), self._progress)

    def _read(self, node: Node, explainer: Plugin, failures: Mapping[str, str]) -> dict[str, Look]:
        if node.key in failures:
            return {image_id: Look(note=failures[node.key]) for image_id in node.spec["ids"]}
        maps, regards, size, reason = read_maps(self._session.store.read(node))
        if reason is not None:
            return {image_id: Look(note=reason) for image_id in node.spec["ids"]}
        found = {}
        for seen, regard in zip(maps[0], regards, strict=True):
            (photo,) = self.photographs([regard.image_id])
            width, height = size_of(photo)
            extent = place_of((height, width), size, regard.box).extent_xyxy
            both = seen if len(seen) == len(TARGETS) else np.repeat(seen, len(TARGETS), axis=0)  # a control knows none
            explanations = tuple(
                Explanation(photo.id, explainer.name, target, one, extent)
                for target, one in zip(TARGETS, both, strict=True)
            )
            lift = {one.target: lift_of(photo, regard, one) for one in explanations}
            found[photo.id] = Look(explanations, lift)
        return found


def by_cell(shown: Sequence[tuple[Cell, Prediction]]) -> dict[Cell, list[Prediction]]:
    """Gather photographs by the cell that spoke of them."""
    gathered: dict[Cell, list[Prediction]] = defaultdict(list)
    for cell, said in shown:
        gathered[cell].append(said)
    return dict(gathered)
