"""Nodes of the run graph and their content keys."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from ..suite import sha256_of_json

VERSIONS: Mapping[str, int] = {
    "pictures": 1,
    "fit_detector": 1,
    "detect": 2,
    "crops": 1,
    "features": 2,
    "fit": 2,
    "classify": 1,
    "explain": 2,
    "localise": 3,
    "perturb": 2,
    "chirality": 1,
    "variants": 1,
    "trials": 1,
    "watch_boxes": 2,
    "score_detector": 1,
    "score": 2,
}
"""One number a kind; raise it when a step's outcome changes, and its nodes (and all that follow) are made anew."""


Folders = Mapping[str, Path]
"""Finished inputs of a node, by name."""


@dataclass(frozen=True, eq=False)
class Node:
    """One unit of work. Equal keys mean equal outcomes, wherever and whenever it runs."""

    kind: str
    spec: Mapping[str, Any]
    """What the outcome depends on, as JSON."""
    inputs: Mapping[str, Node] = field(default_factory=dict)
    label: str = ""
    """For readers."""
    family: str = ""
    """Nodes of one family take about the same time; used to estimate."""
    local: Mapping[str, Any] = field(default_factory=dict)
    """What the step needs and the outcome does not depend on: paths, device."""

    @cached_property
    def key(self) -> str:
        """sha256 over kind, step version, spec and the keys of the inputs."""
        return sha256_of_json(
            {
                "kind": self.kind,
                "version": VERSIONS[self.kind],
                "spec": self.spec,
                "inputs": {name: node.key for name, node in self.inputs.items()},
            }
        )


def topological(targets: list[Node]) -> Iterator[Node]:
    """Yield every node the targets need, inputs first, each key once."""
    seen: set[str] = set()

    def visit(node: Node) -> Iterator[Node]:
        if node.key in seen:
            return
        seen.add(node.key)
        for source in node.inputs.values():
            yield from visit(source)
        yield node

    for target in targets:
        yield from visit(target)
