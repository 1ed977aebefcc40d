"""Steps of detectors: train one, ask one for boxes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from .. import plugins
from ..records import Boxes, Photomicrograph
from ..suite import DetectorTraining
from .graph import Folders, Node
from .proposals import check_shapes, sound, write_boxes
from .samples import blind, size_of
from .seeing import blinded, photographs_of


def fit_detector(node: Node, folders: Folders, out: Path) -> None:
    """Train a detector on one fold; write all that it needs to be loaded."""
    plugin = detector_of(node)
    spec = node.spec
    with plugins.blaming(f"Detector {plugin.name!r}", "fit"):
        plugin.made.fit(
            photographs_of(node, folders, spec["train"]),
            photographs_of(node, folders, spec["validation"]),
            recipe=DetectorTraining(**spec["recipe"]),
            seed=spec["seed"],
            device=node.local["device"],
            out=out,
        )


def detect(node: Node, folders: Folders, out: Path) -> None:
    """Ask a detector for boxes; write `boxes.json`."""
    plugin = read_detector(node, folders)
    photographs = photographs_of(node, folders, node.spec["ids"])
    photographs.sort(key=lambda photo: blind(photo.id))  # sorted ids may tell the class
    shown = photographs if plugin.made.uses_truth else blinded(photographs)
    found = ask(plugin, shown, own_head=node.spec.get("own_head", False))
    named = [_named(photo, boxes) for photo, boxes in zip(photographs, found, strict=True)]
    if "max_boxes" not in node.spec:
        write_boxes(named, [0] * len(named), out)
        return
    kept = [
        sound(boxes, size_of(photo)[::-1], node.spec["max_boxes"])
        for photo, boxes in zip(photographs, named, strict=True)
    ]
    write_boxes([boxes for boxes, _ in kept], [dropped for _, dropped in kept], out)


def _named(photo: Photomicrograph, boxes: Boxes) -> Boxes:
    return Boxes(photo.id, np.asarray(boxes.xyxy, np.float32).reshape(-1, 4), np.asarray(boxes.score), boxes.label)


def read_detector(node: Node, folders: Folders) -> plugins.Plugin:
    """Make the node's detector ready to be asked: one that learns becomes what its `fit` left."""
    plugin = detector_of(node)
    if "fit" in folders:
        with plugins.blaming(f"Detector {plugin.name!r}", "load"):
            plugin.made.load(folders["fit"], device=node.local["device"])
    return plugin


def ask(plugin: plugins.Plugin, shown: Sequence[Photomicrograph], *, own_head: bool) -> list[Boxes]:
    """Return a detector's boxes, one entry a photograph; raise PluginError for what is no answer."""
    with plugins.blaming(f"Detector {plugin.name!r}", "detect"):
        found: list[Boxes] = plugin.made.detect(shown)
        check_shapes(f"Detector {plugin.name!r}", found, [photo.id for photo in shown], own_head=own_head)
    return found


def detector_of(node: Node) -> plugins.Plugin:
    """Load the node's detector anew, in the mode it was entered."""
    plugin = plugins.load_planned(plugins.DETECTORS, node.local["detector"], node.spec["plugin"])
    if "mode" in node.spec:
        plugin.made.mode = node.spec["mode"]
    if node.spec.get("own_head"):
        plugin.made.own_head = True
    return plugin
