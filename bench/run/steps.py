"""What each kind of node does, by name: read the inputs' folders, write files into an empty folder."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from .detecting import detect, fit_detector
from .graph import Folders, Node
from .learning import classify, features, fit
from .localising import localise
from .looking import explain
from .mirroring import chirality
from .perturbing import perturb
from .scoring import score, score_detector
from .seeing import crops, pictures, variants
from .store import Store, describe
from .trying import trials
from .watching_boxes import watch_boxes

STEPS: Mapping[str, Callable[[Node, Folders, Path], None]] = {
    "pictures": pictures,
    "fit_detector": fit_detector,
    "detect": detect,
    "crops": crops,
    "features": features,
    "fit": fit,
    "classify": classify,
    "explain": explain,
    "localise": localise,
    "perturb": perturb,
    "chirality": chirality,
    "variants": variants,
    "trials": trials,
    "watch_boxes": watch_boxes,
    "score_detector": score_detector,
    "score": score,
}


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a node ended; `error` is one line, or None."""

    seconds: float
    error: str | None = None


def execute(node: Node, store: Store) -> Outcome:
    """Make a node whose inputs are finished and publish it; a failure is noted in the store, never raised."""
    started = time.perf_counter()
    if store.has(node):
        return Outcome(0.0)
    try:
        with store.writing() as out:
            folders = {name: store.read(source) for name, source in node.inputs.items()}
            with (out / "output.txt").open("w", encoding="utf-8") as said, _heard(said):
                STEPS[node.kind](node, folders, out)
            store.publish(node, out, seconds=time.perf_counter() - started)
    except Exception as error:  # noqa: BLE001 – one node must never take others down
        store.fail(node, error)
        return Outcome(time.perf_counter() - started, describe(error))
    return Outcome(time.perf_counter() - started)


@contextlib.contextmanager
def _heard(stream: TextIO) -> Iterator[None]:
    """Keep what plugins print out of the reader's terminal."""
    with contextlib.redirect_stdout(stream), contextlib.redirect_stderr(stream):
        yield
