"""A folder of pages that keeps nothing of an earlier report."""

from __future__ import annotations

import contextlib
from pathlib import Path, PurePosixPath

LIST = "files.txt"
"""Names every file that a report wrote into its folder."""


class Shelf:
    """Writes files into one folder; `close` removes those of an earlier report that this one did not write again.

    So a report without pixels leaves no photograph of an earlier one behind. Files that no report wrote stay.
    """

    def __init__(self, folder: Path) -> None:
        """Make the folder where there is none."""
        self.folder = folder
        self._written: set[str] = set()
        folder.mkdir(parents=True, exist_ok=True)
        self._earlier = self._listed()

    def write(self, name: str, content: str | bytes) -> Path:
        """Write `name`, a path with slashes below the folder; raise ValueError when it would lead out of it."""
        path = self._path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        self._written.add(name)
        return path

    def close(self) -> None:
        """Remove what only an earlier report wrote, and leave the list for the next one."""
        for name in self._earlier - self._written:
            path = self._path(name)
            path.unlink(missing_ok=True)
            with contextlib.suppress(OSError):  # the folder still holds something, or is gone
                path.parent.rmdir()
        (self.folder / LIST).write_text("".join(f"{name}\n" for name in sorted(self._written)), encoding="utf-8")

    def _path(self, name: str) -> Path:
        if not _stays_inside(name):
            raise ValueError(f"{name!r} is no path below the report's folder")
        return self.folder / name

    def _listed(self) -> set[str]:
        try:
            lines = (self.folder / LIST).read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError):
            return set()
        return {line for line in lines if _stays_inside(line)}


def _stays_inside(name: str) -> bool:
    parts = PurePosixPath(name).parts
    return bool(parts) and "\\" not in name and not name.startswith("/") and not {".", ".."} & set(parts)
