"""What detectors propose, made sound: boxes inside the photograph, finite scores, the surest first; and its file."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..errors import PluginError
from ..records import CLASSES, SENSES, Boxes

BOXES = "boxes.json"


def sound(boxes: Boxes, size: tuple[int, int], max_boxes: int) -> tuple[Boxes, int]:
    """Cut boxes to the photograph, of `size` (height, width), and keep the surest; also say how many were none.

    What is not finite, has no area, lies outside or has a score that is no number in 0..1 is dropped.
    """
    height, width = size
    xyxy = np.asarray(boxes.xyxy, np.float64).reshape(-1, 4)
    score = np.asarray(boxes.score, np.float64)
    with np.errstate(invalid="ignore"):
        finite = np.isfinite(xyxy).all(axis=1) & (score >= 0) & (score <= 1)
        xyxy = np.clip(xyxy, 0, [width, height, width, height])
        good = finite & (xyxy[:, 2] > xyxy[:, 0]) & (xyxy[:, 3] > xyxy[:, 1])
    kept = np.flatnonzero(good)
    kept = kept[np.argsort(-score[kept], kind="stable")[:max_boxes]]
    return _rows(boxes, xyxy, kept), int(len(good) - good.sum())


def _rows(boxes: Boxes, xyxy: NDArray[np.float64], rows: NDArray[np.intp]) -> Boxes:
    label = None if boxes.label is None else np.asarray(boxes.label, np.int8)[rows]
    score = np.asarray(boxes.score, np.float32)[rows]
    return replace(boxes, xyxy=xyxy[rows].astype(np.float32), score=score, label=label)


def check_shapes(who: str, found: Sequence[Boxes], expected: Sequence[str], *, own_head: bool) -> None:
    """Refuse what is not one Boxes a photograph, in order, each with as many scores (and senses) as boxes.

    Raises:
        PluginError: the first thing that is wrong.
    """
    if [boxes.image_id for boxes in found] != list(expected):
        raise PluginError(f"{who} did not return one Boxes a photograph, in order.")
    senses = [CLASSES.index(sense) for sense in SENSES]
    for boxes in found:
        n = len(boxes.score)
        if np.size(boxes.xyxy) != 4 * n or (n and np.shape(boxes.xyxy) != (n, 4)):
            raise PluginError(f"{who}: xyxy has shape {np.shape(boxes.xyxy)}; expected {(n, 4)}, one a score.")
        if own_head and (boxes.label is None or len(boxes.label) != n or not np.isin(boxes.label, senses).all()):
            raise PluginError(f"{who}: own_head is True; expected label int8[{n}] of {senses} ({', '.join(SENSES)}).")


def write_boxes(found: Sequence[Boxes], n_dropped: Sequence[int], out: Path) -> None:
    """Write `boxes.json`: boxes by photograph, and how many proposals were none."""
    said = [
        {
            "image_id": boxes.image_id,
            "xyxy": boxes.xyxy.tolist(),
            "score": boxes.score.tolist(),
            "label": None if boxes.label is None else boxes.label.tolist(),
            "n_dropped": dropped,
        }
        for boxes, dropped in zip(found, n_dropped, strict=True)
    ]
    (out / BOXES).write_text(json.dumps(said), encoding="utf-8")


def read_boxes(folder: Path) -> list[Boxes]:
    """Read what `write_boxes` wrote."""
    said = json.loads((folder / BOXES).read_text(encoding="utf-8"))
    return [
        Boxes(
            record["image_id"],
            np.asarray(record["xyxy"], np.float32).reshape(-1, 4),
            np.asarray(record["score"], np.float32),
            None if record["label"] is None else np.asarray(record["label"], np.int8),
        )
        for record in said
    ]


def read_dropped(folder: Path) -> dict[str, int]:
    """Read how many proposals of each photograph were none."""
    said = json.loads((folder / BOXES).read_text(encoding="utf-8"))
    return {record["image_id"]: record["n_dropped"] for record in said}
