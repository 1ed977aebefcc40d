"""The training of torchvision's detectors: what they are shown of a photograph, and the loop."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..data.letterbox import PAD, letterbox, pixels_inside
from ..errors import DataError, PluginError
from ..records import CLASSES, MIRRORED, Photomicrograph
from ..suite import DetectorTraining
from .detection_targets import is_doubtful, is_sought

WARM_UP = 0.1
"""Share of the steps over which the learning rate rises; it then falls as a cosine."""
LONGEST_GRADIENT = 10.0
PRETRAINED_SHARE = 0.1
"""Tensors that start from ImageNet learn at this share of the rate."""


@dataclass(frozen=True, slots=True, eq=False)
class Example:
    """One letterboxed photograph and what is to be found on it."""

    picture: NDArray[np.uint8]
    """uint8[S, S, 3]."""
    boxes: Tensor
    """float32[N, 4] on the canvas."""
    labels: Tensor
    """int64[N]: positions in CLASSES of the senses; 1 for every clast where the sense is not asked for."""
    mirrored: Tensor
    """int64[N]: what the labels are in the mirror image."""


def examples(photographs: Sequence[Photomicrograph], side: int, *, own_head: bool) -> list[Example]:
    """Return what can be learned from: photographs with clasts, and those that certainly have none.

    A photograph that shows a sense somewhere, with nothing drawn that could be a target, is left out. Regions to be
    ignored are painted in the grey of the padding, so that nothing found there is ever punished; when the sense is
    asked for, clasts that nobody has judged are such regions, and judged ones without a sense are background.

    Raises:
        DataError: no photograph has a clast to learn from, or there is only one photograph.
    """
    seen = [(photo, _example(photo, side, own_head=own_head)) for photo in photographs]
    kept = [example for photo, example in seen if len(example.boxes) or not photo.present]
    if len(kept) < 2 or not any(len(example.boxes) for example in kept):
        wanted = "clasts whose sense is known" if own_head else "drawn clasts"
        raise DataError(f"A detector learns from at least two photographs, some with {wanted}; these are too few.")
    return kept


def _example(photo: Photomicrograph, side: int, *, own_head: bool) -> Example:
    picture, place = letterbox(photo.load(), (side, side))
    targets = [clast for clast in photo.clasts if is_sought(clast, senses=own_head)]
    boxes = place.to_crop([clast.box_xyxy for clast in targets]).clip(0, side)
    doubtful = [clast for clast in photo.clasts if is_doubtful(clast, senses=own_head)]
    _paint(picture, place.to_crop([clast.box_xyxy for clast in doubtful]), boxes)
    large = ((boxes[:, 2:] - boxes[:, :2]) >= 1).all(axis=1)  # offsets relative to less than a pixel explode
    senses = [clast.sense or "none" for clast, is_large in zip(targets, large.tolist(), strict=True) if is_large]
    return Example(
        picture,
        torch.from_numpy(boxes[large].astype(np.float32)),
        _labels(senses, own_head=own_head),
        _labels([MIRRORED[sense] for sense in senses], own_head=own_head),
    )


def _labels(senses: Sequence[str], *, own_head: bool) -> Tensor:
    return torch.tensor([CLASSES.index(sense) if own_head else 1 for sense in senses], dtype=torch.int64)


def _paint(picture: NDArray[np.uint8], doubtful: NDArray[np.float64], targets: NDArray[np.float64]) -> None:
    """Paint doubtful boxes grey, in place, but leave what lies inside a target."""
    hidden = np.zeros(picture.shape[:2], bool)
    for boxes, value in ((doubtful, True), (targets, False)):
        for box in boxes.tolist():
            x0, y0, x1, y1 = pixels_inside(tuple(box), *picture.shape[:2])
            hidden[y0:y1, x0:x1] = value
    picture[hidden] = PAD


def as_input(picture: NDArray[np.uint8], device: str) -> Tensor:
    """Return uint8[S, S, 3] as float32[3, S, S] in 0..1."""
    return torch.from_numpy(picture).to(device).permute(2, 0, 1).float() / 255


def train(
    network: Any,
    shown: Sequence[Example],
    *,
    recipe: DetectorTraining,
    seed: int,
    device: str,
    pretrained: Collection[str] = (),
) -> list[float]:
    """Train a detector of torchvision in place for a fixed number of epochs; return the mean loss of each.

    Order and flips come from a generator of their own; torch's global one, from which torchvision samples anchors, is
    the caller's to seed. Parameters named in `pretrained` learn slowly.

    Raises:
        PluginError: the loss is no longer finite.
    """
    generator = torch.Generator().manual_seed(seed)
    n_batches = max(1, min(math.ceil(len(shown) / recipe.batch_size), len(shown) // 2))
    optimizer, schedule = _optimizer(network, recipe, recipe.epochs * n_batches, pretrained)
    network.train()
    losses = []
    for epoch in range(recipe.epochs):
        total = 0.0
        for batch in _batches(shown, n_batches, generator):
            loss = _loss(network, batch, device)
            if not math.isfinite(loss.item()):
                raise PluginError(f"Training diverged: the loss of epoch {epoch + 1} is {loss}; lower learning_rate.")
            optimizer.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(network.parameters(), LONGEST_GRADIENT)
            optimizer.step()
            schedule.step()
            total += loss.item() * len(batch)
        losses.append(total / len(shown))
    _settle(network, _batches(shown, n_batches, generator), device)
    network.eval()
    return losses


def _settle(network: Any, batches: Iterable[Sequence[Example]], device: str) -> None:
    """Measure what batch normalisation normalises by with the final weights, once over all examples.

    The running averages kept while training forget where they began only after hundreds of steps (SSDlite's momentum
    is 0.03); in shorter trainings they drown every feature.
    """
    for part in network.modules():
        if isinstance(part, torch.nn.BatchNorm2d):
            part.reset_running_stats()
            part.momentum = None  # the plain mean of all batches
    with torch.no_grad():
        for batch in batches:
            _loss(network, batch, device)


def _batches(shown: Sequence[Example], n_batches: int, generator: torch.Generator) -> Iterator[list[Example]]:
    """Deal all examples into batches of nearly one size: a lone rest would have no variance to normalise by."""
    order = torch.randperm(len(shown), generator=generator)
    flips = torch.rand(len(shown), generator=generator) < 0.5
    for rows in torch.tensor_split(order, n_batches):
        yield [_flipped(shown[row]) if flips[row] else shown[row] for row in rows.tolist()]


def _flipped(example: Example) -> Example:
    """Mirror left to right: CW becomes CCW."""
    side = example.picture.shape[1]
    x0, y0, x1, y1 = example.boxes.unbind(1)
    return Example(
        np.ascontiguousarray(example.picture[:, ::-1]),
        torch.stack([side - x1, y0, side - x0, y1], dim=1),
        example.mirrored,
        example.labels,
    )


def _loss(network: Any, batch: Sequence[Example], device: str) -> Tensor:
    targets = [{"boxes": each.boxes.to(device), "labels": each.labels.to(device)} for each in batch]
    losses: dict[str, Tensor] = network([as_input(each.picture, device) for each in batch], targets)
    return torch.stack(list(losses.values())).sum()


def _optimizer(
    network: Any, recipe: DetectorTraining, steps: int, pretrained: Collection[str]
) -> tuple[torch.optim.Optimizer, torch.optim.lr_scheduler.LRScheduler]:
    slow = [parameter for name, parameter in network.named_parameters() if name in pretrained]
    others = [parameter for name, parameter in network.named_parameters() if name not in pretrained]
    rates = {recipe.learning_rate: others, recipe.learning_rate * PRETRAINED_SHARE: slow}
    groups = [{"params": parameters, "lr": rate} for rate, parameters in rates.items() if parameters]
    optimizer = torch.optim.AdamW(groups, weight_decay=recipe.weight_decay)
    warm = max(1, round(steps * WARM_UP))

    def share(step: int) -> float:
        return min(1.0, (step + 1) / warm) * (1 + math.cos(math.pi * step / (steps + 1))) / 2

    return optimizer, torch.optim.lr_scheduler.LambdaLR(optimizer, share)
