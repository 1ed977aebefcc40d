"""The last layer of a network that still knows where things are."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..errors import PluginError


def last_spatial_layer(model: nn.Module, size: tuple[int, int]) -> str:
    """Name the module, last in order of execution, whose output is a map of more than one cell, or tokens.

    Args:
        model: maps float32[N, 3, H, W] to logits.
        size: (H, W).

    Raises:
        PluginError: no module has such an output; the plugin should set `cam_layer`.
    """
    found: list[str] = []

    def note(name: str) -> None:
        found.append(name)

    hooks = [
        module.register_forward_hook(
            lambda _module, _inputs, output, name=name: note(name) if _is_spatial(output) else None
        )
        for name, module in model.named_modules()
        if name
    ]
    was_training = model.training
    try:
        model.eval()
        with torch.inference_mode():
            model(torch.zeros(1, 3, *size))
    finally:
        model.train(was_training)
        for hook in hooks:
            hook.remove()
    if not found:
        raise PluginError(f"{type(model).__name__}: no layer with a map in space was found; set cam_layer.")
    return found[-1]


def _is_spatial(output: object) -> bool:
    if not isinstance(output, Tensor):
        return False
    cells = output.shape[2] * output.shape[3] if output.ndim == 4 else output.shape[1] if output.ndim == 3 else 0
    return cells > 1


def forward_with(model: nn.Module, layer: str, images: Tensor) -> tuple[Tensor, Tensor]:
    """Run the network and return (logits, output of the named layer)."""
    modules = dict(model.named_modules())
    if layer not in modules:
        raise PluginError(f"{type(model).__name__} has no layer named {layer!r} (cam_layer).")
    kept: list[Tensor] = []
    hook = modules[layer].register_forward_hook(lambda _module, _inputs, output: kept.append(output))
    try:
        logits = model(images)
    finally:
        hook.remove()
    if not kept:
        raise PluginError(f"{type(model).__name__}: the layer {layer!r} (cam_layer) was not executed.")
    return logits, kept[-1]


def pool(maps: Tensor, *, channels_last: bool = False) -> Tensor:
    """Average maps [N, C, h, w] (or [N, h, w, C]) or tokens [N, T, C] over space, to [N, C]."""
    if maps.ndim == 4:
        return maps.mean(dim=(1, 2) if channels_last else (2, 3))
    return maps.mean(dim=1) if maps.ndim == 3 else maps
