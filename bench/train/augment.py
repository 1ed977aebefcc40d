"""Chirality-safe augmentation of a batch: mirror = swap, rotation keeps, padding is constant, nothing is sheared."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn.functional import affine_grid, grid_sample

from ..data.letterbox import PAD
from ..records import CLASSES, MIRRORED

PADDING = PAD / 255
MIRRORED_INDEX = tuple(CLASSES.index(MIRRORED[name]) for name in CLASSES)


def mirror_some(images: Tensor, labels: Tensor, chosen: Tensor) -> tuple[Tensor, Tensor]:
    """Mirror the chosen pictures (bool[N]) left to right and swap CW with CCW in their labels (int64[N])."""
    swap = torch.tensor(MIRRORED_INDEX, device=labels.device)
    flipped = torch.where(chosen[:, None, None, None], images.flip(3), images)
    return flipped, torch.where(chosen, swap[labels], labels)


def rotate(images: Tensor, degrees: Tensor) -> Tensor:
    """Rotate float32[N, 3, H, W] in 0..1 about the centre, counter-clockwise as seen, by float32[N] degrees each."""
    height, width = images.shape[2:]
    angle = degrees.to(images) * (math.pi / 180)
    cos, sin, zero = angle.cos(), angle.sin(), torch.zeros_like(angle)
    # grid_sample works in coordinates that squash the picture to a square; the ratios undo that, so nothing is sheared
    first = torch.stack([cos, -sin * height / width, zero], dim=1)
    second = torch.stack([sin * width / height, cos, zero], dim=1)
    grid = affine_grid(torch.stack([first, second], dim=1), list(images.shape), align_corners=False)
    return grid_sample(images - PADDING, grid, align_corners=False) + PADDING


def relight(images: Tensor, contrast: Tensor, brightness: Tensor) -> Tensor:
    """Scale each picture about its own mean by `contrast` and add `brightness` (float32[N] each); clipped to 0..1."""
    mean = images.mean(dim=(1, 2, 3), keepdim=True)
    lit = (images - mean) * contrast[:, None, None, None] + mean + brightness[:, None, None, None]
    return lit.clamp(0, 1)


def augment(
    images: Tensor,
    labels: Tensor,
    *,
    mirror: bool,
    rotate_deg: float,
    photometric: float,
    generator: torch.Generator,
) -> tuple[Tensor, Tensor]:
    """Draw one augmentation for each picture of a batch; all random numbers come from `generator` (on the CPU)."""
    draw = torch.rand((4, len(labels)), generator=generator).to(images.device)
    if mirror:
        images, labels = mirror_some(images, labels, draw[0] < 0.5)
    if rotate_deg:
        images = rotate(images, (draw[1] * 2 - 1) * rotate_deg)
    if photometric:
        images = relight(images, 1 + (draw[2] * 2 - 1) * photometric, (draw[3] - 0.5) * photometric)
    return images, labels
