"""The step that tests maps on the model: what happens to its answer when cells are taken away in their order."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ..data.crops import Crops
from ..data.letterbox import PAD, pixels_inside, place_of
from ..metrics import FAITHFULNESS, Removals, curves, faithfulness
from ..records import TARGETS, Box, MapScores, Photomicrograph
from .diagnosing import diagnose
from .graph import Folders, Node
from .learning import read_crops
from .localising import silent, table
from .looking import inputs_of, read_maps, trained_subject
from .regards import Regard
from .samples import blind, size_of
from .seeing import photographs_of

if TYPE_CHECKING:
    from torch import Tensor

    from ..explain.faithful import Case
    from ..explain.subject import Subject
    from ..explain.units import Window
    from ..train.networks import BuiltNetwork

EXPLAINS = "explain/"
"""The inputs that hold maps are named so, and after the method."""
PIXELS = {"cpu": 4 * 224 * 224, "cuda": 64 * 224 * 224}
"""Of one batch: on a processor what its cache holds, since more only wait for memory."""


@dataclass(frozen=True, eq=False)
class _Work:
    """The inputs that were chosen, and the maps of all methods of them."""

    node: Node
    crops: Crops
    photographs: Mapping[str, Photomicrograph]
    regards: Sequence[Regard]
    maps: Mapping[str, NDArray[np.float32]]
    """By method, float32[N, T, h, w]."""

    @property
    def keys(self) -> list[tuple[str, str]]:
        """Method and target of each map of an input."""
        return list(product(self.maps, TARGETS))

    def batches(self, network: BuiltNetwork | None) -> Iterator[Tensor]:
        """Yield the inputs as the model sees them."""
        rows = np.asarray([regard.row for regard in self.regards], np.int64)
        return inputs_of(network, self.crops, rows, self.node.local["device"])


def perturb(node: Node, folders: Folders, out: Path) -> None:
    """Score the faithfulness of all methods on a sample of a fold's inputs; write `map_scores.json`."""
    known = {photo.id: photo for photo in photographs_of(node, folders, node.spec["ids"])}
    regards, maps, reasons = _chosen(folders, node.spec["inputs"])
    work = _Work(node, read_crops(node, folders), known, regards, maps)
    tables = _tables(work, folders)
    tables += [one for method, why in reasons.items() for one in silent(method, FAITHFULNESS, why)]
    (out / "map_scores.json").write_text(json.dumps([asdict(one) for one in tables]), encoding="utf-8")


def _chosen(folders: Folders, at_most: int) -> tuple[list[Regard], dict[str, NDArray[np.float32]], Mapping[str, str]]:
    """Take inputs of as many photographs as there are, the maps of all methods, and why some methods have none."""
    maps, reasons = {}, {}
    regards: list[Regard] = []
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
    return [regards[at] for at in kept], {name: one[kept] for name, one in maps.items()}, reasons


def _in_turn(regards: Sequence[Regard]) -> list[int]:
    """Order inputs: the first of every photograph, then the second of those that have one, and so on.

    The order of photographs says nothing about them.
    """
    seen: dict[str, int] = {}
    order = []
    for at, regard in enumerate(regards):
        nth = seen[regard.image_id] = seen.get(regard.image_id, -1) + 1
        order.append((nth, blind(regard.image_id), at))
    return [at for _, _, at in sorted(order)]


def _tables(work: _Work, folders: Folders) -> list[MapScores]:
    """Score every method and target, input by input."""
    if not work.regards:
        return [MapScores(*key) for key in work.keys]
    from ..explain.faithful import probe_maps  # noqa: PLC0415
    from ..explain.imputers import imputers  # noqa: PLC0415

    subject, network = trained_subject(work.node, folders, work.crops.size)
    found = probe_maps(
        _cases(work, work.batches(network)),
        _values(subject, work.regards),
        imputers(PAD / 255 if network is None else 0.0),
        batch=_batch(work.crops.size, work.node.local["device"]),
        device=work.node.local["device"],
    )
    by_key = dict(zip(work.keys, zip(*found, strict=True), strict=True))
    more = diagnose(work.node, work.maps, subject, work.batches(network), [one.sign for one in work.regards])
    return [_table(work, key, removed, more.get(key)) for key, removed in by_key.items()]


def _cases(work: _Work, batches: Iterator[Tensor]) -> Iterator[Case]:
    from ..explain.faithful import Case  # noqa: PLC0415

    pictures = (picture for inputs in batches for picture in inputs)
    for row, (regard, picture) in enumerate(zip(work.regards, pictures, strict=True)):
        own = [(column, maps[row, column]) for maps in work.maps.values() for column in range(len(TARGETS))]
        yield Case(picture, _window(work.photographs[regard.image_id], regard.box, work.crops.size), own)


def _window(photo: Photomicrograph, box: Box | None, size: tuple[int, int]) -> Window:
    """Return the pixels of a canvas that show the photograph: neither its padding nor what lies outside of it.

    Where not even one pixel's centre lies on it, that is the whole canvas.
    """
    width, height = size_of(photo)
    place = place_of((height, width), size, box)
    first, second, third, fourth = box or (0.0, 0.0, float(width), float(height))
    shown = (max(first, 0.0), max(second, 0.0), min(third, float(width)), min(fourth, float(height)))
    left, top, right, bottom = place.to_crop([shown])[0].tolist()
    x0, y0, x1, y1 = pixels_inside((left, top, right, bottom), *size)
    return (x0, y0, x1, y1) if x0 < x1 and y0 < y1 else (0, 0, size[1], size[0])


def _values(subject: Subject, regards: Sequence[Regard]) -> Callable[[Tensor, NDArray[np.int64]], Tensor]:
    """Return f of pictures, one column a target; the sense's sign is that of the input they were made of."""
    import torch  # noqa: PLC0415

    from ..explain.targets import value  # noqa: PLC0415

    signs = torch.tensor([regard.sign for regard in regards])

    def values(inputs: Tensor, owners: NDArray[np.int64]) -> Tensor:
        logits = subject.logits(inputs)
        sense, presence = (value(name, logits) for name in TARGETS)
        return torch.stack([sense * signs[owners].to(sense), presence], dim=1)

    return values


def _batch(size: tuple[int, int], device: str) -> int:
    return max(8, PIXELS.get(device.partition(":")[0], PIXELS["cuda"]) // (size[0] * size[1]))


def _table(
    work: _Work, key: tuple[str, str], removed: Sequence[Removals], more: Sequence[Mapping[str, float]] | None
) -> MapScores:
    """Gather what was found about the maps of one method and target, one of `removed` an input."""
    scored = [{**faithfulness(one), **extra} for one, extra in zip(removed, more or [{}] * len(removed), strict=True)]
    photographs = [work.photographs[regard.image_id] for regard in work.regards]
    drawn = [curves(one) for one in removed]
    return table(*key, list(zip(photographs, scored, strict=True)), drawn)
