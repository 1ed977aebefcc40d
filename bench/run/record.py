"""A finished or failed cell, put together for its result file."""

from __future__ import annotations

import json
import os
import platform
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from ..metrics import EQUIVARIANCE, FAITHFULNESS
from ..records import BOX_TARGETS, TARGETS, Cell, CellRecord, Detections, MapScores, Prediction, Score, Trial
from ..results import SCHEMA, detections_from, map_scores_from, predictions_from, scores_from, trials_from
from .graph import Node
from .localising import LOCATED, silent
from .perturbing import EXPLAINS
from .plan import Plan
from .store import Store

PACKAGES = ("clastbench", "numpy", "pillow", "scipy", "timm", "torch", "torchvision")


def finished(plan: Plan, cell: Cell, node: Node, store: Store, failures: Mapping[str, str]) -> CellRecord:
    """Read a scored cell back from the store; `failures` says by key why nodes failed."""
    said = json.loads((store.read(node) / "cell.json").read_text(encoding="utf-8"))
    looks = [_look(name, asked, store, failures) for name, asked in plan.maps[cell].items()]
    complete = not any(one.key in failures for one in plan.map_nodes(cell).values())
    return _record(
        plan,
        cell,
        node.key,
        scores=scores_from(said["scores"]),
        predictions=predictions_from(said["predictions"]),
        detections=detections_from(said["detections"]),
        maps=tuple(table for look in looks for table in look.maps),
        box_maps=tuple(table for look in looks for table in look.box_maps),
        trials=tuple(trial for look in looks for trial in look.trials),
        map_key=plan.map_key(cell) if complete else "",
        artefacts=_artefacts(node, store),
        timings=_timings(node, store),
    )


@dataclass(frozen=True, slots=True)
class _Look:
    """What one node says about where a cell looked, or why it says nothing."""

    maps: tuple[MapScores, ...] = ()
    box_maps: tuple[MapScores, ...] = ()
    trials: tuple[Trial, ...] = ()


def _look(name: str, asked: Node | str, store: Store, failures: Mapping[str, str]) -> _Look:
    if isinstance(asked, str):
        return _Look(maps=tuple(silent(name, (), asked)))
    if asked.key in failures:
        return _silent(name, asked, failures[asked.key])
    folder = store.read(asked)
    if asked.kind == "trials":
        return _Look(trials=trials_from(_read(folder / "trials.json")))
    if asked.kind == "watch_boxes":
        return _Look(box_maps=map_scores_from(_read(folder / "box_maps.json")))
    return _Look(maps=map_scores_from(_read(folder / "map_scores.json")))


def _silent(name: str, asked: Node, reason: str) -> _Look:
    """Say why a node has failed, in the place of what it would have said."""
    match asked.kind:
        case "trials":
            return _Look(trials=(Trial("", reason=reason),))
        case "watch_boxes":
            return _Look(box_maps=tuple(MapScores(name, target, reason=reason) for target in BOX_TARGETS))
        case "perturb":
            tested = [one.removeprefix(EXPLAINS) for one in asked.inputs if one.startswith(EXPLAINS)]
            return _Look(maps=tuple(one for method in tested for one in silent(method, FAITHFULNESS, reason)))
        case "chirality":
            return _Look(maps=tuple(silent(asked.spec["method"], EQUIVARIANCE, reason)))
    targets = ("any",) if asked.spec.get("control") else TARGETS
    return _Look(maps=tuple(silent(name, LOCATED, reason, targets)))


def _read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def failed(plan: Plan, cell: Cell, key: str, reason: str) -> CellRecord:
    """A cell that came to nothing, and why."""
    return _record(plan, cell, key, reason=reason)


def _record(
    plan: Plan,
    cell: Cell,
    key: str,
    *,
    reason: str | None = None,
    scores: tuple[Score, ...] = (),
    predictions: tuple[Prediction, ...] = (),
    detections: Detections | None = None,
    maps: tuple[MapScores, ...] = (),
    box_maps: tuple[MapScores, ...] = (),
    trials: tuple[Trial, ...] = (),
    map_key: str = "",
    artefacts: Mapping[str, str] | None = None,
    timings: Mapping[str, float] | None = None,
) -> CellRecord:
    return CellRecord(
        schema=SCHEMA,
        key=key,
        suite=plan.suite.shown_name,
        suite_version=plan.suite.version,
        suite_digest=plan.digest,
        cell=cell,
        status="ok" if reason is None else "failed",
        reason=reason,
        plugins=plan.plugins[cell],
        scores=scores,
        predictions=predictions,
        detections=detections,
        maps=maps,
        box_maps=box_maps,
        trials=trials,
        map_key=map_key,
        artefacts=artefacts or {},
        timings=timings or {},
        environment={**environment(), "device": plan.device},
    )


def _artefacts(node: Node, store: Store) -> dict[str, str]:
    """Digests of the trained models, of what was found and of what was read."""
    found: dict[str, str] = {}
    for name, source in _behind(node).items():
        if store.has(source):
            found |= {f"{name}/{file}": digest for file, digest in store.record(source)["files"].items()}
    return found


def _behind(node: Node) -> dict[str, Node]:
    """The nodes of a cell that train or ask a model, by name."""
    classify = node.inputs["classify"]
    behind = {"classify": classify, "fit": classify.inputs["fit"]}
    if "detect" in node.inputs:
        detect = node.inputs["detect"]
        behind |= {"detect": detect} | ({"fit_detector": detect.inputs["fit"]} if "fit" in detect.inputs else {})
    if "fit_detector" in behind and behind["fit"].key == behind["fit_detector"].key:  # a head of its own
        del behind["fit"]
    return behind


def _timings(node: Node, store: Store) -> dict[str, float]:
    """Cost of one cell: the trainings behind it, and inference for one photograph, detection and features included."""
    behind = _behind(node)
    classify, features = behind["classify"], behind["classify"].inputs.get("features")
    inference = _seconds(classify, store) / max(1, len(classify.spec["test"]))
    if features is not None:
        inputs = len(features.inputs["crops"].spec["ids"]) + len(features.spec["mirror_ids"])
        inference += _seconds(features, store) / max(1, inputs)
    if "detect" in behind:
        inference += _seconds(behind["detect"], store) / max(1, len(behind["detect"].spec["ids"]))
    training = sum(_seconds(behind[name], store) for name in ("fit", "fit_detector") if name in behind)
    return {"fit_s": training, "ms_per_image": 1000 * inference}


def _seconds(node: Node, store: Store) -> float:
    found: float = store.record(node)["seconds"] if store.has(node) else 0.0
    return found


@cache
def environment() -> dict[str, str]:
    """What the run ran on: packages, Python, processor, commit."""
    found = {"python": platform.python_version(), "machine": platform.machine(), "cpus": str(os.cpu_count())}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return {**found, **_commit()}


def _commit() -> dict[str, str]:
    """The git commit of clastbench's own checkout, and whether it was changed; nothing when it is installed."""
    here = Path(__file__).resolve().parents[2]
    if not (here / ".git").exists():
        return {}
    try:
        commit = subprocess.run(["git", "rev-parse", "HEAD"], cwd=here, capture_output=True, text=True, check=True)  # noqa: S607
        changed = subprocess.run(["git", "status", "--porcelain"], cwd=here, capture_output=True, text=True, check=True)  # noqa: S607
    except (OSError, subprocess.CalledProcessError):
        return {}
    return {"git_commit": commit.stdout.strip(), "git_dirty": str(bool(changed.stdout.strip())).lower()}
