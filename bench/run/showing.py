"""Finds the photographs to be looked at or exported: those of a folder, of a suite, or of a recipe alone."""

from __future__ import annotations

import tomllib
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol, TypeVar

from pydantic import ValidationError

from ..data.preview import Group
from ..data.source import read
from ..errors import SuiteError, UsageError
from ..records import Photomicrograph
from ..suite import GeneratedData, Suite, load_suite, suite_names
from ..synth import LEVELS, Recipe, identity_of, parse_identity, render_photograph, scene_under
from ..synth import read as read_clast
from ..synth.optics import LIGHTS
from ..synth.recipe import SUBJECTS
from .inputs import Files, Generated, open_source

By = Literal["kind", "light", "level"]
"""What photographs are put together by."""

UNKNOWN = "not known"
_ORDER: Sequence[str] = (*SUBJECTS, *LIGHTS)

Item = TypeVar("Item")


class Shown(Protocol):
    """Photographs, before any of them is opened."""

    def first(self, limit: int | None) -> tuple[Photomicrograph, ...]:
        """Open the first ones; all without a limit."""
        ...

    def by(self, what: By, limit: int) -> list[Group]:
        """Open the first ones of each kind, light or level."""
        ...


@dataclass(frozen=True)
class Drawn:
    """Photographs that are rendered when they are asked for."""

    recipe: Recipe
    ids: Sequence[str]

    def first(self, limit: int | None) -> tuple[Photomicrograph, ...]:
        """Render the first ones; all without a limit."""
        return tuple(self._render(self.ids[:limit]))

    def by(self, what: By, limit: int) -> list[Group]:
        """Render the first ones of each value; by level, the same indices under every level."""
        if what == "level":
            indices = list(dict.fromkeys(parse_identity(identity)[0] for identity in self.ids))[:limit]
            return [Group(f"level: {level}", self._at(level, indices)) for level in LEVELS]
        value_of = {"kind": self._kind, "light": self._light}[what]
        found = _gathered(self.ids, value_of)
        return [
            Group(_label(what, value, len(ids), limit), list(self._render(ids[:limit]))) for value, ids in found.items()
        ]

    def _render(self, ids: Iterable[str]) -> Iterable[Photomicrograph]:
        return (render_photograph(self.recipe, *parse_identity(identity)) for identity in ids)

    def _at(self, level: str, indices: Sequence[int]) -> list[Photomicrograph]:
        return [render_photograph(self.recipe, index, f"level={level}") for index in indices]

    def _kind(self, identity: str) -> str:
        """Read the kind off the scene: rendering it would take a hundred times as long."""
        clasts = scene_under(self.recipe, *parse_identity(identity)).clasts
        return read_clast(clasts[0])[0] if clasts else "free"

    def _light(self, identity: str) -> str:
        return scene_under(self.recipe, *parse_identity(identity)).optics.light


@dataclass(frozen=True)
class Taken:
    """Photographs on disk."""

    name: str
    photographs: Sequence[Photomicrograph]

    def first(self, limit: int | None) -> tuple[Photomicrograph, ...]:
        """Return the first ones; all without a limit."""
        return tuple(self.photographs[:limit])

    def by(self, what: By, limit: int) -> list[Group]:
        """Return the first ones of each value; raise UsageError for levels, which only a recipe has."""
        if what == "level":
            raise UsageError(f"{self.name}: only generated photographs have levels; give --by kind or --by light.")
        found = _gathered(self.photographs, kind_of if what == "kind" else light_of)
        return [Group(_label(what, value, len(own), limit), own[:limit]) for value, own in found.items()]


def kind_of(photo: Photomicrograph) -> str:
    """Return the kind that a photograph states of itself, else that of its first clast that counts."""
    stated = [clast.kind for clast in photo.clasts if clast.primary and not clast.ignore and clast.kind]
    return photo.attributes.get("kind") or next(iter(stated), UNKNOWN)


def light_of(photo: Photomicrograph) -> str:
    """Return the light that a photograph was taken in."""
    return photo.light or UNKNOWN


def open_shown(source: str, folder: Path | None = None) -> Shown:
    """Find the photographs of `source`: a suite's name or file, a recipe's file, or a folder of photographs.

    Of a generated suite these are the ones that its split names, those under conditions after the others. `folder` is
    where the photographs of a suite lie that does not ship them.

    Raises:
        SuiteError: a file is neither a suite nor a recipe.
        DataError: there are no such photographs.
    """
    if source.endswith(".toml"):
        recipe = _recipe_alone(Path(source))
        if recipe is not None:
            return Drawn(recipe, [identity_of(index) for index in range(recipe.n_images)])
    elif source not in suite_names():
        return Taken(source, read(Path(source)))
    return _of_suite(load_suite(source), source, folder)


def _of_suite(suite: Suite, name: str, folder: Path | None) -> Shown:
    opened = open_source(suite, folder)
    if isinstance(opened, Generated):
        opened.check(suite.folds)
        named = {one for fold in suite.folds.folds.values() for ids in fold.roles().values() for one in ids}
        return Drawn(opened.recipe, sorted(named, key=lambda identity: parse_identity(identity)[::-1]))
    assert isinstance(opened, Files)
    opened.require_pixels()
    return Taken(name, opened.photographs)


def _recipe_alone(path: Path) -> Recipe | None:
    """Read a recipe that stands alone, in `[data]` or `[recipe]` or bare; None for a suite and for what is no TOML."""
    try:
        said = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError):
        return None  # reading it as a suite says what is wrong
    if "split" in said:
        return None
    stated = said["data"] if "data" in said else {"source": "synth", "recipe": said.get("recipe", said)}
    try:
        return GeneratedData.model_validate(stated).recipe
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(map(str, first["loc"]))
        message = f"{field}: {first['msg']}"
    except SuiteError as error:  # a recipe that draws something impossible
        message = str(error).rstrip(".")
    raise SuiteError(f"{path}: is no suite, since it names no split, and no recipe either: {message}.")


def _gathered(items: Iterable[Item], value_of: Callable[[Item], str]) -> Mapping[str, list[Item]]:
    """Put items together by value: known values in the generator's order, others by name, unknown ones last."""
    found: dict[str, list[Item]] = defaultdict(list)
    for item in items:
        found[value_of(item)].append(item)
    places = {value: place for place, value in enumerate(_ORDER)}
    order = sorted(found, key=lambda value: (value == UNKNOWN, places.get(value, len(places)), value))
    return {value: found[value] for value in order}


def _label(what: By, value: str, count: int, limit: int) -> str:
    return f"{what}: {value} ({f'{limit} of {count}' if count > limit else count})"
