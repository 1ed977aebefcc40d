"""A guard that leaves a model as it was found."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn


@contextmanager
def undisturbed(module: nn.Module, *, frozen: bool = True) -> Iterator[None]:
    """Put a model into evaluation mode with gradients enabled; restore its flags and `.grad` afterwards.

    Args:
        module: the model.
        frozen: parameters ask for no gradients meanwhile, so that none are computed for them.
    """
    modes = [(part, part.training) for part in module.modules()]
    asked = [(parameter, parameter.requires_grad, parameter.grad) for parameter in module.parameters()]
    try:
        module.eval()
        for parameter, _, _ in asked if frozen else ():
            parameter.requires_grad_(False)
        with torch.enable_grad():
            yield
    finally:
        for part, training in modes:
            part.training = training
        for parameter, wanted, gradient in asked:
            parameter.requires_grad_(wanted)
            parameter.grad = gradient
