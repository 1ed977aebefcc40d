"""Linear models of cells for the tests of faithfulness: what is removed adds up, so every curve is known exactly."""

from __future__ import annotations

import numpy as np

from clastbench.metrics import Removals

IMPUTERS = ("mean", "blur", "noisy-linear")


def removals(contributions, relevance, *, whole: float = 1.0, steps: int | None = None, imputers=IMPUTERS) -> Removals:
    """One map of a linear model: `contributions` float[U], or float[B, U] by imputer, add up to f(x) - f(b)."""
    given = np.asarray(contributions, dtype=np.float64)
    own = np.broadcast_to(given, (len(imputers), given.shape[-1]))
    n = own.shape[1]
    steps = n if steps is None else steps
    first, control = (np.argsort(-np.asarray(by, dtype=np.float64), kind="stable") for by in (relevance, own.mean(0)))
    curve = {name: _curve(own, whole, order, steps) for name, order in _orders(first, control).items()}
    return Removals(np.asarray(relevance, dtype=np.float64), whole, whole - own, **curve, imputers=tuple(imputers))


def _orders(first: np.ndarray, control: np.ndarray) -> dict[str, np.ndarray]:
    return {"morf": first, "lerf": first[::-1], "control_morf": control, "control_lerf": control[::-1]}


def _curve(own: np.ndarray, whole: float, order: np.ndarray, steps: int) -> np.ndarray:
    n = own.shape[1]
    gone = [round(n * step / steps) for step in range(steps + 1)]
    return whole - np.stack([own[:, order[:k]].sum(axis=1) for k in gone], axis=1)
