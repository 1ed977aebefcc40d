"""Networks small enough that their maps can be written down."""

from __future__ import annotations

import torch
from torch import nn

from clastbench.train.layers import last_spatial_layer
from clastbench.train.networks import BuiltNetwork

HALF = torch.full((1, 3, 1, 1), 0.5)


def built(module: nn.Module, cam_layer: str | None = None, size: tuple[int, int] = (8, 12)) -> BuiltNetwork:
    """Wrap a module as the harness does."""
    module.eval()
    return BuiltNetwork(module, HALF, HALF, cam_layer or last_spatial_layer(module, size), "cpu")


def drawn(module: nn.Module, seed: int = 0, scale: float = 0.4) -> nn.Module:
    """Draw every parameter from a normal distribution, zero-initialised layers too."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.normal_(0.0, scale, generator=generator)
    return module


def pointwise(channels: int = 5) -> nn.Sequential:
    """1 x 1 convolution, global mean, linear: its Grad-CAM is the sum of w_k a_k over h w."""
    return drawn(
        nn.Sequential(nn.Conv2d(3, channels, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, 3))
    )


def linear(size: tuple[int, int] = (8, 12)) -> nn.Sequential:
    """Logits that are linear in the pixels."""
    return drawn(nn.Sequential(nn.Flatten(), nn.Linear(3 * size[0] * size[1], 3)))


def sense_weights(network: nn.Sequential, size: tuple[int, int] = (8, 12)) -> torch.Tensor:
    """The gradient of f_sense of `linear`, as a picture."""
    weight = network[1].weight.detach()
    return (weight[1] - weight[2]).reshape(3, *size)


def convolutional(inplace: bool = False) -> nn.Sequential:
    """Two convolutions and a pooled linear layer."""
    features = (nn.Conv2d(3, 6, 3, stride=2, padding=1), nn.ReLU(), nn.Conv2d(6, 5, 3, padding=1), nn.BatchNorm2d(5))
    pooled = (nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(5, 3))
    return drawn(nn.Sequential(*features, nn.ReLU(inplace=inplace), *pooled))


class Symmetric(nn.Module):
    """A network of mirror-symmetric kernels: the map of the mirror image is the mirror image of the map."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(drawn(nn.Conv2d(3, 4, 3, padding=1)), nn.ReLU())
        with torch.no_grad():
            kernel = self.features[0].weight
            kernel.copy_((kernel + kernel.flip(3)) / 2)
        self.head = drawn(nn.Linear(4, 3), 1)

    def forward(self, images):
        return self.head(self.features(images).mean(dim=(2, 3)))


class SharedActivation(nn.Module):
    """One ReLU that runs twice, and works in place on what comes before it."""

    def __init__(self) -> None:
        super().__init__()
        self.first = drawn(nn.Conv2d(3, 6, 3, padding=1), 1)
        self.second = drawn(nn.Conv2d(6, 4, 3, stride=2, padding=1), 2)
        self.relu = nn.ReLU()
        self.head = drawn(nn.Linear(4, 3), 3)

    def forward(self, images):
        return self.head(self.relu(self.second(self.relu(self.first(images)))).mean(dim=(2, 3)))
