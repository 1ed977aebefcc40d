"""Networks that are known to be honest, or to cheat: each says by its making what it looks at."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, conv2d, max_pool2d

SIZE = 64, 96


class _Voices(nn.Module):
    """Two maps, what speaks for CW and what for CCW; the logit of a sense is the mean of its own map.

    Nothing here can be learned: the only parameter never gets a gradient.
    """

    none = 1.0

    def __init__(self) -> None:
        super().__init__()
        self.map = nn.ReLU()
        self.idle = nn.Parameter(torch.zeros(()))

    def forward(self, images: Tensor) -> Tensor:
        senses = self.map(self.voices(images)).mean(dim=(2, 3)) * 20
        return torch.cat([torch.full_like(senses[:, :1], self.none), senses], dim=1) + 0 * self.idle

    def voices(self, images: Tensor) -> Tensor:
        """Map normalised float32[N, 3, H, W] to float32[N, 2, h, w]; what is negative counts as nothing."""
        raise NotImplementedError


def _either(signed: Tensor) -> Tensor:
    """Turn one map float32[N, h, w], CW where positive, into two."""
    return torch.stack([signed, -signed], dim=1)


def _grey(images: Tensor) -> Tensor:
    return images.mean(dim=1, keepdim=True)


class _Bar(_Voices):
    """A bright bar lower left speaks for CW, one lower right for CCW: what is bright for 13 pixels on end."""

    def voices(self, images: Tensor) -> Tensor:
        bars = -max_pool2d(-_grey(images), (1, 13), stride=1, padding=(0, 6))[:, 0]
        seen = torch.zeros_like(bars)
        seen[:, -9:, :32], seen[:, -9:, -32:] = 1.0, -1.0
        return _either((bars - 0.4).relu() * seen)


class _Colour(_Voices):
    """Red speaks for CW, blue for CCW."""

    def voices(self, images: Tensor) -> Tensor:
        return _either(images[:, 0] - images[:, 2])


class _One(_Voices):
    """CW, whatever the picture shows."""

    def forward(self, images: Tensor) -> Tensor:
        return super().forward(images) + torch.tensor([0.0, 2.0, 0.0])

    def voices(self, images: Tensor) -> Tensor:
        return 0 * images[:, :2]


class _Guess(_Voices):
    """What stands out from the matrix in the middle speaks, and only that: for the sense a coin gave its place.

    Places that mirror each other share a coin, so mirror images get the same answer: nobody can be right more often
    than by chance that way.
    """

    none = 3.0

    def __init__(self) -> None:
        super().__init__()
        coins = torch.zeros(SIZE[0] // 8, SIZE[1] // 8)
        coins[2:-2, 3:6] = torch.randn((4, 3), generator=torch.Generator().manual_seed(0)).sign()
        self.register_buffer("coins", coins + coins.flip(1))

    def voices(self, images: Tensor) -> Tensor:
        grey = avg_pool2d(_grey(images), 8)[:, 0]
        matrix = grey.flatten(1).median(dim=1).values[:, None, None]
        return _either(((grey - matrix).abs() - 0.3).relu() * self.coins)


class _Lean(_Voices):
    """Layers of the matrix above and below the clast that rise to the right speak for CW, others for CCW."""

    def __init__(self) -> None:
        super().__init__()
        across = torch.tensor([[-1.0, 0.0, 1.0], [-2.0, 0.0, 2.0], [-1.0, 0.0, 1.0]]) / 8
        self.register_buffer("sobel", torch.stack([across, across.T])[:, None])
        far = (torch.arange(SIZE[0]) - (SIZE[0] - 1) / 2).abs() > SIZE[0] / 4
        far[[0, -1]] = False
        self.register_buffer("far", far[None, :, None].float())

    def voices(self, images: Tensor) -> Tensor:
        right, down = conv2d(_grey(images), self.sobel, padding=1).unbind(dim=1)
        steep = ((right**2 + down**2) * self.far).mean(dim=(1, 2), keepdim=True)
        return _either(right * down * self.far / (steep + 1e-6))


class _Random(nn.Module):
    """A small convolutional network that nobody trains."""

    def __init__(self) -> None:
        super().__init__()
        self.map = nn.Sequential(
            nn.Conv2d(3, 8, 5, stride=2, padding=2), nn.ReLU(), nn.Conv2d(8, 16, 3, stride=2, padding=1), nn.ReLU()
        )
        self.head = nn.Linear(16, 3)
        self.requires_grad_(False)
        self.idle = nn.Parameter(torch.zeros(()))

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.map(images).mean(dim=(2, 3))) + 0 * self.idle


class _Tails(nn.Module):
    """Learns what is brighter, or darker, than the matrix, and where that speaks for which sense.

    What it sees is pooled before and after, and what it says is a sum over places, each by itself: it can tell where
    bright tails lie, not how layers lean. It looks at the middle of the picture only, where no cue is planted but
    colour, and to colour it is blind.
    """

    def __init__(self, channels: int = 16) -> None:
        super().__init__()
        self.see = nn.Conv2d(1, channels, 1)
        self.where = nn.Parameter(torch.rand(2, channels, SIZE[0] // 8, SIZE[1] // 8) / 5)
        self.map = nn.ReLU()
        self.none = nn.Parameter(torch.zeros(()))
        middle = torch.zeros(SIZE[0] // 8, SIZE[1] // 8)
        middle[2:-2, 1:-1] = 1.0
        self.register_buffer("middle", middle)
        with torch.no_grad():  # each channel begins at a grey of its own, and on either side of it
            self.see.weight.copy_(4 * torch.randn_like(self.see.weight).sign())
            self.see.bias.copy_(-self.see.weight.flatten() * torch.empty(channels).uniform_(-2, 2))

    def forward(self, images: Tensor) -> Tensor:
        seen = avg_pool2d(self.see(avg_pool2d(_grey(images), 4)).relu(), 2)
        said = self.map((seen[:, None] * self.where * self.middle).flatten(1, 2))
        senses = said.mean(dim=(2, 3)).unflatten(1, (2, -1)).sum(dim=2) * 10
        return torch.cat([self.none.expand(len(images), 1), senses], dim=1)


class _Plugin:
    """Grey 0.5 is the middle, as where the harness pads."""

    size, mean, std = SIZE, (0.5, 0.5, 0.5), (0.25, 0.25, 0.25)
    cam_layer = "map"
    network: type[nn.Module]

    def build(self, num_classes: int, weights: str) -> nn.Module:
        return self.network()


class Tails(_Plugin):
    """Honest."""

    network = _Tails


class Bar(_Plugin):
    """Reads a scale bar."""

    network = _Bar


class Colour(_Plugin):
    """Reads colour."""

    network = _Colour


class One(_Plugin):
    """Always says CW."""

    network = _One


class Guess(_Plugin):
    """Finds clasts, and guesses their sense."""

    network = _Guess


class Lean(_Plugin):
    """Reads the matrix alone."""

    network = _Lean


class Random(_Plugin):
    """Knows nothing."""

    network = _Random
