"""The content-addressed store: a node's files appear under its key all at once, or not at all."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import socket
import traceback
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ..errors import ClastbenchError, StoreError
from .graph import Node

RECORD = "node.json"


class Store:
    """A folder of finished nodes: `nodes/KIND/KEY/`. Several processes may share it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._verified: set[Path] = set()

    @property
    def tensorboard(self) -> Path:
        """Where TensorBoard's event files lie: made beside the nodes, no part of any outcome."""
        return self.root / "tensorboard"

    def folder(self, node: Node) -> Path:
        """Where the node's files lie once it is finished."""
        return self.root / "nodes" / node.kind / node.key

    def has(self, node: Node) -> bool:
        """True when the node is finished."""
        return (self.folder(node) / RECORD).is_file()

    def read(self, node: Node) -> Path:
        """Return the folder of a finished node after checking every digest (once a process).

        Raises:
            StoreError: a file is missing or is not what was published; the damaged node is removed, so that the next
                run makes it anew.
        """
        folder = self.folder(node)
        if folder in self._verified:
            return folder
        for name, expected in self.record(node)["files"].items():
            path = folder / name
            if not path.is_file() or _digest(path) != expected:
                shutil.rmtree(folder, ignore_errors=True)
                raise StoreError(f"{path} is damaged and was removed; run the same command again.")
        self._verified.add(folder)
        return folder

    def record(self, node: Node) -> dict[str, Any]:
        """What was noted when the node was published: files with digests, seconds, label, family."""
        try:
            noted: dict[str, Any] = json.loads((self.folder(node) / RECORD).read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            shutil.rmtree(self.folder(node), ignore_errors=True)
            raise StoreError(f"{self.folder(node)} is damaged and was removed; run the same command again.") from error
        return noted

    @contextlib.contextmanager
    def writing(self) -> Iterator[Path]:
        """Yield an empty folder to write into; it is removed if the block raises before `publish`."""
        folder = self.root / "tmp" / f"{socket.gethostname()}-{os.getpid()}-{uuid.uuid4().hex[:12]}"
        folder.mkdir(parents=True)
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def publish(self, node: Node, folder: Path, *, seconds: float) -> None:
        """Rename a written folder into place; if another process was faster, its outcome stays."""
        files = {str(path.relative_to(folder)): _digest(path) for path in sorted(folder.rglob("*")) if path.is_file()}
        noted = {
            "key": node.key,
            "kind": node.kind,
            "label": node.label,
            "family": node.family,
            "seconds": seconds,
            "files": files,
        }
        (folder / RECORD).write_text(json.dumps(noted, indent=1), encoding="utf-8")
        target = self.folder(node)
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            folder.rename(target)
        except OSError:
            if not self.has(node):  # what stands in the way is not a node but the remains of one
                shutil.rmtree(target, ignore_errors=True)
                folder.rename(target)
        self._failure(node).unlink(missing_ok=True)

    def fail(self, node: Node, error: BaseException) -> None:
        """Note why a node failed; it is tried again on the next run."""
        path = self._failure(node)
        path.parent.mkdir(parents=True, exist_ok=True)
        noted = {
            "label": node.label,
            "error": describe(error),
            "traceback": "".join(traceback.format_exception(error)),
        }
        path.write_text(json.dumps(noted, indent=1), encoding="utf-8")

    def _failure(self, node: Node) -> Path:
        return self.root / "failures" / f"{node.key}.json"

    def timings(self) -> dict[str, float]:
        """Mean seconds of the finished nodes of each family."""
        seconds: dict[str, list[float]] = {}
        for path in self.root.glob(f"nodes/*/*/{RECORD}"):
            with contextlib.suppress(OSError, ValueError, KeyError):
                noted = json.loads(path.read_text(encoding="utf-8"))
                seconds.setdefault(noted["family"], []).append(noted["seconds"])
        return {family: sum(values) / len(values) for family, values in seconds.items()}

    def clear(self) -> None:
        """Remove everything."""
        for part in ("nodes", "tmp", "failures", self.tensorboard.name):
            shutil.rmtree(self.root / part, ignore_errors=True)

    def sweep(self) -> int:
        """Remove what killed processes of this machine left half-written; return how many folders."""
        swept = 0
        for folder in (self.root / "tmp").glob("*-*-*"):
            host, pid, _ = folder.name.rsplit("-", 2)
            if host == socket.gethostname() and pid.isdigit() and not _alive(int(pid)):
                shutil.rmtree(folder, ignore_errors=True)
                swept += 1
        return swept


def describe(error: BaseException) -> str:
    """One line: our own errors speak for themselves, others are named."""
    text = " ".join(str(error).split())
    return text if isinstance(error, ClastbenchError) else f"{type(error).__name__}: {text}"


def _digest(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    with contextlib.suppress(OSError):
        return "State:\tZ" not in Path(f"/proc/{pid}/status").read_text(encoding="utf-8")  # a zombie writes no more
    return True
