"""Grad-CAM of a few watched crops, drawn over them, while a network trains."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from torch import Tensor, nn

from ..data.crops import Crops, to_float
from ..errors import ExplanationError
from ..explain.subject import Subject
from ..explain.targets import CCW, NONE, Target
from ..explain.undisturbed import undisturbed
from ..records import CLASSES
from ..train.networks import BuiltNetwork
from .learning import read_kept_maps

COLUMNS = 3
GAP = 4
WIDTH = 150
"""Every crop is drawn so wide, in pixels: captions need the room, and a larger picture costs more than the epoch."""
CAPTION = 16
OPACITY = 0.6
FOR, AGAINST = (214, 40, 40), (38, 84, 214)
"""Red speaks for what is asked, blue against it."""


@dataclass(frozen=True, eq=False)
class Watched:
    """Watched crops, and how a model under training is asked about them."""

    crops: NDArray[np.uint8]
    """uint8[n, H, W, 3]."""
    labels: NDArray[np.int64]
    inputs: Tensor
    """What the subject's logits take."""
    subject: Callable[[nn.Module], Subject]

    def draw(self, module: nn.Module) -> NDArray[np.uint8]:
        """Return one picture uint8[H, W, 3] of all crops; the module, its gradients and all chance stay as they were.

        The true sense is explained where there is one, otherwise the presence of any clast.
        """
        subject = self.subject(module)
        maps: list[NDArray[np.float32]] = [np.zeros((1, 1), np.float32)] * len(self.labels)
        logits = np.zeros((len(self.labels), len(CLASSES)), np.float32)
        devices = [self.inputs.device.index or 0] if self.inputs.device.type == "cuda" else []
        with torch.random.fork_rng(devices=devices):
            for name, rows in (
                ("sense", np.flatnonzero(self.labels != NONE)),
                ("presence", np.flatnonzero(self.labels == NONE)),
            ):
                if not len(rows):
                    continue
                signs = torch.from_numpy(np.where(self.labels[rows] == CCW, -1.0, 1.0).astype(np.float32))
                found, logits[rows] = grad_cam(subject, self.inputs[torch.from_numpy(rows)], Target(name, signs))
                for row, heat in zip(rows.tolist(), found, strict=True):
                    maps[row] = heat
        return sheet(self.crops, maps, [_caption(*said) for said in zip(self.labels, logits, strict=True)])


def of_network(network: BuiltNetwork, crops: Crops, rows: NDArray[np.int64]) -> Watched | None:
    """Show rows of crops to a network that is trained as a whole; None without rows."""
    from ..explain import subjects  # noqa: PLC0415

    if not len(rows):
        return None
    images = crops.images[rows]
    inputs = network.normalise(torch.from_numpy(to_float(images)).to(network.device))
    subject = subjects.of_network(network)
    return Watched(images, crops.labels[rows], inputs, lambda _module: subject)


def of_features(folder: Path, crops: Crops, rows: NDArray[np.int64], device: str) -> Watched | None:
    """Show rows of crops to a head on a frozen network whose maps the folder of its features keeps.

    None when it keeps none of them.
    """
    from ..explain import subjects  # noqa: PLC0415

    maps, at = read_kept_maps(folder)
    rows = np.asarray([row for row in rows.tolist() if row in at], np.int64)
    if not len(rows):
        return None
    inputs = torch.from_numpy(np.array(maps[[at[row] for row in rows.tolist()]])).to(device)
    return Watched(crops.images[rows], crops.labels[rows], inputs, lambda head: subjects.of_features(head, crops.size))


def grad_cam(subject: Subject, inputs: Tensor, target: Target) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return signed maps float32[N, h, w] and logits float32[N, K].

    Selvaraju et al. 2017, eq. 1 and 2 without the ReLU: channels weighted by the mean of their gradient. The explainer
    `grad-cam` gives the same maps; the library behind it takes seconds to import, longer than a small training, and
    leaves gradients behind.
    """
    if subject.module is None or subject.layer is None:
        raise ExplanationError("Grad-CAM needs a layer with a map in space.")
    kept: list[Tensor] = []

    def begin(_module: nn.Module, _inputs: object, output: Tensor) -> Tensor:
        kept.append(output.detach().requires_grad_())
        return kept[-1].clone()  # what follows may write into its input

    hook = subject.layer.register_forward_hook(begin)
    try:
        with undisturbed(subject.module):
            logits = subject.module(inputs)
            (gradient,) = torch.autograd.grad(target(logits).sum(), kept[-1])
    finally:
        hook.remove()
    maps, gradient = (subject.reshape(part) if subject.reshape else part for part in (kept[-1], gradient))
    heat = (gradient.mean(dim=(2, 3), keepdim=True) * maps).sum(dim=1)
    return heat.detach().float().cpu().numpy(), logits.detach().float().cpu().numpy()


def _caption(label: int, logits: NDArray[np.float32]) -> str:
    shifted = np.exp(logits - logits.max())
    said = int(logits.argmax())
    return f"true {CLASSES[label]}, said {CLASSES[said]} {shifted[said] / shifted.sum():.2f}"


def sheet(crops: NDArray[np.uint8], maps: list[NDArray[np.float32]], captions: list[str]) -> NDArray[np.uint8]:
    """Return crops uint8[n, H, W, 3] under their maps float32[h, w], in rows of three with captions."""
    height, width = round(crops.shape[1] * WIDTH / crops.shape[2]), WIDTH
    rows = math.ceil(len(crops) / COLUMNS)
    across, down = width + GAP, height + CAPTION + GAP
    picture = Image.new("RGB", (min(COLUMNS, len(crops)) * across - GAP, rows * down - GAP), "white")
    pen = ImageDraw.Draw(picture)
    for place, (crop, heat, caption) in enumerate(zip(crops, maps, captions, strict=True)):
        x, y = place % COLUMNS * across, place // COLUMNS * down
        small = np.asarray(Image.fromarray(crop).resize((width, height), Image.Resampling.BILINEAR))
        picture.paste(Image.fromarray(tinted(small, heat)), (x, y))
        pen.text((x + 2, y + height + 2), caption, fill="black")
    return np.asarray(picture)


def tinted(crop: NDArray[np.uint8], heat: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Return a crop uint8[H, W, 3] in grey under a map float32[h, w]: the stronger, the more colour."""
    height, width = crop.shape[:2]
    large = np.asarray(Image.fromarray(heat).resize((width, height), Image.Resampling.BILINEAR))[..., None]
    opacity = OPACITY * np.abs(large) / (float(np.abs(heat).max()) or 1.0)
    grey = crop.mean(axis=2, keepdims=True)
    mixed = grey * (1 - opacity) + np.where(large > 0, FOR, AGAINST) * opacity
    return np.asarray(np.rint(mixed).clip(0, 255), np.uint8)
