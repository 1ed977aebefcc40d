"""A folder with one sub-folder for each class (CW, CCW, none) as photomicrographs without boxes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from ..errors import DataError
from ..records import Photomicrograph
from .names import class_of
from .paths import inside
from .pictures import SUFFIXES, PictureFile, picture_size, sha256_of
from .problems import Problem, Scan


def read_folders(root: Path) -> tuple[Photomicrograph, ...]:
    """Read `root/CW`, `root/CCW` and `root/none` (any of them, at any depth); raise DataError at the first problem."""
    return scan_folders(root).accepted()


def scan_folders(root: Path) -> Scan:
    """Read what is sound and list what is not: unknown folders, unreadable pictures, links that lead out."""
    problems: list[Problem] = []
    photographs = []
    for path, truth in _pictures(root, problems):
        name = path.relative_to(root).as_posix()
        try:
            photographs.append(_photograph(inside(root, name), name, truth))
        except DataError as error:
            problems.append(Problem(name, "", str(error)))
    if not photographs and not problems:
        problems.append(Problem(str(root), "", "no pictures; expected them in folders CW, CCW and none."))
    return Scan(tuple(photographs), tuple(problems))


def _pictures(root: Path, problems: list[Problem]) -> Iterator[tuple[Path, str]]:
    if not root.is_dir():
        problems.append(Problem(str(root), "", "there is no such folder."))
        return
    for folder in sorted(path for path in root.iterdir() if path.is_dir() and not path.name.startswith(".")):
        truth = class_of(folder.name)
        if truth is None or truth == "clast":
            problems.append(Problem(folder.name, "", "the folder is not a class; expected CW, CCW or none."))
            continue
        yield from ((path, truth) for path in sorted(folder.rglob("*")) if path.suffix.lower() in SUFFIXES)


def _photograph(path: Path, name: str, truth: str) -> Photomicrograph:
    height, width = picture_size(path)
    return Photomicrograph(
        id=name,
        pixels=PictureFile(path),
        sha256=sha256_of(path),
        truth=truth,
        present=truth != "none",
        group=name,
        attributes={"width": str(width), "height": str(height)},
    )
