"""The floor of the detectors finds what plainly stands out, on any photograph, and says the same every time."""

from __future__ import annotations

import numpy as np
import pytest

from clastbench.baselines.blobs import MOST_BOXES, Blobs
from clastbench.records import Photomicrograph


def photograph(pixels: np.ndarray, name: str = "p") -> Photomicrograph:
    return Photomicrograph(name, pixels.copy, "", None, present=False, group=name)


def disc(*, x: float, y: float, radius: float, height: int = 128, width: int = 192, core: int = 220) -> np.ndarray:
    """A disc on a noisy ground whose layers are horizontal."""
    generator = np.random.default_rng(0)
    ground = generator.integers(90, 120, (height, 1, 1)) + generator.integers(0, 20, (height, width, 3))
    rows, columns = np.mgrid[:height, :width]
    ground[np.hypot(columns + 0.5 - x, rows + 0.5 - y) <= radius] = core
    return ground.astype(np.uint8)


def surest(pixels: np.ndarray) -> np.ndarray:
    (boxes,) = Blobs().detect([photograph(pixels)])
    return boxes.xyxy[0]


@pytest.mark.parametrize("core", [10, 220])
@pytest.mark.parametrize(("x", "y", "radius"), [(60, 50, 12), (110, 64, 18)])
def test_surest_box_lies_around_a_disc(x, y, radius, core):
    x0, y0, x1, y1 = surest(disc(x=x, y=y, radius=radius, core=core))
    assert ((x0 + x1) / 2, (y0 + y1) / 2) == pytest.approx((x, y), abs=4)
    assert radius <= min(x1 - x0, y1 - y0) / 2 <= 2 * radius


def test_box_grows_with_the_photograph():
    small = disc(x=60, y=50, radius=14)
    large = small.repeat(3, axis=0).repeat(3, axis=1)
    assert surest(large) == pytest.approx(3 * surest(small), abs=12)


def test_box_is_longer_along_the_foliation():
    scene = disc(x=96, y=64, radius=14)
    x0, y0, x1, y1 = surest(scene)
    assert (x1 - x0) / (y1 - y0) > 1.9
    assert surest(np.ascontiguousarray(scene.transpose(1, 0, 2))) == pytest.approx([y0, x0, y1, x1], abs=0.5)


def test_contrast_that_is_twice_as_strong_is_surer():
    faint, plain = (Blobs().detect([photograph(disc(x=60, y=50, radius=12, core=core))])[0] for core in (140, 200))
    assert faint.score[0] < plain.score[0] < 1


@pytest.mark.parametrize("shape", [(64, 96), (1, 1), (1, 200), (300, 20)])
def test_photograph_of_nothing_has_no_boxes(shape):
    (boxes,) = Blobs().detect([photograph(np.full((*shape, 3), 128, np.uint8))])
    assert boxes.xyxy.shape == (0, 4)
    assert boxes.score.shape == (0,)


def test_noise_gives_at_most_a_hundred_boxes_the_surest_first():
    (boxes,) = Blobs().detect([photograph(np.random.default_rng(1).integers(0, 256, (256, 384, 3), dtype=np.uint8))])
    assert 0 < len(boxes.score) <= MOST_BOXES
    assert (np.diff(boxes.score) <= 0).all()
    assert ((boxes.xyxy >= 0) & (boxes.xyxy <= (384, 256, 384, 256))).all()
