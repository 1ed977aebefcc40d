"""A tier-1 plugin turned into a working network: built, normalised, run in batches."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ..data.crops import Images, to_float
from ..errors import ClastbenchError, PluginError
from ..records import CLASSES
from .layers import forward_with, last_spatial_layer, pool

INFERENCE_BATCH = 32


@dataclass(frozen=True, eq=False)
class BuiltNetwork:
    """A network with its preprocessing. `module` maps normalised float32[N, 3, H, W] to logits."""

    module: nn.Module
    mean: Tensor
    std: Tensor
    cam_layer: str
    device: str

    @property
    def channels_last(self) -> bool:
        """Whether its maps are [N, h, w, C]."""
        return getattr(self.module, "output_fmt", "NCHW") == "NHWC"

    def normalise(self, images: Tensor) -> Tensor:
        """Map float32[N, 3, H, W] in 0..1 to what the network was made for."""
        return (images - self.mean) / self.std


def build(made: Any, weights: str, size: tuple[int, int], device: str) -> BuiltNetwork:
    """Build a plugin's network on a device.

    Raises:
        WeightsNotFoundError: pretrained weights are nowhere to be had.
        PluginError: the plugin raised, or did not return a module.
    """
    try:
        module = made.build(len(CLASSES), weights)
    except ClastbenchError:
        raise
    except Exception as error:
        message = f"{type(made).__name__}.build raised {type(error).__name__}: {' '.join(str(error).split())}"
        raise PluginError(message) from error
    if not isinstance(module, nn.Module):
        raise PluginError(f"{type(made).__name__}.build returned {type(module).__name__}; expected torch.nn.Module.")
    layer = getattr(made, "cam_layer", None) or last_spatial_layer(module, size)
    module = module.to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    return BuiltNetwork(
        module=module,
        mean=torch.tensor(made.mean, device=device).view(1, 3, 1, 1),
        std=torch.tensor(made.std, device=device).view(1, 3, 1, 1),
        cam_layer=layer,
        device=device,
    )


def _batches(
    network: BuiltNetwork, images: Images, rows: NDArray[np.int64] | None, *, batch: int, mirror: bool = False
) -> Iterator[Tensor]:
    chosen = np.arange(len(images)) if rows is None else rows
    for start in range(0, len(chosen), batch):
        floats = torch.from_numpy(to_float(images[chosen[start : start + batch]])).to(network.device)
        floats = floats.flip(3) if mirror else floats
        yield network.normalise(floats).to(memory_format=torch.channels_last)


def logits_of(
    network: BuiltNetwork, images: Images, rows: NDArray[np.int64] | None = None, *, batch: int = INFERENCE_BATCH
) -> NDArray[np.float32]:
    """Return logits float32[N, K] of crops uint8[N, H, W, 3], or of some of their rows."""
    network.module.eval()
    with torch.inference_mode():
        parts = [
            network.module(inputs).float().cpu().numpy() for inputs in _batches(network, images, rows, batch=batch)
        ]
    return np.concatenate(parts) if parts else np.zeros((0, len(CLASSES)), np.float32)


def features_of(
    network: BuiltNetwork,
    images: Images,
    *,
    mirror: bool = False,
    on_maps: Callable[[int, NDArray[np.float32]], None] | None = None,
    batch: int = INFERENCE_BATCH,
) -> NDArray[np.float32]:
    """Return pooled features float32[N, C] of crops uint8[N, H, W, 3], or of their mirror images.

    `on_maps` is handed what is pooled, batch by batch: the row it begins with, and maps float32[n, C, h, w] or tokens
    float32[n, T, C].
    """
    network.module.eval()
    channels_last = network.channels_last
    pooled = []
    with torch.inference_mode():
        for number, inputs in enumerate(_batches(network, images, None, batch=batch, mirror=mirror)):
            _, maps = forward_with(network.module, network.cam_layer, inputs)
            pooled.append(pool(maps, channels_last=channels_last).float().cpu().numpy())
            if on_maps is not None:
                maps = maps.permute(0, 3, 1, 2) if channels_last and maps.ndim == 4 else maps
                on_maps(number * batch, maps.float().cpu().numpy())
    return np.concatenate(pooled) if pooled else np.zeros((0, 0), np.float32)
