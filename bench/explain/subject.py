"""A trained model as explainers see it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor, nn


@dataclass(frozen=True, eq=False)
class Subject:
    """A model in evaluation mode. Black boxes have `logits` only."""

    logits: Callable[[Tensor], Tensor]
    """Maps inputs to logits float32[N, K]."""
    module: nn.Module | None = None
    """The same as a module that can be differentiated."""
    layer: nn.Module | None = None
    """The module inside whose output is the last map in space, or the last tokens."""
    reshape: Callable[[Tensor], Tensor] | None = None
    """Turns the layer's output into float32[N, C, h, w], where it is not that already."""
