"""Suites: what systems are ranked on, read from one TOML file each."""

from __future__ import annotations

import hashlib
import json
import tomllib
from collections.abc import Mapping
from functools import cached_property
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, TypeAdapter, ValidationError, model_validator

from .data.splits import Fold, Split, read_split
from .errors import DataError, SuiteError, UnknownNameError
from .records import CLASSES, OWN_HEAD
from .synth import Recipe, at_level


def _no_truth(value: object) -> object:
    """Refuse `true` where a number is due: Python takes it for 1."""
    if isinstance(value, bool):
        raise ValueError("a number is expected, not a truth value")  # noqa: TRY004 – pydantic collects ValueErrors
    return value


def _levelled(value: object) -> object:
    """Put what a stated `level` stands for in its place."""
    return at_level(value) if isinstance(value, dict) else value


Fraction = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=1), BeforeValidator(_no_truth)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class GeneratedData(_Strict):
    """Photographs drawn from a recipe; `level` in it stands for a set of values (`synth.LEVELS`)."""

    source: Literal["synth"]
    recipe: Annotated[Recipe, BeforeValidator(_levelled)]


class FileData(_Strict):
    """Photographs on disk: `path` is taken from `--data`, or relative to the suite file."""

    source: Literal["coco", "yolo", "folders", "agu2021"]
    path: str | None = None


class CropSettings(_Strict):
    """How boxes become inputs."""

    context: Annotated[float, Field(ge=1, le=10)] = 1.25
    """A box is widened by this factor about its centre before it is cropped."""
    jitter: Fraction = 0.1
    """Training boxes are moved and scaled by up to this share of their size."""
    per_clast: Count = 2
    """Training crops of each true clast: itself, and jittered copies."""
    background: Annotated[int, Field(ge=0)] = 1
    """Training crops without a clast, of each photograph."""


class Training(_Strict):
    """One training recipe; suites state one for each mode."""

    epochs: Count = 50
    batch_size: Count = 32
    learning_rate: Annotated[float, Field(gt=0)] = 1e-4
    weight_decay: Annotated[float, Field(ge=0)] = 0.0
    schedule: Literal["constant", "one-cycle"] = "constant"
    hidden: Count = 512
    """Width of the trained layer on top of a frozen network."""
    mirror: bool = False
    """Show mirror images too, the sense swapped: as rows of their own (frozen), or every other time at random."""
    rotate_deg: Annotated[float, Field(ge=0, le=180)] = 0.0
    """Rotate training pictures by up to this angle either way (not for frozen networks)."""
    photometric: Fraction = 0.0
    """Change contrast by up to this share, and brightness by half of it (not for frozen networks)."""
    size: tuple[Count, Count] | None = None
    """(height, width) of the input in place of the plugin's own."""


class DetectorTraining(_Strict):
    """How detectors are trained; a plugin takes from it what it has a use for."""

    size: Annotated[int, Field(ge=32, multiple_of=32)] = 640
    """Longer side of the letterboxed input in pixels."""
    epochs: Count = 100
    batch_size: Count = 16
    learning_rate: Annotated[float, Field(gt=0)] = 1e-3
    weight_decay: Annotated[float, Field(ge=0)] = 5e-4
    augment: bool = True
    """Move, scale and tint training photographs at random; it takes many epochs to pay. Mirroring goes on without."""


class Detection(_Strict):
    """How clasts are looked for."""

    max_boxes: Annotated[int, Field(ge=1, le=100)] = 100
    """At most so many proposals of a photograph, the surest, are scored, cropped and classified."""
    own_head: bool = False
    """Enter every detector that can read the sense by itself as a system of its own, too."""
    one_repeat: bool = False
    """Detectors take part in the first folds only, as long as these test no photograph twice."""
    training: DetectorTraining = DetectorTraining()


class Explaining(_Strict):
    """How much is asked about where systems look; it costs passes through the networks."""

    perturbed: Count = 64
    """Inputs of a backbone whose maps are tested by taking away what they call relevant."""
    changed: Count = 100
    """Generated photographs that are rendered again with a part, or a cue, changed."""
    watched: Count = 12
    """Photographs on which detectors are explained."""
    diagnostics: bool = False
    """Compute infidelity and max-sensitivity, too."""


DEFAULTS: Mapping[str, Training] = {
    "frozen": Training(),
    "finetune": Training(epochs=20, weight_decay=0.05, schedule="one-cycle", mirror=True, photometric=0.2),
    "scratch": Training(
        epochs=40, learning_rate=3e-3, weight_decay=0.05, schedule="one-cycle", mirror=True, photometric=0.2
    ),
}
"""Recipes of suites that state none. `frozen` is the one of the AGU 2021 poster (Iota et al.)."""


class Reference(_Strict):
    """A published result that was not run here; scores follow from its confusion matrix."""

    name: str
    source: str
    classes: tuple[str, ...]
    confusion: tuple[tuple[Annotated[int, Field(ge=0)], ...], ...]
    """Rows truth, columns prediction."""

    @model_validator(mode="after")
    def _square(self) -> Self:
        if sorted(self.classes) != sorted(CLASSES):
            raise ValueError(f"classes must be {', '.join(CLASSES)} in any order")
        if [len(row) for row in self.confusion] != [len(CLASSES)] * len(CLASSES):
            raise ValueError(f"confusion must have {len(CLASSES)} rows of {len(CLASSES)} counts")
        return self


