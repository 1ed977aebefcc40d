"""Two small networks that train from scratch in a minute on a laptop."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import nn


class SmallResNet:
    """A residual network of four stages (He et al. 2016), 0.23 M parameters."""

    size = (64, 96)
    mean = (0.5, 0.5, 0.5)
    std = (0.25, 0.25, 0.25)
    mode = "scratch"

    def build(self, num_classes: int, weights: str) -> nn.Module:
        """Build it; there are no pretrained weights."""
        from torch import nn  # noqa: PLC0415
        from torchvision.models.resnet import BasicBlock, ResNet  # noqa: PLC0415

        _only_scratch(weights)
        network: Any = ResNet(BasicBlock, [1, 1, 1, 1], num_classes=num_classes)
        widths = (24, 32, 64, 96)
        network.inplanes = widths[0]
        network.conv1 = nn.Conv2d(3, widths[0], 5, stride=2, padding=2, bias=False)
        network.bn1 = nn.BatchNorm2d(widths[0])
        network.maxpool = nn.Identity()
        for stage, width in enumerate(widths, start=1):
            setattr(network, f"layer{stage}", network._make_layer(BasicBlock, width, 1, stride=1 if stage == 1 else 2))  # noqa: SLF001
        network.fc = nn.Linear(widths[-1], num_classes)
        made: nn.Module = network
        return made


class SmallVGG:
    """Plain 3 × 3 convolutions and pooling (Simonyan & Zisserman 2015), with batch normalisation; 0.08 M parameters."""

    size = (64, 96)
    mean = (0.5, 0.5, 0.5)
    std = (0.25, 0.25, 0.25)
    mode = "scratch"

    def build(self, num_classes: int, weights: str) -> nn.Module:
        """Build it; there are no pretrained weights."""
        from torch import nn  # noqa: PLC0415

        _only_scratch(weights)
        layers: list[nn.Module] = []
        channels = 3
        for width in (16, 32, 64, 96):
            layers += [nn.Conv2d(channels, width, 3, padding=1, bias=False), nn.BatchNorm2d(width)]
            layers += [nn.ReLU(inplace=True), nn.MaxPool2d(2)]
            channels = width
        return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, num_classes))


def _only_scratch(weights: str) -> None:
    if weights != "none":
        raise ValueError("no pretrained weights exist for this network; enter it as @scratch")
