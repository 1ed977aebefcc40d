"""COCO annotation files as photomicrographs.

Beside COCO's own fields we read, on an annotation, `sense` (CW, CCW, none or null), `judged`, `kind`, `primary`,
`ignore`, `core` and `tails` (polygons or run lengths); on an image, `sense` (the truth), `present`, `group`, `sha256`,
`file_sha256`, `light`, `foliation_deg`, `um_per_px`, `name` (the id, where it is not the file name), `note`,
`artefacts`, `artefact_masks` (by kind, each as a `segmentation`; left out where nobody has drawn them), `attributes`.
Where an annotation has no `sense`, its category is read as one: CW, CCW, none, or clast for "not told".

`sense` none says that the clast was looked at and shows none. Null says so too where the category is none or the kind,
phi or theta, shows none by its shape; elsewhere it means that nobody could tell. A clast of which nobody could tell, or
that the file does not tell, is not judged, unless `judged` says otherwise; it leaves the truth of its image open.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import cast

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError
from ..records import Box, Clast, Mask, Photomicrograph, Sense
from . import masks
from .coco_schema import CocoAnnotation, CocoCategory, CocoFile, CocoImage, Key, read_document
from .names import class_of, class_told, truth_of
from .paths import inside
from .pictures import PictureFile, sha256_of
from .problems import Problem, Scan

Pixels = Callable[[], NDArray[np.uint8]]

_SENSELESS = frozenset({"phi", "theta"})
"""Kinds whose tails are symmetric: they show no sense, whoever looks."""


def read_coco(annotations: Path, images: Path | None = None) -> tuple[Photomicrograph, ...]:
    """Read a COCO file; pictures lie under `images`, by default the file's own folder or `images` beside it.

    Every picture is hashed. Raises DataError with the first problem, such as a picture whose bytes are not those of
    its stated `file_sha256` (without it, `sha256`). Boxes are kept to a millionth of a pixel.
    """
    return scan_coco(annotations, images).accepted()


def scan_coco(annotations: Path, images: Path | None = None) -> Scan:
    """Read what is sound and list what is not, pictures with other bytes than stated among it."""
    document = read_document(annotations)
    folder = images or _picture_folder(annotations, document)
    problems: list[Problem] = []
    pixels: dict[Key, Pixels] = {}
    digests: dict[Key, str] = {}
    for key, (where, image) in document.images.items():
        try:
            path = inside(folder, image.file_name)
            digests[key] = _digest(path, image)
            pixels[key] = PictureFile(path)
        except DataError as error:
            problems.append(Problem(str(annotations), f"{where}.file_name", str(error)))
    return assemble(document, str(annotations), pixels, digests, problems)


def assemble(
    document: CocoFile, file: str, pixels: dict[Key, Pixels], digests: dict[Key, str], problems: list[Problem]
) -> Scan:
    """Build the photographs of a checked document from where their pixels and digests come from; no file is hashed."""
    clasts: dict[Key, list[Clast]] = {key: [] for key in document.images}
    for where, annotation in document.annotations:
        image = document.images[annotation.image_id][1]
        try:
            clasts[image.id].append(_clast(annotation, document.categories[annotation.category_id], image))
        except DataError as error:
            problems.append(Problem(file, where, str(error)))
    photographs = tuple(
        _photograph(image, clasts[key], pixels[key], digests[key], _artefacts(where, image, file, problems))
        for key, (where, image) in document.images.items()
        if key in pixels
    )
    return Scan(photographs, (*document.problems, *problems))


def _picture_folder(annotations: Path, document: CocoFile) -> Path:
    """Return where the pictures are: beside the file, or in `images` beside it when the first one lies there."""
    here = annotations.parent
    first = next((image.file_name for _, image in document.images.values()), "")
    try:
        return here / "images" if not (here / first).is_file() and (here / "images" / first).is_file() else here
    except OSError:  # a name too long for the file system; `inside` says so later
        return here


def _digest(path: Path, image: CocoImage) -> str:
    if not path.is_file():
        raise DataError(f"there is no picture {path}.")
    actual, expected = sha256_of(path), image.file_sha256 or image.sha256
    if expected not in (None, actual):
        raise DataError(f"{path} is not the expected picture: its sha256 is {actual}, expected {expected!r:.80}.")
    return image.sha256 or actual


def _artefacts(where: str, image: CocoImage, file: str, problems: list[Problem]) -> dict[str, Mask] | None:
    """Return the masks of the artefacts that are sound, None where the file has none; add what is wrong to problems."""
    if image.artefact_masks is None:
        return None
    found = {}
    for kind, segmentation in image.artefact_masks.items():
        try:
            found[kind] = masks.from_coco(segmentation, image.height, image.width)
        except DataError as error:
            problems.append(Problem(file, f"{where}.artefact_masks.{kind}", str(error)))
    return found


def _photograph(
    image: CocoImage, clasts: list[Clast], pixels: Pixels, digest: str, artefacts: dict[str, Mask] | None
) -> Photomicrograph:
    truth, present = truth_of([class_told(clast) for clast in clasts if clast.primary and not clast.ignore])
    if "sense" in image.model_fields_set:
        truth, present = image.sense, image.sense in ("CW", "CCW") or (image.sense is None and present)
    return Photomicrograph(
        id=image.identity,
        pixels=pixels,
        sha256=digest,
        truth=truth,
        present=present if image.present is None else image.present,
        group=image.group or image.identity,
        clasts=tuple(clasts),
        light=image.light,
        foliation_deg=image.foliation_deg,
        um_per_px=image.um_per_px,
        attributes=_attributes(image),
        artefacts=artefacts,
    )


def _attributes(image: CocoImage) -> dict[str, str]:
    noted = {"note": image.note, "annotator_note": image.annotator_note, "artefacts": "; ".join(image.artefacts)}
    size = {"width": str(image.width), "height": str(image.height)}
    return {**{name: text for name, text in noted.items() if text}, **image.attributes, **size}


def _clast(annotation: CocoAnnotation, category: CocoCategory, image: CocoImage) -> Clast:
    label = _told(annotation, category)
    parts = {name: mask for name in ("core", "tails") if (mask := _mask(getattr(annotation, name), image)) is not None}
    return Clast(
        box_xyxy=_box(annotation),
        sense=cast("Sense", label) if label in ("CW", "CCW") else None,
        kind=annotation.kind,
        mask=_mask(annotation.segmentation, image),
        parts=parts,
        ignore=annotation.ignored,
        primary=not annotation.ignored if annotation.primary is None else annotation.primary,
        judged=label != "clast" if annotation.judged is None else annotation.judged,
    )


def _told(annotation: CocoAnnotation, category: CocoCategory) -> str:
    """Return CW, CCW, none, or clast when nobody could tell or the file does not."""
    named = class_of(category.name) or "clast"
    if "sense" not in annotation.model_fields_set:
        return named
    return annotation.sense or ("none" if named == "none" or annotation.kind in _SENSELESS else "clast")


def _box(annotation: CocoAnnotation) -> Box:
    x, y, width, height = annotation.bbox
    x0, y0, x1, y1 = (round(value, 6) for value in (x, y, x + width, y + height))
    if not (x1 > x0 and y1 > y0):
        raise DataError(
            f"bbox: {annotation.bbox} has no area; expected [x, y, width, height] in pixels, both positive."
        )
    return x0, y0, x1, y1


def _mask(segmentation: object, image: CocoImage) -> Mask | None:
    return masks.from_coco(segmentation, image.height, image.width) if segmentation else None
