"""What a detector of torchvision weighs before it suppresses: its candidates, and its maps in space."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..data.letterbox import Letterbox
from ..explain.sight import Sight

if TYPE_CHECKING:
    from torch import Tensor

EVERYTHING = {"score_thresh": 0.0, "nms_thresh": 1.0, "detections_per_img": 10**9}
"""Settings of the last stage under which it keeps all its candidates. One-stage detectors still weigh no more than the
surest 400 to 1000 of each level or class: pairs of boxes are compared even where none is suppressed."""
ANY_PROPOSAL = {"score_thresh": 0.0}
"""The same for the first of two stages, which keeps its own number of the surest."""


def see(
    network: Any,
    canvas: NDArray[np.uint8],
    place: Letterbox,
    photo_size: tuple[int, int],
    *,
    device: str,
    own_head: bool,
) -> Sight:
    """Return all that a network answers to a canvas uint8[S, S, 3] of a photograph (height, width).

    The maps are what its backbone hands on (a feature pyramid, or the levels of SSD), cut off from what lies before
    them. Boxes of the second stage do not depend on the levels that only the first one reads.
    """
    from ..explain.undisturbed import undisturbed  # noqa: PLC0415
    from .detection_training import as_input  # noqa: PLC0415

    with undisturbed(network), _tapped(network) as seen, _keeping_all(network):
        (found,) = network([as_input(canvas, device)])
    real = found["labels"] > 0  # some score the background, too
    height, width = photo_size
    corners = place.to_photograph(found["boxes"][real].detach().cpu().numpy())
    label = found["labels"][real].cpu().numpy().astype(np.int8)
    tiled_height, tiled_width = seen.size
    x0, y0, x1, y1 = place.to_photograph([[0, 0, tiled_width, tiled_height]])[0].tolist()
    return Sight(
        xyxy=corners.clip(0, [width, height, width, height]).astype(np.float32),
        scores=found["scores"][real],
        layers=tuple(seen.levels),
        extents=((x0, y0, x1, y1),) * len(seen.levels),
        labels=label if own_head else None,
    )


class _Seen:
    """The levels of one pass, and the size (height, width) of the padded input that their cells tile."""

    def __init__(self) -> None:
        self.levels: list[Tensor] = []
        self.size = (0, 0)


@contextmanager
def _tapped(network: Any) -> Iterator[_Seen]:
    """Yield what receives the backbone's outputs as leaves of the graph; the hook is taken away again."""
    seen = _Seen()

    def tap(_module: Any, inputs: tuple[Tensor, ...], output: Any) -> OrderedDict[str, Tensor]:
        named = output if isinstance(output, dict) else {"0": output}
        leaves = OrderedDict((name, level.detach().requires_grad_()) for name, level in named.items())
        seen.levels, seen.size = list(leaves.values()), (inputs[0].shape[-2], inputs[0].shape[-1])
        return leaves

    hook = network.backbone.register_forward_hook(tap)
    try:
        yield seen
    finally:
        hook.remove()


@contextmanager
def _keeping_all(network: Any) -> Iterator[None]:
    last = getattr(network, "roi_heads", network)
    changes = [(last, EVERYTHING)] + ([] if last is network else [(network.rpn, ANY_PROPOSAL)])
    before = [(part, name, getattr(part, name)) for part, settings in changes for name in settings]
    try:
        for part, settings in changes:
            for name, value in settings.items():
                setattr(part, name, value)
        yield
    finally:
        for part, name, value in before:
            setattr(part, name, value)
