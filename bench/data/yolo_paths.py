"""Where the pictures of a YOLO data set lie, by the rules of ultralytics.

`path` is relative to the YAML file; `train`, `val` and `test` are a folder, a text file of paths, or a list of those,
relative to `path` and inside it; the label of `…/images/….jpg` is `…/labels/….txt`, or lies beside the picture.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from ..errors import DataError
from .paths import inside
from .pictures import SUFFIXES
from .problems import Problem

ROLES = {"train": "train", "val": "validation", "test": "test"}


def root_of(document: Mapping[str, object], data_yaml: Path) -> Path:
    """Return the folder that the other paths start from."""
    stated = document.get("path")
    return data_yaml.parent / stated if isinstance(stated, str) else data_yaml.parent


def pictures_of(document: Mapping[str, object], data_yaml: Path, problems: list[Problem]) -> Iterator[tuple[str, Path]]:
    """Yield `(role, picture)`; what does not exist or leaves the data set goes to `problems`."""
    root, seen = root_of(document, data_yaml), set[Path]()
    for key, role in ROLES.items():
        for place in _places(document.get(key), key, data_yaml, problems):
            try:
                found = list(_listed(root, place))
            except DataError as error:
                problems.append(Problem(str(data_yaml), key, str(error)))
                continue
            yield from ((role, picture) for picture in found if picture not in seen)
            seen.update(found)


def label_of(picture: Path) -> Path:
    """Return where the label of a picture lies."""
    parts = list(picture.parts)
    if "images" in parts[:-1]:
        last = len(parts) - 2 - parts[-2::-1].index("images")
        parts[last] = "labels"
    return Path(*parts).with_suffix(".txt")


def _places(value: object, key: str, data_yaml: Path, problems: list[Problem]) -> list[str]:
    if value is None:
        return []
    places = value if isinstance(value, list) else [value]
    problems.extend(
        Problem(str(data_yaml), key, f"expected a path or a list of paths, got {place!r:.40}.")
        for place in places
        if not isinstance(place, str)
    )
    return [place for place in places if isinstance(place, str)]


def _listed(root: Path, place: str) -> Iterator[Path]:
    if place.startswith("../") and (root / place[3:]).exists():
        place = place[3:]  # Roboflow writes `../train/images` for what lies beside its YAML file
    source = inside(root, place)
    try:
        if source.is_dir():
            found = (path for path in sorted(source.rglob("*")) if path.suffix.lower() in SUFFIXES)
            yield from (inside(source, path.relative_to(source).as_posix()) for path in found)
        elif source.is_file():
            lines = (line.strip() for line in source.read_text(encoding="utf-8").splitlines())
            yield from (_named(root, source.parent, line) for line in lines if line)
        else:
            raise DataError(f"{source} is neither a folder nor a list of pictures.")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{source} cannot be read ({error}).") from error


def _named(root: Path, parent: Path, line: str) -> Path:
    """Return a picture of a list: `./…` counts from the list, anything else from the root."""
    return inside(root, str(parent / line) if line.startswith("./") else line)
