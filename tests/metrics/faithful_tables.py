"""Tables of maps whose faithfulness and localisation are made up, for the tests of relevance gain and trust."""

from __future__ import annotations

import numpy as np

from clastbench.records import MapScores

N = 60


def faithful(*, cpf: float = 0.5, srg: float = 0.5, lift: float = 0.5, n: int = N, seed: int = 0, **said) -> MapScores:
    """A table whose maps scatter around these parts; the control of each map is 1 on average."""
    rng = np.random.default_rng(seed)
    noise = rng.normal(scale=0.1, size=(4, n))
    control = 1.0 + noise[0]
    values = {
        "cpf": np.clip(cpf + noise[1], -1, 1),
        "srg_map": control * srg + noise[2],
        "srg_control": control,
        "lift": np.clip(lift + noise[3], -1, 1),
    }
    return table(values, **said)


def table(values, *, images=None, groups=None, method="grad-cam", target="sense") -> MapScores:
    """Values by metric, NaN or None where undefined; each map of a photograph and a group of its own unless said."""
    n = len(next(iter(values.values())))
    names = tuple(f"image-{i:03}" for i in range(n)) if images is None else tuple(images)
    numbers = {name: tuple(_number(value) for value in own) for name, own in values.items()}
    return MapScores(method, target, names, names if groups is None else tuple(groups), numbers)


def rows(one: MapScores, chosen, *names: str) -> MapScores:
    """Some maps of a table, and of its metrics those named (default: all)."""
    chosen = list(chosen)
    values = {name: tuple(one.values[name][i] for i in chosen) for name in names or one.values}
    image_id, group = (tuple(own[i] for i in chosen) for own in (one.image_id, one.group))
    return MapScores(one.method, one.target, image_id, group, values)


def _number(value) -> float | None:
    return None if value is None or np.isnan(value) else float(value)
