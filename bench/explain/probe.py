"""Which layer of a network a map can be made of, found by one forward and one backward pass."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..errors import ExplanationError
from ..train.layers import forward_with
from .targets import value
from .tokens import to_maps
from .undisturbed import undisturbed


def explained_layer(module: nn.Module, cam_layer: str, size: tuple[int, int], *, channels_last: bool = False) -> str:
    """Name the last layer whose map in space, or patch tokens, the sense of the picture depends on.

    That is `cam_layer`, but for transformers that classify by their class token: after the last attention nothing
    flows from the patches to it, so the gradient at the last patch tokens is zero. Then it is the last layer in order
    of execution with tokens of the same number of channels whose patches have a gradient – the normalisation before
    the last attention, where pytorch-grad-cam's own examples put Grad-CAM too.

    Args:
        module: maps float32[N, 3, H, W] to logits.
        cam_layer: the layer named by the plugin, or found by `last_spatial_layer`.
        size: (H, W).
        channels_last: whether the network's maps are [N, h, w, C].

    Raises:
        PluginError: there is no such layer.
        ExplanationError: its output is no map in space.
    """
    device = next((parameter.device for parameter in module.parameters()), torch.device("cpu"))
    probe = torch.randn(1, 3, *size, generator=torch.Generator().manual_seed(0)).to(device)
    with torch.inference_mode(mode=False), undisturbed(module):
        logits, last = forward_with(module, cam_layer, probe.clone().requires_grad_())
        if not isinstance(last, Tensor):
            raise ExplanationError(f"the output of {cam_layer!r} is a {type(last).__name__}, no map in space")
        to_maps(last, size, channels_last=channels_last)
        if last.ndim != 3 or _has_gradient(logits, [last], size)[0]:
            return cam_layer
        names, outputs, logits = _alike(module, probe.clone().requires_grad_(), last.shape)
        reached = _has_gradient(logits, outputs, size)
    return next((name for name, yes in zip(reversed(names), reversed(reached), strict=True) if yes), cam_layer)


def _alike(module: nn.Module, probe: Tensor, shape: torch.Size) -> tuple[list[str], list[Tensor], Tensor]:
    """Return names and outputs, in order of execution, of the layers with outputs of this shape; and the logits."""
    names: list[str] = []
    outputs: list[Tensor] = []

    def note(name: str, output: object) -> None:
        if isinstance(output, Tensor) and output.shape == shape and output.requires_grad:
            names.append(name)
            outputs.append(output)

    hooks = [
        part.register_forward_hook(lambda _module, _inputs, output, name=name: note(name, output))
        for name, part in module.named_modules()
        if name
    ]
    try:
        logits: Tensor = module(probe)
    finally:
        for hook in hooks:
            hook.remove()
    return names, outputs, logits


def _has_gradient(logits: Tensor, outputs: list[Tensor], size: tuple[int, int]) -> list[bool]:
    """Say of each output in tokens whether f_sense has a gradient at its patches."""
    gradients = torch.autograd.grad(value("sense", logits).sum(), outputs, allow_unused=True)
    return [gradient is not None and bool(to_maps(gradient, size).any()) for gradient in gradients]
