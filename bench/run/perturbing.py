"""The step that tests maps on the model: what happens to its answer when cells are taken away in their order."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ..data.letterbox import PAD, pixels_inside, place_of
from ..metrics import Removals, curves, faithfulness
from ..records import TARGETS, Box, MapScores, Photomicrograph
from .graph import Folders, Node
from .learning import read_crops
from .localising import table
from .looking import inputs_of, read_maps, trained_subject
from .regards import Regard
from .samples import size_of
from .seeing import photographs_of

if TYPE_CHECKING:
    from torch import Tensor

    from ..explain.perturbation import Answers, Probed
    from ..explain.subject import Subject
    from ..explain.units import Window

STEPS = 9
"""Cells are taken away four at a time: of 36, so that inner steps are those of ROAD, a ninth to eight ninths."""
EXPLAINS = "explain/"
"""The inputs that hold maps are named so, and after the method."""
ROWS_OF_224 = 16
"""As many pixels as this many pictures of 224 by 224 make one batch: more of them only wait for memory."""


@dataclass(frozen=True, eq=False)
class _Tested:
    """The maps of all methods on the chosen inputs."""

    regards: Sequence[Regard]
    maps: Mapping[str, NDArray[np.float32]]
    """By method, float32[N, T, h, w]."""
    reasons: Mapping[str, str]
    """Why methods have none."""


def perturb(node: Node, folders: Folders, out: Path) -> None:
    """Score the faithfulness of all methods on a sample of a fold's inputs; write `map_scores.json`."""
    from ..explain.imputers import imputers  # noqa: PLC0415
    from ..explain.perturbation import perturb as tested  # noqa: PLC0415

    photographs = {photo.id: photo for photo in photographs_of(node, folders, node.spec["ids"])}
    work = _chosen(folders, node.spec["inputs"])
    rows: dict[tuple[str, str], list[tuple[Photomicrograph, Mapping[str, float]]]] = {
        (method, target): [] for method in work.maps for target in TARGETS
    }
    drawn: dict[tuple[str, str], dict[str, list[tuple[float, ...]]]] = {key: {} for key in rows}
    if work.maps and work.regards:
        crops_ = read_crops(node, folders)
        subject, network = trained_subject(node, folders, crops_.size)
        known = imputers(PAD / 255 if network is None else 0.0)
        at = np.asarray([regard.row for regard in work.regards], np.int64)
        windows = [_window(photographs[regard.image_id], regard.box, crops_.size) for regard in work.regards]
        relevance = [_relevance(work, row, window, crops_.size) for row, window in enumerate(windows)]
        pictures = (picture for inputs in inputs_of(network, crops_, at, node.local["device"]) for picture in inputs)
        answers = tested(
            _probes(pictures, windows, relevance, crops_.size),
            _values(subject, work.regards),
            known,
            steps=STEPS,
            batch=_batch(crops_.size),
            device=node.local["device"],
        )
        names = tuple(imputer.name for imputer in known)
        for regard, cells, one in zip(work.regards, relevance, answers, strict=True):
            for key, removed in _removals(list(work.maps), cells, one, names):
                rows[key].append((photographs[regard.image_id], faithfulness(removed)))
                for name, values in curves(removed).items():
                    drawn[key].setdefault(name, []).append(tuple(float(f"{value:.6g}") for value in values))
    tables = [_table(key, scored, drawn[key]) for key, scored in rows.items()]
    tables += [MapScores(method, target, reason=why) for method, why in work.reasons.items() for target in TARGETS]
    (out / "map_scores.json").write_text(json.dumps([asdict(one) for one in tables]), encoding="utf-8")


def _chosen(folders: Folders, at_most: int) -> _Tested:
    """Take inputs of as many photographs as there are, in an order that says nothing about them."""
    maps, reasons = {}, {}
    regards: Sequence[Regard] = ()
    for name, folder in folders.items():
        if not name.startswith(EXPLAINS):
            continue
        found, own, _, reason = read_maps(folder)
        method = name.removeprefix(EXPLAINS)
        if reason is None:
            maps[method], regards = found[0], own
        else:
            reasons[method] = reason
    kept = sorted(_in_turn(regards)[:at_most])
    return _Tested([regards[at] for at in kept], {name: one[kept] for name, one in maps.items()}, reasons)


