"""Detectors of torchvision, trained by us on clasts, or on clasts of either sense."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..data.letterbox import Letterbox, letterbox
from ..errors import PluginError
from ..records import CLASSES, Boxes, Photomicrograph
from ..suite import DetectorTraining
from ..weights import Checkpoint
from . import detection_networks

if TYPE_CHECKING:
    from torch import Tensor

    from ..explain.sight import Sight

MOST_BOXES = 100
ONE_CLAST = 0.5
"""Boxes of unlike sense with a larger IoU are one clast; the surer one is told."""


class TorchvisionDetector:
    """A box detector of torchvision: Faster R-CNN, RetinaNet, FCOS or SSD on one of its backbones.

    Photographs are letterboxed to a square of the recipe's size and flipped half of the time. Photographs without
    clasts are shown as pure background, except that SSD's loss takes nothing from them: it draws its negatives in
    proportion to the clasts of a photograph. The last epoch is kept; validation photographs are not looked at.
    """

    view = "crop"
    uses_truth = False
    own_head = False
    mode = "scratch"
    libraries = ("torchvision",)

    def __init__(self, name: str) -> None:
        self.name = name
        self._network: Any = None
        self._side = 0
        self._device = "cpu"

    @property
    def checkpoint(self) -> Checkpoint | None:
        """The file `@finetune` starts its backbone from."""
        return detection_networks.checkpoint_of(self.name)

    def fit(
        self,
        photographs: Sequence[Photomicrograph],
        validation: Sequence[Photomicrograph],
        *,
        recipe: DetectorTraining,
        seed: int,
        device: str,
        out: Path,
    ) -> None:
        """Train it; leave `weights.safetensors` and `detector.json`."""
        import torch  # noqa: PLC0415
        from safetensors.torch import save_file  # noqa: PLC0415

        from . import detection_training  # noqa: PLC0415

        del validation
        side = detection_networks.input_side(self.name, recipe.size)
        shown = detection_training.examples(photographs, side, own_head=self.own_head)
        with torch.random.fork_rng([torch.device(device)] if device.startswith("cuda") else []):
            torch.manual_seed(seed)
            network = self._build(side)
            known = detection_networks.fill_backbone(network, self.name) if self.mode == "finetune" else frozenset()
            network.to(device)
            losses = detection_training.train(network, shown, recipe=recipe, seed=seed, device=device, pretrained=known)
        tensors = {name: tensor.cpu().contiguous() for name, tensor in network.state_dict().items()}
        save_file(tensors, out / "weights.safetensors")
        (out / "detector.json").write_text(json.dumps({**self._stated(side), "losses": losses}), encoding="utf-8")

    def load(self, path: Path, *, device: str) -> None:
        """Become what `fit` left in a folder."""
        import torch  # noqa: PLC0415
        from safetensors.torch import load_file  # noqa: PLC0415

        said = json.loads((path / "detector.json").read_text(encoding="utf-8"))
        self.mode, side = said["mode"], said["side"]
        if {name: said[name] for name in self._stated(side)} != self._stated(side):
            raise PluginError(
                f"{path} holds {said['name']}, own_head={said['own_head']}; expected {self._stated(side)}."
            )
        with torch.random.fork_rng([]):  # a new network draws weights, which are replaced at once
            network = self._build(side)
        network.load_state_dict(load_file(path / "weights.safetensors"))
        self._network, self._side, self._device = network.to(device).eval(), side, device

    def detect(self, photographs: Sequence[Photomicrograph]) -> list[Boxes]:
        """At most 100 boxes a photograph, the surest first; one at a time, so that none depends on another."""
        import torch  # noqa: PLC0415

        if self._network is None:
            raise PluginError(f"torchvision:{self.name} was asked for boxes before it was trained.")
        with torch.inference_mode():
            return [self._boxes(photo) for photo in photographs]

    def sight(self, pixels: NDArray[np.uint8]) -> Sight:
        """Return what it saw in one photograph uint8[H, W, 3], with its maps in space (`torchvision_sight`)."""
        from .torchvision_sight import see  # noqa: PLC0415

        if self._network is None:
            raise PluginError(f"torchvision:{self.name} was asked what it sees before it was trained.")
        picture, place = letterbox(pixels, (self._side, self._side))
        size = (pixels.shape[0], pixels.shape[1])
        return see(self._network, picture, place, size, device=self._device, own_head=self.own_head)

    def _boxes(self, photo: Photomicrograph) -> Boxes:
        from .detection_training import as_input  # noqa: PLC0415

        pixels = photo.load()
        picture, place = letterbox(pixels, (self._side, self._side))
        (found,) = self._network([as_input(picture, self._device)])
        return _told(photo.id, found, place, pixels.shape[:2], own_head=self.own_head)

    def _build(self, side: int) -> Any:
        n_classes = len(CLASSES) if self.own_head else 2
        return detection_networks.build(self.name, n_classes, side, finetune=self.mode == "finetune")

    def _stated(self, side: int) -> dict[str, Any]:
        return {"name": self.name, "own_head": self.own_head, "mode": self.mode, "side": side}


def _told(
    image_id: str, found: dict[str, Tensor], place: Letterbox, shape: tuple[int, int], *, own_head: bool
) -> Boxes:
    """Return what torchvision found on a canvas, in a photograph of `shape` (height, width)."""
    from torchvision.ops import nms  # noqa: PLC0415

    found = {name: values[found["labels"] > 0] for name, values in found.items()}  # some score the background, too
    chosen = (
        nms(found["boxes"], found["scores"], ONE_CLAST)
        if own_head
        else found["scores"].argsort(descending=True, stable=True)
    )
    canvas, score, label = (found[name][chosen].cpu().numpy() for name in ("boxes", "scores", "labels"))
    height, width = shape
    xyxy = place.to_photograph(canvas).clip(0, [width, height, width, height]).astype(np.float32)
    real = np.flatnonzero((xyxy[:, 2:] > xyxy[:, :2]).all(axis=1))[:MOST_BOXES]
    score = score.astype(np.float32).clip(0, 1)
    return Boxes(image_id, xyxy[real], score[real], label[real].astype(np.int8) if own_head else None)


class AnyTorchvisionDetector(TorchvisionDetector):
    """`torchvision:NAME`: any box detector of torchvision."""

    def __init__(self, name: str) -> None:
        detection_networks.check_name(name)
        super().__init__(name)


class FasterRCNNMobileNet320(TorchvisionDetector):
    """Faster R-CNN (Ren et al. 2015) on MobileNetV3: two stages, the smaller of torchvision's."""

    def __init__(self) -> None:
        super().__init__("fasterrcnn_mobilenet_v3_large_320_fpn")


class SSDLite320(TorchvisionDetector):
    """SSDlite (Liu et al. 2016, Sandler et al. 2018) on MobileNetV3: one stage, torchvision's smallest detector."""

    def __init__(self) -> None:
        super().__init__("ssdlite320_mobilenet_v3_large")


class RetinaNetResNet50(TorchvisionDetector):
    """RetinaNet (Lin et al. 2017) on ResNet-50: one stage, focal loss."""

    def __init__(self) -> None:
        super().__init__("retinanet_resnet50_fpn")
