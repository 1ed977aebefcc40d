"""A trained backbone as a plain function from pixels to logits, for pictures that no node has cut."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from ..data.crops import to_float
from ..records import CLASSES
from .graph import Folders, Node
from .learning import backbone_of, check_logits, read_classifier, read_head, read_network

Ask = Callable[[NDArray[np.uint8]], NDArray[np.float64]]
"""Maps canvases uint8[N, H, W, 3] to logits float64[N, K]."""

AT_ONCE = 256


def trained(node: Node, folders: Folders, size: tuple[int, int]) -> Ask:
    """Read the backbone that the node's `fit` left; `size` is its input, (height, width)."""
    reading = {"frozen": _frozen, "finetune": _network, "scratch": _network, None: _classifier}
    ask = reading[node.spec["mode"]](node, folders, size)

    def checked(images: NDArray[np.uint8]) -> NDArray[np.float64]:
        if not len(images):
            return np.zeros((0, len(CLASSES)))
        logits = np.concatenate([ask(images[start : start + AT_ONCE]) for start in range(0, len(images), AT_ONCE)])
        check_logits(node.spec["plugin"]["name"], logits, len(images))
        return logits.astype(np.float64)

    return checked


def _network(node: Node, folders: Folders, size: tuple[int, int]) -> Callable[..., NDArray[np.float32]]:
    from ..train.networks import logits_of  # noqa: PLC0415

    network = read_network(node, folders, size)
    return lambda images: logits_of(network, images)


def _frozen(node: Node, folders: Folders, size: tuple[int, int]) -> Callable[..., NDArray[np.float32]]:
    from ..train.heads import head_logits  # noqa: PLC0415
    from ..train.networks import build, features_of  # noqa: PLC0415

    network = build(backbone_of(node).made, "imagenet", size, node.local["device"])
    head = read_head(node, folders)
    return lambda images: head_logits(head, features_of(network, images), node.local["device"])


def _classifier(node: Node, folders: Folders, size: tuple[int, int]) -> Callable[..., NDArray[np.float32]]:
    del size
    predict = read_classifier(node, folders)
    return lambda images: predict(to_float(images))
