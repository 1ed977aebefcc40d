"""Maps, changed pictures and detectors' maps that nobody made: tables of values about levels that a test chooses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from clastbench.metrics import CURVES, FAITHFULNESS, PART_CHANGES, REGIONS
from clastbench.records import BOX_TARGETS, TARGETS, CellRecord, MapScores, Photomicrograph, Trial, untrained

METHOD = "grad-cam"
CELLS = np.linspace(0, 1, 10)
_LEVELS = {
    "cpf": 0.4, "morf": 1.2, "lerf": 3.4, "aopc": 2.8, "srg_map": 2.2, "srg_control": 3.0, "insertion": 3.3,
    "deletion": 1.1, "road": 0.9, "average_drop": 0.3,
}  # fmt: skip
_POWERS = dict(zip(CURVES, (3, 0.5, 4, 0.3, 0.5, 3, 2.5, 0.7), strict=True))


@dataclass(frozen=True)
class Inputs:
    """What was explained: one entry an input."""

    image_id: tuple[str, ...]
    group: tuple[str, ...]
    truth: tuple[str, ...]

    def table(self, method: str, target: str, values, curves=None) -> MapScores:
        return MapScores(method, target, self.image_id, self.group, values, curves=curves or {})


def inputs_of(photos: Sequence[Photomicrograph]) -> Inputs:
    """Every photograph with a sense, once."""
    own = [photo for photo in photos if photo.truth in ("CW", "CCW")]
    return Inputs(
        tuple(one.id for one in own), tuple(one.group for one in own), tuple(one.truth for one in own)
    )  # fmt: skip


def about(level: float, n: int, seed: int, spread: float = 0.05) -> tuple[float, ...]:
    """Values about a level, their mean exactly there."""
    drawn = np.random.default_rng(seed).normal(0, spread, n)
    return tuple(float(value) for value in level + drawn - (drawn.mean() if n else 0))


def located(seen: Inputs, method: str, target: str, lift: float, *, artefacts=True, seed: int = 0) -> MapScores:
    """Where the heat lies."""
    n = len(seen.image_id)
    values = {"rho": (0.2,) * n, "epg": about(0.5, n, seed), "lift": about(lift, n, seed + 1), "cold": (0.0,) * n}
    for place, name in enumerate(REGIONS):
        known = artefacts or name != "artefacts"
        values[f"share_{name}"] = about(0.3 / (1 + place), n, seed + place) if known else (None,) * n
        values[f"area_{name}"] = (0.1 + 0.02 * place,) * n if known else (None,) * n
    return seen.table(method, target, values)


def removed(seen: Inputs, method: str, target: str, *, better: float = 0.0, seed: int = 0, **levels) -> MapScores:
    """What removing cells showed, with curves; `better` is added to CPF and to the map's LeRF - MoRF."""
    n = len(seen.image_id)
    known = _LEVELS | {"cpf": 0.4 + better, "srg_map": 2.2 + better} | levels
    values = {name: about(known[name], n, seed + at) for at, name in enumerate((*FAITHFULNESS, *set(levels)))}
    rng = np.random.default_rng(seed)
    curves = {
        name: tuple(
            tuple(((5 + rng.normal()) * (1 - CELLS) ** power)[:: -1 if name == "insertion" else 1].tolist())
            for _ in range(n)
        )
        for name, power in _POWERS.items()
    }
    return seen.table(method, target, values, curves)


def turned(seen: Inputs, method: str, target: str, cosine: float = 0.8, null: float = 0.2) -> MapScores:
    """What became of the maps in the mirror."""
    n = len(seen.image_id)
    return seen.table(method, target, {"equivariance": about(cosine, n, 1), "equivariance_null": about(null, n, 2)})


def maps(seen: Inputs, *, lift: float = 0.4, better: float = 0.0, seed: int = 0, random: float = 0.05, half=True):
    """All tables of one cell: where the heat lies, removal of a sample, the mirror, random weights, controls."""
    n = max(1, len(seen.image_id) // 2) if half else len(seen.image_id)
    some = Inputs(seen.image_id[:n], seen.group[:n], seen.truth[:n])
    found = []
    for at, target in enumerate(TARGETS):
        found += [located(seen, METHOD, target, lift, seed=seed + at)]
        found += [removed(some, METHOD, target, better=better, seed=seed + at)]
    found += [turned(seen, METHOD, "sense"), located(seen, untrained(METHOD), "sense", random, seed=seed + 7)]
    found += [located(seen, name, "any", level, seed=seed) for name, level in (("random", 0.0), ("centre", 0.1))]
    return tuple(found)


def trials(seen: Inputs, *, right: float = 1.0, cue: float = 1.0, seed: int = 0) -> tuple[Trial, ...]:
    """Changed pictures: `right` is how many inputs are read rightly, `cue` how many where the cue says otherwise."""
    rng = np.random.default_rng(seed)

    def said(change: str, share: float, swap=False) -> Trial:
        logits = []
        for truth in seen.truth:
            sure = 2.0 * (1 if rng.random() < share else -1) * (1 if truth == "CW" else -1) * (-1 if swap else 1)
            logits.append((0.0, sure + rng.normal(0, 0.1), -sure + rng.normal(0, 0.1)))
        return Trial(change, seen.image_id, seen.group, seen.truth, tuple(logits))

    changed = {change: 0.5 if part == "clasts" else right for part, change in PART_CHANGES.items()}
    return (
        said("", right), said("mirrored", right, swap=True), said("turned", right),
        *(said(change, share) for change, share in changed.items()),
        said("scale-bar=agrees", 1.0), said("scale-bar=reversed", cue),
    )  # fmt: skip


def explained(record: CellRecord, photos: Sequence[Photomicrograph], *, right=1.0, cue=1.0, **levels) -> CellRecord:
    """A cell with maps and changed pictures of its photographs."""
    seen = inputs_of(photos)
    return replace(record, maps=maps(seen, **levels), trials=trials(seen, right=right, cue=cue), map_key="m" * 64)


def box_maps(ids: Sequence[str], *, lift: float = 0.3, missed=True) -> tuple[MapScores, ...]:
    """A detector's maps: of what it found, what it missed unless there is nothing, and its false alarms."""
    seen = Inputs(tuple(ids), tuple(ids), ("CW",) * len(ids))
    found = [
        replace(one, values={**one.values, **extra})
        for target, level in zip(BOX_TARGETS, (lift, lift / 3, 0.0), strict=True)
        for one in [located(seen, METHOD, target, level)]
        for extra in [removed(seen, METHOD, target).values if target == "found" else {}]
    ]
    return tuple(one if missed or one.target != "missed" else MapScores(METHOD, "missed") for one in found)
