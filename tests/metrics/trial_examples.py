"""Trials of made-up networks, for the tests of what is said of changed pictures."""

from __future__ import annotations

import numpy as np

from clastbench.records import Trial

N = 80
TRUTH = tuple("CW" if i % 2 else "CCW" for i in range(N))


def trial(change: str, logits, *, truth=TRUTH, images=None, groups=None) -> Trial:
    """Each input of a photograph and a group of its own unless said; logits float[n, 3] of none, CW, CCW."""
    rows = tuple(tuple(float(value) for value in row) for row in np.asarray(logits))
    names = tuple(f"image-{i:03}" for i in range(len(rows))) if images is None else tuple(images)
    return Trial(change, names, names if groups is None else tuple(groups), tuple(truth)[: len(rows)], rows)


def noise(n: int = N, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(n, 3))


def swapped(logits) -> np.ndarray:
    return np.asarray(logits)[:, [0, 2, 1]]


def answers(right, *, lead: float = 1.0, truth=TRUTH) -> np.ndarray:
    """Logits of a network that says the true sense where `right` bool[n] is true, and the other elsewhere."""
    signs = np.array([1.0 if sense == "CW" else -1.0 for sense in truth[: len(right)]]) * np.where(right, 1.0, -1.0)
    return np.stack([np.full(len(signs), -5.0), lead * signs, -lead * signs], axis=1)


def always(right: bool, n: int = N) -> np.ndarray:
    return answers(np.full(n, right))