def _in_turn(regards: Sequence[Regard]) -> list[int]:
    """Order inputs: the first of every photograph, then the second of those that have one, and so on."""
    seen: dict[str, int] = {}
    order = []
    for at, regard in enumerate(regards):
        nth = seen[regard.image_id] = seen.get(regard.image_id, -1) + 1
        order.append((nth, hashlib.sha256(regard.image_id.encode()).hexdigest(), at))
    return [at for _, _, at in sorted(order)]


Relevance = tuple[tuple[int, NDArray[np.float64]], ...]
"""Of one input: the column of f and the relevance of each cell, by method and target."""


def _relevance(work: _Tested, row: int, window: Window, size: tuple[int, int]) -> Relevance:
    from ..explain.units import cell_means, grid  # noqa: PLC0415

    units = grid(size, window)
    return tuple(
        (column, cell_means(maps[row, column], units)) for maps in work.maps.values() for column in range(len(TARGETS))
    )


def _probes(
    pictures: Iterator[Tensor], windows: Sequence[Window], relevance: Sequence[Relevance], size: tuple[int, int]
) -> Iterator[Probed]:
    from ..explain.perturbation import Probed  # noqa: PLC0415
    from ..explain.units import grid  # noqa: PLC0415

    for picture, window, maps in zip(pictures, windows, relevance, strict=True):
        yield Probed(picture, grid(size, window), maps)


def _window(photo: Photomicrograph, box: Box | None, size: tuple[int, int]) -> Window:
    """Return the pixels of a canvas that show the photograph: neither its padding nor what lies outside of it."""
    width, height = size_of(photo)
    place = place_of((height, width), size, box)
    x0, y0, x1, y1 = box or (0.0, 0.0, float(width), float(height))
    shown = (max(x0, 0.0), max(y0, 0.0), min(x1, float(width)), min(y1, float(height)))
    left, top, right, bottom = place.to_crop([shown])[0].tolist()
    return pixels_inside((left, top, right, bottom), *size)


def _values(subject: Subject, regards: Sequence[Regard]) -> Callable[[Tensor, NDArray[np.int64]], Tensor]:
    """Return f of inputs, one column a target; the sense's sign is that of the input they were made of."""
    import torch  # noqa: PLC0415

    from ..explain.targets import value  # noqa: PLC0415

    signs = torch.tensor([regard.sign for regard in regards])

    def values(inputs: Tensor, owners: NDArray[np.int64]) -> Tensor:
        logits = subject.logits(inputs)
        sense, presence = (value(name, logits) for name in TARGETS)
        return torch.stack([sense * signs[owners].to(sense), presence], dim=1)

    return values


def _batch(size: tuple[int, int]) -> int:
    return max(8, ROWS_OF_224 * 224 * 224 // (size[0] * size[1]))


def _removals(
    methods: Sequence[str], relevance: Relevance, one: Answers, names: tuple[str, ...]
) -> Iterator[tuple[tuple[str, str], Removals]]:
    """Yield, by method and target, what was found about the map of one input."""
    keys = [(method, target) for method in methods for target in TARGETS]
    for number, (key, (column, cells)) in enumerate(zip(keys, relevance, strict=True)):
        yield (
            key,
            Removals(
                relevance=cells,
                whole=float(one.whole[column]),
                single=one.single[:, :, column],
                morf=one.morf[:, number],
                lerf=one.lerf[:, number],
                control_morf=one.control_morf[:, column],
                control_lerf=one.control_lerf[:, column],
                imputers=names,
            ),
        )


def _table(
    key: tuple[str, str],
    scored: Sequence[tuple[Photomicrograph, Mapping[str, float]]],
    drawn: Mapping[str, Sequence[tuple[float, ...]]],
) -> MapScores:
    return replace(table(*key, scored), curves={name: tuple(values) for name, values in drawn.items()})
