"""The step that scores maps against the clasts' outlines, beside the ceiling and what random weights give."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..data.letterbox import pixels_inside, place_of, read_map
from ..data.masks import decode, encode
from ..explain.regions import Regions, covered_by, regions_of, shrunk
from ..metrics import LOCALISATION, REGIONS
from ..metrics import localise as scores_of
from ..metrics import shares as shares_of
from ..records import TARGETS, Box, Clast, Explanation, MapScores, Photomicrograph, ceiling
from .graph import Folders, Node
from .looking import read_maps
from .regards import Regard
from .samples import size_of
from .seeing import photographs_of

LONGEST = 512
"""A photograph with a longer side is scored on a grid of this many cells along it; maps are far coarser."""
DIGITS = 6
LOCATED = (*LOCALISATION, "cold", *(f"{kind}_{name}" for name in REGIONS for kind in ("share", "area", "lift")))
"""What is said of where the heat of a map lies."""


def localise(node: Node, folders: Folders, out: Path) -> None:
    """Score the maps of a method on one fold; write `map_scores.json`."""
    maps, regards, size, reason = read_maps(folders["explain"])
    method, is_control = node.spec["method"], node.spec["control"]
    if reason is not None:
        tables = silent(method, LOCATED, reason, ("any",) if is_control else TARGETS)
    else:
        known = {photo.id: photo for photo in photographs_of(node, folders, node.spec["ids"])}
        tables = _tables(maps, regards, size, known, method=method, is_control=is_control)
    (out / "map_scores.json").write_text(json.dumps([asdict(table) for table in tables]), encoding="utf-8")


def _tables(
    maps: NDArray[np.float32],
    regards: Sequence[Regard],
    size: tuple[int, int],
    photographs: Mapping[str, Photomicrograph],
    *,
    method: str,
    is_control: bool,
) -> list[MapScores]:
    """Score maps float32[D, N, T, h, w]; those of several draws of random weights by their mean lift alone."""
    rows: dict[tuple[str, str], list[tuple[Photomicrograph, Mapping[str, float]]]] = defaultdict(list)
    targets = ("any",) if is_control else TARGETS
    for at, regard in enumerate(regards):
        if regard.image_id not in photographs:
            continue
        photo = photographs[regard.image_id]
        scene = scene_of(photo, regard.box, [photo.clasts[at] for at in regard.clasts])
        extent = place_of(scene.photo_size, size, regard.box).extent_xyxy
        for number, target in enumerate(targets):
            said = [scene.scores(one, extent, parts=len(maps) == 1) for one in maps[:, at, number]]
            rows[method, target].append((photo, _mean(said)))
        if len(maps) == 1 and not is_control:
            rows[ceiling(method), "any"].append((photo, scene.scores(scene.ceiling(maps.shape[-2:], extent), extent)))
    found = [table(name, target, scored) for (name, target), scored in rows.items()]
    return found or [MapScores(method, target) for target in targets]


def _mean(said: Sequence[Mapping[str, float]]) -> Mapping[str, float]:
    return said[0] if len(said) == 1 else {name: float(np.mean([one[name] for one in said])) for name in said[0]}


def table(
    method: str,
    target: str,
    rows: Sequence[tuple[Photomicrograph, Mapping[str, float]]],
    curves: Sequence[Mapping[str, NDArray[np.float64]]] = (),
) -> MapScores:
    """Gather the scores of maps, NaN where undefined, photograph by photograph; and their curves, if they have any."""
    names = rows[0][1].keys() if rows else ()
    return MapScores(
        method=method,
        target=target,
        image_id=tuple(photo.id for photo, _ in rows),
        group=tuple(photo.group for photo, _ in rows),
        values={name: tuple(_said(scores[name]) for _, scores in rows) for name in names},
        curves={name: tuple(_drawn(one[name]) for one in curves) for name in (curves[0] if curves else ())},
    )


def silent(method: str, metrics: Iterable[str], reason: str, targets: Sequence[str] = TARGETS) -> list[MapScores]:
    """Say why some metrics of a method's maps are lacking."""
    names = tuple(metrics)
    return [MapScores(method, target, values=dict.fromkeys(names, ()), reason=reason) for target in targets]


def _said(value: float) -> float | None:
    return None if np.isnan(value) else rounded(value)


def _drawn(curve: NDArray[np.float64]) -> tuple[float, ...] | None:
    return None if np.isnan(curve).any() else tuple(rounded(value) for value in curve)


