"""Steps that learn: frozen features, fits, and the logits of trained backbones."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .. import plugins
from ..data.crops import Crops, CutOnDemand, Images
from ..errors import PluginError
from ..records import CLASSES, OWN_HEAD, Boxes
from ..suite import Training
from ..train.log import write_log
from . import samples
from .following import following, watched_rows
from .graph import Folders, Node
from .inputs import open_photographs
from .proposals import read_boxes

if TYPE_CHECKING:
    from ..train.heads import Head
    from ..train.networks import BuiltNetwork
    from .overlays import Watched


def backbone_of(node: Node) -> plugins.Plugin:
    """Load the node's backbone anew."""
    return plugins.load_planned(plugins.BACKBONES, node.local["backbone"], node.spec["plugin"])


def read_samples(folder: Path) -> list[samples.Sample]:
    """Read the samples that `crops` or `classify` wrote."""
    return [samples.Sample(**record) for record in json.loads((folder / "samples.json").read_text(encoding="utf-8"))]


def read_crops(node: Node, folders: Folders) -> Crops:
    """Read the crops of a node; pixels stay on disk, and those of proposals are cut when they are asked for."""
    folder, of = folders["crops"], node.inputs["crops"].spec
    read = read_samples(folder)
    images: Images
    if of.get("on_demand"):
        known = open_photographs(node.local["source"], folders, of["data"])
        images = CutOnDemand(known, [(sample.image_id, sample.box) for sample in read], (of["size"][0], of["size"][1]))
    else:
        images = np.load(folder / "images.npy", mmap_mode="r")
    return Crops(
        images=images,
        labels=np.asarray([sample.label for sample in read], np.int64),
        image_ids=tuple(sample.image_id for sample in read),
    )


def _rows(crops_: Crops, ids: list[str], *, labelled: bool) -> NDArray[np.int64]:
    wanted = set(ids)
    return np.asarray(
        [
            row
            for row, image_id in enumerate(crops_.image_ids)
            if image_id in wanted and (not labelled or crops_.labels[row] != samples.NO_LABEL)
        ],
        np.int64,
    )


def features(node: Node, folders: Folders, out: Path) -> None:
    """Run a frozen network once over crops, and over the mirror images of those it may train on.

    What is pooled to features is kept for the photographs that will be explained: `maps.npy` float32[m, C, h, w] (or
    tokens [m, T, C]), and the rows of the crops they are of, `map_rows.npy` int64[m].
    """
    import torch  # noqa: PLC0415

    from ..train.networks import build, features_of  # noqa: PLC0415

    made = backbone_of(node).made
    crops_ = read_crops(node, folders)
    torch.manual_seed(0)
    network = build(made, "imagenet", crops_.size, node.local["device"])
    kept = _KeptMaps(_rows(crops_, node.spec["map_ids"], labelled=False), out / "maps.npy")
    np.save(out / "map_rows.npy", kept.rows)
    np.save(out / "features.npy", features_of(network, crops_.images, on_maps=kept.add))
    kept.close()
    rows = _rows(crops_, node.spec["mirror_ids"], labelled=True)
    np.save(out / "mirror_rows.npy", rows)
    np.save(out / "mirrored.npy", features_of(network, crops_.images[rows], mirror=True))


class _KeptMaps:
    """Writes the maps of some rows to a file, as they come."""

    def __init__(self, rows: NDArray[np.int64], path: Path) -> None:
        self.rows, self._path = rows, path
        self._file: NDArray[np.float32] | None = None

    def add(self, start: int, maps: NDArray[np.float32]) -> None:
        """Keep what is wanted of the rows `start`, `start` + 1, …; rows come in order."""
        if not len(self.rows):  # an empty file cannot be mapped
            return
        if self._file is None:
            shape = (len(self.rows), *maps.shape[1:])
            self._file = np.lib.format.open_memmap(self._path, mode="w+", dtype=np.float32, shape=shape)
        first, last = np.searchsorted(self.rows, [start, start + len(maps)])
        self._file[first:last] = maps[self.rows[first:last] - start]

    def close(self) -> None:
        """Write out what is still in memory."""
        self._file = None


def read_kept_maps(folder: Path) -> tuple[NDArray[np.float32], dict[int, int]]:
    """Return the maps that `features` kept, and where each row of the crops lies among them."""
    at = {row: place for place, row in enumerate(np.load(folder / "map_rows.npy").tolist())}
    return (np.load(folder / "maps.npy", mmap_mode="r") if at else np.zeros((0, 1, 1, 1), np.float32)), at


