"""The step that asks where a detector looked: maps of boxes it found, missed or made up, and what they are worth."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import product
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from .. import plugins
from ..errors import ExplanationError, PluginError
from ..explain.box_cams import eigen_cam, grad_cams
from ..explain.drise import Ask, d_rise
from ..records import BOX_TARGETS, Box, Boxes, Explanation, MapScores, Photomicrograph
from .box_regards import FOUND, BoxRegard, asked_photographs, box_regards
from .box_scenes import BoxScenes
from .detecting import ask as ask_for_boxes
from .detecting import read_detector
from .detections import UNTOLD
from .graph import Folders, Node
from .localising import table
from .probing_boxes import Faith, Probing, faith_tables, probed
from .proposals import read_boxes, sound
from .seeing import blinded, photographs_of

GRAD_CAM, EIGEN_CAM, D_RISE = METHODS = ("grad-cam", "eigen-cam", "d-rise")
LONGEST = 640
"""A photograph with a longer side is asked about in this size: D-RISE and faithfulness hand over hundreds of copies."""
PROBED = 2
"""Boxes of a photograph whose faithfulness is measured: the surest found ones."""
NO_GRADIENTS = "the detector cannot be differentiated (it has no `sight`)"


def watch_boxes(node: Node, folders: Folders, out: Path) -> None:
    """Explain boxes of a detector on one fold.

    Writes `box_maps.json` (MapScores), `box_maps.npz` (maps float16, each divided by its largest absolute value) and
    `box_regards.json` (what they are of).
    """
    plugin = read_detector(node, folders)
    threshold, boxes = _threshold(folders), {one.image_id: one for one in read_boxes(folders["detect"])}
    ids = asked_photographs(node.spec["ids"], node.spec["inputs"])
    board = _Board()
    for photo in photographs_of(node, folders, ids):
        regards = box_regards(photo, boxes[photo.id], threshold)
        if regards:
            _watch(plugin, photo, regards, board, own_head=node.spec.get("own_head", False))
    board.write(threshold, out)


def _threshold(folders: Folders) -> float:
    said = json.loads((folders["rated"] / "detector.json").read_text(encoding="utf-8"))["threshold"]
    return UNTOLD if said is None else float(said)


@dataclass(frozen=True, eq=False)
class Drawn:
    """The maps of one method on one photograph, one a regard."""

    method: str
    maps: NDArray[np.float32]
    """float32[R, h, w]."""
    extent: Box


class _Board:
    """What was drawn and scored so far."""

    def __init__(self) -> None:
        self.rows: dict[tuple[str, str], list[tuple[Photomicrograph, Mapping[str, float]]]] = defaultdict(list)
        self.faith: list[Faith] = []
        self.cannot: dict[str, list[str]] = {method: [] for method in METHODS}
        """Why a method has no maps of a photograph, one reason for each such photograph."""
        self.n_photographs = 0
        self._regards: list[BoxRegard] = []
        self._said: list[dict[str, object]] = []
        self._maps: dict[str, NDArray[np.float16]] = {}

    def keep(self, regards: Sequence[BoxRegard], drawn: Sequence[Drawn]) -> None:
        """Keep maps for galleries; a map that all boxes of a photograph share is kept once."""
        first = len(self._regards)
        self._regards += regards
        for one in drawn:
            for at, row in enumerate(one.maps):
                shared = one.method == EIGEN_CAM and at > 0
                key = f"{len(self._maps) - shared:05d}"
                if not shared:
                    self._maps[key] = _unit(row)
                self._said.append({"regard": first + at, "method": one.method, "map": key, "extent": list(one.extent)})

    def tables(self) -> list[MapScores]:
        """Return what all maps came to, method by method, and why there are none of some photographs or of all."""
        found = []
        for method, target in product(METHODS, BOX_TARGETS):
            reasons = self.cannot[method]
            partly = len(reasons) < self.n_photographs
            if partly or not reasons:
                found.append(table(method, target, self.rows[method, target]))
            if reasons:
                share = f"{len(reasons)} of {self.n_photographs} photographs: " if partly else ""
                found.append(MapScores(method, target, reason=f"{share}{reasons[0]}"))
        return [*found, *faith_tables(self.faith)]

    def write(self, threshold: float, out: Path) -> None:
        """Write all three files."""
        regards = [asdict(regard) for regard in self._regards]
        said = {"threshold": threshold, "regards": regards, "maps": self._said}
        np.savez_compressed(out / "box_maps.npz", **self._maps)  # type: ignore[arg-type]
        (out / "box_regards.json").write_text(json.dumps(said), encoding="utf-8")
        (out / "box_maps.json").write_text(json.dumps([asdict(one) for one in self.tables()]), encoding="utf-8")


def _unit(saliency: NDArray[np.float32]) -> NDArray[np.float16]:
    """Scale a map to a largest absolute value of 1, where half precision loses little; one of zeros stays as it is."""
    peak = float(np.abs(saliency).max())
    return (saliency / (peak or 1.0)).astype(np.float16)


def _watch(
    plugin: plugins.Plugin, photo: Photomicrograph, regards: Sequence[BoxRegard], board: _Board, *, own_head: bool
) -> None:
    board.n_photographs += 1
    asked = _asked(plugin, photo, regards, own_head=own_head)
    drawn = [*_sighted(plugin, photo, regards, board.cannot), _by_asking(asked)]
    board.keep(regards, drawn)
    scenes = BoxScenes(photo)
    for one in drawn:
        for regard, row in zip(regards, one.maps, strict=True):
            board.rows[one.method, regard.target].append((photo, scenes.scores(regard, row, one.extent)))
    found = [at for at, regard in enumerate(regards) if regard.target == FOUND][:PROBED]
    if found:
        maps = {one.method: (one.maps[found], one.extent) for one in drawn}
        board.faith += probed(Probing(photo, asked.pixels, asked.extent, asked.ask, *asked.of(found), maps))


def _sighted(
    plugin: plugins.Plugin, photo: Photomicrograph, regards: Sequence[BoxRegard], cannot: Mapping[str, list[str]]
) -> list[Drawn]:
    """Draw the maps that need gradients; note why there are none."""
    try:
        return _graded(plugin, photo, regards)
    except (ExplanationError, PluginError) as error:  # to be asked needs no gradients
        for method in (GRAD_CAM, EIGEN_CAM):
            cannot[method].append(str(error))
        return []


def _graded(plugin: plugins.Plugin, photo: Photomicrograph, regards: Sequence[BoxRegard]) -> list[Drawn]:
    if not plugins.sees(plugin.made):
        raise ExplanationError(NO_GRADIENTS)
    boxes, labels = _columns(regards)
    with plugins.blaming(f"Detector {plugin.name!r}", "sight"):
        sight = plugin.made.sight(photo.load())
        graded, extent = grad_cams(sight, boxes, labels)
        eigen, own = eigen_cam(sight)
    if not all(np.isfinite(one).all() for one in (sight.scores.detach().cpu().numpy(), graded, eigen)):
        raise ExplanationError(f"a score or a map of detector {plugin.name!r} is not finite")
    repeated = np.broadcast_to(eigen, (len(boxes), *eigen.shape))
    return [Drawn(GRAD_CAM, graded, extent), Drawn(EIGEN_CAM, repeated, own)]


@dataclass(frozen=True, eq=False)
class _Asked:
    """A detector that is only asked: a photograph as it is handed over, and the explained boxes on it."""

    ask: Ask
    pixels: NDArray[np.uint8]
    extent: Box
    """The photograph, in its own coordinates."""
    boxes: NDArray[np.float32]
    """float32[R, 4], in pixels of what is handed over."""
    labels: NDArray[np.int8]

    def of(self, rows: Sequence[int]) -> tuple[NDArray[np.float32], NDArray[np.int8]]:
        """Return boxes and labels of some regards."""
        return self.boxes[list(rows)], self.labels[list(rows)]


def _by_asking(asked: _Asked) -> Drawn:
    return Drawn(D_RISE, d_rise(asked.ask, asked.pixels, asked.boxes, asked.labels), asked.extent)


def _asked(plugin: plugins.Plugin, photo: Photomicrograph, regards: Sequence[BoxRegard], *, own_head: bool) -> _Asked:
    whole = photo.load()
    pixels = _at_most(whole, LONGEST)
    height, width = whole.shape[:2]
    across, down = pixels.shape[1] / width, pixels.shape[0] / height
    boxes, labels = _columns(regards)
    um_per_px = None if photo.um_per_px is None else photo.um_per_px / across
    return _Asked(
        asker(plugin, um_per_px, own_head=own_head),
        pixels,
        (0.0, 0.0, float(width), float(height)),
        boxes * np.asarray([across, down, across, down], np.float32),
        labels,
    )


def _columns(regards: Sequence[BoxRegard]) -> tuple[NDArray[np.float32], NDArray[np.int8]]:
    boxes = np.asarray([regard.box for regard in regards], np.float32).reshape(-1, 4)
    return boxes, np.asarray([regard.label for regard in regards], np.int8)


def _at_most(pixels: NDArray[np.uint8], longest: int) -> NDArray[np.uint8]:
    height, width = pixels.shape[:2]
    scale = longest / max(height, width)
    if scale >= 1:
        return pixels
    size = max(1, round(width * scale)), max(1, round(height * scale))
    return np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.BOX))


def asker(plugin: plugins.Plugin, um_per_px: float | None, *, own_head: bool = False) -> Ask:
    """Return a detector as D-RISE sees it: pictures in, boxes out; of the photograph it learns pixels and scale only.

    Raises, when asked:
        PluginError: the detector raised, or its answer is not one Boxes a picture.
    """

    def ask(pictures: Sequence[NDArray[np.uint8]]) -> list[Boxes]:
        shown = blinded([_photograph(picture, um_per_px) for picture in pictures])
        found = ask_for_boxes(plugin, shown, own_head=own_head)
        return [sound(one, picture.shape[:2], len(one.score))[0] for one, picture in zip(found, pictures, strict=True)]

    return ask


def _photograph(picture: NDArray[np.uint8], um_per_px: float | None) -> Photomicrograph:
    return Photomicrograph("", picture.copy, "", None, present=False, group="", um_per_px=um_per_px)


def read_box_maps(folder: Path) -> Iterator[tuple[BoxRegard, Explanation]]:
    """Yield the maps that `watch_boxes` kept, with what each is of; their scale is arbitrary."""
    said = json.loads((folder / "box_regards.json").read_text(encoding="utf-8"))
    regards = [BoxRegard(**{**one, "box": tuple(one["box"])}) for one in said["regards"]]
    with np.load(folder / "box_maps.npz") as maps:
        for one in said["maps"]:
            regard = regards[one["regard"]]
            seen = maps[one["map"]].astype(np.float32)
            yield regard, Explanation(regard.image_id, one["method"], regard.target, seen, tuple(one["extent"]))
