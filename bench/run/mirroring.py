"""The step that compares the maps of mirror images with the mirrored maps of the images themselves."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

from ..metrics import EQUIVARIANCE, equivariance
from ..records import TARGETS
from .graph import Folders, Node
from .localising import silent, table
from .looking import read_maps
from .seeing import photographs_of


def chirality(node: Node, folders: Folders, out: Path) -> None:
    """Score the equivariance of a method's maps on one fold; write `map_scores.json`."""
    maps, regards, _, reason = read_maps(folders["explain"])
    mirrored, _, _, other = read_maps(folders["mirrored"])
    method, reason = node.spec["method"], reason or other
    if reason is not None:
        tables = silent(method, EQUIVARIANCE, reason)
    else:
        tables = []
        known = {photo.id: photo for photo in photographs_of(node, folders, node.spec["ids"])}
        rows = [at for at, regard in enumerate(regards) if regard.image_id in known]
        photographs = [known[regards[at].image_id] for at in rows]
        for number, target in enumerate(TARGETS):
            own, null = equivariance(maps[0, rows, number], mirrored[0, rows, number])
            scored = [dict(zip(EQUIVARIANCE, pair, strict=True)) for pair in zip(own, null, strict=True)]
            tables.append(table(method, target, list(zip(photographs, scored, strict=True))))
    (out / "map_scores.json").write_text(json.dumps([asdict(one) for one in tables]), encoding="utf-8")
