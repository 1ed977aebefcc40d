"""Maps tested on the model they explain: from pictures and maps to what the metrics of faithfulness are computed of."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..metrics import Removals
from ..metrics import faithfulness as scores_of
from .imputers import Imputer, imputers
from .perturbation import Answers, Probed, Values, perturb
from .units import Window, cell_means, grid

STEPS = 9
"""Cells are taken away four at a time: of 36, so that the inner steps are those of ROAD, a ninth to eight ninths."""


@dataclass(frozen=True, eq=False)
class Case:
    """One input whose maps are tested."""

    picture: Tensor
    """float32[3, H, W], as the model sees it."""
    window: Window
    """The pixels that show the photograph; only they are taken away."""
    maps: Sequence[tuple[int, NDArray[np.float32]]]
    """Each the column of f that it speaks for, and the map float32[h, w], which tiles the picture."""


def probe_maps(
    cases: Iterable[Case],
    values: Values,
    known: Sequence[Imputer],
    *,
    batch: int,
    device: str = "cpu",
) -> Iterator[list[Removals]]:
    """Yield what was found about the maps of each case, in order.

    Args:
        cases: drawn as batches need them; all pictures have one size.
        values: f of pictures float32[n, 3, H, W] and of the number of the case that each was made of, int64[n].
        known: what stands in for the cells that are taken away.
        batch: pictures in one pass, at most.
        device: where `values` wants its pictures.
    """
    waiting: list[tuple[tuple[int, NDArray[np.float64]], ...]] = []  # of cases that are asked about now

    def probes() -> Iterator[Probed]:
        for case in cases:
            height, width = case.picture.shape[-2:]
            units = grid((height, width), case.window)
            waiting.append(tuple((column, cell_means(one, units)) for column, one in case.maps))
            yield Probed(case.picture, units, waiting[-1])

    names = tuple(one.name for one in known)
    for one in perturb(probes(), values, known, steps=STEPS, batch=batch, device=device):
        cells = waiting.pop(0)
        yield [_removals(one, number, column, relevance, names) for number, (column, relevance) in enumerate(cells)]


def _removals(
    one: Answers, number: int, column: int, relevance: NDArray[np.float64], names: tuple[str, ...]
) -> Removals:
    return Removals(
        relevance=relevance,
        whole=float(one.whole[column]),
        single=one.single[:, :, column],
        morf=one.morf[:, number],
        lerf=one.lerf[:, number],
        control_morf=one.control_morf[:, column],
        control_lerf=one.control_lerf[:, column],
        imputers=names,
    )


def faithfulness(
    f: Callable[[Tensor], Tensor],
    pictures: Any,
    maps: Any,
    *,
    mean: float = 0.0,
    batch: int = 16,
    device: str = "cpu",
) -> dict[str, NDArray[np.float64]]:
    """Score how faithful maps are to a model of anybody's, picture by picture.

    Each picture is cut into 6 x 6 equal cells, which are taken away one by one and in the order of the map; what stands
    in for them is the training mean, a blurred picture, and noisy linear interpolation (ROAD). A random map has CPF 0
    and, summed over pictures, srg_map / srg_control (SRG) 0; a map that says what each cell is worth has CPF 1.

    Args:
        f: maps pictures float32[n, 3, H, W] to the value that the maps explain, float[n]; a model in evaluation mode.
        pictures: float[N, 3, H, W], as f wants them; an array or a tensor of any device.
        maps: signed float[N, h, w], of any resolution; an array or a tensor of any device.
        mean: the training mean in the pictures' own space: 0 for normalised pictures.
        batch: pictures in one pass.
        device: where f wants its pictures.

    Returns:
        By name of `clastbench.metrics.FAITHFULNESS`, float64[N]; NaN where undefined.

    Raises:
        ValueError: pictures and maps do not fit each other.
        ExplanationError: f is not finite.
    """
    seen, known = torch.from_numpy(_numbers(pictures)), _numbers(maps)
    if seen.ndim != 4 or known.ndim != 3 or len(seen) != len(known) or not np.isfinite(known).all():
        raise ValueError(
            f"pictures must be [N, 3, H, W] and maps finite [N, h, w], got {tuple(seen.shape)} and {known.shape}"
        )
    window = (0, 0, seen.shape[3], seen.shape[2])
    cases = (Case(picture, window, ((0, one),)) for picture, one in zip(seen, known, strict=True))
    found = probe_maps(cases, lambda inputs, _: f(inputs)[:, None], imputers(mean), batch=batch, device=device)
    rows = [scores_of(own) for (own,) in found]
    return {name: np.asarray([row[name] for row in rows]) for name in (rows[0] if rows else ())}


def _numbers(values: Any) -> NDArray[np.float32]:
    """Return an array, or a tensor that may have gradients and lie on a device, as float32."""
    held = values.detach().cpu().numpy() if isinstance(values, Tensor) else values
    return np.array(held, np.float32)
