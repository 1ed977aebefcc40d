"""The fields of a COCO file, ours included, checked one record at a time so that one mistake hides no other."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from .names import EXPECTED, class_of
from .pictures import MAX_PIXELS
from .problems import Problem

Number = Annotated[float, Field(strict=True, allow_inf_nan=False, ge=-1e9, le=1e9)]
Side = Annotated[int, Field(strict=True, ge=1, le=1_000_000)]
Key = Annotated[int, Field(strict=True)] | Annotated[str, Field(strict=True)]
Text = Annotated[str, Field(strict=True)]


class _Entry(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class CocoImage(_Entry):
    """One of `images`. Only `id`, `file_name`, `width` and `height` are COCO's; the others are ours."""

    id: Key
    file_name: Annotated[str, Field(strict=True, min_length=1)]
    width: Side
    height: Side
    name: Text | None = None
    sha256: Text | None = None
    file_sha256: Text | None = None
    sense: Literal["CW", "CCW", "none"] | None = None
    present: Annotated[bool, Field(strict=True)] | None = None
    group: Text | None = None
    light: Text | None = None
    foliation_deg: Number | None = None
    um_per_px: Annotated[float, Field(strict=True, allow_inf_nan=False, gt=0)] | None = None
    note: Text = ""
    annotator_note: Text = ""
    artefacts: list[Text] = []
    artefact_masks: dict[Text, object] | None = None
    attributes: dict[Text, Text] = {}

    @property
    def identity(self) -> str:
        """The photograph's id: `name` where it is given, else the file name."""
        return self.name or self.file_name


class CocoAnnotation(_Entry):
    """One of `annotations`; `kind`, `sense`, `judged`, `primary`, `core`, `tails`, `ignore` are ours."""

    id: Key | None = None
    image_id: Key
    category_id: Key
    bbox: Annotated[list[Number], Field(min_length=4, max_length=4)]
    segmentation: object = None
    core: object = None
    tails: object = None
    iscrowd: Literal[0, 1] = 0
    ignore: Literal[0, 1] = 0
    kind: Text | None = None
    sense: Literal["CW", "CCW", "none"] | None = None
    judged: Annotated[bool, Field(strict=True)] | None = None
    primary: Annotated[bool, Field(strict=True)] | None = None

    @property
    def ignored(self) -> bool:
        """Whether the region is neither rewarded nor punished."""
        return bool(self.iscrowd or self.ignore)


class CocoCategory(_Entry):
    """One of `categories`: CW, CCW, none or clast."""

    id: Key
    name: Text


Entry = TypeVar("Entry", bound=_Entry)


@dataclass(frozen=True, slots=True)
class CocoFile:
    """The sound records of a COCO file by their ids, each with the name of its field, and the problems of the rest."""

    images: Mapping[Key, tuple[str, CocoImage]]
    annotations: tuple[tuple[str, CocoAnnotation], ...]
    categories: Mapping[Key, CocoCategory]
    problems: tuple[Problem, ...]


def read_document(path: Path) -> CocoFile:
    """Read and check a COCO file; whatever is wrong is in `problems`, nothing is raised."""
    try:
        document = json.loads(path.read_bytes())
    except OSError as error:
        return CocoFile({}, (), {}, (Problem(str(path), "", f"cannot be read ({error.strerror})."),))
    except (ValueError, RecursionError) as error:
        return CocoFile({}, (), {}, (Problem(str(path), "", f"is not JSON ({error})."),))
    return check_document(document, str(path))


def check_document(document: object, file: str) -> CocoFile:
    """Check a parsed COCO file field by field, then the references between its records."""
    if not isinstance(document, Mapping):
        message = f"expected an object with images, annotations and categories, got {type(document).__name__}."
        return CocoFile({}, (), {}, (Problem(file, "", message),))
    problems: list[Problem] = []
    images = _entries(document, "images", CocoImage, file, problems)
    annotations = _entries(document, "annotations", CocoAnnotation, file, problems)
    categories = _entries(document, "categories", CocoCategory, file, problems)
    broken = {entry.get("id") for entry in _listed(document, "images") if isinstance(entry, Mapping) and _key(entry)}
    by_id = _unique_images(images, file, problems)
    known = {entry.id: entry for _, entry in categories}
    sound = []
    for where, annotation in annotations:
        if annotation.image_id not in by_id and annotation.image_id not in broken:
            problems.append(Problem(file, f"{where}.image_id", f"no image has the id {annotation.image_id!r:.40}."))
        elif wrong := _category_problem(annotation, known):
            problems.append(Problem(file, f"{where}.category_id", wrong))
        elif annotation.image_id in by_id:
            sound.append((where, annotation))
    return CocoFile(by_id, tuple(sound), known, tuple(problems))


def _listed(document: Mapping[object, object], key: str) -> list[object]:
    entries = document.get(key)
    return entries if isinstance(entries, list) else []


def _key(entry: Mapping[object, object]) -> bool:
    return isinstance(entry.get("id"), int | str)


def _entries(
    document: Mapping[object, object], key: str, model: type[Entry], file: str, problems: list[Problem]
) -> list[tuple[str, Entry]]:
    if not isinstance(document.get(key), list):
        problems.append(Problem(file, key, "expected a list, and it is missing or something else."))
    sound = []
    for index, entry in enumerate(_listed(document, key)):
        where = f"{key}[{index}]"
        try:
            sound.append((where, model.model_validate(entry)))
        except ValidationError as error:
            problems.extend(
                Problem(file, _field(where, detail["loc"]), f"{detail['msg']}, got {detail['input']!r:.60}.")
                for detail in error.errors(include_url=False)
            )
    return sound


def _field(where: str, location: tuple[int | str, ...]) -> str:
    return ".".join([where, *map(str, location)])


def _unique_images(
    images: list[tuple[str, CocoImage]], file: str, problems: list[Problem]
) -> dict[Key, tuple[str, CocoImage]]:
    by_id: dict[Key, tuple[str, CocoImage]] = {}
    identities: dict[str, str] = {}
    for where, image in images:
        if image.id in by_id:
            problems.append(Problem(file, f"{where}.id", f"{image.id!r:.40} is also the id of {by_id[image.id][0]}."))
        elif image.identity in identities:
            message = f"{image.identity!r:.60} is also the name of {identities[image.identity]}."
            problems.append(Problem(file, f"{where}.file_name", message))
        elif image.width * image.height > MAX_PIXELS:
            message = f"{image.width} by {image.height} pixels is more than {MAX_PIXELS} in all."
            problems.append(Problem(file, f"{where}.width", message))
        else:
            by_id[image.id] = (where, image)
            identities[image.identity] = where
    return by_id


def _category_problem(annotation: CocoAnnotation, categories: Mapping[Key, CocoCategory]) -> str | None:
    category = categories.get(annotation.category_id)
    if category is None:
        return f"no category has the id {annotation.category_id!r:.40}."
    if "sense" not in annotation.model_fields_set and not annotation.ignored and class_of(category.name) is None:
        return f"the category {category.name!r:.40} is unknown and there is no `sense`; expected {EXPECTED}."
    return None
