"""What the photographs and the classes of a suite are called in other tools' files."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import PurePath

from ..data.agu2021 import shipped_manifest
from ..data.coco_schema import CocoFile, Key, read_document
from ..data.names import class_of
from ..data.source import index_of
from ..data.splits import read_split
from ..records import CLASSES
from ..suite import Suite
from ..synth import parse_identity
from .inputs import Files, Source

NOT_TOLD = "clast"
"""The class of a detection that carries no sense."""


@dataclass(frozen=True, slots=True)
class Names:
    """Everything by which a photograph or a class may be called."""

    ids: frozenset[str]
    """Of all photographs, those that the limit or a fold leaves out included."""
    keys: Mapping[Key, str] = field(default_factory=dict)
    """Ids by the ids of `images` in the annotations."""
    files: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """Ids by file name, with its folder, without it, and (of photographs on disk) without its suffix."""
    categories: Mapping[Key, str] = field(default_factory=dict)
    """Classes by the ids of `categories` in the annotations: CW, CCW, none or clast."""

    def photographs(self, said: Key) -> frozenset[str]:
        """Return the ids of the photographs that may be meant."""
        if said in self.ids:
            return frozenset({str(said)})
        if said in self.keys:
            return frozenset({self.keys[said]})
        return self.files.get(str(said), frozenset())

    def class_told(self, said: Key) -> str | None:
        """Return CW, CCW, none or clast; None for what is no class."""
        return self.categories.get(said) or class_of(str(said))


def names_of(suite: Suite, source: Source) -> Names:
    """Gather the names of a suite's photographs: those `clastbench data export` gives, or those of its own files."""
    if not isinstance(source, Files):
        return _exported(suite, source)
    document = _document(source)
    if document is None:
        return Names(source.ids, files=_by_file((photo.id, photo.id) for photo in source.photographs))
    images = [image for _, image in document.images.values()]
    return Names(
        source.ids,
        keys={image.id: image.identity for image in images},
        files=_by_file((image.file_name, image.identity) for image in images),
        categories={key: class_of(one.name) or NOT_TOLD for key, one in document.categories.items()},
    )


def _exported(suite: Suite, source: Source) -> Names:
    """Number photographs and classes as `clastbench data export` does, whatever the limit.

    The name of an exported picture without its suffix is no name here: it would be another photograph's id.
    """
    roles = (fold.roles() for fold in read_split(suite.folder / suite.split).folds.values())
    named = {one for role in roles for ids in role.values() for one in ids}
    keys: dict[Key, str] = dict(enumerate(sorted(named, key=lambda one: parse_identity(one)[::-1]), 1))
    shown = {f"{number:05d}.png": frozenset({one}) for number, one in keys.items()}
    return Names(
        source.ids | named,
        keys=keys,
        files=shown | {f"images/{name}": one for name, one in shown.items()},
        categories=dict(enumerate((*CLASSES, NOT_TOLD))),
    )


def _document(source: Files) -> CocoFile | None:
    """Read the annotations behind photographs on disk, where there are any."""
    if source.format == "agu2021":
        return read_document(shipped_manifest() / "annotations.json")
    if source.format != "coco" or source.path is None:
        return None
    return read_document(index_of(source.path, "coco"))


def _by_file(pairs: Iterable[tuple[str, str]]) -> dict[str, frozenset[str]]:
    found: dict[str, set[str]] = defaultdict(set)
    for name, image_id in pairs:
        for one in (name, PurePath(name).name, PurePath(name).stem):
            found[one].add(image_id)
    return {name: frozenset(ids) for name, ids in found.items()}
