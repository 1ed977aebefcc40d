"""Two published diagnostics of maps on the inputs they are tested on; a suite asks for them, and waits."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from .. import plugins
from ..records import TARGETS
from .graph import Node

if TYPE_CHECKING:
    from torch import Tensor

    from ..explain.subject import Subject

Diagnosed = dict[tuple[str, str], list[dict[str, float]]]
"""By method and target, one entry an input."""


def diagnose(
    node: Node, methods: Iterable[str], subject: Subject, batches: Iterable[Tensor], signs: Sequence[float]
) -> Diagnosed:
    """Compute infidelity and max-sensitivity of methods, if the node wants them; `signs` are those of the inputs."""
    if not node.spec["methods"]:
        return {}
    import torch  # noqa: PLC0415

    from ..explain.diagnostics import infidelity, max_sensitivity  # noqa: PLC0415
    from ..explain.targets import Target  # noqa: PLC0415

    made = {
        name: plugins.load_planned(plugins.EXPLAINERS, node.local["explainers"][name], node.spec["methods"][name]).made
        for name in methods
    }
    found: Diagnosed = {(method, target): [] for method in made for target in TARGETS}
    done = 0
    for inputs in batches:
        turned = torch.tensor(signs[done : done + len(inputs)])
        done += len(inputs)
        for (method, name), rows in found.items():
            target = Target(name, turned if name == "sense" else torch.ones_like(turned))
            told = infidelity(made[method], subject, inputs, target)
            moved = max_sensitivity(made[method], subject, inputs, target)
            rows += [{"infidelity": a, "max_sensitivity": b} for a, b in zip(told, moved, strict=True)]
    return found
