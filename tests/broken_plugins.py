"""Backbones that break their contract, each in one way."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import nn


class _Network:
    size = (32, 48)
    mean = std = (0.5, 0.5, 0.5)


class _Classifier:
    size = (16, 24)

    def fit(self, crops, validation, *, seed: int, device: str, out: Path) -> None:
        pass

    def load(self, path: Path, *, device: str) -> None:
        pass

    def predict(self, images):
        redness = images[:, 0].mean(axis=(1, 2))
        return np.stack([redness, -redness, 2 * redness], axis=1)


class Raises(_Classifier):
    """Tier 2: cannot learn."""

    def fit(self, crops, validation, *, seed: int, device: str, out: Path) -> None:
        raise RuntimeError("no licence\nfound for this solver")


class SaysNaN(_Classifier):
    """Tier 2: divides by zero."""

    def predict(self, images):
        return super().predict(images) * np.nan


class ForgetsWhatItLearned(_Classifier):
    """Tier 2: keeps what it learned in memory and leaves nothing in the folder."""

    bias = 0.0

    def fit(self, crops, validation, *, seed: int, device: str, out: Path) -> None:
        self.bias = 1.0 + float((crops.labels == 1).mean())

    def predict(self, images):
        return super().predict(images) + np.float32(self.bias)


class KnowsTwoClasses(_Network):
    """Tier 1: answers CW or CCW, never `none`."""

    def build(self, num_classes: int, weights: str) -> nn.Module:
        return nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 2))


class ChangesItsInput(_Network):
    """Tier 1: its first layer works in place."""

    def build(self, num_classes: int, weights: str) -> nn.Module:
        convolution = nn.Conv2d(3, 8, 3, stride=2)
        pooled = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, num_classes)]
        return nn.Sequential(nn.ReLU(inplace=True), convolution, *pooled)


class ComparesPictures(_Network):
    """Tier 1: judges every picture by the others of its batch."""

    def build(self, num_classes: int, weights: str) -> nn.Module:
        pooled = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, num_classes)]
        return nn.Sequential(nn.Conv2d(3, 8, 3, stride=2), _MinusBatchMean(), *pooled)


class HidesATensor(_Network):
    """Tier 1: a random tensor of the network is no buffer, so no checkpoint holds it."""

    def build(self, num_classes: int, weights: str) -> nn.Module:
        pooled = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, num_classes)]
        return nn.Sequential(nn.Conv2d(3, 8, 3, stride=2), _Rescaled(8), *pooled)


class _MinusBatchMean(nn.Module):
    def forward(self, maps):
        return maps - maps.sum(dim=0, keepdim=True) / max(1, len(maps))


class _Rescaled(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.scale = torch.rand(1, channels, 1, 1)

    def forward(self, maps):
        return maps * self.scale
