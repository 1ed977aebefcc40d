"""The step that asks where a backbone looked: maps of its test inputs, by one method."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .. import plugins
from ..data.crops import Crops, to_float
from ..errors import ExplanationError
from ..records import TARGETS
from . import regards
from .graph import Folders, Node
from .learning import (
    backbone_of,
    read_classifier,
    read_crops,
    read_head,
    read_kept_maps,
    read_network,
    read_samples,
)
from .regards import Regard
from .seeing import photographs_of

if TYPE_CHECKING:
    from torch import Tensor

    from ..explain.subject import Subject
    from ..train.networks import BuiltNetwork

BATCH = 32
RANDOM_DRAWS = 3
"""Networks of random weights that gate 1 compares with."""


def explain(node: Node, folders: Folders, out: Path) -> None:
    """Explain inputs; write `maps.npy` float32[D, N, T, h, w] (D models, T targets) and `regards.json`.

    A method that cannot work on this model leaves the reason and no maps.
    """
    explainer = plugins.load_planned(plugins.EXPLAINERS, node.local["explainer"], node.spec["method"]).made
    chosen = _chosen(node, folders)
    crops_ = read_crops(node, folders)
    said: dict[str, Any] = {"size": crops_.size, "regards": [asdict(regard) for regard in chosen], "reason": None}
    try:
        maps = _maps(node, folders, explainer, crops_, chosen)
    except ExplanationError as error:
        maps, said = np.zeros((1, 0, 1, 1, 1), np.float32), {**said, "regards": [], "reason": str(error)}
    np.save(out / "maps.npy", maps)
    (out / "regards.json").write_text(json.dumps(said), encoding="utf-8")


def _chosen(node: Node, folders: Folders) -> list[Regard]:
    photographs = photographs_of(node, folders, node.spec["ids"])
    samples = read_samples(folders["crops"])
    if node.spec["told"] is None:
        return regards.truth_regards(photographs, samples)
    return regards.told_regards(photographs, samples, [tuple(one) for one in node.spec["told"]])


def _maps(
    node: Node, folders: Folders, explainer: plugins.Explainer, crops_: Crops, chosen: Sequence[Regard]
) -> NDArray[np.float32]:
    from ..explain.engine import explain_rows  # noqa: PLC0415

    rows = np.asarray([regard.row for regard in chosen], np.int64)
    swapped = -1 if node.spec.get("mirrored") else 1  # a mirror image shows the other sense
    signs = np.asarray([swapped * regard.sign for regard in chosen], np.float32)
    names = TARGETS if explainer.needs != "nothing" else TARGETS[-1:]
    asked = _subjects(node, folders, explainer.needs, crops_, rows)
    return np.stack([explain_rows(explainer, subject, batches, names, signs) for subject, batches in asked])


def _subjects(
    node: Node, folders: Folders, needs: str, crops_: Crops, rows: NDArray[np.int64]
) -> Iterator[tuple[Subject, Iterator[Tensor]]]:
    """Yield each model to be explained, with its inputs in batches."""
    from ..explain import subjects  # noqa: PLC0415

    device = node.local["device"]
    if needs == "nothing":
        yield subjects.of_nothing(), inputs_of(None, crops_, rows, device)
    elif node.spec["weights_of"] == "random" and node.spec["mode"] is not None:
        for draw in range(RANDOM_DRAWS):
            network, subject = _random(node, crops_, draw)
            yield subject, inputs_of(network, crops_, rows, device)
    elif "features" in folders:
        maps, at = read_kept_maps(folders["features"])
        head = read_head(node, folders)
        yield subjects.of_features(head, crops_.size), _cached_batches(maps, [at[row] for row in rows.tolist()], device)
    else:
        subject, trained = trained_subject(node, folders, crops_.size)
        yield subject, inputs_of(trained, crops_, rows, device, mirrored=node.spec.get("mirrored", False))


def trained_subject(node: Node, folders: Folders, size: tuple[int, int]) -> tuple[Subject, BuiltNetwork | None]:
    """Return what a fit left as explainers see it, and the network that its inputs are normalised for, if any."""
    from ..explain import subjects  # noqa: PLC0415
    from ..train.networks import build  # noqa: PLC0415

    device = node.local["device"]
    if node.spec["mode"] is None:
        return subjects.of_classifier(read_classifier(node, folders)), None
    if node.spec["mode"] != "frozen":
        network = read_network(node, folders, size)
        return subjects.of_network(network), network
    network = build(backbone_of(node).made, "imagenet", size, device)
    return subjects.of_frozen(network, read_head(node, folders)), network


def _random(node: Node, crops_: Crops, draw: int) -> tuple[BuiltNetwork, Subject]:
    """Build the network anew with random weights everywhere: what it looks at, nobody taught it."""
    import torch  # noqa: PLC0415

    from ..explain import subjects  # noqa: PLC0415
    from ..train.heads import Head  # noqa: PLC0415
    from ..train.networks import build, features_of  # noqa: PLC0415

    torch.manual_seed(draw)
    network = build(backbone_of(node).made, "none", crops_.size, node.local["device"])
    if node.spec["mode"] != "frozen":
        return network, subjects.of_network(network)
    n_features = features_of(network, crops_.images[:1]).shape[1]
    head = Head(n_features, node.spec["recipe"]["hidden"]).to(node.local["device"])
    return network, subjects.of_frozen(network, head)


def inputs_of(
    network: BuiltNetwork | None, crops_: Crops, rows: NDArray[np.int64], device: str, *, mirrored: bool = False
) -> Iterator[Tensor]:
    """Yield batches of what a network was made for; of pixels float32[n, 3, H, W] in 0..1 without one."""
    import torch  # noqa: PLC0415

    for start in range(0, len(rows), BATCH):
        images = crops_.images[rows[start : start + BATCH]]
        pixels = torch.from_numpy(to_float(images[:, :, ::-1] if mirrored else images)).to(device)
        yield pixels if network is None else network.normalise(pixels)


def _cached_batches(maps: NDArray[np.float32], at: Sequence[int], device: str) -> Iterator[Tensor]:
    import torch  # noqa: PLC0415

    for start in range(0, len(at), BATCH):
        yield torch.from_numpy(np.array(maps[at[start : start + BATCH]])).to(device)


def read_maps(folder: Path) -> tuple[NDArray[np.float32], list[Regard], tuple[int, int], str | None]:
    """Read what `explain` wrote: maps, what they are of, the canvas (height, width), and why there are none."""
    said = json.loads((folder / "regards.json").read_text(encoding="utf-8"))
    chosen = [
        Regard(**{**one, "box": one["box"] and tuple(one["box"]), "clasts": tuple(one["clasts"])})
        for one in said["regards"]
    ]
    return np.load(folder / "maps.npy"), chosen, tuple(said["size"]), said["reason"]