@dataclass(frozen=True, slots=True)
class Fitting:
    """What a fit has to work with: the rows of `crops` it may learn from, and those it may only watch."""

    node: Node
    folders: Folders
    crops: Crops
    train: NDArray[np.int64]
    validation: NDArray[np.int64]
    out: Path


def fit(node: Node, folders: Folders, out: Path) -> None:
    """Train a backbone on one fold; write all that inference needs, and `log.json` for networks."""
    crops_ = read_crops(node, folders)
    train = _rows(crops_, node.spec["train"], labelled=True)
    validation = _rows(crops_, node.spec["validation"], labelled=True)
    if not len(train):
        raise PluginError("Nothing to train on: no labelled crop in the training photographs of this fold.")
    fitting = {"frozen": _fit_head, "finetune": _fit_network, "scratch": _fit_network, None: _fit_classifier}
    fitting[node.spec["mode"]](Fitting(node, folders, crops_, train, validation, out))


def _fit_classifier(work: Fitting) -> None:
    plugin = backbone_of(work.node)
    with plugins.blaming(f"Backbone {plugin.name!r}", "fit"):
        plugin.made.fit(
            work.crops.take(work.train),
            work.crops.take(work.validation),
            seed=work.node.spec["seed"],
            device=work.node.local["device"],
            out=work.out,
        )


def _fit_head(work: Fitting) -> None:
    from safetensors.torch import save_file  # noqa: PLC0415

    from ..train.heads import fit_head, twins  # noqa: PLC0415

    recipe = Training(**work.node.spec["recipe"])
    plain = np.load(work.folders["features"] / "features.npy")
    inputs, labels = plain[work.train], work.crops.labels[work.train]
    if recipe.mirror:
        inputs = np.concatenate([inputs, _mirrored_features(work)])
        labels = np.concatenate([labels, twins(labels)])
    watched = (plain[work.validation], work.crops.labels[work.validation])
    with following(work.node, lambda: _maps_to_show(work)) as on_epoch:
        head, log = fit_head(
            inputs,
            labels,
            watched,
            recipe=recipe,
            seed=work.node.spec["seed"],
            device=work.node.local["device"],
            on_epoch=on_epoch,
        )
    save_file(head.cpu().state_dict(), work.out / "head.safetensors")
    write_log(log, work.out)


def _maps_to_show(work: Fitting) -> Watched | None:
    """What the overlays of a head are drawn of."""
    from .overlays import of_features  # noqa: PLC0415

    rows = watched_rows(work.crops, work.validation, work.node.spec["validation"])
    return of_features(work.folders["features"], work.crops, rows, work.node.local["device"])


def _mirrored_features(work: Fitting) -> NDArray[np.float32]:
    """Features of the mirror images of the training rows, in their order."""
    mirrored = np.load(work.folders["features"] / "mirrored.npy")
    rows = np.load(work.folders["features"] / "mirror_rows.npy").tolist()
    position = {row: at for at, row in enumerate(rows)}
    found: NDArray[np.float32] = mirrored[[position[row] for row in work.train.tolist()]]
    return found


def _fit_network(work: Fitting) -> None:
    import torch  # noqa: PLC0415
    from safetensors.torch import save_model  # noqa: PLC0415

    from ..train.networks import build  # noqa: PLC0415
    from ..train.whole import fit_network  # noqa: PLC0415

    spec = work.node.spec
    plugin = backbone_of(work.node)
    torch.manual_seed(spec["seed"])
    weights = "none" if spec["mode"] == "scratch" else "imagenet"
    network = build(plugin.made, weights, work.crops.size, work.node.local["device"])
    with following(work.node, lambda: _crops_to_show(work, network)) as on_epoch:
        log = fit_network(
            network,
            work.crops.take(work.train),
            work.crops.take(work.validation),
            recipe=Training(**spec["recipe"]),
            seed=spec["seed"],
            on_epoch=on_epoch,
        )
    save_model(network.module.cpu(), str(work.out / "model.safetensors"))
    write_log(log, work.out)


def _crops_to_show(work: Fitting, network: BuiltNetwork) -> Watched | None:
    """What the overlays of a network are drawn of."""
    from .overlays import of_network  # noqa: PLC0415

    return of_network(network, work.crops, watched_rows(work.crops, work.validation, work.node.spec["validation"]))


