"""Observations for the tests of the metrics."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from clastbench.metrics import METRICS, Observations

NONE, CW, CCW = range(3)


def observe(truth, probabilities, groups: Sequence[str] | None = None, present=None) -> Observations:
    truth = np.asarray(truth)
    names = tuple(f"image-{i:04}" for i in range(len(truth)))
    return Observations(
        image_id=names,
        group=names if groups is None else tuple(groups),
        truth=truth,
        present=truth > 0 if present is None else np.asarray(present),
        probabilities=np.asarray(probabilities, dtype=np.float64).reshape(len(truth), 3),
    )


def random_observations(n: int, seed: int = 0, skill: float = 1.0, groups=None) -> Observations:
    rng = np.random.default_rng(seed)
    truth = rng.choice(3, n, p=(0.5, 0.3, 0.2))
    logits = rng.normal(size=(n, 3))
    logits[np.arange(n), truth] += skill
    exponentials = np.exp(logits)
    return observe(truth, exponentials / exponentials.sum(axis=1, keepdims=True), groups)


def certain(classes) -> np.ndarray:
    """Probabilities of a system that always answers, with certainty, what it is told."""
    return np.eye(3)[np.asarray(classes)]


def value(name: str, observations: Observations, weights=None) -> float:
    rows = np.ones((1, len(observations))) if weights is None else np.asarray(weights, dtype=np.float64)[None]
    return float(METRICS[name].statistic(observations)(rows)[0])


@st.composite
def observations(draw, min_size: int = 1, max_size: int = 25) -> Observations:
    """Any truths, and probabilities from a coarse grid, so that ties are frequent."""
    n = draw(st.integers(min_size, max_size))
    truth = draw(hnp.arrays(np.int8, n, elements=st.integers(-1, 2)))
    odds = draw(hnp.arrays(np.int64, (n, 3), elements=st.integers(0, 4)))
    odds = odds + (odds.sum(axis=1) == 0)[:, None]
    return observe(truth, odds / odds.sum(axis=1, keepdims=True))


def weights_for(data, n: int) -> np.ndarray:
    return data.draw(hnp.arrays(np.float64, n, elements=st.sampled_from([0.0, 0.5, 1.0, 2.0, 3.0])))
