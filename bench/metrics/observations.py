"""What classifiers said about photographs, next to the truth, as arrays."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..records import CLASSES
from .statistics import Index, group_index

SUM_TOLERANCE = 1e-3


@dataclass(frozen=True, eq=False)
class Observations:
    """One row for each prediction: one photograph in one fold of one seed.

    Raises ValueError, naming the photograph, when lengths differ or a row is no probability distribution.
    """

    image_id: tuple[str, ...]
    group: tuple[str, ...]
    """Sampling unit of the photograph: thin section or duplicate family."""
    truth: NDArray[np.int8]
    """Position of the true class in `classes`, int8[n]; -1 where the photograph has no image-level truth."""
    present: NDArray[np.bool_]
    """Whether a clast with a sense is in the picture, bool[n]."""
    probabilities: NDArray[np.float64]
    """float64[n, K], rows sum to 1."""
    classes: tuple[str, ...] = CLASSES

    def __post_init__(self) -> None:
        n, k = len(self.image_id), len(self.classes)
        truth = np.asarray(self.truth)
        if not np.isin(truth, np.arange(-1, k)).all():
            msg = f"truth must be -1 or a position among {k} classes, got {np.unique(truth).tolist()}"
            raise ValueError(msg)
        for name, kind in (("truth", np.int8), ("present", np.bool_), ("probabilities", np.float64)):
            object.__setattr__(self, name, np.asarray(getattr(self, name), dtype=kind))
        _check_shape("group", (len(self.group),), (n,))
        _check_shape("truth", self.truth.shape, (n,))
        _check_shape("present", self.present.shape, (n,))
        _check_shape("probabilities", self.probabilities.shape, (n, k))
        self._check_probabilities()
        self._check_groups()

    def __len__(self) -> int:
        return len(self.image_id)

    @property
    def known(self) -> NDArray[np.bool_]:
        """Rows with an image-level truth, bool[n]."""
        return self.truth >= 0

    @property
    def predicted(self) -> Index:
        """Most probable class, intp[n]; among equals the first in the order of `classes`, as in scikit-learn."""
        return np.asarray(np.argmax(self.probabilities, axis=1), dtype=np.intp)

    @property
    def columns(self) -> tuple[Index, tuple[str, ...]]:
        """Position of each row's group among the sorted group names, intp[n], and those names."""
        return group_index(self.group)

    def position(self, name: str) -> int:
        """Return where a class stands in `classes`."""
        return self.classes.index(name)

    def subset(self, rows: NDArray[Any]) -> Observations:
        """Return the rows of a mask bool[n] or of positions int[m]."""
        chosen = np.arange(len(self))[rows]
        return Observations(
            image_id=tuple(self.image_id[i] for i in chosen.tolist()),
            group=tuple(self.group[i] for i in chosen.tolist()),
            truth=self.truth[chosen],
            present=self.present[chosen],
            probabilities=self.probabilities[chosen],
            classes=self.classes,
        )

    def _check_probabilities(self) -> None:
        p = self.probabilities
        outside = (p < 0.0) | (p > 1.0 + SUM_TOLERANCE)
        self._reject(np.isfinite(p).sum(axis=1) < p.shape[1], "probabilities must be finite")
        self._reject(outside.sum(axis=1) > 0, "probabilities must lie in 0..1")
        self._reject(np.abs(p.sum(axis=1) - 1.0) > SUM_TOLERANCE, "probabilities must sum to 1")

    def _check_groups(self) -> None:
        owner: dict[str, str] = {}
        for image_id, group in zip(self.image_id, self.group, strict=True):
            if owner.setdefault(image_id, group) != group:
                msg = f"image {image_id!r} is in two groups: {owner[image_id]!r} and {group!r}"
                raise ValueError(msg)

    def _reject(self, wrong: NDArray[np.bool_], rule: str) -> None:
        if wrong.any():
            first = int(np.argmax(wrong))
            msg = f"image {self.image_id[first]!r} (row {first}): {rule}, got {self.probabilities[first].tolist()}"
            raise ValueError(msg)


def confusion(observations: Observations) -> NDArray[np.int64]:
    """Return how often each true class (row) was called each class (column), int64[K, K]."""
    k = len(observations.classes)
    cells = observations.truth.astype(np.intp) * k + observations.predicted
    return np.bincount(cells[observations.known], minlength=k * k).reshape(k, k).astype(np.int64)


def _check_shape(name: str, found: tuple[int, ...], expected: tuple[int, ...]) -> None:
    if found != expected:
        msg = f"{name} has shape {found}, expected {expected}"
        raise ValueError(msg)
