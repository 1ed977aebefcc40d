"""Backbones that look at nothing: the floor under every table."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..data.crops import Crops
from ..records import CLASSES


class Majority:
    """Answers with the frequencies of the classes in the training photographs, whatever it is shown."""

    size = 8

    def __init__(self) -> None:
        self.logits = np.zeros(len(CLASSES), np.float32)

    def fit(self, crops: Crops, validation: Crops, *, seed: int, device: str, out: Path) -> None:  # noqa: ARG002
        """Count the labels."""
        counts = np.bincount(crops.labels, minlength=len(CLASSES))
        (out / "counts.json").write_text(json.dumps(counts.tolist()), encoding="utf-8")

    def load(self, path: Path, *, device: str) -> None:  # noqa: ARG002
        """Read the counts."""
        counts = np.asarray(json.loads((path / "counts.json").read_text(encoding="utf-8")), np.float32)
        self.logits = np.log(np.maximum(counts, 0.5) / max(1.0, float(counts.sum())))

    def predict(self, images: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the same logits for every picture."""
        return np.tile(self.logits, (len(images), 1))


class Chance:
    """Answers at random, but always the same for the same picture and seed: neither batch nor order matters."""

    size = 32

    def __init__(self) -> None:
        self.seed = 0

    def fit(self, crops: Crops, validation: Crops, *, seed: int, device: str, out: Path) -> None:  # noqa: ARG002
        """Remember the seed."""
        (out / "seed.json").write_text(json.dumps(seed), encoding="utf-8")

    def load(self, path: Path, *, device: str) -> None:  # noqa: ARG002
        """Read the seed."""
        self.seed = json.loads((path / "seed.json").read_text(encoding="utf-8"))

    def predict(self, images: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return standard normal logits drawn from the seed and the pixels."""
        return np.stack([self._draw(image) for image in images]) if len(images) else np.zeros((0, 3), np.float32)

    def _draw(self, image: NDArray[np.float32]) -> NDArray[np.float32]:
        pixels = np.round(image * 255).astype(np.uint8)
        digest = hashlib.sha256(f"{self.seed}:".encode() + pixels.tobytes()).digest()
        chance = np.random.default_rng(int.from_bytes(digest[:8], "big"))
        return chance.standard_normal(len(CLASSES)).astype(np.float32)
