"""Grad-CAM of a frozen network: from cached features against pytorch-grad-cam through the whole network."""

from __future__ import annotations

import os
import time

import cv2
import numpy as np
import pytest
import pytorch_grad_cam
import torch
from torch import nn

from clastbench.baselines.zoo import EfficientNetLite0
from clastbench.explain import subjects
from clastbench.explain.cams import GradCAM
from clastbench.explain.targets import Target
from clastbench.train.heads import Head
from clastbench.train.layers import forward_with
from clastbench.train.networks import BuiltNetwork, build
from clastbench.weights import find

N_IMAGES = 64
SIZE = (224, 224)
BATCH = 32
REPEATS = 3
TARGET = Target("sense", torch.tensor([1.0, -1.0]).repeat(N_IMAGES // 2))


class Whole(nn.Module):
    """The network and its head as anybody would join them."""

    def __init__(self, network: BuiltNetwork, head: nn.Module) -> None:
        super().__init__()
        self.network, self.head, self.cam_layer = network.module, head, network.cam_layer

    def forward(self, images):
        return self.head(self.network.forward_features(images).mean(dim=(2, 3)))


def seconds(work) -> tuple[float, np.ndarray]:
    """The best of a few runs, after one that warms up."""
    work()
    took = []
    for _ in range(REPEATS):
        started = time.perf_counter()
        found = work()
        took.append(time.perf_counter() - started)
    return min(took), found


def part(start: int) -> Target:
    return Target(TARGET.name, TARGET.signs[start : start + BATCH])


def from_cache(head: nn.Module, cached: torch.Tensor) -> np.ndarray:
    subject = subjects.of_features(head, SIZE)
    starts = range(0, N_IMAGES, BATCH)
    return np.concatenate([GradCAM().explain(subject, cached[at : at + BATCH], part(at)) for at in starts])


def through_the_network(whole: Whole, images: torch.Tensor) -> np.ndarray:
    layer = whole.network.get_submodule(whole.cam_layer)
    with pytorch_grad_cam.GradCAM(whole, [layer]) as cam:
        found = [cam(images[at : at + BATCH], part(at).rows()) for at in range(0, N_IMAGES, BATCH)]
    return np.concatenate(found)


def package_picture(raw: np.ndarray) -> np.ndarray:
    """Do what the package does to a raw map: no negative values, scaled to 0..1, enlarged, scaled again."""

    def scaled(one):
        one = one - one.min()
        return one / (1e-7 + one.max())

    return np.stack([scaled(cv2.resize(np.float32(scaled(np.maximum(one, 0))), SIZE[::-1])) for one in raw])


@pytest.mark.perf
def test_grad_cam_from_cached_features_is_ten_times_as_fast_and_the_same():
    plugin = EfficientNetLite0()
    weights = "imagenet" if find(plugin.checkpoint) else "none"
    torch.manual_seed(0)
    network = build(plugin, weights, SIZE, "cpu")
    head = Head(1280, 512).eval()
    network.module.eval()
    images = torch.randn(N_IMAGES, 3, *SIZE)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with torch.no_grad():
            parts = [forward_with(network.module, network.cam_layer, some)[1] for some in images.split(BATCH)]
        cached = torch.cat(parts).contiguous()
        ours, maps = seconds(lambda: from_cache(head, cached))
        theirs, pictures = seconds(lambda: through_the_network(Whole(network, head), images))
    finally:
        torch.set_num_threads(threads)
    worst = float(np.abs(package_picture(maps) - pictures).max())
    print(  # noqa: T201 – the figures are what this is for
        f"\nGrad-CAM, {N_IMAGES} images of {SIZE[0]} x {SIZE[1]}, efficientnet_lite0 ({weights}), 1 thread of "
        f"{os.cpu_count()} cores: {ours:.3f} s from cached features, {theirs:.2f} s through the network, "
        f"{theirs / ours:.0f} times; largest difference {worst:.1e}"
    )
    assert worst <= 1e-5
    assert theirs >= 10 * ours
