"""Models made into what explainers see: trained networks, frozen ones with a head, cached features, black boxes."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ..errors import ExplanationError
from ..train.layers import forward_with, pool
from ..train.networks import BuiltNetwork
from .probe import explained_layer
from .subject import Subject
from .tokens import to_maps


def of_network(network: BuiltNetwork) -> Subject:
    """Return a trained network; inputs are normalised pixels float32[N, 3, H, W].

    Its map is the output of `cam_layer`, or the last one that a class token still hears of (`probe.explained_layer`).
    The network is put into evaluation mode.
    """
    network.module.eval()
    tapped = _Tapped(network)
    return Subject(logits=network.module, module=tapped, layer=tapped.tap, reshape=tapped.reshape)


def of_frozen(network: BuiltNetwork, head: nn.Module) -> Subject:
    """Return a head on a frozen network; inputs are normalised pixels float32[N, 3, H, W].

    Its map is the output of `cam_layer`, all of which is pooled for the head. Both are put into evaluation mode.
    """
    network.module.eval()
    module = _Frozen(network, head.eval())
    return Subject(logits=module, module=module, layer=module.tap, reshape=module.reshape)


def of_features(head: nn.Module, size: tuple[int, int]) -> Subject:
    """Return the head of a frozen network; inputs are cached outputs of the network's `cam_layer`.

    Those are maps float32[N, C, h, w] or tokens float32[N, T, C], so no pass through the network is needed.

    Args:
        head: maps pooled features float32[N, C] to logits; it is put into evaluation mode.
        size: the network's input, (height, width).
    """
    tap = nn.Identity()
    module = nn.Sequential(OrderedDict(tap=tap, pool=_Pool(), head=head)).eval()
    return Subject(logits=module, module=module, layer=tap, reshape=partial(to_maps, size=size))


def of_classifier(predict: Callable[[NDArray[np.float32]], NDArray[np.float32]]) -> Subject:
    """Return a black box; inputs are pixels float32[N, 3, H, W] in 0..1, there are no gradients.

    Args:
        predict: maps float32[N, 3, H, W] to logits float32[N, K].
    """

    def logits(inputs: Tensor) -> Tensor:
        said = predict(inputs.detach().cpu().numpy().astype(np.float32))  # a copy: the box may change what it is given
        return torch.from_numpy(np.array(said, np.float32)).to(inputs.device)

    return Subject(logits=logits)


def of_nothing() -> Subject:
    """Return no model at all, for controls."""

    def logits(_inputs: Tensor) -> Tensor:
        raise ExplanationError("this method says that it needs nothing of a model, yet it asked for logits")

    return Subject(logits=logits)


class _Tapped(nn.Module):
    """A network whose explained map passes through `tap`: one place to watch it, or to put another in its stead."""

    def __init__(self, network: BuiltNetwork) -> None:
        super().__init__()
        self.network = network.module
        self.tap = nn.Identity()
        self._cam_layer = network.cam_layer
        self._channels_last = network.channels_last
        self._layers: dict[tuple[int, int], nn.Module | None] = {}
        self._size = (1, 1)

    def forward(self, images: Tensor) -> Tensor:
        height, width = images.shape[-2:]
        self._size = (height, width)
        layer = self._explained()
        if layer is None:
            logits: Tensor = self.network(images)
            return logits
        hook = layer.register_forward_hook(lambda _module, _inputs, output: self.tap(output))
        try:
            logits = self.network(images)
        finally:
            hook.remove()
        return logits

    def reshape(self, output: Tensor) -> Tensor:
        return to_maps(output, self._size, channels_last=self._channels_last)

    def _explained(self) -> nn.Module | None:
        """Return the explained layer for inputs of this size; None where there is no map in space."""
        if self._size not in self._layers:
            try:
                name = explained_layer(self.network, self._cam_layer, self._size, channels_last=self._channels_last)
                self._layers[self._size] = self.network.get_submodule(name)
            except ExplanationError:  # a method that needs no map can still work
                self._layers[self._size] = None
        return self._layers[self._size]


class _Frozen(nn.Module):
    """A frozen network, its `cam_layer` pooled as in `train.networks.features_of`, and a head."""

    def __init__(self, network: BuiltNetwork, head: nn.Module) -> None:
        super().__init__()
        self.network = network.module
        self.tap = nn.Identity()
        self.head = head
        self._cam_layer = network.cam_layer
        self._channels_last = network.channels_last
        self._size = (1, 1)

    def forward(self, images: Tensor) -> Tensor:
        height, width = images.shape[-2:]
        self._size = (height, width)
        _, maps = forward_with(self.network, self._cam_layer, images)
        logits: Tensor = self.head(pool(self.tap(maps), channels_last=self._channels_last))
        return logits

    def reshape(self, output: Tensor) -> Tensor:
        return to_maps(output, self._size, channels_last=self._channels_last)


class _Pool(nn.Module):
    def forward(self, maps: Tensor) -> Tensor:
        return pool(maps)
