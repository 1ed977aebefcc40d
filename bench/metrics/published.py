"""Scores of published confusion matrices, where nobody has the probabilities any more."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .catalogue import metrics_for
from .sums import Sums, bind_sums

_NEEDS_PROBABILITIES = frozenset({"brier", "sense_forced", "sense_forced_accuracy"})


@dataclass(frozen=True, slots=True)
class ClassRow:
    """Precision, recall and F1 of a class or of their mean; None is undefined."""

    precision: float | None
    recall: float | None
    f1: float | None
    support: int


@dataclass(frozen=True, slots=True)
class ClassificationReport:
    """What scikit-learn's `classification_report` prints."""

    accuracy: float | None
    per_class: dict[str, ClassRow]
    macro: ClassRow
    weighted: ClassRow


def confusion_scores(matrix: ArrayLike, classes: Sequence[str]) -> dict[str, float | None]:
    """Return every metric of `classes` by name, None where it is undefined or needs probabilities.

    `matrix` int[K, K] has true classes as rows. The values are those `score_all` gives for the same counts.
    """
    counts = _checked(matrix, classes)
    sums = Sums(
        confusion=counts[None].astype(np.float64), forced=np.full((1, 2), np.nan), brier=np.full(1, np.nan),
        classes=tuple(classes),
    )  # fmt: skip
    scores: dict[str, float | None] = {}
    for name, metric in metrics_for(tuple(classes)).items():
        countable = metric.bind is bind_sums and name not in _NEEDS_PROBABILITIES
        scores[name] = _or_none(metric.rule(sums)[0]) if countable else None
    return scores


def classification_report(
    matrix: ArrayLike, classes: Sequence[str], zero_division: float | None = None
) -> ClassificationReport:
    """Return precision, recall and F1 by class, their plain means (macro) and their means by support (weighted).

    `zero_division` is what 0 / 0 counts as. None keeps it undefined, and with it the means it enters; published tables
    (scikit-learn's default) print 0. Chance: see the metrics of the same names; oracle: 1 throughout.
    """
    counts = _checked(matrix, classes)
    hits, truths, calls = np.diagonal(counts), counts.sum(axis=1), counts.sum(axis=0)
    empty = np.nan if zero_division is None else zero_division
    table = np.stack([_share(hits, calls, empty), _share(hits, truths, empty), _share(2 * hits, truths + calls, empty)])
    total = int(truths.sum())
    weights = _share(truths, np.full(len(truths), total), np.nan)
    carried = np.where(truths > 0, table * weights, 0.0) if total else np.full(table.shape, np.nan)
    return ClassificationReport(
        accuracy=_or_none(hits.sum() / total) if total else None,
        per_class={name: _row(table[:, i], int(truths[i])) for i, name in enumerate(classes)},
        macro=_row(table.mean(axis=1), total),
        weighted=_row(carried.sum(axis=1), total),
    )


def _checked(matrix: ArrayLike, classes: Sequence[str]) -> NDArray[np.int64]:
    counts = np.asarray(matrix)
    k = len(classes)
    if counts.shape != (k, k) or (counts < 0).any() or (counts != np.floor(counts)).any():
        msg = f"a confusion matrix of {', '.join(classes)} is {k} x {k} non-negative counts, got {counts.tolist()}"
        raise ValueError(msg)
    return counts.astype(np.int64)


def _share(above: NDArray[np.int64], below: NDArray[np.int64], empty: float) -> NDArray[np.float64]:
    return np.divide(above, below, out=np.full(len(above), empty, dtype=np.float64), where=below > 0)


def _row(values: NDArray[np.float64], support: int) -> ClassRow:
    precision, recall, f1 = (_or_none(value) for value in values)
    return ClassRow(precision, recall, f1, support)


def _or_none(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
