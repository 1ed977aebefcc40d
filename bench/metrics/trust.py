"""The headline of explanations: trust, the mean of what maps show, with ranks and how much they owe to its weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from math import ceil

import numpy as np
from numpy.typing import NDArray

from ..records import MapScores, Score
from .comparison import ranks, tail
from .group_sums import Measure, Summed
from .map_catalogue import MAP_METRICS
from .map_scores import no_scale, reason_of, rows_of, too_few
from .ranking import adjusted_over_pairs, agreed_groups
from .statistics import (
    MAX_UNDEFINED,
    N_RESAMPLES,
    Index,
    Interval,
    Values,
    Weights,
    group_weights,
    interval,
    leave_one_out,
)

TRUST_PARTS: tuple[str, ...] = ("cpf", "srg", "lift")
"""Of MAP_METRICS; the second is clipped to 0..1."""

TRUST = Measure(
    "trust", "Trust",
    "Mean of CPF, SRG clipped to 0..1, and lift, all of f_sense. Random map: about 0, "
    "since the clipped part cannot fall below; oracle: 1. Undefined where a part is.",
    "a part of it is undefined",
)  # fmt: skip

_AT_ONCE = 8
"""Weightings that are tested together: their resamples stay in the processor's cache."""


@dataclass(frozen=True, eq=False)
class TrustComparison:
    """Ranks of S systems by trust, in the order they were given."""

    systems: tuple[str, ...]
    values: tuple[float | None, ...]
    """Each system on all its own maps; None where undefined."""
    ranks: tuple[int, ...]
    """1 + number of systems significantly better; systems without a value come last."""
    stability: tuple[float | None, ...]
    """Share of the random weightings of the parts under which the rank is the same; None without a value."""


def trust(tables: Sequence[MapScores], *, n_resamples: int = N_RESAMPLES, seed: int = 0) -> Score:
    """Return the mean of CPF, SRG clipped to 0..1, and lift, with the bootstrap of the whole by groups.

    The tables are those of the ranked method for the sense; several a fold may hold different parts, of the same or of
    fewer maps (`score_maps`). `n_images` and `n_groups` count photographs and groups with a defined CPF, the smallest
    basis of the three. At most 1; at worst (-1 - rho / (1 - rho)) / 3, since lift falls to -rho / (1 - rho), rho being
    the mask's share of the area: below -2/3 where masks are larger than half of it. Random map: about 0, a little above
    on few maps, since the clipped part cannot fall below; oracle: 1. None, with the reason, where a part is undefined,
    or CPF on more than half of the maps that were tested. Raises ValueError for tables of another target and as
    `score_maps` does.
    """
    parts = _parts(tables)
    reason = _undefined(parts, tables, n_resamples, seed)
    basis = parts[0].subset(parts[0].defined)
    n_images, n_groups = len(set(basis.image_id)), len(set(basis.group))
    if reason is not None:
        return Score(TRUST.name, None, n_images=n_images, n_groups=n_groups, reason=reason)
    names = tuple(sorted({name for part in parts for name in part.group}))
    units = [_columns(part, names) for part in parts]
    value = float(_mean(parts, units, np.ones((1, len(names))))[0])
    bounds = Interval(None, None, "no interval: fewer than two groups")
    if n_groups > 1:
        draws = group_weights(names, n_resamples, seed)
        bounds = interval(value, _mean(parts, units, draws), _mean(parts, units, leave_one_out(len(names))))
    return Score(TRUST.name, value, bounds.low, bounds.high, n_images, n_groups, reason=bounds.reason)


def compare_trust(
    tables_by_system: Mapping[str, Sequence[MapScores]],
    n_weightings: int = 200,
    seed: int = 0,
    *,
    n_resamples: int = N_RESAMPLES,
    alpha: float = 0.05,
) -> TrustComparison:
    """Return the ranks of all systems by trust, and the share of weightings of its parts that leave each rank as it is.

    Tests are paired by photograph, part by part on the photographs where both systems have it, clustered by group, with
    Holm's correction over all pairs, as in `compare_all`. The weightings are drawn from Dirichlet(1, 1, 1), seeded;
    under each, ranks follow by the same rule. SRG is clipped in every resample before it is weighted. Systems without
    trust take no part in the tests and rank last. Raises ValueError as `trust`, and when systems disagree about an
    image's group.
    """
    parts = {system: _parts(tables) for system, tables in tables_by_system.items()}
    groups = agreed_groups(
        {f"{system}, {name}": part.told() for system, own in parts.items()
         for name, part in zip(TRUST_PARTS, own, strict=True)},
        "(group,)",
    )  # fmt: skip
    known = [s for s, tables in tables_by_system.items() if _undefined(parts[s], tables, n_resamples, seed) is None]
    n_pairs = len(known) * (len(known) - 1) // 2
    draws = group_weights(groups, max(n_resamples, ceil(2 * n_pairs / alpha)), seed)
    arena = _Arena({system: parts[system] for system in known}, groups, draws)
    drawn = np.random.default_rng(seed).dirichlet(np.ones(len(TRUST_PARTS)), n_weightings)
    weightings = np.vstack([np.full(len(TRUST_PARTS), 1.0 / len(TRUST_PARTS)), drawn])
    found = _ranks(arena, known, weightings, alpha)
    places = {system: found[:, at] for at, system in enumerate(known)}
    return TrustComparison(
        systems=tuple(tables_by_system),
        values=tuple(arena.value(s) if s in places else None for s in tables_by_system),
        ranks=tuple(int(places[s][0]) if s in places else len(known) + 1 for s in tables_by_system),
        stability=tuple(_kept(places[s]) if s in places else None for s in tables_by_system),
    )


