"""One training loop for heads and whole networks."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from ..errors import PluginError
from ..suite import Training


@dataclass(frozen=True, slots=True)
class Epoch:
    """What one epoch came to; validation figures are None without validation data."""

    epoch: int
    train_loss: float
    validation_loss: float | None
    validation_accuracy: float | None


def run_epochs(
    module: nn.Module,
    n_samples: int,
    batch: Callable[[Tensor], tuple[Tensor, Tensor]],
    watch: Callable[[], tuple[Tensor, Tensor]],
    *,
    recipe: Training,
    seed: int,
    device: str,
) -> list[Epoch]:
    """Train a module in place.

    Args:
        module: what is trained.
        n_samples: rows to draw from.
        batch: maps row numbers (int64[n], on `device`) to (logits, labels); called in training mode.
        watch: returns (logits, labels) of the validation data; called in evaluation mode.
        recipe: epochs, batch size, optimiser.
        seed: of the order.
        device: a torch device.

    Raises:
        PluginError: the loss is no longer finite.
    """
    order = torch.Generator().manual_seed(seed)
    steps = max(1, math.ceil(n_samples / recipe.batch_size))
    optimizer = torch.optim.AdamW(
        module.parameters(), lr=recipe.learning_rate, weight_decay=recipe.weight_decay, fused=True
    )
    schedule = _schedule(optimizer, recipe, steps)
    log = []
    for epoch in range(recipe.epochs):
        module.train()
        total, seen = 0.0, 0
        for rows in torch.split(torch.randperm(n_samples, generator=order), recipe.batch_size):
            if len(rows) == 1 < recipe.batch_size and n_samples > 1:
                continue  # a lone rest: batch normalisation has no variance of one sample
            logits, labels = batch(rows.to(device))
            loss = cross_entropy(logits, labels)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            total, seen = total + loss.item() * len(rows), seen + len(rows)
            schedule.step()
        if not math.isfinite(total):
            raise PluginError(f"Training diverged: the loss of epoch {epoch + 1} is {total}; lower learning_rate.")
        log.append(_watched(module, watch, epoch, total / max(1, seen)))
    return log


def _schedule(optimizer: torch.optim.Optimizer, recipe: Training, steps: int) -> torch.optim.lr_scheduler.LRScheduler:
    if recipe.schedule == "constant":
        return torch.optim.lr_scheduler.LambdaLR(optimizer, lambda _step: 1.0)
    return torch.optim.lr_scheduler.OneCycleLR(
        optimizer, max_lr=recipe.learning_rate, total_steps=recipe.epochs * steps + 1
    )


def _watched(module: nn.Module, watch: Callable[[], tuple[Tensor, Tensor]], epoch: int, train_loss: float) -> Epoch:
    module.eval()
    with torch.inference_mode():
        logits, labels = watch()
    if not len(labels):
        return Epoch(epoch + 1, train_loss, None, None)
    logits = logits.cpu()
    accuracy = (logits.argmax(1) == labels).float().mean().item()
    return Epoch(epoch + 1, train_loss, cross_entropy(logits, labels).item(), accuracy)
