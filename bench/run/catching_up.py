"""Writes into TensorBoard's run folders what nobody followed live: scores, and curves of fits that were made before."""

from __future__ import annotations

from pathlib import Path

from .. import results, tracking
from ..errors import DataError
from ..records import Cell, CellRecord
from ..train.log import read_log
from .graph import Node
from .plan import Plan
from .store import Store


def catch_up(plan: Plan, store: Store, folder: Path) -> None:
    """Bring the run folders of finished cells up to date with their results below `folder`; what is, stays untouched.

    An error (a full disk, no TensorBoard) is said once on stderr and ends the writing, never the run.
    """
    try:
        for cell, node in plan.cells.items():
            _catch_up(plan, store, folder, cell, node)
    except Exception as error:  # noqa: BLE001 – a suite whose scores are safe has not failed
        tracking.say(error)


def _catch_up(plan: Plan, store: Store, folder: Path, cell: Cell, node: Node) -> None:
    run = tracking.run_folder(store.tensorboard, plan.suite.shown_name, cell)
    there = tracking.written(run)
    fit = node.inputs["classify"].inputs["fit"]
    followed = fit.kind == "fit" and fit.spec["mode"] is not None
    if followed and there.get(tracking.CURVES) != fit.key and store.has(fit):
        tracking.write_curves(run, fit.key, read_log(store.read(fit)))
    if there.get(tracking.SCORES) == node.key:
        return
    record = _scored(folder, cell, node)
    if record is not None:
        tracking.write_scores(run, node.key, hyperparameters(cell, fit), _final(record))


def _scored(folder: Path, cell: Cell, node: Node) -> CellRecord | None:
    try:
        record = results.read(results.path_of(folder, cell))
    except (OSError, DataError):
        return None
    return record if record.status == "ok" and record.key == node.key else None


def _final(record: CellRecord) -> dict[str, float]:
    defined = {score.metric: score.value for score in record.scores if score.value is not None}
    return {name: defined[name] for name in tracking.FINAL if name in defined}


def hyperparameters(cell: Cell, fit: Node) -> dict[str, str | float]:
    """Say what a cell was trained with, by the names of `tracking.HYPERPARAMETERS`; some modes know only a few."""
    said: dict[str, str | float] = {
        "detector": cell.detector,
        "backbone": cell.backbone,
        "mode": fit.spec["mode"] or "own training",
        "seed": cell.seed,
        "fold": cell.fold,
    }
    if fit.kind == "fit":
        height, width = fit.inputs["crops"].spec["size"]
        said["size"] = f"{height} × {width}"
    if fit.kind != "fit" or fit.spec["mode"] is None:
        return said
    recipe = fit.spec["recipe"]
    told = ("epochs", "batch_size", "learning_rate", "weight_decay", "schedule")
    weights = (fit.spec["weights"] or "none")[:12]
    return {**said, "weights": weights, **{name: recipe[name] for name in told}}
