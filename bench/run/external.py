"""Predictions of a model that never met the harness, scored on the frozen split.

The file is a CSV with a header. `id` is a photograph's id in the split; `none`, `CW`, `CCW` are probabilities that
sum to 1; an optional `fold` says which fold's model made the prediction. Without it the predictions count in every
fold, which is right only for a model that was trained on none of the suite's photographs.
"""

from __future__ import annotations

import csv
import hashlib
import math
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import asdict
from pathlib import Path

from .. import results
from ..errors import DataError
from ..metrics import score_all
from ..records import CLASSES, EXTERNAL, Cell, CellRecord, Detections, MapScores, Photomicrograph, Prediction, Score
from ..results import SCHEMA
from ..suite import Suite, sha256_of_json
from ..synth import Recipe, identity_of, parse_identity, read_scene, scene_under
from .external_maps import score_folder
from .inputs import Files, Generated, Source
from .record import environment
from .scoring import observe

TOLERANCE = 1e-3
"""How far from 1 the probabilities of a photograph may sum up; they are divided by their sum."""
ROUNDING = 1e-9
"""Sums as close to 1 as this are left alone, so that writing and reading changes no digit."""

Truth = Mapping[str, tuple[str, str | None, bool]]
"""Group, truth and presence by id."""


def score_file(
    suite: Suite, source: Source, path: Path, name: str, folder: Path, *, maps: Path | None = None
) -> list[CellRecord]:
    """Score a file and write one result a fold, so that `rank` shows the model beside all others.

    `maps` is a folder of saliency maps as `external_maps` describes it.

    Raises:
        DataError: a row is impossible, or a photograph of the test split has no prediction.
    """
    source.check(suite.folds)
    said = read_predictions(path)
    _check_known(path, said, set(suite.folds.folds), source.ids)
    tested = {image_id for fold in suite.folds.folds.values() for image_id in fold.test}
    truth, digest = _truth(source, tested), suite.digest(source.digest)
    tables = {} if maps is None else score_folder(suite, source, maps)
    made = []
    for fold_name, fold in suite.folds.folds.items():
        rows = said.get(fold_name, said.get("", {}))
        lacking = [image_id for image_id in sorted(fold.test) if image_id not in rows]
        if lacking:
            raise DataError(
                f"{path}: no prediction for {lacking[0]!r} in fold {fold_name!r} ({len(lacking)} are missing)."
            )
        predictions = tuple(Prediction(i, *truth[i], rows[i]) for i in sorted(fold.test))
        cell = Cell(EXTERNAL, name, 0, fold_name)
        scores = score_all(observe(predictions))
        shown = tables.get(fold_name, ())
        made.append(result_of(suite, digest, cell, path, predictions=predictions, scores=scores, maps=shown))
    for one in made:
        results.write(one, folder)
    return made


def _check_known(
    path: Path, said: Mapping[str, Mapping[str, object]], folds: AbstractSet[str], ids: AbstractSet[str]
) -> None:
    """Refuse folds and photographs that the suite does not have: a misspelt name must not pass unseen."""
    if odd := set(said) - folds - {""}:
        raise DataError(f"{path}: fold {min(odd)!r} is not one of the suite's: {', '.join(sorted(folds)[:8])}.")
    if odd := {image_id for rows in said.values() for image_id in rows} - ids:
        raise DataError(f"{path}: id {min(odd)!r} is not a photograph of the suite ({len(odd)} such ids).")


def _truth(source: Source, ids: AbstractSet[str]) -> Truth:
    if isinstance(source, Generated):
        return {i: _read(source.recipe, *parse_identity(i)) for i in ids}
    assert isinstance(source, Files)
    return {photo.id: _known(photo) for photo in source.photographs if photo.id in ids}


def _read(recipe: Recipe, index: int, condition: str) -> tuple[str, str | None, bool]:
    return identity_of(index), *read_scene(scene_under(recipe, index, condition))


def _known(photo: Photomicrograph) -> tuple[str, str | None, bool]:
    return photo.group, photo.truth, photo.present


def result_of(
    suite: Suite,
    digest: str,
    cell: Cell,
    path: Path,
    *,
    predictions: Sequence[Prediction],
    scores: Sequence[Score],
    detections: Detections | None = None,
    maps: tuple[MapScores, ...] = (),
) -> CellRecord:
    """Put together what a result file holds of a model that `path` speaks for."""
    said = [asdict(prediction) for prediction in predictions]
    proposes = {} if detections is None else {"proposes": "yes"}
    return CellRecord(
        schema=SCHEMA,
        key=sha256_of_json(said if detections is None else [said, asdict(detections)]),
        suite=suite.shown_name,
        suite_version=suite.version,
        suite_digest=digest,
        cell=cell,
        status="ok",
        reason=None,
        plugins={
            "detector": {"name": EXTERNAL, **proposes},
            "backbone": {"name": cell.backbone, "sha256": hashlib.sha256(path.read_bytes()).hexdigest()},
        },
        scores=tuple(scores),
        predictions=tuple(predictions),
        detections=detections,
        maps=maps,
        box_maps=(),
        trials=(),
        map_key="",
        artefacts={},
        timings={},
        environment=environment(),
    )


def read_predictions(path: Path) -> dict[str, dict[str, tuple[float, ...]]]:
    """Read a predictions file: probabilities by fold (`""` without a fold column) and id.

    Raises:
        DataError: file, line, field and value of the first thing that is wrong.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            reader = csv.DictReader(stream)
            rows = [(reader.line_num, row) for row in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path}: cannot be read as CSV: {error}.") from error
    expected = ("id", *CLASSES)
    if not rows or any(column not in rows[0][1] for column in expected):
        raise DataError(
            f"{path}: expected a header with the columns {', '.join(expected)} [, fold] and at least one row."
        )
    said: dict[str, dict[str, tuple[float, ...]]] = {}
    for line, row in rows:
        if not row["id"]:
            raise DataError(f"{path}, line {line}: id is empty; expected the id of a photograph.")
        by_id = said.setdefault(row.get("fold") or "", {})
        if row["id"] in by_id:
            raise DataError(f"{path}, line {line}: {row['id']!r} comes twice in fold {row.get('fold') or '(none)'!r}.")
        by_id[row["id"]] = _probabilities(path, line, row)
    return said


def _probabilities(path: Path, line: int, row: Mapping[str, str]) -> tuple[float, ...]:
    values = []
    for name in CLASSES:
        try:
            value = float(row[name])
        except (TypeError, ValueError):
            value = math.nan
        if not 0 <= value <= 1 + TOLERANCE:
            raise DataError(f"{path}, line {line}: {name} is {row[name]!r}; expected a probability in 0..1.")
        values.append(value)
    total = sum(values)
    if abs(total - 1) > TOLERANCE:
        raise DataError(f"{path}, line {line}: the probabilities sum up to {total:.4g}; expected 1.")
    return tuple(values) if abs(total - 1) < ROUNDING else tuple(value / total for value in values)


def write_predictions(records: Sequence[CellRecord], path: Path) -> None:
    """Write the predictions of one system as a file that `read_predictions` reads back exactly."""
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(["id", *CLASSES, "fold"])
        for record in records:
            for said in record.predictions:
                writer.writerow([said.image_id, *map(repr, said.probabilities), record.cell.fold])
