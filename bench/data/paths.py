"""Paths named inside a data set, kept inside its folder."""

from __future__ import annotations

from pathlib import Path

from ..errors import DataError


def inside(folder: Path, name: str) -> Path:
    """Return `folder/name`; raise DataError when that leaves the folder (`..`, an absolute path, a link outwards)."""
    if not name.strip() or "\0" in name:
        raise DataError(f"the path {name!r} is not a file name.")
    path = folder / name.replace("\\", "/")
    try:
        stays = path.resolve().is_relative_to(folder.resolve())
        path.exists()
    except (OSError, RuntimeError, ValueError) as error:
        raise DataError(f"the path {name!r:.80} cannot be followed ({type(error).__name__}).") from error
    if not stays:
        raise DataError(f"the path {name!r:.80} leaves the folder {folder}; paths must stay inside it.")
    return path
