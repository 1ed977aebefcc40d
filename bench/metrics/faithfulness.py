"""How faithful one saliency map is to what the model does when cells of the picture are removed.

f is the value that the map explains; a cell is removed by replacing its pixels with what an imputer b makes of them.
Which cells are removed, and in which order, is decided in `explain.perturbation`; here are the numbers only.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .statistics import Values

Array = NDArray[np.float64]

CURVES: tuple[str, ...] = (
    "morf", "lerf", "control_morf", "control_lerf", "insertion", "deletion", "road_morf", "road_lerf",
)  # fmt: skip
"""What `curves` returns."""

FAITHFULNESS: tuple[str, ...] = (
    "cpf", "morf", "lerf", "aopc", "srg_map", "srg_control", "insertion", "deletion", "road", "average_drop",
)  # fmt: skip
"""What `faithfulness` returns."""

ROUNDING = 1e-5
"""Differences below this share of the largest value (of 1, where f stays below) are rounding errors of float32."""


@dataclass(frozen=True, eq=False)
class Removals:
    """What one map of one input says, and what f came to as cells were removed: B imputers, U cells, S steps.

    At step s the first round(U * s / S) cells of an order are gone; S + 1 values, from nothing to everything removed.
    Raises ValueError for shapes that do not fit.
    """

    relevance: Array
    """Mean of the map in each cell, float64[U]."""
    whole: float
    """f(x)."""
    single: Array
    """f with one cell removed, float64[B, U]."""
    morf: Array
    """f as the most relevant cells go first, float64[B, S + 1]."""
    lerf: Array
    """f as the least relevant cells go first, float64[B, S + 1]."""
    control_morf: Array
    """The same for the order of f(x) - f(x without the cell), mean over the imputers, float64[B, S + 1]."""
    control_lerf: Array
    imputers: tuple[str, ...]

    def __post_init__(self) -> None:
        for field in fields(self):
            if field.name not in ("whole", "imputers"):
                object.__setattr__(self, field.name, np.asarray(getattr(self, field.name), dtype=np.float64))
        steps = self.morf.shape[-1] if self.morf.ndim else 0
        expected: dict[str, tuple[int, ...]] = {"relevance": (self.relevance.size,)}
        expected |= {"single": (len(self.imputers), self.relevance.size)}
        expected |= dict.fromkeys(("morf", "lerf", "control_morf", "control_lerf"), (len(self.imputers), steps))
        for name, shape in expected.items():
            if getattr(self, name).shape != shape or steps < 2:
                msg = f"{name} has shape {getattr(self, name).shape}, expected {shape} with at least two steps"
                raise ValueError(msg)

    @property
    def shares(self) -> Values:
        """Share of the cells that is gone at each step, float64[S + 1], from 0 to 1."""
        n, steps = len(self.relevance), self.morf.shape[1] - 1
        return np.asarray(np.rint(n * np.arange(steps + 1) / steps) / max(n, 1), dtype=np.float64)


def faithfulness(one: Removals) -> dict[str, float]:
    """Return the scores of one map by name, in the order of FAITHFULNESS, NaN where undefined.

    AUC is the trapezoid over the share removed, from 0 to 1; b is averaged, or the one that is named.

    | name | definition | random map | oracle |
    |---|---|---|---|
    | cpf | Spearman over cells of relevance and mean over b of f(x) - f(x without the cell) | 0 | 1 |
    | morf | AUC, most relevant cells first | (f(x) + f(b)) / 2 when linear | least of all orders |
    | lerf | AUC, least relevant cells first | the same | highest of all orders |
    | aopc | mean over steps 0..S of f(x) - MoRF | (f(x) - f(b)) / 2 when linear | highest |
    | srg_map | lerf - morf | 0 | srg_control when linear |
    | srg_control | the same for the order of single removals | the same for every map | the same |
    | insertion | AUC of f as the most relevant cells enter the blurred picture | as lerf | highest |
    | deletion | AUC of MoRF with the mean colour | as morf | least |
    | road | mean over the steps between of (LeRF - MoRF) / 2 with noisy linear interpolation | 0 | highest |
    | average_drop | max(0, f(x) - f(x above the map's mean)) / f(x), mean colour elsewhere | 1 - share kept | 0 |

    Inserting the most relevant cells is removing the least relevant ones, read backwards; so insertion is the AUC of
    LeRF under `blur`. Average drop reads the LeRF curve under `mean` at the share of cells that are not above the map's
    mean, linearly between steps; it needs f(x) > 0. cpf ties falls that differ by rounding. It is NaN where they or
    relevance are constant, average_drop where relevance is, all that rests on the map where its relevance is not
    finite, a score of a named imputer where that is not at hand.

    Sources: MoRF, LeRF and AOPC, Samek et al. 2017; lerf - morf, Blücher et al. 2024 (symmetric relevance
    gain); insertion and deletion, Petsiuk et al. 2018; ROAD, Rong et al. 2022, combined as in pytorch-grad-cam's
    ROADCombined; average drop, Chattopadhay et al. 2018, with cells kept or not in place of the picture times the map.
    """
    drawn, shares = curves(one), one.shares
    area = {name: _area(curve, shares) for name, curve in drawn.items()}
    found = {
        "cpf": _cpf(one),
        "morf": area["morf"],
        "lerf": area["lerf"],
        "aopc": float(np.mean(one.whole - drawn["morf"])),
        "srg_map": area["lerf"] - area["morf"],
        "srg_control": area["control_lerf"] - area["control_morf"],
        "insertion": _under(one, one.lerf, "blur", shares),
        "deletion": area["deletion"],
        "road": _road(drawn["road_morf"], drawn["road_lerf"]),
        "average_drop": _average_drop(one),
    }
    if not np.isfinite(one.relevance).all():
        found |= {name: float("nan") for name in found if name != "srg_control"}
    return found


def curves(one: Removals) -> dict[str, Array]:
    """Return the curves of one map by name, in the order of CURVES, float64[S + 1] each.

    They run from nothing to everything removed, at equal shares; `insertion` from nothing to everything put back.
    `morf`, `lerf` and those of the control are means over the imputers; `insertion` is under `blur`, `deletion` under
    `mean`, those of ROAD under `noisy-linear`: NaN where that imputer is not at hand.
    """
    found = {name: getattr(one, name).mean(axis=0) for name in CURVES[:4]}
    found |= {"insertion": _of(one, one.lerf, "blur")[::-1], "deletion": _of(one, one.morf, "mean")}
    return found | {f"road_{order}": _of(one, getattr(one, order), "noisy-linear") for order in ("morf", "lerf")}


def spearman(a: Array, b: Array) -> float:
    """Return Spearman's rank correlation of float64[n] each, ties sharing their mean rank; NaN where one is constant.

    Random: 0; the same order: 1. As scipy.stats.spearmanr.
    """
    ranks_a, ranks_b = (_mean_ranks(values) - (len(values) - 1) / 2.0 for values in (a, b))
    scale = float(np.sqrt((ranks_a**2).sum() * (ranks_b**2).sum()))
    return float(np.clip((ranks_a * ranks_b).sum() / scale, -1.0, 1.0)) if scale > 0 else float("nan")


def _mean_ranks(values: Array) -> Array:
    _, where, count = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(count)
    return np.asarray((last - (count + 1) / 2.0)[where.reshape(values.shape)], dtype=np.float64)


def _cpf(one: Removals) -> float:
    falls = (one.whole - one.single).mean(axis=0)
    scale = max(1.0, abs(one.whole), float(np.abs(one.single).max(initial=0.0)))
    if not np.isfinite(one.relevance).all() or not np.isfinite(falls).all() or _is_flat(falls, scale):
        return float("nan")
    if _is_constant(one.relevance):
        return float("nan")
    # Cells without an effect fall by rounding that depends on the batch; unrounded, it would order them.
    return spearman(one.relevance, np.round(falls / (ROUNDING * scale)))


def _is_constant(relevance: Array) -> bool:
    return _is_flat(relevance, float(np.abs(relevance).max(initial=0.0)))


def _is_flat(values: Array, scale: float) -> bool:
    return len(values) < 2 or float(np.ptp(values)) <= ROUNDING * scale


def _of(one: Removals, values: NDArray[Any], imputer: str) -> Array:
    """Return an imputer's row of float64[B, S + 1], NaN where it is not at hand."""
    if imputer not in one.imputers:
        return np.full(values.shape[1], np.nan)
    return np.asarray(values[one.imputers.index(imputer)], dtype=np.float64)


def _under(one: Removals, values: Array, imputer: str, shares: Values) -> float:
    return _area(_of(one, values, imputer), shares)


def _area(curve: Array, shares: Values) -> float:
    """Return the area under a curve by the trapezoid rule."""
    return float(((curve[1:] + curve[:-1]) / 2.0 * np.diff(shares)).sum())


def _road(morf: Array, lerf: Array) -> float:
    between = (lerf - morf)[1:-1] / 2.0
    return float(between.mean()) if len(between) else float("nan")


def _average_drop(one: Removals) -> float:
    above = one.relevance > one.relevance.mean()
    if not one.whole > 0 or not above.any() or _is_constant(one.relevance):
        return float("nan")
    kept = float(np.interp(1.0 - above.mean(), one.shares, _of(one, one.lerf, "mean")))
    return max(0.0, one.whole - kept) / one.whole
