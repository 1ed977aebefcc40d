"""Scores of a system's saliency maps, from their stored values: means with intervals, one gate, and ranks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from ..errors import UnknownNameError
from ..records import MapScores, Score
from .ranking import Comparison, agreed_groups, compare_rows
from .statistics import (
    N_RESAMPLES,
    Index,
    Interval,
    Statistic,
    Values,
    Weights,
    group_index,
    group_weights,
    leave_one_out,
    ratio,
    score_interval,
)

REGIONS: tuple[str, ...] = ("core", "tails", "halo", "matrix", "border", "artefacts")
"""Where heat may lie; together they are the whole window (`explain.regions`)."""

ROUNDED_TO = 6
"""Decimals of a difference of lifts: differences below are rounding errors of float32 maps, and count as none."""


@dataclass(frozen=True)
class MapMetric:
    """One score of a map; that of a system is its mean over the maps where it is defined."""

    name: str
    title: str
    description: str
    """Definition, value of a random map, value of an oracle, source."""
    undefined: str
    """When no map has a value, as a reason for the reader."""
    higher_is_better: bool = True
    proportion: bool = False
    """Whether a map either has it or not (ties aside), so that Wilson's interval applies."""


def score_maps(tables: Sequence[MapScores], *, n_resamples: int = N_RESAMPLES, seed: int = 0) -> tuple[Score, ...]:
    """Return the mean of each metric that the tables hold, in the order of MAP_METRICS.

    The tables are those of one method and target, one a fold. Intervals are two-sided at 95 %, by the bootstrap of
    groups (`statistics.interval`); those of a proportion are Wilson's where each group enters with one map, or all
    agree. Same groups are resampled alike, whatever the system. `n_images` and `n_groups` count photographs and groups
    with a defined value. A value without any is None with its reason. Raises ValueError for tables of several methods
    or targets or that contradict themselves, UnknownNameError for a metric that is not in MAP_METRICS.
    """
    held = {name for table in tables for name in table.values}
    for name in held:
        _metric_named(name)
    return tuple(
        _score(metric, _pooled(tables, name), n_resamples, seed, _reason(tables))
        for name, metric in MAP_METRICS.items()
        if name in held
    )


def gate_randomisation(
    trained: Sequence[MapScores], randomised: Sequence[MapScores], *, n_resamples: int = N_RESAMPLES, seed: int = 0
) -> Score:
    """Return how much lift the maps lose with the network's weights: mean of lift(trained) - lift(randomised).

    Both hold the same maps in the same order; the lift of several randomised networks is averaged per map before. The
    interval is that of `score_maps`, over maps whose lift is defined in both. Range -1/(1-rho)..1/(1-rho), rho being
    the mask's share of the area. Random map, and one that ignores the weights as an edge detector's does: 0; oracle: 1
    less the lift of the randomised map. Adebayo et al. 2018, model parameter randomisation. Raises ValueError when maps
    do not pair.
    """
    ours, theirs = _pooled(trained, "lift"), _pooled(randomised, "lift")
    _check_pairs(ours, theirs)
    lost = _MapValues(ours.image_id, ours.group, np.round(ours.values - theirs.values, ROUNDED_TO))
    return _score(_GATE, lost, n_resamples, seed, _reason([*trained, *randomised]))


def gate_passed(score: Score) -> bool | None:
    """Return whether the whole interval lies above 0; None where value or interval do not say.

    A value of 0 or below fails even without an interval, since every interval encloses its value.
    """
    if score.value is None or (score.low is None and score.value > 0):
        return None
    return score.low is not None and score.low > 0


def compare_maps(
    tables_by_system: Mapping[str, Sequence[MapScores]],
    metric: str,
    n_resamples: int = N_RESAMPLES,
    seed: int = 0,
    alpha: float = 0.05,
) -> Comparison:
    """Return the ranks of all systems under one of MAP_METRICS, tests paired by image and clustered by group.

    As `compare_all`: two systems are compared on the photographs where both have a defined value. Only maps with a
    defined value take part; a system without any ranks last. Raises ValueError when systems disagree about an image's
    group, UnknownNameError for a metric that is not in MAP_METRICS.
    """
    found = _metric_named(metric)
    pooled = {system: _pooled(tables, metric) for system, tables in tables_by_system.items()}
    groups = agreed_groups({system: own.told() for system, own in pooled.items()}, "(group,)")
    rows = {system: own.subset(~np.isnan(own.values)) for system, own in pooled.items()}
    return compare_rows(
        rows, metric, groups,
        higher_is_better=found.higher_is_better, n_resamples=n_resamples, seed=seed, alpha=alpha,
    )  # fmt: skip