class Suite(_Strict):
    """Everything a suite file says. Unknown keys are refused."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")]
    version: Count
    title: str = ""
    split: str
    data: Annotated[GeneratedData | FileData, Field(discriminator="source")]
    detectors: tuple[str, ...] = ("whole-image",)
    backbones: tuple[str, ...]
    seeds: Annotated[tuple[Annotated[int, Field(ge=0)], ...], Field(min_length=1)] = (0,)
    threads: Count = 1
    """Threads of every fit: part of its cache key, so that the number of workers changes no result."""
    crops: CropSettings = CropSettings()
    detection: Detection = Detection()
    training: dict[Literal["frozen", "finetune", "scratch"], Training] = {}
    references: tuple[Reference, ...] = ()
    explainers: tuple[str, ...] = ("grad-cam",)
    """Methods whose maps are scored. The first is the ranked one."""
    explaining: Explaining = Explaining()

    @model_validator(mode="after")
    def _recipes_fit(self) -> Self:
        for mode, recipe in self.training.items():
            idle = {"rotate_deg", "photometric"} if mode == "frozen" else {"hidden"}
            for name in sorted(idle):
                if getattr(recipe, name) != Training.model_fields[name].default:
                    raise ValueError(f"training.{mode}.{name} has no effect; remove it")
        return self

    folder: Path = Field(exclude=True)
    """Where the file lies; paths inside it are relative to this."""
    limit: Count | None = None
    """Set by `--limit`: at most so many photographs of each role. A limited suite is another suite."""
    seed: int | None = None
    """Set by `--seed`: takes the place of `seeds`. A suite with another seed is another suite."""

    @property
    def shown_name(self) -> str:
        """The name of its results folder."""
        limited = f"{self.name}-limit{self.limit}" if self.limit else self.name
        return limited if self.seed is None else f"{limited}-seed{self.seed}"

    @property
    def entered_backbones(self) -> tuple[str, ...]:
        """All backbones, with the detectors' own heads if they take part."""
        return (*self.backbones, OWN_HEAD) if self.detection.own_head else self.backbones

    @cached_property
    def folds(self) -> Split:
        """The frozen split, cut to the limit."""
        split = read_split(self.folder / self.split)
        return split if self.limit is None else _cut(split, self.limit)

    @cached_property
    def one_repeat(self) -> tuple[str, ...]:
        """The first folds, as long as they test no photograph twice: those whose maps are scored."""
        chosen: list[str] = []
        seen: set[str] = set()
        for name, fold in self.folds.folds.items():
            if seen & set(fold.test):
                break
            chosen.append(name)
            seen |= set(fold.test)
        return tuple(chosen)

    def recipe(self, mode: str) -> Training:
        """The training recipe of a mode: the suite's, or the default."""
        stated: Mapping[str, Training] = {str(name): recipe for name, recipe in self.training.items()}
        return stated.get(mode, DEFAULTS[mode])

    def digest(self, data_digest: str) -> str:
        """Identify what makes scores comparable: data, split, seeds, crops, recipes – not the list of systems."""
        named = {"name", "version", "seeds", "crops", "detection", "threads", "limit"}
        said = self.model_dump(mode="json", include=named, exclude={"detection": {"own_head"}})
        recipes = {mode: self.recipe(mode).model_dump(mode="json") for mode in DEFAULTS}
        return sha256_of_json({**said, "training": recipes, "split": self.folds.digest, "data": data_digest})


def _cut(split: Split, limit: int) -> Split:
    folds = {
        name: Fold(name=name, train=fold.train[:limit], validation=fold.validation[:limit], test=fold.test[:limit])
        for name, fold in split.folds.items()
    }
    return Split(folds=folds)


def sha256_of_json(value: Any) -> str:
    """Digest of a JSON value, written canonically: sorted keys, no spaces, ASCII."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def suite_names() -> list[str]:
    """Names of the suites that come with the package."""
    return sorted(path.name.removesuffix(".toml") for path in _shipped().iterdir() if path.name.endswith(".toml"))


def _shipped() -> Path:
    return Path(str(files("clastbench.suites")))


def load_suite(name: str, *, limit: int | None = None, seed: int | None = None) -> Suite:
    """Read a suite by name, or from a path that ends in `.toml`.

    Raises:
        UnknownNameError: no such suite.
        SuiteError: the file is not valid; the message names file, field and value.
    """
    path = Path(name) if name.endswith(".toml") else _shipped() / f"{name}.toml"
    if not path.is_file():
        if name.endswith(".toml"):
            raise DataError(f"{path}: no such suite file.")
        raise UnknownNameError("suite", name, suite_names())
    try:
        said = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SuiteError(f"{path}: not valid TOML: {error}.") from error
    for key in {"folder", "limit", "seed"} & said.keys():
        raise SuiteError(f"{path}: {key} is not said in a suite file; it is set by the command line.")
    try:
        return TypeAdapter(Suite).validate_python({**said, **_override(path, limit, seed)})
    except ValidationError as error:
        raise SuiteError(f"{path}: {_first_problem(error)}") from error
    except SuiteError as error:  # a recipe that draws something impossible
        raise SuiteError(f"{path}: {error}") from error


def _override(path: Path, limit: int | None, seed: int | None) -> dict[str, Any]:
    stated = {"folder": path.parent, "limit": limit, "seed": seed}
    return stated if seed is None else {**stated, "seeds": (seed,)}


def _first_problem(error: ValidationError) -> str:
    first = error.errors()[0]
    field = ".".join(str(part) for part in first["loc"]) or "the file"
    message = first["msg"].removeprefix("Value error, ")
    shown = repr(first.get("input"))
    value = "" if first["type"] in ("missing", "value_error") else f" (it says {shown:.60})"
    return f"{field}: {message}{value}."
