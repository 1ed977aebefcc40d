"""One training loop for heads and whole networks."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from ..errors import PluginError
from ..records import CLASSES
from ..suite import Training
from .log import Epoch

OnEpoch = Callable[[Epoch, nn.Module], None]
"""Called after every epoch with what is trained, in evaluation mode. It may look, and must leave it as it was."""


class Tally:
    """Counts of true and predicted classes: int64[K, K], rows are true classes."""

    def __init__(self) -> None:
        self.counts: NDArray[np.int64] = np.zeros((len(CLASSES), len(CLASSES)), np.int64)

    def add(self, logits: Tensor, labels: Tensor) -> None:
        """Count what logits float32[n, K] say of labels int64[n]."""
        np.add.at(self.counts, (labels.cpu().numpy(), logits.detach().argmax(1).cpu().numpy()), 1)

    @property
    def accuracy(self) -> float:
        """Share of right answers; 0 when nothing was counted."""
        return float(self.counts.trace() / max(1, self.counts.sum()))

    @property
    def macro_f1(self) -> float:
        """Mean F1 of the classes that occur in truth or predictions (`metrics`' macro_f1); 0 when nothing was counted.

        About 1 / K for a uniform guess on equal shares, 1 for an oracle.
        """
        occurring = self.counts.sum(axis=0) + self.counts.sum(axis=1)
        f1 = 2 * self.counts.diagonal()[occurring > 0] / occurring[occurring > 0]
        return float(f1.mean()) if len(f1) else 0.0


def run_epochs(
    module: nn.Module,
    n_samples: int,
    batch: Callable[[Tensor], tuple[Tensor, Tensor]],
    watch: Callable[[], tuple[Tensor, Tensor]],
    *,
    recipe: Training,
    seed: int,
    device: str,
    on_epoch: OnEpoch | None = None,
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
        on_epoch: called after every epoch.

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
        total, seen, tally = 0.0, 0, Tally()
        for rows in torch.split(torch.randperm(n_samples, generator=order), recipe.batch_size):
            if len(rows) == 1 < recipe.batch_size and n_samples > 1:
                continue  # a lone rest: batch normalisation has no variance of one sample
            logits, labels = batch(rows.to(device))
            loss = cross_entropy(logits, labels)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            total, seen = total + loss.item() * len(rows), seen + len(rows)
            tally.add(logits, labels)
            schedule.step()
        if not math.isfinite(total):
            raise PluginError(f"Training diverged: the loss of epoch {epoch + 1} is {total}; lower learning_rate.")
        log.append(_watched(module, watch, epoch + 1, total / max(1, seen), tally))
        if on_epoch is not None:
            on_epoch(log[-1], module)
    return log


def _schedule(optimizer: torch.optim.Optimizer, recipe: Training, steps: int) -> torch.optim.lr_scheduler.LRScheduler:
    if recipe.schedule == "constant":
        return torch.optim.lr_scheduler.LambdaLR(optimizer, lambda _step: 1.0)
    return torch.optim.lr_scheduler.OneCycleLR(
        optimizer, max_lr=recipe.learning_rate, total_steps=recipe.epochs * steps + 1
    )


def _watched(
    module: nn.Module, watch: Callable[[], tuple[Tensor, Tensor]], epoch: int, train_loss: float, seen: Tally
) -> Epoch:
    module.eval()
    with torch.inference_mode():
        logits, labels = watch()
    trained = train_loss, seen.accuracy, seen.macro_f1
    if not len(labels):
        return Epoch(epoch, *trained, None, None, None)
    tally = Tally()
    tally.add(logits, labels)
    return Epoch(epoch, *trained, cross_entropy(logits.cpu(), labels).item(), tally.accuracy, tally.macro_f1)