@dataclass(frozen=True, eq=False)
class _MapValues:
    """One metric of a system's maps, as `ranking.Rows`."""

    image_id: tuple[str, ...]
    group: tuple[str, ...]
    values: Values
    """float64[n], NaN where undefined."""

    def told(self) -> Iterable[tuple[str, tuple[str]]]:
        return zip(self.image_id, zip(self.group, strict=True), strict=True)

    def subset(self, rows: NDArray[np.bool_]) -> _MapValues:
        kept = np.flatnonzero(rows).tolist()
        return _MapValues(
            tuple(self.image_id[i] for i in kept), tuple(self.group[i] for i in kept), self.values[rows]
        )  # fmt: skip

    def statistic(self, unit: Index) -> Statistic:
        """Return the weighted mean of the defined values, NaN where they have no weight."""
        defined = ~np.isnan(self.values)
        per_unit = np.zeros((int(unit.max()) + 1 if len(unit) else 0, 2))
        np.add.at(per_unit, unit, np.stack([np.where(defined, self.values, 0.0), defined], axis=1))

        def mean(weights: Weights) -> Values:
            summed = (weights[:, : len(per_unit)] @ per_unit.astype(weights.dtype)).astype(np.float64)
            return ratio(summed[:, 0], summed[:, 1])

        return mean


def _score(metric: MapMetric, maps: _MapValues, n_resamples: int, seed: int, reason: str | None) -> Score:
    unit, groups = group_index(maps.group)
    defined = ~np.isnan(maps.values)
    n_groups = len(np.unique(unit[defined]))
    value: float | None = None
    bounds = Interval(None, None, reason or (metric.undefined if len(maps.values) else "there are no maps"))
    if n_groups:
        mean = maps.statistic(unit)
        value = float(mean(np.ones((1, len(groups))))[0])
        resampled, jackknife = mean(group_weights(groups, n_resamples, seed)), mean(leave_one_out(len(groups)))
        bounds = score_interval(
            value, resampled, jackknife, proportion=metric.proportion, n_rows=int(defined.sum()), n_groups=n_groups
        )
    return Score(
        metric=metric.name,
        value=value,
        low=bounds.low,
        high=bounds.high,
        n_images=len({maps.image_id[i] for i in np.flatnonzero(defined)}),
        n_groups=n_groups,
        higher_is_better=metric.higher_is_better,
        reason=bounds.reason,
    )


def _pooled(tables: Sequence[MapScores], metric: str) -> _MapValues:
    """Return one metric over all tables, NaN in those that lack it; raise ValueError where they contradict."""
    kinds = {(table.method, table.target) for table in tables}
    if len(kinds) > 1:
        msg = f"maps are scored together only for one method and target, got {sorted(kinds)}"
        raise ValueError(msg)
    image_id = tuple(name for table in tables for name in table.image_id)
    group = tuple(name for table in tables for name in table.group)
    numbers = [value for table in tables for value in table.values.get(metric, (None,) * len(table.image_id))]
    if not len(image_id) == len(group) == len(numbers):
        msg = f"{metric} needs one group and one value a map, got {len(group)} and {len(numbers)} for {len(image_id)}"
        raise ValueError(msg)
    pooled = _MapValues(image_id, group, np.array([np.nan if v is None else v for v in numbers], dtype=np.float64))
    for table in tables[:1]:
        agreed_groups({table.method: pooled.told()}, "(group,)")
    return pooled


def _check_pairs(ours: _MapValues, theirs: _MapValues) -> None:
    if len(ours.values) != len(theirs.values):
        msg = f"trained and randomised maps must pair, got {len(ours.values)} and {len(theirs.values)} maps"
        raise ValueError(msg)
    for row, (one, other) in enumerate(zip(ours.told(), theirs.told(), strict=True)):
        if one != other:
            msg = f"trained and randomised maps must pair, but map {row} is of {one} and of {other}"
            raise ValueError(msg)


def _reason(tables: Sequence[MapScores]) -> str | None:
    return next((table.reason for table in tables if table.reason), None)


def _metric_named(name: str) -> MapMetric:
    if name not in MAP_METRICS:
        raise UnknownNameError("map metric", name, MAP_METRICS)
    return MAP_METRICS[name]


