"""The AGU 2021 photographs: labels, outlines and hashes from the shipped manifest, pixels from the reader's own copy.

The photographs carry no licence and are not shipped. Everything but the pixels works without them, so that a run can be
planned. Three labels of the source are not taken over, and three clasts are left unjudged:

- `with/20.jpg` and `with/98.jpg` show the same clast and are filed under opposite senses: the truth is left open
  (None), a clast is present.
- `without/98.jpg` is filed as clast-free but visibly holds a big porphyroclast whose sense nobody has judged: the truth
  is left open, a clast is present, and, as nobody has drawn it either, the whole picture is an ignore region, so that a
  detector is neither rewarded nor punished there.
- `with/27.jpg`, `with/36.jpg` and `with/66.jpg`: the primary clast was drawn with the sense opposite to the expert
  label, which speaks of that very clast. The truth is the expert's, the clast is not judged.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NoReturn

from ..errors import DataError
from ..records import CLASSES, MIRRORED, Clast, Photomicrograph
from .coco import Pixels, assemble
from .coco_schema import read_document
from .pictures import PictureFile, sha256_of
from .problems import Problem, refuse

SOURCE = "https://github.com/SonomaDeepThought/ssu_geosciences"
"""Where the photographs were published."""

DISPUTED = frozenset({"with/20.jpg", "with/98.jpg"})
"""One clast, filed once as CW and once as CCW."""

MISFILED = frozenset({"without/98.jpg"})
"""Filed as clast-free, with a clast in it."""

_COLUMNS = {"file", "sense", "width", "height", "sha256", "group", "note"}


@dataclass(frozen=True, slots=True)
class AbsentPixels:
    """Stands for the pixels of a photograph while no data folder is given."""

    id: str

    def __call__(self) -> NoReturn:
        """Raise DataError, saying where the photograph can be had."""
        raise DataError(
            f"The photograph {self.id} is not shipped with clastbench: "
            f"`git clone {SOURCE}` and name the clone with --data."
        )


def shipped_manifest() -> Path:
    """Return the folder of labels.csv and annotations.json, in an installed package or in a checkout."""
    here = Path(__file__).resolve()
    places = [here.parents[1] / "suites", here.parents[2] / "suites"]
    for place in places:
        if (place / "manifests" / "agu2021" / "labels.csv").is_file():
            return place / "manifests" / "agu2021"
    raise DataError(f"The agu2021 manifest is missing under {places[0]} and {places[1]}; install clastbench again.")


def read_agu2021(data_dir: Path | None = None, manifest: Path | None = None) -> tuple[Photomicrograph, ...]:
    """Return the 202 photographs in the order of the manifest; hashes are compared by `verify`, not here.

    `data_dir` is the clone, its `images` folder, or None while only ids, hashes, truths, groups, outlines are needed.
    """
    folder = manifest or shipped_manifest()
    root = None if data_dir is None else picture_root(data_dir)
    labels = _labels(folder / "labels.csv")
    document = read_document(folder / "annotations.json")
    if odd := {image.file_name for _, image in document.images.values()} ^ set(labels):
        raise DataError(
            f"{folder}: labels.csv and annotations.json do not list the same files; {min(odd)} is in one only."
        )
    pixels: dict[int | str, Pixels] = {
        key: AbsentPixels(image.file_name) if root is None else PictureFile(root / image.file_name)
        for key, (_, image) in document.images.items()
    }
    digests = {key: labels[image.file_name]["sha256"] for key, (_, image) in document.images.items()}
    drawn = assemble(document, str(folder / "annotations.json"), pixels, digests, []).accepted()
    by_id = {photo.id: photo for photo in drawn}
    return tuple(_labelled(by_id[name], row) for name, row in labels.items())


def picture_root(data_dir: Path) -> Path:
    """Return the folder that holds `with` and `without`: DIR itself or DIR/images."""
    for place in (data_dir, data_dir / "images"):
        if (place / "with").is_dir() and (place / "without").is_dir():
            return place
    raise DataError(f"{data_dir}: no folders `with` and `without`, there or in `images`; `git clone {SOURCE}` first.")


def verify(photographs: Sequence[Photomicrograph], data_dir: Path) -> None:
    """Compare every photograph with its sha256; raise DataError naming the first that is missing or another."""
    root = picture_root(data_dir)
    for photo in photographs:
        refuse(file_problems(photo, root))


def file_problems(photo: Photomicrograph, root: Path) -> tuple[Problem, ...]:
    """Return what is wrong with the file of one photograph: nothing, missing, or not the expected bytes."""
    path = root / photo.id
    if not path.is_file():
        return (Problem(str(path), "", f"is missing; `git clone {SOURCE}` brings it."),)
    actual = sha256_of(path)
    if actual != photo.sha256:
        return (Problem(str(path), "sha256", f"is {actual}, expected {photo.sha256}; it is another picture."),)
    return ()


def _labels(path: Path) -> dict[str, dict[str, str]]:
    try:
        with path.open(encoding="utf-8", newline="") as file:
            reader = csv.DictReader(file)
            missing = _COLUMNS - set(reader.fieldnames or ())
            rows = {row["file"]: row for row in reader} if not missing else {}
    except (OSError, ValueError, csv.Error) as error:
        raise DataError(f"{path}: cannot be read ({error}).") from error
    if missing:
        raise DataError(f"{path}: the columns {', '.join(sorted(missing))} are missing.")
    for name, row in rows.items():
        if row["sense"] not in CLASSES:
            raise DataError(f"{path}: {name}: sense is {row['sense']!r}, expected one of {', '.join(CLASSES)}.")
    return rows


def _labelled(photo: Photomicrograph, row: dict[str, str]) -> Photomicrograph:
    """Let the expert label of labels.csv decide, except where it contradicts itself or the picture."""
    doubtful = photo.id in DISPUTED | MISFILED
    truth = None if doubtful else row["sense"]
    whole = Clast((0.0, 0.0, float(row["width"]), float(row["height"])), None, ignore=True, primary=False, judged=False)
    clasts = tuple(replace(clast, judged=False) if _contradicts(clast, truth) else clast for clast in photo.clasts)
    return replace(
        photo,
        truth=truth,
        present=doubtful or truth != "none",
        group=row["group"],
        clasts=(*clasts, whole) if photo.id in MISFILED else clasts,
        attributes={**photo.attributes, **({"note": row["note"]} if row["note"] else {})},
    )


def _contradicts(clast: Clast, truth: str | None) -> bool:
    """Whether a clast that the expert label speaks of was drawn with the sense opposite to it."""
    return clast.primary and not clast.ignore and clast.sense is not None and truth == MIRRORED[clast.sense]
