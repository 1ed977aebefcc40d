"""Class activation maps: what a network's last map in space says, weighed in the way of each paper (pytorch-grad-cam).

Maps are raw: signed where the method is, at the layer's own resolution. Nothing here imports torch before a map is
asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ..errors import ClastbenchError, ExplanationError

if TYPE_CHECKING:
    from torch import Tensor

    from .subject import Subject
    from .targets import Target


class _Cam:
    """One class of pytorch-grad-cam."""

    needs = "features"
    signless = False
    """True where the maps of f and of -f are the same, or arbitrary in sign."""
    arbitrary_sign = False
    """True for singular vectors: the largest value is then made positive, or the batch would decide the sign."""
    singly = False
    """Row by row: the memory of a batch would not be bounded."""
    package_class: str

    def explain(self, subject: Subject, inputs: Tensor, target: Target) -> NDArray[np.float32]:
        """Return maps float32[N, h, w] at the resolution of the explained layer."""
        from .raw_cam import raw_maps  # noqa: PLC0415

        maps = raw_maps(self.package_class, subject, inputs, target, singly=self.singly)
        return _upright(maps) if self.arbitrary_sign else maps


def _upright(maps: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return maps float32[N, h, w] with the sign that makes the largest value of each positive."""
    high, low = maps.max(axis=(1, 2), initial=0), maps.min(axis=(1, 2), initial=0)
    upright: NDArray[np.float32] = np.where((high < -low)[:, None, None], -maps, maps)
    return upright


class GradCAM(_Cam):
    """Grad-CAM (Selvaraju et al. 2017) before its ReLU: channels weighted by their mean gradient. Signed."""

    package_class = "GradCAM"


class GradCAMPlusPlus(_Cam):
    """Grad-CAM++ (Chattopadhay et al. 2018): weights are never negative, so signs are those of the activations."""

    package_class = "GradCAMPlusPlus"


class LayerCAM(_Cam):
    """LayerCAM (Jiang et al. 2021): positive gradients, cell by cell; signs are those of the activations."""

    package_class = "LayerCAM"


class XGradCAM(_Cam):
    """XGrad-CAM (Fu et al. 2020): gradients weighted by each channel's share of its activation. Signed."""

    package_class = "XGradCAM"


class HiResCAM(_Cam):
    """HiResCAM (Draelos & Carin 2020): gradient times activation, cell by cell. Signed."""

    package_class = "HiResCAM"


class GradCAMElementWise(_Cam):
    """Element-wise Grad-CAM: the positive part of gradient times activation, channel by channel. Never negative."""

    package_class = "GradCAMElementWise"


class EigenCAM(_Cam):
    """Eigen-CAM (Muhammad & Yeasin 2020): the first principal component of the activations; knows no target.

    The sign of a singular vector is arbitrary: its largest value is made positive.
    """

    package_class = "EigenCAM"
    signless = True
    arbitrary_sign = True


class EigenGradCAM(_Cam):
    """Eigen-Grad-CAM: the first principal component of gradient times activation; its largest value is positive."""

    package_class = "EigenGradCAM"
    signless = True
    arbitrary_sign = True


class ScoreCAM(_Cam):
    """Score-CAM (Wang et al. 2020): channels weighted by softmax of f of the picture masked by them.

    One pass through the network for every channel; signs are those of the activations.
    """

    needs = "network"
    package_class = "ScoreCAM"
    singly = True


class AblationCAM(_Cam):
    """Ablation-CAM (Desai & Ramaswamy 2020): channels weighted by the drop of f when they are removed. Signed.

    One pass through the network for every channel. The drop is f(x) - f(without), not divided by f(x) as in the paper,
    since f may be negative.
    """

    needs = "network"
    package_class = "AblationCAM"
    singly = True


ALSO_FROM_FEATURES = ("FEM", "KPCA_CAM", "SegEigenCAM")
ALSO_SIGNLESS = ("FEM", "FullGrad", "KPCA_CAM", "RandomCAM", "SegEigenCAM")


class AnyCAM(_Cam):
    """`cam:CLASS`: any class of pytorch-grad-cam that computes one map, by its name there.

    FullGrad alone returns its map at the resolution of the input, every layer scaled to 0..1 as in its paper.
    """

    def __init__(self, name: str) -> None:
        from .raw_cam import find  # noqa: PLC0415

        find(name)
        named = next((cam for cam in _Cam.__subclasses__() if getattr(cam, "package_class", None) == name), None)
        self.package_class = name
        self.needs = named.needs if named else "features" if name in ALSO_FROM_FEATURES else "network"
        self.signless = named.signless if named else name in ALSO_SIGNLESS
        self.arbitrary_sign = named.arbitrary_sign if named else False
        self.singly = named.singly if named else True

    def explain(self, subject: Subject, inputs: Tensor, target: Target) -> NDArray[np.float32]:
        """Return maps float32[N, h, w] at the resolution of the explained layer.

        Raises:
            ExplanationError: whatever the class raises, for it was chosen by the reader.
        """
        try:
            return super().explain(subject, inputs, target)
        except ClastbenchError:
            raise
        except Exception as error:
            said = f"{type(error).__name__}: {' '.join(str(error).split())}"
            raise ExplanationError(f"cam:{self.package_class} does not work on this model ({said})") from error
