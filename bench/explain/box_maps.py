"""What faithfulness asks of a detector: how well it still answers boxes when parts of a photograph are gone."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from .drise import Ask, best_answer

if TYPE_CHECKING:
    from torch import Tensor


def box_values(
    ask: Ask, boxes: NDArray[np.float32], labels: NDArray[np.int8] | None = None
) -> Callable[[Tensor, NDArray[np.int64]], Tensor]:
    """Return what `perturbation.perturb` asks of one photograph: f of F explained boxes, float32[F, 4].

    The function takes pictures float32[n, 3, H, W] in 0..1 (rounded to the 8 bits of a photograph) and, for `perturb`,
    the positions of their probes, which it ignores; it returns float64[n, F]: the largest IoU times score of the boxes
    proposed, as D-RISE weighs its masks (`drise.best_answer`), of the same sense where both tell one.
    """

    def values(inputs: Tensor, owners: NDArray[np.int64]) -> Tensor:
        import torch  # noqa: PLC0415

        del owners
        levels = (inputs.detach().float() * 255).round().clamp(0, 255).to(torch.uint8)
        pictures = np.ascontiguousarray(levels.permute(0, 2, 3, 1).cpu().numpy())
        said = [best_answer(found, boxes, labels) for found in ask(list(pictures))]
        return torch.from_numpy(np.stack(said) if said else np.zeros((0, len(boxes))))

    return values
