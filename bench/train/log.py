"""What a training came to, epoch by epoch, as `log.json` holds it."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

NAME = "log.json"


@dataclass(frozen=True, slots=True)
class Epoch:
    """What one epoch came to; validation figures are None without validation data.

    Training figures are taken along the way: in training mode, on augmented pictures, while the weights still move.
    """

    epoch: int
    train_loss: float
    train_accuracy: float
    train_macro_f1: float
    validation_loss: float | None
    validation_accuracy: float | None
    validation_macro_f1: float | None


def write_log(log: Iterable[Epoch], folder: Path) -> None:
    """Write `log.json` into a folder."""
    (folder / NAME).write_text(json.dumps([asdict(epoch) for epoch in log], indent=1), encoding="utf-8")


def read_log(folder: Path) -> list[Epoch]:
    """Read what `write_log` wrote; nothing where a backbone brought its own training."""
    path = folder / NAME
    return [Epoch(**epoch) for epoch in json.loads(path.read_text(encoding="utf-8"))] if path.is_file() else []
