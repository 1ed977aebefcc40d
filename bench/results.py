"""Result files: one JSON a cell, written whole or not at all."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from .errors import DataError
from .records import Cell, CellRecord, Detections, MapScores, Prediction, Score, Trial, TrueClasts

SCHEMA = 4


def path_of(folder: Path, cell: Cell) -> Path:
    """Where the record of a cell lies under a suite's results folder."""
    return folder / slug(cell.word) / slug(f"{cell.part}.json")


def slug(name: str) -> str:
    """Return a file name for any name; a digest keeps names apart that differ only in what file systems do not bear."""
    safe = re.sub(r"[^A-Za-z0-9@+._-]", "_", name).lstrip(".")
    return safe if safe == name else f"{safe}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"


def write(record: CellRecord, folder: Path) -> Path:
    """Write one record below a suite's results folder."""
    path = path_of(folder, record.cell)
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.write_text(json.dumps(asdict(record), indent=1, sort_keys=True, allow_nan=False) + "\n", encoding="utf-8")
    draft.replace(path)
    return path


def forget(cell: Cell, folder: Path) -> None:
    """Remove the failed record of a cell that goes by another name now; what was scored is never removed."""
    path = path_of(folder, cell)
    with contextlib.suppress(DataError):  # a file that cannot be read is not ours to remove
        if path.is_file() and read(path).status == "failed":
            path.unlink()


def read(path: Path) -> CellRecord:
    """Read one record.

    Raises:
        DataError: the file is not a record of this schema.
    """
    try:
        said = json.loads(path.read_text(encoding="utf-8"))
        if said["schema"] != SCHEMA:
            raise DataError(f"{path}: schema {said['schema']!r}; this version of clastbench reads {SCHEMA}.")
        return _record(said)
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(f"{path}: not a result file of clastbench ({type(error).__name__}: {error}).") from error


def _record(said: dict[str, Any]) -> CellRecord:
    scored = {
        "scores": scores_from(said["scores"]),
        "predictions": predictions_from(said["predictions"]),
        "detections": detections_from(said["detections"]),
        "maps": map_scores_from(said["maps"]),
        "box_maps": map_scores_from(said["box_maps"]),
        "trials": trials_from(said["trials"]),
    }
    return CellRecord(**{**said, **scored, "cell": Cell(**said["cell"])})


def scores_from(said: Iterable[dict[str, Any]]) -> tuple[Score, ...]:
    """Read scores back from JSON."""
    return tuple(Score(**score) for score in said)


def predictions_from(said: Iterable[dict[str, Any]]) -> tuple[Prediction, ...]:
    """Read predictions back from JSON."""
    return tuple(Prediction(**{**one, "probabilities": tuple(one["probabilities"])}) for one in said)


def detections_from(said: dict[str, Any] | None) -> Detections | None:
    """Read what was found back from JSON."""
    if said is None:
        return None
    truth = {name: _nested(column) for name, column in said["truth"].items()}
    columns = {name: _nested(column) for name, column in said.items()}
    return Detections(**{**columns, "truth": TrueClasts(**truth)})


def _nested(column: Any) -> Any:
    """Make tuples of lists, and of the lists in them."""
    return tuple(_nested(one) for one in column) if isinstance(column, list) else column


def map_scores_from(said: Iterable[dict[str, Any]]) -> tuple[MapScores, ...]:
    """Read tables of map scores back from JSON."""
    return tuple(
        MapScores(
            method=one["method"],
            target=one["target"],
            image_id=tuple(one["image_id"]),
            group=tuple(one["group"]),
            values={name: tuple(column) for name, column in one["values"].items()},
            reason=one["reason"],
            curves={name: _nested(column) for name, column in one["curves"].items()},
        )
        for one in said
    )


def trials_from(said: Iterable[dict[str, Any]]) -> tuple[Trial, ...]:
    """Read what was said of changed pictures back from JSON."""
    return tuple(Trial(**{name: _nested(column) for name, column in one.items()}) for one in said)


def read_all(folder: Path) -> Iterator[CellRecord]:
    """Read every record below a suite's results folder, in the order of their paths."""
    for path in paths(folder):
        yield read(path)


def paths(folder: Path) -> list[Path]:
    """List the result files below a suite's results folder, sorted."""
    return sorted(folder.glob("*/*.json"))
