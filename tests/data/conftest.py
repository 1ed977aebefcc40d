"""Small photographs and data sets drawn on the spot, and the way to the real ones where somebody has them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

Build = Callable[..., Path]


@pytest.fixture
def picture(tmp_path: Path) -> Build:
    """Return a function that writes a picture of noise, a different one for every seed."""

    def write(name: str, height: int = 30, width: int = 40, seed: int = 0) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(path)
        return path

    return write


@pytest.fixture
def coco_file(tmp_path: Path, picture: Build) -> Callable[..., Path]:
    """Return a function that writes a COCO file over two pictures, after a change to its document."""

    def write(change: Callable[[dict], None] = lambda document: None) -> Path:
        picture("a.png", seed=1)
        picture("b.png", seed=2)
        document = small_document()
        change(document)
        path = tmp_path / "annotations.json"
        path.write_text(json.dumps(document))
        return path

    return write


def small_document() -> dict:
    square = [10.0, 5.0, 20.0, 5.0, 20.0, 15.0, 10.0, 15.0]
    core = [12.0, 7.0, 18.0, 7.0, 18.0, 13.0, 12.0, 13.0]
    return {
        "images": [
            {"id": 1, "file_name": "a.png", "width": 40, "height": 30, "foliation_deg": 12, "light": "XPL"},
            {"id": 2, "file_name": "b.png", "width": 40, "height": 30},
        ],
        "categories": [{"id": 1, "name": "CW"}, {"id": 2, "name": "CCW"}, {"id": 3, "name": "clast"}],
        "annotations": [
            {
                "id": 1,
                "image_id": 1,
                "category_id": 1,
                "bbox": [10, 5, 10, 10],
                "segmentation": [square],
                "core": [core],
                "kind": "sigma",
            },
            {"id": 2, "image_id": 1, "category_id": 3, "bbox": [0, 0, 5, 5], "iscrowd": 1},
        ],
    }
