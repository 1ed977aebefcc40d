"""Backbones and detectors that break their contract, each in one way."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import nn

from clastbench.records import Boxes


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


class _Detector:
    """Proposes the middle of every photograph."""

    view = "crop"
    uses_truth = False

    def detect(self, photographs):
        return [self.boxes(photo) for photo in photographs]

    def boxes(self, photo) -> Boxes:
        height, width = photo.load().shape[:2]
        middle = np.asarray([[width / 4, height / 4, width * 3 / 4, height * 3 / 4]], np.float32)
        return Boxes(photo.id, middle, np.asarray([0.5], np.float32))


class _LearningDetector(_Detector):
    """Says how sure it is by what it has learned."""

    own_head = False
    sure = 0.5

    def fit(self, photographs, validation, *, recipe, seed: int, device: str, out: Path) -> None:
        (out / "sure.txt").write_text("0.75", encoding="utf-8")

    def load(self, path: Path, *, device: str) -> None:
        self.sure = float((path / "sure.txt").read_text(encoding="utf-8"))

    def boxes(self, photo) -> Boxes:
        label = np.ones(1, np.int8) if self.own_head else None
        return replace(super().boxes(photo), score=np.asarray([self.sure], np.float32), label=label)


class HasNoView(_Detector):
    """Detector: does not say what its backbones are trained on."""

    view = None


class IsTooSure(_Detector):
    """Detector: its scores are logits."""

    def boxes(self, photo) -> Boxes:
        return replace(super().boxes(photo), score=np.asarray([3.0], np.float32))


class SaysWidthAndHeight(_Detector):
    """Detector: returns x, y, width, height."""

    def boxes(self, photo) -> Boxes:
        return replace(super().boxes(photo), xyxy=np.asarray([[40, 30, 20, 20]], np.float32))


class ReadsNoSense(_Detector):
    """Detector: labels a box `none`."""

    def boxes(self, photo) -> Boxes:
        return replace(super().boxes(photo), label=np.zeros(1, np.int8))


class ForgetsTheScale(_Detector):
    """Detector: answers in pixels of an enlarged copy."""

    def boxes(self, photo) -> Boxes:
        found = super().boxes(photo)
        return replace(found, xyxy=found.xyxy * 8)


class PaintsOnPhotographs(_Detector):
    """Detector: normalises the pixels in place."""

    def boxes(self, photo) -> Boxes:
        pixels = photo.load()
        pixels //= 2
        return super().boxes(photo)


class Drifts(_Detector):
    """Detector: surer with every call."""

    calls = 0

    def detect(self, photographs):
        self.calls += 1
        score = np.asarray([1 - 0.5**self.calls], np.float32)
        return [replace(boxes, score=score) for boxes in super().detect(photographs)]


class CountsPhotographs(_Detector):
    """Detector: surer the more photographs it is shown."""

    def detect(self, photographs):
        score = np.asarray([len(photographs) / (1 + len(photographs))], np.float32)
        return [replace(boxes, score=score) for boxes in super().detect(photographs)]


class ClaimsTheFullFrame(_Detector):
    """Detector: its view is `image`, its box is not."""

    view = "image"


class NeedsAPhotograph(_Detector):
    """Detector: takes the first photograph for granted."""

    def detect(self, photographs):
        photographs[0].load()
        return super().detect(photographs)


class NeedsContrast(_Detector):
    """Detector: stretches the grey values to 0..1."""

    def boxes(self, photo) -> Boxes:
        pixels = photo.load()
        if pixels.max() == pixels.min():
            raise ZeroDivisionError("no grey value differs")
        return super().boxes(photo)


class HoldsALambda(_Detector):
    """Detector: cannot be sent to another process."""

    def __init__(self) -> None:
        self.squash = lambda score: score


class LeavesALog(_LearningDetector):
    """Detector: writes into whatever folder it is started in."""

    def fit(self, photographs, validation, *, recipe, seed: int, device: str, out: Path) -> None:
        super().fit(photographs, validation, recipe=recipe, seed=seed, device=device, out=out)
        Path("runs.log").write_text("trained", encoding="utf-8")


class LearnsOnlyInMemory(_LearningDetector):
    """Detector: leaves nothing in the folder."""

    learned = 0.5

    def fit(self, photographs, validation, *, recipe, seed: int, device: str, out: Path) -> None:
        self.learned = 0.75

    def load(self, path: Path, *, device: str) -> None:
        self.sure = self.learned


class HidesTheSense(_LearningDetector):
    """Detector: has a head of its own, and keeps what it says to itself."""

    def boxes(self, photo) -> Boxes:
        return replace(super().boxes(photo), label=None)


class CannotBeTrained(_LearningDetector):
    """Detector: needs a photograph without clasts that nobody has."""

    def fit(self, photographs, validation, *, recipe, seed: int, device: str, out: Path) -> None:
        raise ValueError("no mirror plane found")