_NO_MAP = "no map is finite and has a mask with pixels in it"

_REGION_TITLES: Mapping[str, tuple[str, str, bool]] = {
    "core": ("core", "the rigid cores of the clasts", True),
    "tails": ("tails", "mantle and tails of the clasts", True),
    "halo": ("contact halo", "the matrix within half a core radius of a clast, where the foliation bends", True),
    "matrix": ("far matrix", "the matrix away from clasts and border", False),
    "border": ("border", "the strip of 5 % along the window's sides", False),
    "artefacts": ("artefacts", "scratches, scale bars and other artefacts", False),
}


def _of_masks() -> list[MapMetric]:
    return [
        MapMetric(
            "rho", "Mask's share",
            "Share of the area that the mask covers: what a random map scores. A property of the pictures: the same "
            "for a random map and for an oracle.",
            "no map has an area",
        ),
        MapMetric(
            "epg", "Energy pointing game",
            "Share of the positive heat that lies in the mask; rho for a map without any. Random map: rho; oracle: 1. "
            "Wang et al. 2020 (Score-CAM).",
            _NO_MAP,
        ),
        MapMetric(
            "lift", "Lift",
            "(EPG - rho) / (1 - rho), from -rho / (1 - rho) to 1. Random map: 0; oracle: 1. The energy pointing game "
            "of Wang et al. 2020, corrected for chance.",
            f"{_NO_MAP} and around it",
        ),
        MapMetric(
            "pointing_game", "Pointing game",
            "Share of maps whose highest pixel lies in the mask, without tolerance; ties give the expected value. "
            "Random map: rho; oracle: 1. Zhang et al. 2018.",
            _NO_MAP, proportion=True,
        ),
        MapMetric(
            "rank_accuracy", "Relevance rank accuracy",
            "Share of the k highest pixels that lie in the mask of k pixels; ties give the expected value. Random map: "
            "rho; oracle: 1. Arras et al. 2022.",
            _NO_MAP,
        ),
        MapMetric(
            "pxap", "PxAP",
            "Average precision of the map's pixels as a classifier of the mask's. Random map: about rho; oracle: 1. "
            "Choe et al. 2020, there over all maps at once.",
            _NO_MAP,
        ),
    ]  # fmt: skip


def _of_region(name: str) -> list[MapMetric]:
    title, words, wanted = _REGION_TITLES[name]
    unknown = f"no finite map has a known region {name!r}"
    oracle = "1 if all heat belongs there" if wanted else "0, since no heat belongs there"
    return [
        MapMetric(
            f"share_{name}", f"Share on {title}",
            f"Share of the positive heat on {words}; the area share for a map without any. Random map: the area share; "
            f"oracle: {oracle}. Wang et al. 2020's energy, region by region.",
            unknown, higher_is_better=wanted,
        ),
        MapMetric(
            f"area_{name}", f"Area of {title}",
            f"Share of the area that is {words}: what a random map's share is. A property of the pictures: the same "
            "for a random map and for an oracle.",
            f"no map has a known region {name!r}", higher_is_better=wanted,
        ),
        MapMetric(
            f"lift_{name}", f"Lift on {title}",
            f"(share - area share) / (1 - area share) of {words}. Random map: 0; all heat there: 1; none there: "
            "-area / (1 - area). Wang et al. 2020's energy, corrected for chance.",
            f"{unknown} that leaves something out", higher_is_better=wanted,
        ),
    ]  # fmt: skip


_COLD = MapMetric(
    "cold", "Maps without heat",
    "Share of the maps in which nothing is positive; they count with lift 0. Random map: 0; oracle: 0.",
    "there are no maps", higher_is_better=False, proportion=True,
)  # fmt: skip

MAP_METRICS: Mapping[str, MapMetric] = MappingProxyType(
    {metric.name: metric for metric in (*_of_masks(), _COLD, *(m for name in REGIONS for m in _of_region(name)))}
)
"""Every score of maps by name: all that `localise` returns, the share of maps without heat, `shares` of REGIONS."""

_GATE = MapMetric(
    "gate_randomisation", "Weight randomisation",
    "Mean lift that maps lose when the network's weights are drawn anew. Map that ignores the weights: 0; passed when "
    "the interval lies above 0. Adebayo et al. 2018.",
    "no map has a defined lift in both networks",
)  # fmt: skip
