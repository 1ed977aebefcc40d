"""The detection networks of torchvision, for inputs of one fixed size, with the ImageNet weights their backbones have.

Nothing is ever downloaded by torchvision itself. A backbone that starts from ImageNet is filled tensor by tensor and
by name; whatever does not fit raises. All its layers are trained and its batch normalisation is alive: torchvision
freezes both, which was made for batches of one or two photographs.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from .. import weights as pretrained
from ..errors import UnknownNameError, UsageError
from ..weights import Checkpoint
from .zoo import TORCHVISION_URL

if TYPE_CHECKING:
    from torch import Tensor

FILES = {
    "mobilenet_v3_large": "mobilenet_v3_large-8738ca79.pth",
    "resnet50": "resnet50-0676ba61.pth",
    "vgg16": "vgg16_features-amdegroot-88682ab5.pth",
}
"""Backbone, as the names of torchvision's detectors hold it, to the published file of its ImageNet weights."""
HEADS = ("classifier.", "fc.")
"""Prefixes of the layers of those files that tell the thousand classes of ImageNet apart."""
OTHER_ANSWERS = ("maskrcnn", "keypointrcnn")
"""Detectors that must be shown masks or keypoints."""
FIXED = {"ssd300_vgg16": 300}
"""Detectors whose layers only fit one input size."""
SURE_ENOUGH = 0.01
"""Boxes below this score are not told; the same for every architecture, whose own thresholds are 0.001 to 0.2."""
SAMPLED = 128
"""Proposals of one photograph that the second stage of a Faster R-CNN learns from; torchvision's 512 are meant for
photographs with tens of objects, and take four times as long."""
MOST_BOXES = 300
"""Told of one photograph before the senses are weighed against each other."""


def check_name(name: str) -> None:
    """Refuse what is no box detector of torchvision."""
    from torchvision.models import detection, list_models  # noqa: PLC0415

    names = [known for known in list_models(module=detection) if not known.startswith(OTHER_ANSWERS)]
    if name.startswith(OTHER_ANSWERS):
        raise UsageError(f"torchvision:{name} learns from more than boxes; choose one of {', '.join(names)}.")
    if name not in names:
        raise UnknownNameError("torchvision detector", name, names)


def checkpoint_of(name: str) -> Checkpoint | None:
    """Return the file its backbone starts from, None where none is known."""
    file = next((file for backbone, file in FILES.items() if backbone in name), None)
    return None if file is None else Checkpoint(files=(file,), url=TORCHVISION_URL + file)


def input_side(name: str, size: int) -> int:
    """Return the side of the square input: the one asked for, unless the network only takes its own."""
    return FIXED.get(name, size)


def build(name: str, num_classes: int, side: int, *, finetune: bool) -> Any:
    """Build a detector with random weights for inputs float32[3, side, side] in 0..1, which it does not rescale.

    `num_classes` counts the background. `finetune` gives it the shape of a network that ImageNet weights exist for.
    """
    from torchvision.models import get_model  # noqa: PLC0415

    network: Any = get_model(name, weights=None, weights_backbone=None, num_classes=num_classes)
    if finetune and name.startswith("ssdlite"):
        _restore_tail(network, num_classes)
    network.transform.min_size, network.transform.max_size = (side,), side
    if network.transform.fixed_size is not None:
        network.transform.fixed_size = (side, side)
    last = getattr(network, "roi_heads", network)
    if last is not network:
        last.fg_bg_sampler.batch_size_per_image = SAMPLED
    last.score_thresh, last.detections_per_img = SURE_ENOUGH, MOST_BOXES
    return network


def fill_backbone(network: Any, name: str) -> frozenset[str]:
    """Fill the whole backbone with ImageNet weights; return the names, in the network, of the tensors they filled.

    Raises:
        WeightsNotFoundError: the file is nowhere to be had, or a tensor is missing, superfluous or of another shape.
    """
    checkpoint = checkpoint_of(name)
    if checkpoint is None:
        raise UsageError(f"No ImageNet weights are known for the backbone of torchvision:{name}; enter it as @scratch.")
    tensors = pretrained.read(pretrained.fetch(checkpoint))
    backbone = network.backbone
    published = {own: published_name(own, name) for own in backbone.state_dict()}
    fresh = tuple(own for own, theirs in published.items() if theirs is None)
    pretrained.fill(backbone, _renamed(tensors, published), fresh=fresh)
    return frozenset(f"backbone.{own}" for own, theirs in published.items() if theirs is not None)


def _renamed(tensors: Mapping[str, Tensor], published: Mapping[str, str | None]) -> dict[str, Tensor]:
    own_names = {theirs: own for own, theirs in published.items() if theirs is not None}
    return {own_names.get(key, key): tensor for key, tensor in tensors.items() if not key.startswith(HEADS)}


def published_name(own: str, name: str) -> str | None:
    """Return what a tensor of a detector's backbone is called in the ImageNet file; None for one it does not hold."""
    if own.startswith("body."):  # the trunk below a feature pyramid
        return own.removeprefix("body.") if "resnet" in name else own.replace("body.", "features.", 1)
    moved = _moved_by_ssdlite(own) if name.startswith("ssdlite") else _moved_by_ssd(own)
    return None if moved is None else f"features.{moved}"


_CUT_BLOCK = 13
"""The block of MobileNetV3 that SSDlite cuts in two, after its first layer."""
_CUT_LAYER = 23
"""The pooling layer of VGG-16 that SSD cuts before."""
_END_OF_VGG = 30


def _moved_by_ssdlite(own: str) -> str | None:
    found = re.fullmatch(r"features\.([01])\.(\d+)\.(.+)", own)
    if found is None:
        return None
    half, block, rest = int(found[1]), int(found[2]), found[3]
    if half == 0:
        return f"{_CUT_BLOCK}.block.0.{rest}" if block == _CUT_BLOCK else f"{block}.{rest}"
    if block > 0:
        return f"{_CUT_BLOCK + block}.{rest}"
    return f"{_CUT_BLOCK}.block.{rest}"  # a slice keeps the names of its layers


def _moved_by_ssd(own: str) -> str | None:
    if own.startswith("features."):
        return own.removeprefix("features.")
    found = re.fullmatch(r"extra\.0\.(\d+)\.(weight|bias)", own)
    place = _CUT_LAYER + int(found[1]) if found is not None else _END_OF_VGG
    return f"{place}.{found[2]}" if found is not None and place < _END_OF_VGG else None


def _restore_tail(network: Any, num_classes: int) -> None:
    """Give SSDlite the last layers that MobileNetV3 was trained with; torchvision halves them without weights."""
    from torch import nn  # noqa: PLC0415
    from torchvision.models import mobilenet_v3_large  # noqa: PLC0415
    from torchvision.models.detection import _utils, ssdlite  # noqa: PLC0415

    norm = partial(nn.BatchNorm2d, eps=0.001, momentum=0.03)  # torchvision's own for this network
    features = mobilenet_v3_large(weights=None, norm_layer=norm).features
    network.backbone = ssdlite.SSDLiteFeatureExtractorMobileNet(features, _CUT_BLOCK, norm)
    channels = _utils.retrieve_out_channels(network.backbone, (320, 320))
    per_place = network.anchor_generator.num_anchors_per_location()
    network.head = ssdlite.SSDLiteHead(channels, per_place, num_classes, norm)