def classify(node: Node, folders: Folders, out: Path) -> None:
    """Run a trained backbone over the crops of a fold's test photographs; write `logits.npy` and `samples.json`."""
    if node.spec["mode"] == OWN_HEAD:
        _write_logits(*_labels_of(read_boxes(folders["detect"])), out)
        return
    crops_ = read_crops(node, folders)
    rows = _rows(crops_, node.spec["test"], labelled=False)
    predicting = {"frozen": _head_logits, "finetune": _network_logits, "scratch": _network_logits, None: _ask}
    logits = predicting[node.spec["mode"]](node, folders, crops_, rows)
    check_logits(node.spec["plugin"]["name"], logits, len(rows))
    read = read_samples(folders["crops"])
    _write_logits(logits, [read[row] for row in rows], out)


def _write_logits(logits: NDArray[np.floating[Any]], of: Sequence[samples.Sample], out: Path) -> None:
    np.save(out / "logits.npy", logits.astype(np.float64))
    (out / "samples.json").write_text(json.dumps([asdict(sample) for sample in of]), encoding="utf-8")


SURE = 1000.0
"""Logit of what a detector's own head has said: nothing is left for the other classes."""


def _labels_of(found: Sequence[Boxes]) -> tuple[NDArray[np.float64], list[samples.Sample]]:
    """Turn the senses that a detector has read into logits; its boxes are not widened, since nothing is cropped."""
    read = samples.detected(found, samples.AS_THEY_ARE)
    labels = [label for boxes in found if boxes.label is not None for label in boxes.label.tolist()]
    return SURE * np.eye(len(CLASSES))[labels].reshape(-1, len(CLASSES)), read


def _head_logits(node: Node, folders: Folders, crops_: Crops, rows: NDArray[np.int64]) -> NDArray[np.float32]:
    del crops_
    from ..train.heads import head_logits  # noqa: PLC0415

    inputs = np.load(folders["features"] / "features.npy")[rows]
    head = read_head(node, folders)
    return head_logits(head, inputs, node.local["device"])


def read_head(node: Node, folders: Folders) -> Head:
    """Read the layers that a fit trained on top of a frozen network."""
    from safetensors.torch import load_file  # noqa: PLC0415

    from ..train.heads import Head  # noqa: PLC0415

    tensors = load_file(folders["fit"] / "head.safetensors")
    head = Head(tensors["0.weight"].shape[1], node.spec["recipe"]["hidden"])
    head.load_state_dict(tensors)
    return head.to(node.local["device"])


def _network_logits(node: Node, folders: Folders, crops_: Crops, rows: NDArray[np.int64]) -> NDArray[np.float32]:
    from ..train.networks import logits_of  # noqa: PLC0415

    return logits_of(read_network(node, folders, crops_.size), crops_.images, rows)


def read_network(node: Node, folders: Folders, size: tuple[int, int]) -> BuiltNetwork:
    """Read a network that a fit trained as a whole."""
    from safetensors.torch import load_model  # noqa: PLC0415

    from ..train.networks import build  # noqa: PLC0415

    network = build(backbone_of(node).made, "none", size, node.local["device"])
    load_model(network.module, str(folders["fit"] / "model.safetensors"), device=node.local["device"])
    return network


def _ask(node: Node, folders: Folders, crops_: Crops, rows: NDArray[np.int64]) -> NDArray[np.float32]:
    predict = read_classifier(node, folders)
    parts = [predict(crops_.batch(rows[start : start + 256])) for start in range(0, len(rows), 256)]
    return np.concatenate(parts) if parts else np.zeros((0, len(CLASSES)), np.float32)


def read_classifier(node: Node, folders: Folders) -> Callable[[NDArray[np.float32]], NDArray[np.float32]]:
    """Read a backbone that trains itself, as a function from float32[n, 3, H, W] in 0..1 to logits, checked."""
    plugin = backbone_of(node)
    with plugins.blaming(f"Backbone {plugin.name!r}", "load"):
        plugin.made.load(folders["fit"], device=node.local["device"])

    def predict(images: NDArray[np.float32]) -> NDArray[np.float32]:
        with plugins.blaming(f"Backbone {plugin.name!r}", "predict"):
            logits = np.asarray(plugin.made.predict(images))
        check_logits(plugin.name, logits, len(images))
        return logits

    return predict


def check_logits(name: str, logits: NDArray[np.float32], n: int) -> None:
    """Raise PluginError for what are no logits float[n, K], all finite."""
    if logits.shape != (n, len(CLASSES)):
        raise PluginError(f"Backbone {name!r} returned logits of shape {logits.shape}; expected {(n, len(CLASSES))}.")
    if not np.isfinite(logits).all():
        raise PluginError(f"Backbone {name!r} returned logits that are not finite (NaN or infinite).")
