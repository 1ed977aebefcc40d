"""Where the photographs of a run come from: rendered shards in the store, or files on disk."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cache, lru_cache, partial
from itertools import chain, zip_longest
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ..data.agu2021 import read_agu2021, verify
from ..data.source import digest, read
from ..data.splits import Split, check_split
from ..errors import DataError, SuiteError
from ..records import SENSES, Clast, Mask, Photomicrograph
from ..suite import FileData, GeneratedData, Suite
from ..synth import Recipe, identity_of, parse_identity, recipe_digest, render_photograph, scene_under
from .graph import Node
from .samples import blind

SHARD = 100
"""Generated photographs are rendered so many at a time."""


class Source(Protocol):
    """The photographs of a suite, before any pixel is touched."""

    @property
    def digest(self) -> str:
        """Stands for every pixel and every label."""
        ...

    @property
    def ids(self) -> frozenset[str]:
        """All photographs."""
        ...

    @property
    def has_boxes(self) -> bool:
        """Whether any clast is drawn."""
        ...

    def nodes(self, ids: Sequence[str]) -> Mapping[str, Node]:
        """Nodes that must be finished before `open_photographs` finds these ids; none for files on disk."""
        ...

    def local(self) -> Mapping[str, Any]:
        """What a worker needs to open the photographs, as JSON."""
        ...

    def require_pixels(self) -> None:
        """Refuse early, with one clear line, when the pixels cannot be had or are not the expected ones."""
        ...

    def check(self, split: Split) -> None:
        """Refuse a split that does not fit the photographs."""
        ...


@dataclass(frozen=True)
class Generated:
    """Photographs drawn from a recipe; rendered once, into the store."""

    recipe: Recipe
    digest: str
    ids: frozenset[str]
    has_boxes: bool = True

    def nodes(self, ids: Sequence[str]) -> Mapping[str, Node]:
        """One node for each shard that holds one of the ids; each condition has its own shards."""
        return {_shard_name(*shard): _shard(self.recipe, *shard) for shard in _shards(tuple(ids))}

    def variants(self, ids: Sequence[str], change: str, at_most: int) -> Node:
        """Return the node that renders photographs with a sense again, with one thing changed."""
        return Node(
            kind="variants",
            spec={"recipe": recipe_digest(self.recipe), "ids": list(ids), "change": change, "at_most": at_most},
            inputs=self.nodes(ids),
            label=f"render {at_most} photographs again, {change}",
            family=f"variants {self.recipe.width}x{self.recipe.height}",
            local={"recipe": asdict(self.recipe)},
        )

    def local(self) -> Mapping[str, Any]:
        """Nothing: the shards say it all."""
        return {}

    def require_pixels(self) -> None:
        """Generated pixels can always be had."""

    def check(self, split: Split) -> None:
        """Refuse unknown ids and conditions, and scenes that cross roles: all conditions of one belong together."""
        for condition in sorted({parse_identity(image_id)[1] for image_id in self.ids}):
            scene_under(self.recipe, 0, condition)
        for fold in split.folds.values():
            roles: dict[int, str] = {}
            for role, ids in fold.roles().items():
                for image_id in ids:
                    index, _ = parse_identity(image_id)
                    if index >= self.recipe.n_images:
                        raise SuiteError(f"The split names {image_id!r}; there are {self.recipe.n_images} photographs.")
                    if roles.setdefault(index, role) != role:
                        raise SuiteError(
                            f"Fold {fold.name}: scene {index:05d} is in {roles[index]} and in {role} ({image_id!r})."
                        )


@dataclass(frozen=True)
class Files:
    """Photographs on disk, verified against their hashes before the first is opened."""

    format: str
    path: Path | None
    photographs: tuple[Photomicrograph, ...]
    digest: str
    ids: frozenset[str]

    @property
    def has_boxes(self) -> bool:
        """Whether any clast is drawn."""
        return any(photo.clasts for photo in self.photographs)

    def nodes(self, ids: Sequence[str]) -> Mapping[str, Node]:  # noqa: ARG002 – files need no node
        """Files need none."""
        return {}

    def local(self) -> Mapping[str, Any]:
        """Format and folder."""
        return {"format": self.format, "path": None if self.path is None else str(self.path.resolve())}

    def check(self, split: Split) -> None:
        """Refuse unknown ids, groups that cross roles, and classes with nothing to train on."""
        check_split(split, self.photographs)

    def require_pixels(self) -> None:
        """Refuse when the folder is not given, or a file in it is not the expected one."""
        if self.path is None:
            raise DataError(
                "The photographs of this suite are not part of clastbench: give their folder with --data DIR "
                "(agu2021: git clone the repository named in the manifest's README)."
            )
        if self.format == "agu2021":
            verify(self.photographs, self.path)


def open_source(suite: Suite, data_dir: Path | None) -> Source:
    """Find out which photographs a suite speaks of; pixels are not touched."""
    if isinstance(suite.data, GeneratedData):
        return _generated(suite.data.recipe, suite.folds)
    return _files(suite, suite.data, data_dir)


def _generated(recipe: Recipe, split: Split) -> Generated:
    """Know the photographs of the recipe, and those under conditions that the split names."""
    plain = frozenset(identity_of(index) for index in range(recipe.n_images))
    named = frozenset(i for fold in split.folds.values() for ids in fold.roles().values() for i in ids)
    return Generated(recipe=recipe, digest=recipe_digest(recipe), ids=plain | named)


@lru_cache(maxsize=256)
def _shards(ids: tuple[str, ...]) -> list[tuple[str, int]]:
    known = (parse_identity(image_id) for image_id in ids)
    return sorted({(condition, index // SHARD) for index, condition in known})


@lru_cache(maxsize=4096)
def _shard(recipe: Recipe, condition: str, shard: int) -> Node:
    start, stop = shard * SHARD, min((shard + 1) * SHARD, recipe.n_images)
    under = {"condition": condition} if condition else {}
    return Node(
        kind="pictures",
        spec={"recipe": recipe_digest(recipe), "start": start, "stop": stop, **under},
        label=f"render photographs {start}–{stop - 1}" + (f", {condition}" if condition else ""),
        family=f"pictures {recipe.width}x{recipe.height}",
        local={"recipe": asdict(recipe)},
    )


def _shard_name(condition: str, shard: int) -> str:
    return f"pictures/{condition}/{shard:04d}" if condition else f"pictures/{shard:04d}"


def _files(suite: Suite, data: FileData, data_dir: Path | None) -> Files:
    path = data_dir or (suite.folder / data.path if data.path else None)
    if path is not None and not path.exists():
        raise DataError(f"{path}: no such folder (--data).")
    if data.source != "agu2021" and path is None:
        raise SuiteError(f"{suite.name}: data.path is missing; say it in the suite file or with --data DIR.")
    photographs = _read(data.source, path)
    return Files(
        format=data.source,
        path=path,
        photographs=photographs,
        digest=digest(photographs),
        ids=frozenset(photo.id for photo in photographs),
    )


def _read(source: str, path: Path | None) -> tuple[Photomicrograph, ...]:
    if source == "agu2021":
        return read_agu2021(path)
    assert path is not None
    return read(path, source)


def look_up(source: Source, ids: Sequence[str]) -> list[Photomicrograph]:
    """Return photographs with their pixels, in the order of the ids; generated ones are rendered again.

    Raises:
        DataError: there is no such photograph.
    """
    unknown = sorted(set(ids) - source.ids)
    if unknown:
        raise DataError(f"{unknown[0]!r} is not among the {len(source.ids)} photographs of the suite.")
    if isinstance(source, Generated):
        return [render_photograph(source.recipe, *parse_identity(image_id)) for image_id in ids]
    assert isinstance(source, Files)
    known = {photo.id: photo for photo in source.photographs}
    return [known[image_id] for image_id in ids]


def open_photographs(
    local: Mapping[str, Any], folders: Mapping[str, Path], expected: str
) -> dict[str, Photomicrograph]:
    """Open, in a worker, the photographs of a source by id.

    Args:
        local: what `Source.local` said.
        folders: the finished inputs of the node, by name; those named `pictures/…` are shards.
        expected: the digest of the source when the run was planned.

    Raises:
        DataError: the data set was changed since.
    """
    if local:
        return opened_before(local["format"], local["path"], expected)
    shards = [folder for name, folder in folders.items() if name.startswith("pictures/")]
    return {photo.id: photo for shard in shards for photo in read_shard(shard)}


@cache
def opened_before(source: str, path: str | None, expected: str) -> dict[str, Photomicrograph]:
    """Read a version of a data set once a process: some readers hash every file."""
    photographs = _read(source, None if path is None else Path(path))
    if digest(photographs) != expected:
        raise DataError(f"{path}: the data set was changed while the suite was running; run it again.")
    return {photo.id: photo for photo in photographs}


def render_shard(recipe: Recipe, start: int, stop: int, condition: str, out: Path) -> None:
    """Render photographs start…stop-1 under a condition: `images.npy` uint8[n, H, W, 3] and `photographs.json`."""
    photographs = [render_photograph(recipe, index, condition) for index in range(start, stop)]
    np.save(out / "images.npy", np.stack([photo.load() for photo in photographs]))
    said = [{**asdict(_without_pixels(photo)), "pixels": None} for photo in photographs]
    (out / "photographs.json").write_text(json.dumps(said), encoding="utf-8")


def is_plain(image_id: str) -> bool:
    """Whether a generated photograph is as the recipe draws it, under no condition."""
    return not parse_identity(image_id)[1]


def render_variants(
    recipe: Recipe, photographs: Iterable[Photomicrograph], change: str, at_most: int, out: Path
) -> None:
    """Render photographs with one thing changed: `images.npy` uint8[n, H, W, 3], and their own ids in `ids.json`.

    They are the first `at_most` with a sense, as many of one as of the other while there are, in an order that says
    nothing about them. Those that stand under a condition already are left out: a scene takes one change.
    """
    chosen = _with_a_sense(photographs, at_most)
    images = np.zeros((len(chosen), recipe.height, recipe.width, 3), np.uint8)
    for row, image_id in enumerate(chosen):
        images[row] = render_photograph(recipe, parse_identity(image_id)[0], change).load()
    np.save(out / "images.npy", images)
    (out / "ids.json").write_text(json.dumps(chosen), encoding="utf-8")


def _with_a_sense(photographs: Iterable[Photomicrograph], at_most: int) -> list[str]:
    by_sense: dict[str | None, list[str]] = {"CW": [], "CCW": [], None: []}
    for photo in sorted(photographs, key=lambda one: blind(one.id)):
        if photo.present and is_plain(photo.id):
            by_sense[photo.truth if photo.truth in SENSES else None].append(photo.id)
    in_turn = chain.from_iterable(zip_longest(by_sense["CW"], by_sense["CCW"]))
    return [one for one in (*in_turn, *by_sense[None]) if one is not None][:at_most]


def _without_pixels(photo: Photomicrograph) -> Photomicrograph:
    return replace(photo, pixels=_no_pixels)


def _no_pixels() -> NDArray[np.uint8]:
    raise DataError("This record was read without pixels.")


def read_shard(folder: Path) -> list[Photomicrograph]:
    """Read what `render_shard` wrote; pixels stay on disk until they are loaded."""
    images = np.load(folder / "images.npy", mmap_mode="r")
    said = json.loads((folder / "photographs.json").read_text(encoding="utf-8"))
    return [_photograph(record, partial(_copy, images[row])) for row, record in enumerate(said)]


def _copy(view: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.array(view)


def _photograph(record: dict[str, Any], pixels: partial[NDArray[np.uint8]]) -> Photomicrograph:
    clasts = tuple(_clast(clast) for clast in record["clasts"])
    drawn = record["artefacts"]
    artefacts = None if drawn is None else {kind: _mask(mask) for kind, mask in drawn.items()}
    return Photomicrograph(**{**record, "pixels": pixels, "clasts": clasts, "artefacts": artefacts})


def _clast(record: dict[str, Any]) -> Clast:
    parts = {name: _mask(mask) for name, mask in record["parts"].items()}
    mask = _mask(record["mask"]) if record["mask"] else None
    return Clast(**{**record, "box_xyxy": tuple(record["box_xyxy"]), "mask": mask, "parts": parts})


def _mask(record: dict[str, Any]) -> Mask:
    polygons = tuple(tuple(ring) for ring in record["polygons"]) if record["polygons"] else None
    counts = tuple(record["counts"]) if record["counts"] else None
    return Mask(record["height"], record["width"], polygons, counts)
