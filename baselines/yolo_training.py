"""Trains a network with ultralytics' own trainer, on pictures in memory; to be imported inside `quiet` only."""

from __future__ import annotations

import math
from collections.abc import Sequence
from copy import copy
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from torch import nn
from ultralytics.data.dataset import YOLODataset
from ultralytics.models.yolo.detect import DetectionTrainer

from ..errors import PluginError
from ..suite import DetectorTraining
from .yolo_data import Example

VARIED = {
    True: {"translate": 0.1, "scale": 0.3, "hsv_h": 0.015, "hsv_s": 0.3, "hsv_v": 0.3},
    False: {"translate": 0.0, "scale": 0.0, "hsv_h": 0.0, "hsv_s": 0.0, "hsv_v": 0.0},
}
"""How training photographs are varied, by whether they are."""


def settings(recipe: DetectorTraining, classes: Sequence[str]) -> dict[str, Any]:
    """Return every setting of ultralytics that bears on what is learned.

    Where the sense is learned nothing is mirrored, since a mirror image has the other sense; nothing is ever sheared.
    The gain of the class loss is three times ultralytics', which was set for eighty classes: beside the losses of the
    box, one class would hardly count.
    """
    mirrored = 0.0 if len(classes) > 1 else 0.5
    return {
        "epochs": recipe.epochs,
        "batch": recipe.batch_size,
        "nbs": recipe.batch_size,  # one step a batch
        "imgsz": recipe.size,
        "rect": True,
        "optimizer": "AdamW",
        "lr0": recipe.learning_rate,
        "lrf": 0.01,
        "cos_lr": False,
        "momentum": 0.9,
        "weight_decay": recipe.weight_decay,
        "warmup_epochs": min(3.0, recipe.epochs / 10),
        "warmup_bias_lr": 0.0,
        "box": 7.5,
        "cls": 1.5 / len(classes),
        "dfl": 1.5,
        "fliplr": mirrored,
        "flipud": mirrored,
        **VARIED[recipe.augment],
        "degrees": 0.0,
        "shear": 0.0,
        "perspective": 0.0,
        "mosaic": 0.0,
        "close_mosaic": 0,
        "mixup": 0.0,
        "cutmix": 0.0,
        "copy_paste": 0.0,
        "multi_scale": 0.0,
        "amp": False,
        "compile": False,
        "patience": recipe.epochs,
    }


def train(
    network: nn.Module,
    examples: Sequence[Example],
    classes: Sequence[str],
    *,
    recipe: DetectorTraining,
    seed: int,
    device: str,
    scratch: Path,
) -> None:
    """Train `network` in place; it ends with the averaged weights after the last epoch."""
    silent = {"workers": 0, "plots": False, "save": False, "val": False, "verbose": False, "exist_ok": True}
    said = {
        **settings(recipe, classes),
        **silent,
        "task": "detect",
        "mode": "train",
        "model": "given.yaml",  # a name is asked for; the network is handed over below
        "seed": seed,
        "deterministic": True,
        "device": device,
        "project": str(scratch),
        "name": "run",
    }
    threads = torch.get_num_threads()
    run = _InMemory(overrides=said)
    torch.set_num_threads(threads)  # it takes all processors but one
    run.model, run.examples = network.to(memory_format=torch.channels_last), examples
    run.data = {"train": "", "val": "", "nc": len(classes), "names": dict(enumerate(classes)), "channels": 3}
    run.train()
    network.load_state_dict(run.ema.ema.state_dict())


class _Pictures(YOLODataset):  # type: ignore[misc]
    """Pictures in memory, all of one size, in place of files."""

    def __init__(self, examples: Sequence[Example], **stated: Any) -> None:
        self.examples = examples
        super().__init__("", cache="ram", rect=True, **stated)

    def get_img_files(self, img_path: str) -> list[str]:  # noqa: ARG002
        """Name the pictures; there are no files."""
        return [str(index) for index in range(len(self.examples))]

    def get_labels(self) -> list[dict[str, Any]]:
        """Return the boxes in the form the augmentations expect."""
        return [
            {
                "im_file": str(index),
                "shape": example.picture.shape[:2],
                "cls": example.classes.copy(),
                "bboxes": example.boxes_xywh.copy(),
                "segments": [],
                "keypoints": None,
                "normalized": True,
                "bbox_format": "xywh",
            }
            for index, example in enumerate(self.examples)
        ]

    def check_cache_ram(self, safety_margin: float = 0.0) -> bool:  # noqa: ARG002
        """Say that the pictures are in memory: they came so."""
        return False

    def set_rectangle(self) -> None:
        """Give all batches the one shape of the pictures, in any order."""
        self.batch_shapes = np.asarray([self.examples[0].picture.shape[:2]])
        self.batch = np.zeros(len(self.examples), int)

    def load_image(self, i: int, *_: Any, **__: Any) -> tuple[np.ndarray, tuple[int, int], tuple[int, int]]:
        """Return a copy in the order blue, green, red that the augmentations expect; they write into it."""
        picture = np.ascontiguousarray(self.examples[i].picture[..., ::-1])
        height, width = picture.shape[:2]
        return picture, (height, width), (height, width)

    def build_transforms(self, hyp: Any = None) -> Any:
        """Leave out what depends on whether the package albumentations happens to be there."""
        made = super().build_transforms(hyp)
        made.transforms = [one for one in made.transforms if type(one).__name__ != "Albumentations"]
        return made


class _InMemory(DetectionTrainer):  # type: ignore[misc]
    """The trainer without files, validation, plots and reports."""

    examples: Sequence[Example]

    def run_callbacks(self, event: str) -> None:
        """Report to nobody: usage events and experiment trackers hang on these."""

    def get_dataset(self) -> dict[str, Any]:
        """Look for no files: `train` hands over the data."""
        return {}

    def preprocess_batch(self, batch: dict[str, Any]) -> dict[str, Any]:
        """Lay the pictures out as the network is: convolutions are faster with the channels last."""
        batch = super().preprocess_batch(batch)
        return {**batch, "img": batch["img"].contiguous(memory_format=torch.channels_last)}

    def build_dataset(self, img_path: str, mode: str = "train", batch: int | None = None) -> _Pictures:  # noqa: ARG002
        """Return the pictures; the loader for validation is made, and never asked."""
        return _Pictures(
            self.examples, data=self.data, imgsz=self.args.imgsz, augment=mode == "train", hyp=copy(self.args)
        )

    def get_validator(self) -> SimpleNamespace:
        """Return nothing that could validate."""
        return SimpleNamespace(metrics=SimpleNamespace(keys=[]))

    def validate(self) -> tuple[dict[str, float], float]:
        """Look at no data."""
        return {}, 0.0

    def _handle_nan_recovery(self, epoch: int) -> bool:
        if not math.isfinite(float(self.loss)):
            raise PluginError(
                f"The loss of the detector is {float(self.loss)} after epoch {epoch + 1}; lower its rate."
            )
        return False

    def save_metrics(self, metrics: dict[str, float]) -> None:
        """Keep no log."""

    def save_model(self) -> bool:
        """Keep no checkpoint."""
        return False

    def final_eval(self) -> None:
        """Look at no data."""
