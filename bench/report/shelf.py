"""A folder of pages that keeps nothing of an earlier report."""

from __future__ import annotations

import contextlib
from pathlib import Path, PurePosixPath

from ..errors import UsageError

LIST = ".clastbench-pages"
"""Names every file that a report wrote into its folder."""
HEADER = "clastbench wrote these files into this folder, and removes them when it writes here again"


class Shelf:
    """Writes files into one folder, from which it first removes what an earlier report wrote there.

    So a report without pixels leaves no photograph of an earlier one behind, even of one that was cut short: the list
    names a file before it is written. Files that no report wrote stay.
    """

    def __init__(self, folder: Path) -> None:
        """Make the folder where there is none.

        Raises:
            UsageError: it holds pages of somebody else's.
        """
        self.folder = folder
        self._list = folder / LIST
        folder.mkdir(parents=True, exist_ok=True)
        earlier = self._listed()
        if earlier is None and (folder / "index.html").exists():
            raise UsageError(f"{folder}: holds an index.html that clastbench did not write; choose another folder.")
        for name in earlier or ():
            self._remove(name)
        self._list.write_text(f"{HEADER}\n", encoding="utf-8")

    def write(self, name: str, content: str | bytes) -> Path:
        """Write `name`, a path with slashes below the folder; raise ValueError when it would lead out of it."""
        path = self._path(name)
        with self._list.open("a", encoding="utf-8") as stream:
            stream.write(f"{name}\n")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    def _remove(self, name: str) -> None:
        path = self._path(name)
        path.unlink(missing_ok=True)
        with contextlib.suppress(OSError):  # the folder still holds something, or is gone
            path.parent.rmdir()

    def _path(self, name: str) -> Path:
        if not _stays_inside(name):
            raise ValueError(f"{name!r} is no path below the report's folder")
        return self.folder / name

    def _listed(self) -> list[str] | None:
        """What an earlier report wrote; None where there was none."""
        try:
            header, *names = self._list.read_text(encoding="utf-8").splitlines()
        except (OSError, ValueError):
            return None
        return [name for name in names if _stays_inside(name)] if header == HEADER else None


def _stays_inside(name: str) -> bool:
    parts = PurePosixPath(name).parts
    return bool(parts) and "\\" not in name and not name.startswith("/") and not {".", ".."} & set(parts)
