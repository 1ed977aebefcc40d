"""Detectors of the package ultralytics, trained from random weights on the clasts of the harness.

`ultralytics:yolov8n` and so on: every architecture that the installed package describes in a YAML file. Network, loss,
augmentation and training loop are theirs; pictures, settings, decoding and the store are ours. The package is
AGPL-3.0: whoever gives away a program that builds on it owes its source under the same terms.
"""

from __future__ import annotations

import importlib.util
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import yaml
from numpy.typing import NDArray

from ..errors import PluginError, StoreError, UnknownNameError
from ..records import CLASSES, SENSES, Boxes, Photomicrograph
from .yolo_data import canvas_of, examples, shown

if TYPE_CHECKING:
    from torch import Tensor, nn

    from ..explain.sight import Sight
    from ..suite import DetectorTraining

HEADS = ("Detect", "v10Detect")
"""Last layers that answer with boxes and nothing else."""
MOST = 100
"""Boxes of a photograph, the surest ones."""
LEAST = 0.001
"""Score below which a proposal is none, ultralytics' own value for validation."""
OVERLAP = 0.7
"""Intersection over union above which the less sure of two boxes goes, ultralytics' own value."""
MEMORY = ("weights.safetensors", "detector.json")
"""What a fit leaves: tensors, and how to build what they belong to."""


@dataclass(frozen=True, slots=True)
class Architecture:
    """A network as ultralytics describes it: the YAML file, and which of its scales (empty where it has none)."""

    path: Path
    scale: str


class AnyUltralytics:
    """`ultralytics:NAME`: a detector of ultralytics by the name of its configuration, such as `yolov8n` or `yolov9t`.

    It is trained on one class, clast; with `own_head` on two, CW and CCW. No checkpoint is ever downloaded, no
    validation takes part and the weights after the last epoch are kept, so nothing is chosen on any data.
    What is shown in training, doubtful grains included, is told in `yolo_data`.
    """

    view = "crop"
    uses_truth = False
    libraries = ("torchvision", "ultralytics")

    def __init__(self, name: str) -> None:
        found = _architectures()
        if name not in found:
            raise UnknownNameError("ultralytics architecture", name, found)
        self.architecture = name
        self.own_head = False
        self._network: nn.Module | None = None
        self._size = 0
        self._device = "cpu"

    def fit(
        self,
        photographs: Sequence[Photomicrograph],
        validation: Sequence[Photomicrograph],  # noqa: ARG002 – the last epoch is kept whatever it shows
        *,
        recipe: DetectorTraining,
        seed: int,
        device: str,
        out: Path,
    ) -> None:
        """Learn from photographs with their clasts; pictures stay in memory, `out` gets weights and their shape.

        Raises:
            PluginError: no photograph shows a clast to learn from, or the loss stopped being a number.
        """
        from safetensors.torch import save_file  # noqa: PLC0415

        from .quiet_ultralytics import quiet  # noqa: PLC0415

        with quiet() as scratch:
            from .yolo_training import train  # noqa: PLC0415

            network = self._build(seed)
            pictures = examples(photographs, recipe.size, _stride(network), senses=self.own_head)
            if not any(len(picture.boxes_xywh) for picture in pictures):
                raise PluginError(
                    f"{self.architecture}: none of {len(photographs)} photographs shows a clast to learn from."
                )
            train(network, pictures, self._classes, recipe=recipe, seed=seed, device=device, scratch=scratch)
        tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in network.state_dict().items()}
        said = {"architecture": self.architecture, "classes": self._classes, "size": recipe.size}
        out.mkdir(parents=True, exist_ok=True)
        save_file(tensors, out / MEMORY[0])
        (out / MEMORY[1]).write_text(json.dumps(said, indent=1) + "\n", encoding="utf-8")

    def load(self, path: Path, *, device: str) -> None:
        """Become the detector that an earlier `fit` of the same architecture and classes left in `path`."""
        from safetensors.torch import load_file  # noqa: PLC0415

        from .quiet_ultralytics import quiet  # noqa: PLC0415

        said = json.loads((path / MEMORY[1]).read_text(encoding="utf-8"))
        expected = {"architecture": self.architecture, "classes": self._classes}
        if any(said.get(key) != value for key, value in expected.items()):
            raise StoreError(f"{path / MEMORY[1]} says {said}; expected {expected}. Remove the folder and fit again.")
        with quiet():
            network = self._build(seed=0)
            network.load_state_dict(load_file(path / MEMORY[0]))
        self._network, self._size, self._device = network.eval().to(device), int(said["size"]), device

    def detect(self, photographs: Sequence[Photomicrograph]) -> list[Boxes]:
        """Return at most 100 boxes a photograph, the surest first; with `own_head` each carries its sense.

        Photographs go through one by one, so the boxes of one depend on no other.
        """
        if self._network is None:
            raise PluginError(f"{self.architecture}: detect was called before load.")
        return [self._on(photo, self._network) for photo in photographs]

    def sight(self, pixels: NDArray[np.uint8]) -> Sight:
        """Return what it saw in one photograph uint8[H, W, 3], with the levels of its neck (`yolo_sight`)."""
        from .yolo_sight import see  # noqa: PLC0415

        if self._network is None:
            raise PluginError(f"{self.architecture}: sight was called before load.")
        canvas, place = shown(pixels, canvas_of(pixels.shape[:2], self._size, _stride(self._network)))
        size = (pixels.shape[0], pixels.shape[1])
        return see(self._network, canvas, place, size, device=self._device, own_head=self.own_head)

    @property
    def _classes(self) -> list[str]:
        return list(SENSES) if self.own_head else ["clast"]

    def _build(self, seed: int) -> nn.Module:
        """Return the network with random weights; to be called inside `quiet`."""
        import torch  # noqa: PLC0415
        from ultralytics.nn.tasks import DetectionModel  # noqa: PLC0415

        at = _architectures()[self.architecture]
        described = {**yaml.safe_load(at.path.read_text(encoding="utf-8")), "scale": at.scale}
        torch.manual_seed(seed)
        network: nn.Module = DetectionModel(described, nc=len(self._classes), verbose=False)
        return network

    def _on(self, photo: Photomicrograph, network: nn.Module) -> Boxes:
        import torch  # noqa: PLC0415

        image = photo.load()
        canvas, place = shown(image, canvas_of(image.shape[:2], self._size, _stride(network)))
        pixels = torch.from_numpy(canvas.transpose(2, 0, 1).copy()).to(self._device)
        with torch.inference_mode():
            xyxy, score, label = _decoded(network(pixels[None].float() / 255)[0][0])
        height, width = image.shape[:2]
        inside = np.clip(place.to_photograph(xyxy), 0, [width, height, width, height]).astype(np.float32)
        kept = (inside[:, 2] > inside[:, 0]) & (inside[:, 3] > inside[:, 1])
        senses = np.asarray([CLASSES.index(sense) for sense in SENSES], np.int8)
        return Boxes(photo.id, inside[kept], score[kept], senses[label[kept]] if self.own_head else None)


