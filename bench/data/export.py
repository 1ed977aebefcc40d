"""Photomicrographs as a COCO data set that `read_coco` reads back as the same records, with label pictures beside it.

Pictures are written as PNG, so their bytes differ from the originals': `sha256` in the file is the record's own digest,
`file_sha256` that of the PNG.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ..errors import DataError
from ..records import CLASSES, Clast, Mask, Photomicrograph
from .labels import instance_labels, part_labels, region_of
from .masks import decode, encode
from .names import class_told
from .pictures import sha256_of

_CATEGORIES = (*CLASSES, "clast")

README = """\
Photographs exported by clastbench. NAME counts them from 00001; it is no id.

images/NAME.png     the photograph, RGB.
masks/NAME.png      what each pixel shows, 8 bits, one channel: 0 matrix, 1 mantle and tails, 2 core. A clast whose core
                    nobody has drawn is 1 throughout; one without an outline is not there.
instances/NAME.png  which clast each pixel shows, 8 bits, one channel: 0 none; n the n-th annotation of this picture in
                    annotations.json. Where outlines overlap, the earlier clast wins (generated ones never overlap).
                    Above 0 are the same pixels as in masks/NAME.png.
annotations.json    COCO: images, and one annotation a clast. Beside COCO's own fields
    of an image     name: the photograph's id, as in split.csv; sense: CW, CCW, none, or null where it has no single
                    one; group: photographs of one group belong into one part of a split; light; foliation_deg:
                    counter-clockwise from the x axis; artefact_masks: run lengths of scale bars, letters, cracks and
                    the like by kind, left out where nobody has drawn them. Masks and instances take no notice of them.
    of an annotation sense: CW, CCW, or null for none; kind: sigma, delta, fish, complex, phi, theta; core, tails: masks
                    as in segmentation; primary: false for a clast that the image's sense does not speak of; judged:
                    false where nobody has said whether it shows a sense; ignore: 1 for a clast that should count
                    neither as found nor as missed, as one that the border cuts.
split.csv           where it is there: fold, role (train, validation, test), id.

Run lengths are COCO's: down the columns, zeros first. Pixels have their origin at the top left.
"""


def export_coco(photographs: Sequence[Photomicrograph], folder: Path) -> Path:
    """Write `folder/images/*.png` and `folder/annotations.json`; return the path of the latter.

    Beside them `masks/*.png` (`labels.part_labels`), `instances/*.png` (`labels.instance_labels`), and a README.txt
    that says what their numbers mean.

    Raises DataError when the folder already holds annotations, since nothing is overwritten, and for masks that
    contradict themselves or the size of their picture.
    """
    target = folder / "annotations.json"
    if target.exists():
        raise DataError(f"{target}: exists already; export into an empty folder.")
    for name in ("images", "masks", "instances"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    (folder / "README.txt").write_text(README, encoding="utf-8")
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
    shape = pixels.shape[0], pixels.shape[1]
    name = f"images/{number:05d}.png"
    _write(pixels, folder / name)
    _write(part_labels(photo, shape), folder / "masks" / f"{number:05d}.png")
    _write(instance_labels(photo, shape), folder / "instances" / f"{number:05d}.png")
    drawn = {} if photo.artefacts is None else {"artefact_masks": _artefacts(photo, photo.artefacts, shape)}
    return {
        "id": number,
        "file_name": name,
        "name": photo.id,
        "width": shape[1],
        "height": shape[0],
        "sha256": photo.sha256,
        "file_sha256": sha256_of(folder / name),
        "sense": photo.truth,
        "present": photo.present,
        "group": photo.group,
        "light": photo.light,
        "foliation_deg": photo.foliation_deg,
        "um_per_px": photo.um_per_px,
        "attributes": dict(photo.attributes),
        **drawn,
    }


def _artefacts(photo: Photomicrograph, masks: Mapping[str, Mask], shape: tuple[int, int]) -> dict[str, object]:
    """Return the masks by kind; one without a polygon becomes run lengths, since COCO has no empty list of polygons."""
    regions = {kind: region_of(photo, mask, shape) for kind, mask in masks.items()}
    return {kind: _segmentation(encode(regions[kind]) if mask.polygons == () else mask) for kind, mask in masks.items()}


def _write(pixels: NDArray[np.uint8], path: Path) -> None:
    Image.fromarray(pixels).save(path)


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
