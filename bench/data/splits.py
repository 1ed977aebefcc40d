"""Splits: which photograph trains, validates or tests in which fold.

A split file is a CSV with the header `fold,role,id`. Within a role the ids are shuffled, so that the first N of them
are a fair sample.
"""

from __future__ import annotations

import csv
import hashlib
import json
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..errors import SuiteError
from ..records import Photomicrograph
from .dealing import partition
from .families import Family, families_of, group_families

ROLES = ("train", "validation", "test")
HEADER = ["fold", "role", "id"]


@dataclass(frozen=True, slots=True)
class Fold:
    """The ids of one fold, by role."""

    name: str
    train: tuple[str, ...]
    validation: tuple[str, ...]
    test: tuple[str, ...]

    def roles(self) -> Mapping[str, tuple[str, ...]]:
        """Return role → ids."""
        return {"train": self.train, "validation": self.validation, "test": self.test}


@dataclass(frozen=True, slots=True)
class Split:
    """All folds by name, in the order of the file."""

    folds: Mapping[str, Fold]

    def only(self, ids: AbstractSet[str]) -> Split:
        """Return the split cut down to some photographs."""
        kept = {
            name: Fold(name, *(tuple(i for i in role if i in ids) for role in fold.roles().values()))
            for name, fold in self.folds.items()
        }
        return Split(kept)

    @property
    def digest(self) -> str:
        """Hex digest of folds, roles and ids. The order of ids counts: `--limit` takes the first ones."""
        content = {name: fold.roles() for name, fold in self.folds.items()}
        return hashlib.sha256(json.dumps(content, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def read_split(path: Path) -> Split:
    """Read a split file; raise SuiteError with file and line when it contradicts itself."""
    seen: dict[str, dict[str, str]] = {}
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = csv.reader(file)
            if (header := next(rows, None)) != HEADER:
                raise SuiteError(f"{path}: line 1: the header is {header}, expected {','.join(HEADER)}.")
            for row in rows:
                _add(seen, row, f"{path}: line {rows.line_num}")
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise SuiteError(f"{path}: the split cannot be read ({error}).") from error
    if not seen:
        raise SuiteError(f"{path}: the split has no rows.")
    return Split({name: _from_rows(name, roles) for name, roles in seen.items()})


def write_split(split: Split, path: Path) -> None:
    """Write a split file, fold by fold and role by role, ids in their own order."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(HEADER)
        for name, fold in split.folds.items():
            for role, ids in fold.roles().items():
                writer.writerows((name, role, identity) for identity in ids)


def check_split(split: Split, photographs: Sequence[Photomicrograph]) -> None:
    """Raise SuiteError when the split does not fit the photographs.

    Looks for unknown ids, families (a group, a twin, the same bytes) that cross roles within a fold, and classes of the
    data that a fold has nothing of to train on.
    """
    families = families_of(photographs)
    truths = {photo.id: photo.truth for photo in photographs}
    classes = {truth for truth in truths.values() if truth is not None}
    for fold in split.folds.values():
        _check_known(fold, truths)
        _check_families(fold, families)
        empty = classes - {truths[identity] for identity in fold.train}
        if empty:
            raise SuiteError(f"Fold {fold.name}: nothing to train on for the class {', '.join(sorted(empty))}.")


def make_split(
    photographs: Sequence[Photomicrograph],
    *,
    folds: int = 5,
    repeats: int = 5,
    validation: float = 0.15,
    seed: int = 0,
    test: float = 0.2,
) -> Split:
    """Return `repeats` times `folds` folds named r1f1, r1f2, …; with `folds=1` one hold-out named `holdout`.

    Within a repeat every photograph is tested exactly once. `validation` is a share of what is not tested; `test` is
    the tested share of the hold-out. Raises SuiteError when there are fewer families than folds.
    """
    rng = np.random.default_rng(seed)
    families = group_families(photographs)
    if not (folds >= 1 and repeats >= 1 and 0 <= validation < 1 and 0 < test < 1):
        raise SuiteError("A split needs folds and repeats of at least 1, and shares between 0 and 1.")
    if len(families) < max(folds, 2):
        raise SuiteError(f"{len(families)} independent photographs cannot fill {max(folds, 2)} folds; use fewer folds.")
    if folds == 1:
        tested, rest = partition(families, (test, 1 - test), rng)
        return Split({"holdout": _fold("holdout", tested, rest, validation, rng)})
    made = []
    for repeat in range(1, repeats + 1):
        parts = partition(families, (1 / folds,) * folds, rng)
        for index, tested in enumerate(parts):
            rest = [family for part in parts if part is not tested for family in part]
            made.append(_fold(f"r{repeat}f{index + 1}", tested, rest, validation, rng))
    return Split({fold.name: fold for fold in made})


def _add(seen: dict[str, dict[str, str]], row: list[str], where: str) -> None:
    if len(row) != len(HEADER) or not all(row):
        raise SuiteError(f"{where}: expected fold,role,id, got {','.join(row)!r:.80}.")
    fold, role, identity = row
    if role not in ROLES:
        raise SuiteError(f"{where}: the role {role!r} is unknown; expected one of {', '.join(ROLES)}.")
    before = seen.setdefault(fold, {}).get(identity)
    if before == role:
        raise SuiteError(f"{where}: {identity!r} is listed twice in fold {fold}.")
    if before is not None:
        raise SuiteError(f"{where}: {identity!r} is in fold {fold} both as {before} and as {role}.")
    seen[fold][identity] = role


def _from_rows(name: str, roles: Mapping[str, str]) -> Fold:
    train, validation, test = (tuple(key for key, role in roles.items() if role == wanted) for wanted in ROLES)
    return Fold(name, train, validation, test)


def _check_known(fold: Fold, truths: Mapping[str, str | None]) -> None:
    unknown = [identity for ids in fold.roles().values() for identity in ids if identity not in truths]
    if unknown:
        raise SuiteError(
            f"Fold {fold.name}: {len(unknown)} ids are not in the data, the first is {unknown[0]!r}; "
            "the split belongs to other data."
        )


def _check_families(fold: Fold, families: Mapping[str, str]) -> None:
    first: dict[str, tuple[str, str]] = {}
    for role, ids in fold.roles().items():
        for identity in ids:
            other, before = first.setdefault(families[identity], (identity, role))
            if before != role:
                raise SuiteError(
                    f"Fold {fold.name}: {other!r} ({before}) and {identity!r} ({role}) belong together "
                    "(one group, twins or the same file); keep them in one role."
                )


def _fold(
    name: str, tested: Sequence[Family], rest: Sequence[Family], validation: float, rng: np.random.Generator
) -> Fold:
    held, train = partition(rest, (validation, 1 - validation), rng)
    return Fold(name, _shuffled(train, rng), _shuffled(held, rng), _shuffled(tested, rng))


def _shuffled(families: Sequence[Family], rng: np.random.Generator) -> tuple[str, ...]:
    ids = sorted(photo.id for family in families for photo in family)
    return tuple(ids[index] for index in rng.permutation(len(ids)))
