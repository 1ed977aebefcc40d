"""What is explained: the values f whose causes a map shows.

`sense` is z_CW - z_CCW, its sign turned where the sense in question is CCW; `presence` is
logsumexp(z_CW, z_CCW) - z_none. They are kept apart because one logit would reward networks that merely find a clast.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from torch import Tensor

from ..records import CLASSES

NONE, CW, CCW = (CLASSES.index(name) for name in ("none", "CW", "CCW"))


@dataclass(frozen=True, eq=False)
class Target:
    """One value f a row of the inputs."""

    name: str
    """One of `records.TARGETS`."""
    signs: Tensor
    """float32[N]: 1, or -1 where the sense in question is CCW."""

    def __call__(self, logits: Tensor) -> Tensor:
        """Map logits float32[N, K] to f, float32[N]."""
        return value(self.name, logits) * self.signs.to(logits)

    def rows(self) -> list[Callable[[Tensor], Tensor]]:
        """Return one function a row, from logits float32[K] to a scalar, as pytorch-grad-cam wants them."""
        return [partial(_signed, self.name, sign) for sign in self.signs.tolist()]


def _signed(name: str, sign: float, logits: Tensor) -> Tensor:
    return value(name, logits) * sign


def value(name: str, logits: Tensor) -> Tensor:
    """Map logits float32[..., K] to f, float32[...], without the sign."""
    if name == "sense":
        return logits[..., CW] - logits[..., CCW]
    return logits[..., [CW, CCW]].logsumexp(dim=-1) - logits[..., NONE]
