"""One method run over all rows and targets, its maps checked."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..errors import ClastbenchError, PluginError
from ..plugins import Explainer
from .subject import Subject
from .targets import Target


def explain_rows(
    explainer: Explainer,
    subject: Subject,
    batches: Iterable[Tensor],
    names: Sequence[str],
    signs: NDArray[np.float32],
) -> NDArray[np.float32]:
    """Return maps float32[N, T, h, w] of N rows for T targets; float32[0, T, 1, 1] without rows.

    Args:
        explainer: the method.
        subject: the model.
        batches: the rows, any number at a time.
        names: of the targets, among `records.TARGETS`.
        signs: float32[N]: 1, or -1 where the sense in question is CCW; it turns the target `sense` only.

    Raises:
        PluginError: the method raised, or returned what are no maps.
        ExplanationError: the method cannot work on this model.
    """
    parts: list[NDArray[np.float32]] = []
    done = 0
    for inputs in batches:
        turned = torch.from_numpy(np.array(signs[done : done + len(inputs)], np.float32))
        if len(turned) != len(inputs):
            raise ValueError(f"there are more rows than the {len(signs)} signs")
        done += len(inputs)
        if len(inputs):
            parts.append(np.stack([_explain(explainer, subject, inputs, _target(n, turned)) for n in names], axis=1))
    if done != len(signs):
        raise ValueError(f"there are {len(signs)} signs for {done} rows")
    if len({part.shape[2:] for part in parts}) > 1:
        raise PluginError(f"{type(explainer).__name__}.explain returned maps of different sizes for inputs of one size")
    return np.concatenate(parts) if parts else np.zeros((0, len(names), 1, 1), np.float32)


def _target(name: str, signs: Tensor) -> Target:
    return Target(name, signs if name == "sense" else torch.ones_like(signs))


def _explain(explainer: Explainer, subject: Subject, inputs: Tensor, target: Target) -> NDArray[np.float32]:
    method = type(explainer).__name__
    try:
        maps = explainer.explain(subject, inputs, target)
    except ClastbenchError:
        raise
    except Exception as error:  # a plugin may raise anything
        message = f"{method}.explain raised {type(error).__name__}: {' '.join(str(error).split())}"
        raise PluginError(message) from error
    problem = problem_of(maps, len(inputs))
    if problem is not None:
        raise PluginError(f"{method}.explain: {problem}.")
    return maps


def problem_of(maps: object, n_rows: int) -> str | None:
    """Say what keeps this from being the maps of so many rows: float32[N, h, w], finite."""
    if not isinstance(maps, np.ndarray):
        return f"maps are a {type(maps).__name__}, expected a numpy array"
    if maps.ndim != 3 or len(maps) != n_rows or 0 in maps.shape[1:]:
        return f"maps have shape {maps.shape}, expected ({n_rows}, h, w)"
    if maps.dtype != np.float32:
        return f"maps are {maps.dtype}, expected float32"
    if not np.isfinite(maps).all():
        return "maps hold NaN or infinite values"
    return None
