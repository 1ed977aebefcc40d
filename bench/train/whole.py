"""Training of a whole network, from scratch or from pretrained weights."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from ..data.crops import Crops, to_float
from ..suite import Training
from .augment import augment
from .log import Epoch
from .loop import OnEpoch, run_epochs
from .networks import BuiltNetwork, logits_of


def fit_network(
    network: BuiltNetwork,
    crops: Crops,
    validation: Crops,
    *,
    recipe: Training,
    seed: int,
    on_epoch: OnEpoch | None = None,
) -> list[Epoch]:
    """Train a built network in place for a fixed number of epochs; the last epoch is kept.

    Args:
        network: from `networks.build`, which must have been seeded by the caller.
        crops: what to learn from.
        validation: only watched, never chosen on.
        recipe: how to train.
        seed: of order and augmentation.
        on_epoch: called after every epoch.
    """
    images = torch.from_numpy(np.array(crops.images[:]))
    labels = torch.from_numpy(crops.labels)
    chance = torch.Generator().manual_seed(seed + 1)

    def batch(rows: Tensor) -> tuple[Tensor, Tensor]:
        rows = rows.cpu()
        floats = torch.from_numpy(to_float(images[rows].numpy())).to(network.device)
        floats, targets = augment(
            floats,
            labels[rows].to(network.device),
            mirror=recipe.mirror,
            rotate_deg=recipe.rotate_deg,
            photometric=recipe.photometric,
            generator=chance,
        )
        inputs = network.normalise(floats).to(memory_format=torch.channels_last)
        return network.module(inputs), targets

    def watch() -> tuple[Tensor, Tensor]:
        return torch.from_numpy(logits_of(network, validation.images)), torch.from_numpy(validation.labels)

    return run_epochs(
        network.module,
        len(crops),
        batch,
        watch,
        recipe=recipe,
        seed=seed,
        device=network.device,
        on_epoch=on_epoch,
    )
