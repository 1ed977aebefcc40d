"""Dealing families of photographs into parts of given shares, every class spread evenly.

Own code instead of scikit-learn's StratifiedGroupKFold, which the harness does not otherwise need: the same greedy rule
serves folds, validation parts and hold-outs, and with single photographs every class count is within one of its quota.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from .families import Family


def partition(families: Sequence[Family], shares: Sequence[float], rng: np.random.Generator) -> list[list[Family]]:
    """Deal families into parts of the given shares so that every class is spread as evenly as families allow.

    Big families come first, then class by class, otherwise in random order. Each goes where it takes most off the
    squared distance between the class counts and their quotas (every class weighted by its own size), then to the
    emptiest part, then by lot.
    """
    counts = _class_counts(families)
    totals = counts.sum(axis=0)
    quota = np.outer(shares, totals)
    filled = np.zeros_like(quota)
    parts: list[list[Family]] = [[] for _ in shares]
    order = rng.permutation(len(families))
    for index in sorted(order, key=lambda index: (-len(families[index]), *counts[index])):
        lacking = np.round((quota - filled) @ (counts[index] / totals), 9)
        room = np.round((quota - filled).sum(axis=1), 9)
        chosen = int(np.lexsort((rng.random(len(parts)), -room, -lacking))[0])
        filled[chosen] += counts[index]
        parts[chosen].append(families[index])
    return parts


def _class_counts(families: Sequence[Family]) -> NDArray[np.float64]:
    """Return float64[families, classes]; an open truth is a class of its own."""
    classes = sorted({str(photo.truth) for family in families for photo in family})
    return np.array(
        [[sum(str(photo.truth) == name for photo in family) for name in classes] for family in families], float
    )
