"""The two trained layers on top of a frozen network."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ..records import CLASSES
from ..suite import Training
from .augment import MIRRORED_INDEX
from .log import Epoch
from .loop import OnEpoch, run_epochs


class Head(nn.Sequential):
    """features float32[N, C] → hidden layer → logits float32[N, K] (Iota et al. 2021: 2048 → 512 → softmax)."""

    def __init__(self, features: int, hidden: int) -> None:
        super().__init__(nn.Linear(features, hidden), nn.ReLU(), nn.Linear(hidden, len(CLASSES)))


def twins(labels: NDArray[np.int64]) -> NDArray[np.int64]:
    """Labels of the mirror images."""
    return np.asarray(MIRRORED_INDEX)[labels]


def fit_head(
    features: NDArray[np.float32],
    labels: NDArray[np.int64],
    validation: tuple[NDArray[np.float32], NDArray[np.int64]],
    *,
    recipe: Training,
    seed: int,
    device: str,
    on_epoch: OnEpoch | None = None,
) -> tuple[Head, list[Epoch]]:
    """Train a head with Adam for a fixed number of epochs; the last epoch is kept.

    Args:
        features: float32[N, C]; mirror images are rows of their own.
        labels: int64[N].
        validation: features and labels that are only watched, never chosen on.
        recipe: how to train.
        seed: of initialisation and order.
        device: a torch device.
        on_epoch: called after every epoch.
    """
    torch.manual_seed(seed)
    head = Head(features.shape[1], recipe.hidden).to(device)
    inputs = torch.from_numpy(features).to(device)
    targets = torch.from_numpy(labels).to(device)
    watched = torch.from_numpy(validation[0]).to(device)

    def batch(rows: Tensor) -> tuple[Tensor, Tensor]:
        return head(inputs[rows]), targets[rows]

    def watch() -> tuple[Tensor, Tensor]:
        return head(watched), torch.from_numpy(validation[1])

    log = run_epochs(head, len(labels), batch, watch, recipe=recipe, seed=seed, device=device, on_epoch=on_epoch)
    return head, log


def head_logits(head: Head, features: NDArray[np.float32], device: str) -> NDArray[np.float32]:
    """Return logits float32[N, K] of features float32[N, C]."""
    head.eval()
    with torch.inference_mode():
        logits: NDArray[np.float32] = head(torch.from_numpy(features).to(device)).float().cpu().numpy()
    return logits
