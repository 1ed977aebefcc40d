"""How much of a saliency map lies on a clast: scores of maps against masks, map by map.

Throughout, A = max(map, 0): negative values count as no heat, and tie at 0. rho is the mask's share of the area; a
random map scores just that, so no score means anything without it. NaN in a result is "undefined".
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import UnknownNameError
from .statistics import Values, ratio

Heat = NDArray[np.floating[Any]]
Flags = NDArray[np.bool_]

LOCALISATION: tuple[str, ...] = ("rho", "epg", "lift", "pointing_game", "rank_accuracy", "pxap")
"""What `localise` returns."""

_HUGE = 1e290
"""Above this a sum of float64 values may overflow."""
_SAMPLED = 1500
"""Pixels that tell where the highest values of a map begin, at most."""


def localise(
    maps: ArrayLike, masks: ArrayLike, *, domain: ArrayLike | None = None, metrics: Collection[str] = LOCALISATION
) -> dict[str, Values]:
    """Return the scores of N maps against their masks by name, float64[N] each, in the order of LOCALISATION.

    `maps` are float[N, H, W], signed; `masks` and `domain` are bool[N, H, W], or bool[H, W] for one shared by all maps.
    Only pixels of the domain exist (default: all): what lies outside, NaN included, changes nothing. `metrics` chooses
    among LOCALISATION; only `pxap` has to sort whole maps.

    | name | definition | range | random map | oracle (map = mask) |
    |---|---|---|---|---|
    | rho | mask's share of the area | 0..1 | the same for every map | the same |
    | epg | sum of A in the mask / sum of A; rho for a map without positive mass | 0..1 | rho | 1 |
    | lift | (epg - rho) / (1 - rho) | -rho/(1-rho)..1 | 0 | 1 |
    | pointing_game | 1 if the arg-max lies in the mask, no tolerance; ties: expected value | 0..1 | rho | 1 |
    | rank_accuracy | share of the k highest pixels in the mask of k pixels; ties: expected value | 0..1 | rho | 1 |
    | pxap | average precision of pixels, equal values entering together | 0..1 | about rho | 1 |

    Under an empty mask everything but rho is NaN, under a full one lift is, the rest 1. A map with NaN or infinities
    has rho alone. No score changes when a map is multiplied by a positive number. rank_accuracy of a random map without
    ties has the spread of Hypergeometric(area, k, k) / k.

    Sources: energy pointing game, Wang et al. 2020 (Score-CAM), called relevance mass accuracy by Arras et al. 2022
    (CLEVR-XAI); pointing game, Zhang et al. 2018 (excitation backprop), there with a tolerance of 15 pixels; relevance
    rank accuracy, Arras et al. 2022; PxAP, Choe et al. 2020, there over the pixels of all maps at once, here of each
    map by itself, as scikit-learn's `average_precision_score`. Raises ValueError for other shapes and for masks that
    hold anything but 0 and 1, UnknownNameError for a metric that is not in LOCALISATION.
    """
    heat = _as_maps(maps)
    inside = _as_flags("masks", masks, heat.shape)
    counted = None if domain is None else _as_flags("domain", domain, heat.shape)
    wanted = _chosen(metrics)
    rules = {name: rule for name, rule in _RULES.items() if name in wanted or (name == "epg" and "lift" in wanted)}
    found = {name: np.full(len(heat), np.nan) for name in ("rho", *rules)}
    for i in range(len(heat)):
        scores = _score_one(heat[i].ravel(), inside[i].ravel(), None if counted is None else counted[i].ravel(), rules)
        for name, value in scores.items():
            found[name][i] = value
    if "lift" in wanted:
        found["lift"] = ratio(found["epg"] - found["rho"], 1.0 - found["rho"])
    return {name: found[name] for name in wanted}


def shares(maps: ArrayLike, regions: Mapping[str, ArrayLike]) -> dict[str, Values]:
    """Return where the heat of N maps lies: `share_r`, `area_r`, `lift_r` of each region r, float64[N] each.

    `maps` are float[N, H, W]; a region is bool[N, H, W], or bool[H, W] for one that all maps share. share_r is the sum
    of A in the region / the sum of A, 0..1 (random map: area_r; all heat there: 1), and area_r for a map without
    positive mass; area_r is the region's share of the pixels; lift_r = (share_r - area_r) / (1 - area_r), from
    -area_r / (1 - area_r) to 1 (random map: 0; all heat there: 1), NaN for a region that is everything. An empty region
    has 0, 0 and 0. share_r and lift_r of a map with NaN or infinities are NaN. The shares of a partition sum to 1.

    Source: the energy pointing game (Wang et al. 2020) with one region after the other as its box. Raises
    ValueError as `localise` does.
    """
    heat = _as_maps(maps)
    total, units = np.full((2, len(heat)), np.nan)
    for i, values in enumerate(heat if heat.size else ()):
        lowest, peak = _extremes(values)
        if np.isfinite([lowest, peak]).all():
            units[i] = _unit(peak)
            total[i] = _mass(np.maximum(values, 0), units[i])
    found: dict[str, Values] = {}
    for name, region in regions.items():
        flags = _as_flags(f"region {name!r}", region, heat.shape)
        area = ratio(np.count_nonzero(flags, axis=(1, 2)), np.full(len(heat), np.prod(heat.shape[1:])))
        mass = np.full(len(heat), np.nan)
        for i in np.flatnonzero(total > 0).tolist():
            mass[i] = _mass(np.maximum(heat[i][flags[i]], 0), units[i])
        share = np.where(total == 0, area, np.minimum(ratio(mass, total), 1.0))
        found |= {f"share_{name}": share, f"area_{name}": area, f"lift_{name}": ratio(share - area, 1.0 - area)}
    return found


class _Heated(NamedTuple):
    """Positive values of one map; its other pixels are all tied at 0."""

    everywhere: Heat
    inside: Heat
    """Those of the mask."""
    peak: float
    """Highest of all; 0 where there is none."""
    area: int
    covered: int
    """Pixels of the mask, at least 1."""


def _score_one(
    values: Heat, inside: Flags, counted: Flags | None, rules: Mapping[str, Callable[[_Heated], float]]
) -> dict[str, float]:
    """Return rho and the scores of `rules` as far as they are defined; all arrays are flat."""
    if counted is not None:
        values, inside = values[counted], inside[counted]
    if not len(values):
        return {}
    covered = int(np.count_nonzero(inside))
    scores = {"rho": covered / len(values)}
    lowest, peak = _extremes(values)
    if covered and rules and np.isfinite([lowest, peak]).all():
        everywhere, own = (part if lowest > 0 else _those(part, part > 0) for part in (values, values[inside]))
        heated = _Heated(everywhere, own, max(peak, 0.0), len(values), covered)
        scores |= {name: rule(heated) for name, rule in rules.items()}
    return scores


def _epg(heat: _Heated) -> float:
    if not len(heat.everywhere):
        return heat.covered / heat.area
    unit = _unit(heat.peak)
    return min(_mass(heat.inside, unit) / _mass(heat.everywhere, unit), 1.0)


def _pointing_game(heat: _Heated) -> float:
    if not len(heat.everywhere):
        return heat.covered / heat.area
    return int(np.count_nonzero(heat.inside == heat.peak)) / int(np.count_nonzero(heat.everywhere == heat.peak))


def _rank_accuracy(heat: _Heated) -> float:
    """Return the hits above the k-th highest value, and the expected ones among the pixels tied at it."""
    if len(heat.everywhere) > heat.covered:
        top = _top(heat.everywhere, heat.covered)
        surplus = len(top) - heat.covered
        threshold = np.partition(top, surplus)[surplus]
        above, hits = (int(np.count_nonzero(part > threshold)) for part in (top, heat.inside))
        tied, tied_hits = (int(np.count_nonzero(part == threshold)) for part in (top, heat.inside))
    else:
        above, hits = len(heat.everywhere), len(heat.inside)
        tied, tied_hits = heat.area - above, heat.covered - hits
    expected = tied_hits * (heat.covered - above) / tied if tied else 0.0
    return (hits + expected) / heat.covered


def _top(values: Heat, k: int) -> Heat:
    """Return the k highest values with all their ties, and as few others as a sample allows to leave out.

    Whatever the sample, all values from some bound up are returned, or all there are; only speed depends on it.
    """
    sample = np.sort(values[:: len(values) // _SAMPLED + 1])
    share = k / len(values)
    margin = 3.0 * (len(sample) * share * (1.0 - share)) ** 0.5 + 1.0
    bound = sample[max(int(len(sample) * (1.0 - share) - margin), 0)]
    top = _those(values, values >= bound)
    return top if len(top) >= k else values


def _pxap(heat: _Heated) -> float:
    """Return the sum over values v of (share of the mask's pixels at v) * (precision of the pixels at v or above)."""
    order, own = np.sort(heat.everywhere), np.sort(heat.inside)
    first = np.flatnonzero(np.concatenate(([True], own[1:] != own[:-1]))[: len(own)])
    hits = len(own) - first
    called = len(order) - np.searchsorted(order, own[first], side="left")
    at_value = np.diff(first, append=len(own))
    at_zero = heat.covered - len(own)
    precision = float((at_value * (hits / called)).sum()) + at_zero * (heat.covered / heat.area)
    return min(precision / heat.covered, 1.0)


_RULES: Mapping[str, Callable[[_Heated], float]] = {
    "epg": _epg,
    "pointing_game": _pointing_game,
    "rank_accuracy": _rank_accuracy,
    "pxap": _pxap,
}


def _extremes(values: Heat) -> tuple[float, float]:
    """Return the least and the greatest value; one of them is not finite when any value is not."""
    return float(values.min()), float(values.max())


def _those(values: Heat, flags: Flags) -> Heat:
    """Return the flagged values; where flags are scattered, positions first is faster than indexing by flags."""
    those: Heat = values[np.flatnonzero(flags)]
    return those


def _unit(peak: float) -> float:
    return peak if peak > _HUGE else 1.0


def _mass(values: Heat, unit: float) -> float:
    """Return the sum in float64, in units that keep it from overflowing; float32 is not copied for it."""
    return float((values if unit == 1.0 else values / unit).sum(dtype=np.float64))


def _as_maps(maps: ArrayLike) -> Heat:
    heat = np.asarray(maps)
    if heat.ndim != 3 or heat.dtype.kind not in "fiub":
        msg = f"maps must be float[N, H, W], got {heat.dtype} of shape {heat.shape}"
        raise ValueError(msg)
    return heat if heat.dtype in (np.float16, np.float32, np.float64) else heat.astype(np.float64)


def _as_flags(name: str, flags: ArrayLike, shape: tuple[int, ...]) -> Flags:
    found = np.asarray(flags)
    if found.shape not in (shape, shape[1:]):
        msg = f"{name} must be bool of the maps' shape {shape} or {shape[1:]}, got shape {found.shape}"
        raise ValueError(msg)
    if found.dtype != np.bool_:
        if not ((found == 0) | (found == 1)).all():
            msg = f"{name} must be bool or hold 0 and 1 only, got {found.dtype} with other values"
            raise ValueError(msg)
        found = found.astype(np.bool_)
    return np.broadcast_to(found, shape)


def _chosen(metrics: Collection[str]) -> tuple[str, ...]:
    for name in metrics:
        if name not in LOCALISATION:
            raise UnknownNameError("localisation score", name, LOCALISATION)
    return tuple(name for name in LOCALISATION if name in metrics)
