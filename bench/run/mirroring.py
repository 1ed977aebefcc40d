"""The step that compares the maps of mirror images with the mirrored maps of the images themselves."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

from ..metrics import equivariance
from ..records import TARGETS, MapScores
from .graph import Folders, Node
from .localising import table
from .looking import read_maps
from .seeing import photographs_of


def chirality(node: Node, folders: Folders, out: Path) -> None:
    """Score the equivariance of a method's maps on one fold; write `map_scores.json`."""
    maps, regards, _, reason = read_maps(folders["explain"])
    mirrored, _, _, other = read_maps(folders["mirrored"])
    method, reason = node.spec["method"], reason or other
    tables = [MapScores(method, target, reason=reason) for target in TARGETS]
    if reason is None:
        known = {photo.id: photo for photo in photographs_of(node, folders, node.spec["ids"])}
        rows = [at for at, regard in enumerate(regards) if regard.image_id in known]
        photographs = [known[regards[at].image_id] for at in rows]
        for number, target in enumerate(TARGETS):
            own, null = equivariance(maps[0, rows, number], mirrored[0, rows, number])
            scored = [{"equivariance": a, "equivariance_null": b} for a, b in zip(own, null, strict=True)]
            tables[number] = table(method, target, list(zip(photographs, scored, strict=True)))
    (out / "map_scores.json").write_text(json.dumps([asdict(one) for one in tables]), encoding="utf-8")
