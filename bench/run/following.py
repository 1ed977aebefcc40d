"""Follows a fit in TensorBoard while it goes on."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ..data.crops import Crops
from ..tracking import Live, say, watched
from .graph import Node

if TYPE_CHECKING:
    from torch import nn

    from ..train.log import Epoch
    from ..train.loop import OnEpoch
    from .overlays import Watched

COST = 0.03
"""Seconds that one picture of overlays takes, about."""
SHARE = 0.05
"""Of the training time so far that may be spent on overlays before the last."""


@contextlib.contextmanager
def following(node: Node, exhibit: Callable[[], Watched | None]) -> Iterator[OnEpoch | None]:
    """Yield what a training calls after every epoch, or None when nobody follows this fit.

    `exhibit` says what overlays are drawn of, if anything; it is called once, when the first is due. What goes wrong
    with event files or overlays is said on stderr and ends them, never the fit.
    """
    folders = [Path(folder) for folder in node.local.get("tensorboard", ())]
    if not folders:
        yield None
        return
    with Live(folders, node.key) as live:
        yield _Followed(live, exhibit, node.spec["recipe"]["epochs"])


class _Followed:
    """Writes every epoch, and overlays of some: as long as they cost little beside the training, and after the last."""

    def __init__(self, live: Live, exhibit: Callable[[], Watched | None], epochs: int) -> None:
        self._live, self._make, self._epochs = live, exhibit, epochs
        self._exhibit: Watched | None = None
        self._draws = True
        self._began, self._spent = time.perf_counter(), 0.0

    def __call__(self, epoch: Epoch, module: nn.Module) -> None:
        self._live.epoch(epoch)
        if self._draws and due(epoch.epoch, self._epochs) and self._affordable(epoch.epoch):
            started = time.perf_counter()
            self._draw(epoch.epoch, module)
            self._spent += time.perf_counter() - started

    def _affordable(self, epoch: int) -> bool:
        trained = time.perf_counter() - self._began - self._spent
        return epoch == self._epochs or self._spent + COST <= SHARE * trained

    def _draw(self, epoch: int, module: nn.Module) -> None:
        try:
            self._exhibit = self._exhibit or self._make()
            self._draws = self._exhibit is not None
            if self._exhibit is not None:
                self._live.overlays(epoch, self._exhibit.draw(module))
        except Exception as error:  # noqa: BLE001 – pictures of a fit must never take it down
            say(error)
            self._draws = False


def due(epoch: int, last: int) -> bool:
    """Overlays are drawn after epochs 1, 4, 16, 64, … and the last: they cost little, and early epochs differ most."""
    return epoch == last or (epoch & (epoch - 1) == 0 and epoch.bit_length() % 2 == 1)


def watched_rows(crops: Crops, rows: NDArray[np.int64], ids: list[str]) -> NDArray[np.int64]:
    """Choose, among rows of crops, the first one of each watched photograph among the ids."""
    first: dict[str, int] = {}
    for row in rows.tolist():
        first.setdefault(crops.image_ids[row], row)
    return np.asarray([first[name] for name in watched(ids) if name in first], np.int64)