def rounded(value: float) -> float:
    """Return a figure as results keep it."""
    return float(f"{value:.{DIGITS}g}")


@dataclass(frozen=True, eq=False)
class Scene:
    """What a map of one input is scored against: the part of a photograph that the input shows, cell by cell."""

    photo_size: tuple[int, int]
    window: Box
    """In photograph coordinates; the regions' cells tile it."""
    regions: Regions

    def scores(self, saliency: NDArray[np.float32], extent: Box, *, parts: bool = True) -> dict[str, float]:
        """Score one map float32[h, w] that covers `extent`; NaN where a score is undefined."""
        at = read_map(saliency, extent, self.window, self.regions.clast.shape)[None]
        asked = LOCALISATION if parts else ("lift",)
        found = {name: float(value[0]) for name, value in scores_of(at, self.regions.clast, metrics=asked).items()}
        found["cold"] = float(not (at > 0).any())
        if not parts:
            return found
        known = {name: part[None] for name, part in self.regions.parts.items() if part is not None}
        shares = shares_of(at, known)
        for name in self.regions.parts:
            for kind in ("share", "area", "lift"):
                value = shares.get(f"{kind}_{name}")
                found[f"{kind}_{name}"] = float("nan") if value is None else float(value[0])
        return found

    def ceiling(self, shape: tuple[int, int], extent: Box) -> NDArray[np.float32]:
        """Return the clasts' outline at a map's resolution: the share of each of the cells that it covers."""
        height, width = self.regions.clast.shape
        x0, y0, x1, y1 = self.window
        down = y0 + (np.arange(height) + 0.5) * (y1 - y0) / height
        across = x0 + (np.arange(width) + 0.5) * (x1 - x0) / width
        rows = _cells(down, extent[1], extent[3], shape[0])
        columns = _cells(across, extent[0], extent[2], shape[1])
        cells = rows[:, None] * shape[1] + columns
        n = shape[0] * shape[1]
        covered = np.bincount(cells.ravel(), self.regions.clast.ravel(), minlength=n)
        every = np.bincount(cells.ravel(), minlength=n)
        return (covered / np.maximum(every, 1)).reshape(shape).astype(np.float32)


def _cells(positions: NDArray[np.float64], start: float, stop: float, n: int) -> NDArray[np.int64]:
    at = np.floor((positions - start) / (stop - start) * n).astype(np.int64)
    return np.clip(at, 0, n - 1)


def scene_of(photo: Photomicrograph, box: Box | None, clasts: Sequence[Clast]) -> Scene:
    """Cut out of a photograph what an input shows, with the regions of the clasts in question and of its artefacts."""
    width, height = size_of(photo)
    artefacts = covered_by(photo.artefacts, (height, width))
    x0, y0, x1, y1 = (0, 0, width, height) if box is None else pixels_inside(box, height, width)
    scale = min(1.0, LONGEST / max(x1 - x0, y1 - y0))
    if scale == 1:
        regions = regions_of(clasts, (height, width), window=(x0, y0, x1, y1), artefacts=artefacts)
        return Scene((height, width), (x0, y0, x1, y1), regions)
    rows, columns = max(1, round(height * scale)), max(1, round(width * scale))
    down, across = height / rows, width / columns
    left, top = int(x0 / across), int(y0 / down)
    right, bottom = max(left + 1, round(x1 / across)), max(top + 1, round(y1 / down))
    regions = regions_of(
        [_shrunk(clast, (rows, columns)) for clast in clasts],
        (rows, columns),
        window=(left, top, right, bottom),
        artefacts=None if artefacts is None else shrunk(artefacts, (rows, columns)),
    )
    return Scene((height, width), (left * across, top * down, right * across, bottom * down), regions)


def _shrunk(clast: Clast, shape: tuple[int, int]) -> Clast:
    """Return a clast with its masks at a coarser resolution."""
    return replace(
        clast,
        mask=encode(shrunk(decode(clast.mask), shape)) if clast.mask else None,
        parts={name: encode(shrunk(decode(mask), shape)) for name, mask in clast.parts.items()},
    )


def lift_of(photo: Photomicrograph, regard: Regard, explanation: Explanation) -> float | None:
    """Return the lift of one map; None where it is undefined."""
    if not regard.clasts:
        return None
    scene = scene_of(photo, regard.box, [photo.clasts[at] for at in regard.clasts])
    return _said(scene.scores(explanation.map, explanation.extent_xyxy, parts=False)["lift"])
