"""What a network of ultralytics weighs before it suppresses: its candidates, and the levels of its neck."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..data.letterbox import Letterbox
from ..explain.sight import Sight
from ..records import CLASSES, SENSES

if TYPE_CHECKING:
    from torch import Tensor, nn

CACHED = ("shape", "anchors", "strides")
"""What the last layer remembers of the input before; made in inference mode, it cannot be differentiated through."""


def see(
    network: nn.Module,
    canvas: NDArray[np.uint8],
    place: Letterbox,
    photo_size: tuple[int, int],
    *,
    device: str,
    own_head: bool,
) -> Sight:
    """Return all that a network answers to a canvas uint8[H, W, 3] of a photograph (height, width).

    The neck's levels are the inputs of the last layer, cut off from what lies before them: no gradient is needed there.
    """
    import torch  # noqa: PLC0415

    from ..explain.undisturbed import undisturbed  # noqa: PLC0415

    pixels = torch.from_numpy(canvas.transpose(2, 0, 1).copy()).to(device)
    with undisturbed(network), _tapped(network) as levels:
        answer = network(pixels[None].float() / 255)[0][0]
        xyxy, scores, label = _candidates(answer, own_head=own_head)
    height, width = photo_size
    corners = place.to_photograph(xyxy.detach().cpu().numpy()).clip(0, [width, height, width, height])
    senses = np.asarray([CLASSES.index(sense) for sense in SENSES], np.int8)
    return Sight(
        xyxy=corners.astype(np.float32),
        scores=scores,
        layers=tuple(levels),
        extents=(place.extent_xyxy,) * len(levels),  # every side of the canvas is a multiple of every stride
        labels=senses[label.cpu().numpy()] if own_head else None,
    )


def _candidates(answer: Tensor, *, own_head: bool) -> tuple[Tensor, Tensor, Tensor]:
    """Return corners, scores and classes; of two classes each box is a candidate twice.

    `answer` is float32[4 + classes, anchors], or of a head that ends in its own selection float32[boxes, 6].
    """
    import torch  # noqa: PLC0415
    from torchvision.ops import box_convert  # noqa: PLC0415

    if answer.shape[-1] == 6:
        return answer[:, :4], answer[:, 4], answer[:, 5].long()
    xyxy, scores = box_convert(answer[:4].T, "cxcywh", "xyxy"), answer[4:]
    if not own_head:
        return xyxy, scores.max(dim=0).values, torch.zeros(len(xyxy), dtype=torch.long)
    label = torch.arange(len(scores)).repeat_interleave(len(xyxy))
    return xyxy.repeat(len(scores), 1), scores.reshape(-1), label


@contextmanager
def _tapped(network: nn.Module) -> Iterator[list[Tensor]]:
    """Yield a list that receives the inputs of the last layer as leaves of the graph; the layer is left as it was."""
    last: Any = network.model[-1]  # type: ignore[index]
    before = {name: vars(last)[name] for name in CACHED if name in vars(last)}
    levels: list[Tensor] = []

    def tap(_module: nn.Module, inputs: tuple[Any, ...]) -> tuple[list[Tensor]]:
        levels.extend(level.detach().requires_grad_() for level in inputs[0])
        return (list(levels),)

    hook = last.register_forward_pre_hook(tap)
    try:
        last.shape = None
        yield levels
    finally:
        hook.remove()
        for name in CACHED:
            vars(last).pop(name, None)
        vars(last).update(before)
