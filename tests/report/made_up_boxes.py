"""Cells of detectors that nobody ran: what they found is drawn, and scored as the harness would."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from made_up import DIGEST, record

from clastbench.metrics import finds, score_all, score_detections, score_senses
from clastbench.records import CLASSES, OWN_HEAD, Cell, CellRecord, Detections, Prediction, TrueClasts
from clastbench.run.scoring import lost, observe

IDS = tuple(f"{at:05d}" for at in range(24))
CLAST = (20.0, 20.0, 60.0, 50.0)
DROPPED = 3


def truth(image_id: str) -> str:
    return CLASSES[int(image_id) % 3]


def shares(called: str, sure: float = 0.8) -> tuple[float, ...]:
    return tuple(sure if name == called else (1 - sure) / 2 for name in CLASSES)


def boxed(
    detector: str, backbone: str = "net", *, skill: float = 0.7, right: float = 0.7, fold="f0", seed=0, ids=IDS, file=""
) -> CellRecord:
    """Find a clast with the chance `skill`, read its sense with the chance `right`; a box in the corner elsewhere.

    `file` is the digest of the file of boxes.

    Boxes depend on everything but the backbone, unless that is the detector's own head. `ground-truth` finds all.
    """
    whose = f"{detector}{OWN_HEAD if backbone == OWN_HEAD else ''}"
    sees, reads = _drawn(whose, fold, seed), _drawn(whose, backbone, fold, seed)
    proposes = detector != "ground-truth"
    names, boxes, scores, rows, said = [], [], [], [], []
    for image_id in ids:
        there, found = truth(image_id) != "none", sees.random() < skill or not proposes
        called = truth(image_id) if reads.random() < right else "CW"
        answer = shares(called if there and found else "none")
        if there or proposes:
            moved = np.asarray(CLAST) + (round(float(sees.normal(0, 2)), 2) if proposes else 0)
            names.append(image_id)
            boxes.append(tuple(moved.tolist()) if there and found else (80.0, 0.0, 95.0, 12.0))
            scores.append(round(float(sees.uniform(0.3, 1)), 3))
            rows.append(shares(called if there else "CCW"))
        said.append(Prediction(image_id, image_id, truth(image_id), there, answer))
    clasts = [image_id for image_id in ids if truth(image_id) != "none"]
    table = TrueClasts(
        tuple(clasts), (CLAST,) * len(clasts), tuple(map(truth, clasts)), (False,) * len(clasts),
    )  # fmt: skip
    at_truth = tuple(shares(truth(one)) for one in ids) if proposes and backbone != OWN_HEAD else None
    snapped = at_truth and tuple(one.probabilities for one in said)
    threshold = 0.5 if proposes else None
    found = Detections(
        tuple(names), tuple(boxes), tuple(scores), tuple(rows), table, threshold, threshold, snapped, at_truth,
        DROPPED if detector == "messy" else 0,
    )  # fmt: skip
    plugin = {"name": detector, "proposes": "yes" if proposes else "no"}
    made = _cell(detector, backbone, said, found, plugin, fold, seed)
    return replace(made, artefacts={"detect/boxes.json": file}) if file else made


def whole(backbone: str = "net", *, right: float = 0.5, fold="f0", seed=0, ids: Sequence[str] = IDS) -> CellRecord:
    """Classify whole photographs."""
    reads = _drawn(backbone, fold, seed)
    said = [
        Prediction(one, one, truth(one), truth(one) != "none", shares(truth(one) if reads.random() < right else "CW"))
        for one in ids
    ]
    return _cell("whole-image", backbone, said, None, {"name": "whole-image", "proposes": "no"}, fold, seed)


def fallen(detector: str, backbone: str = "net", *, reason="it fell over", fold="f0", seed=0) -> CellRecord:
    """Fail."""
    said = _cell(detector, backbone, [], None, {"name": detector, "proposes": "yes"}, fold, seed)
    return replace(said, status="failed", reason=reason, scores=())


def _drawn(*said) -> np.random.Generator:
    return np.random.default_rng([*"/".join(map(str, said)).encode()])


def _cell(detector, backbone, said, found, plugin, fold, seed) -> CellRecord:
    scores = score_all(observe(said), n_resamples=200) if said else ()
    if found:
        own = finds([(said, found)])
        boxes = *score_detections(own, n_resamples=200), *score_senses(own, n_resamples=200)
        scores = (*scores, *boxes, *lost([(said, found)]))
    return replace(
        record(backbone, ()),
        suite_digest=DIGEST,
        cell=Cell(detector, backbone, seed, fold),
        plugins={"detector": plugin, "backbone": {"name": backbone}},
        scores=scores,
        predictions=tuple(said),
        detections=found,
    )
