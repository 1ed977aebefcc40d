"""Photomicrographs as a COCO data set that `read_coco` reads back as the same records.

Pictures are written as PNG, so their bytes differ from the originals': `sha256` in the file is the record's own digest,
`file_sha256` that of the PNG.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from PIL import Image

from ..errors import DataError
from ..records import CLASSES, Clast, Mask, Photomicrograph
from .masks import decode
from .names import class_told
from .pictures import sha256_of

_CATEGORIES = (*CLASSES, "clast")


def export_coco(photographs: Sequence[Photomicrograph], folder: Path) -> Path:
    """Write `folder/images/*.png` and `folder/annotations.json`; return the path of the latter.

    Raises DataError when the folder already holds annotations: nothing is overwritten.
    """
    target = folder / "annotations.json"
    if target.exists():
        raise DataError(f"{target}: exists already; export into an empty folder.")
    (folder / "images").mkdir(parents=True, exist_ok=True)
    images = [_image(number, photo, folder) for number, photo in enumerate(photographs, 1)]
    clasts = [(number, clast) for number, photo in enumerate(photographs, 1) for clast in photo.clasts]
    document = {
        "info": {"description": "Exported by clastbench", "coordinates": "pixels, origin top left"},
        "categories": [{"id": index, "name": name} for index, name in enumerate(_CATEGORIES)],
        "images": images,
        "annotations": [_annotation(index, number, clast) for index, (number, clast) in enumerate(clasts, 1)],
    }
    target.write_text(json.dumps(document, separators=(",", ":"), allow_nan=False), encoding="utf-8")
    return target


def _image(number: int, photo: Photomicrograph, folder: Path) -> dict[str, object]:
    pixels = photo.load()
    name = f"images/{number:05d}.png"
    Image.fromarray(pixels).save(folder / name)
    return {
        "id": number,
        "file_name": name,
        "name": photo.id,
        "width": pixels.shape[1],
        "height": pixels.shape[0],
        "sha256": photo.sha256,
        "file_sha256": sha256_of(folder / name),
        "sense": photo.truth,
        "present": photo.present,
        "group": photo.group,
        "light": photo.light,
        "foliation_deg": photo.foliation_deg,
        "um_per_px": photo.um_per_px,
        "attributes": dict(photo.attributes),
    }


def _annotation(index: int, image: int, clast: Clast) -> dict[str, object]:
    x0, y0, x1, y1 = (float(value) for value in clast.box_xyxy)
    shapes = {"segmentation": clast.mask, **clast.parts}
    return {
        "id": index,
        "image_id": image,
        "category_id": _CATEGORIES.index(class_told(clast)),
        "bbox": [x0, y0, x1 - x0, y1 - y0],
        "area": float(decode(clast.mask).sum()) if clast.mask else (x1 - x0) * (y1 - y0),
        "iscrowd": int(clast.ignore),
        "ignore": int(clast.ignore),
        "sense": clast.sense,
        "judged": clast.judged,
        "kind": clast.kind,
        "primary": clast.primary,
        **{name: _segmentation(mask) for name, mask in shapes.items() if mask is not None},
    }


def _segmentation(mask: Mask) -> object:
    if mask.polygons is not None:
        return [list(ring) for ring in mask.polygons]
    return {"size": [mask.height, mask.width], "counts": list(mask.counts or ())}