def _kept(places: NDArray[np.int64]) -> float | None:
    """Return the share of the ranks that equal the first, which is that of equal weights."""
    return float(np.mean(places[1:] == places[0])) if len(places) > 1 else None


def _parts(tables: Sequence[MapScores]) -> tuple[Summed, ...]:
    if wrong := {table.target for table in tables} - {"sense"}:
        msg = f"trust is of maps of the target 'sense', got {sorted(wrong)}"
        raise ValueError(msg)
    return tuple(rows_of(MAP_METRICS[name], tables) for name in TRUST_PARTS)


def _undefined(parts: Sequence[Summed], tables: Sequence[MapScores], n_resamples: int, seed: int) -> str | None:
    for name, part in zip(TRUST_PARTS, parts, strict=True):
        metric = MAP_METRICS[name]
        if not part.defined.any():
            return f"{metric.title} is undefined: {reason_of(metric, tables) or metric.undefined}"
        if lacking := no_scale(metric, tables, n_resamples=n_resamples, seed=seed):
            return f"{metric.title} is undefined: {lacking}"
    return too_few(MAP_METRICS["cpf"], tables)


def _columns(part: Summed, names: Sequence[str]) -> Index:
    column = {name: at for at, name in enumerate(names)}
    return np.fromiter((column[name] for name in part.group), np.intp, len(part.group))


def _value(part: int, rows: Summed, unit: Index, weights: Weights) -> Values:
    found = rows.statistic(unit)(weights)
    return np.clip(found, 0.0, 1.0) if TRUST_PARTS[part] == "srg" else found


def _mean(parts: Sequence[Summed], units: Sequence[Index], weights: Weights) -> Values:
    each = [_value(at, rows, unit, weights) for at, (rows, unit) in enumerate(zip(parts, units, strict=True))]
    return np.asarray(np.mean(each, axis=0))


@dataclass(frozen=True, eq=False)
class _Arena:
    """Where systems meet: one set of resamples; what a part comes to on a set of images is kept."""

    parts: Mapping[str, Sequence[Summed]]
    groups: tuple[str, ...]
    draws: Weights
    _kept: dict[tuple[str, int, frozenset[str]], Values] = field(default_factory=dict)

    def value(self, system: str) -> float:
        """Return trust of all maps of a system."""
        own = [self._one(system, part, self._images(system, part)) for part in range(len(TRUST_PARTS))]
        return float(np.mean([one[0] for one in own]))

    def difference(self, one: str, other: str) -> NDArray[np.float64]:
        """Return one less other on the photographs both have, part by part, float64[1 + R, 3]; point values first."""
        columns = []
        for part in range(len(TRUST_PARTS)):
            common = self._images(one, part) & self._images(other, part)
            columns.append(self._one(one, part, common) - self._one(other, part, common))
        return np.stack(columns, axis=1)

    def _images(self, system: str, part: int) -> frozenset[str]:
        rows = self.parts[system][part]
        return frozenset(rows.image_id[at] for at in np.flatnonzero(rows.defined).tolist())

    def _one(self, system: str, part: int, images: frozenset[str]) -> Values:
        """Return the point value and the resampled values, float64[1 + R], of a part on some photographs."""
        key = system, part, images
        if key not in self._kept:
            rows = self.parts[system][part]
            rows = rows.subset(np.fromiter((name in images for name in rows.image_id), np.bool_, len(rows.image_id)))
            unit = _columns(rows, self.groups)
            point = _value(part, rows, unit, np.ones((1, len(self.groups))))
            self._kept[key] = np.concatenate([point, _value(part, rows, unit, self.draws)])
        return self._kept[key]


def _ranks(arena: _Arena, systems: Sequence[str], weightings: NDArray[np.float64], alpha: float) -> NDArray[np.int64]:
    """Return the rank of each of S systems under each of W weightings, int64[W, S]."""
    n, shape = len(systems), (len(weightings), len(systems), len(systems))
    differences, p = np.full(shape, np.nan), np.full(shape, np.nan)
    for i, j in combinations(range(n), 2):
        lead, chance = _tests(arena.difference(systems[i], systems[j]), weightings)
        differences[:, i, j], differences[:, j, i] = lead, -lead
        p[:, i, j] = p[:, j, i] = chance
    every = [
        ranks([0.0] * n, adjusted_over_pairs(p[at]), alpha=alpha, differences=differences[at])
        for at in range(len(weightings))
    ]
    return np.array(every, dtype=np.int64).reshape(len(weightings), n)


def _tests(parts: NDArray[np.float64], weightings: NDArray[np.float64]) -> tuple[Values, Values]:
    """Return the weighted differences and their p-values, float64[W] each, as `paired_difference` defines them."""
    lead, resampled = weightings @ parts[0], parts[1:]
    defined = resampled[~np.isnan(resampled).any(axis=1)]
    if np.isnan(parts[0]).any() or len(resampled) - len(defined) > MAX_UNDEFINED * len(resampled):
        return lead, np.full(len(weightings), np.nan)
    across = np.ascontiguousarray(defined.T)
    starts = range(0, len(weightings), _AT_ONCE)
    chances = [tail(weightings[i : i + _AT_ONCE] @ across, lead[i : i + _AT_ONCE]) for i in starts]
    return lead, np.concatenate(chances)