def _decoded(answer: Tensor) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.int64]]:
    """Return corners, scores and classes of the surest boxes that do not repeat each other, whatever their class.

    `answer` is float32[4 + classes, anchors], centres and sides; or of a head that ends in its own selection
    float32[boxes, 6], corners, score and class. ultralytics' own suppression gives up after two seconds of wall clock,
    which would make boxes depend on the load of the machine; the same algorithm is called without it.
    """
    from torchvision.ops import box_convert, nms  # noqa: PLC0415

    if answer.shape[-1] == 6:
        xyxy, score, label = answer[:, :4], answer[:, 4], answer[:, 5].long()
    else:
        xyxy = box_convert(answer[:4].T, "cxcywh", "xyxy")
        score, label = answer[4:].max(dim=0)
    sure = score > LEAST
    xyxy, score, label = xyxy[sure], score[sure], label[sure]
    kept = nms(xyxy, score, OVERLAP)[:MOST]
    corners, scores, labels = (values[kept].cpu().numpy() for values in (xyxy, score, label))
    return corners, scores, labels


def _stride(network: nn.Module) -> int:
    """Return what both sides of an input must be multiples of."""
    stride: Tensor = network.stride  # type: ignore[assignment]
    return max(int(stride.max()), 32)


@cache
def _architectures() -> dict[str, Architecture]:
    """Return the detectors by name, read from the files of the installed package without importing it."""
    found = importlib.util.find_spec("ultralytics")
    if found is None or found.origin is None:
        raise PluginError(
            "The package ultralytics is not installed; get it by pip install 'clastbench[ultralytics]' "
            "(it is AGPL-3.0, other than clastbench)."
        )
    files = sorted((Path(found.origin).parent / "cfg" / "models").glob("*/*.yaml"))
    return {name: made for path in files for name, made in _scales_of(path)}


def _scales_of(path: Path) -> Iterator[tuple[str, Architecture]]:
    """Yield the names a file stands for: `yolov8.yaml` for yolov8n to yolov8x, `yolov9t.yaml` for itself."""
    said = yaml.safe_load(path.read_text(encoding="utf-8"))
    if said["head"][-1][2] not in HEADS:
        return
    version, rest = re.fullmatch(r"(\D*\d+)(.*)", path.stem).groups()  # type: ignore[union-attr]
    scales = list(said.get("scales", {}))
    if not scales or rest[:1] in scales:
        yield path.stem, Architecture(path, rest[:1] if scales else "")
        return
    for scale in scales:
        yield f"{version}{scale}{rest}", Architecture(path, scale)


class YOLOv3(AnyUltralytics):
    """YOLOv3 (Redmon & Farhadi 2018) with ultralytics' anchor-free head."""

    def __init__(self) -> None:
        super().__init__("yolov3")


class YOLOv3Tiny(AnyUltralytics):
    """The small sister of YOLOv3 (Redmon & Farhadi 2018) with ultralytics' anchor-free head."""

    def __init__(self) -> None:
        super().__init__("yolov3-tiny")


class YOLOv8n(AnyUltralytics):
    """YOLOv8, nano (Jocher et al. 2023)."""

    def __init__(self) -> None:
        super().__init__("yolov8n")


class YOLO11n(AnyUltralytics):
    """YOLO11, nano (Jocher & Qiu 2024)."""

    def __init__(self) -> None:
        super().__init__("yolo11n")
