"""A leaderboard, records, maps and exhibits that nobody ran: material for pages and sheets."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
from made_up_maps import METHOD, explained

from clastbench import results
from clastbench.metrics import FAITHFULNESS, LOCALISATION, MAP_METRICS, REGIONS, score_all
from clastbench.records import CLASSES, Cell, CellRecord, Explanation, Photomicrograph, Prediction, Score
from clastbench.report.exhibits import Exhibit, MapRow, Unsolved
from clastbench.report.gallery import Gallery, provenance
from clastbench.report.leaderboard import Leaderboard, ReferenceRow, Row, system_scores
from clastbench.report.selection import failed_by_every_system, select
from clastbench.report.site import SystemPage
from clastbench.run.scoring import observe
from clastbench.suite import Suite
from clastbench.synth import Recipe, at_level, render_photograph

RECIPE = Recipe(**at_level({"level": "easy", "seed": 1, "n_images": 18}))
FAILURES = ("fp", "fn", "wrong-sense")
DIGEST = "d1" * 32


@cache
def photographs(n: int = 18) -> tuple[Photomicrograph, ...]:
    """Return generated photographs; the third has a scale."""
    made = [render_photograph(RECIPE, index) for index in range(n)]
    return tuple(replace(photo, um_per_px=8.0) if at == 2 else photo for at, photo in enumerate(made))


def prediction(photo: Photomicrograph, said: str, sure: float = 0.8) -> Prediction:
    """Say a class of a photograph with so much probability."""
    rest = (1 - sure) * np.asarray([0.7 if name == "none" else 0.3 for name in CLASSES])
    at = CLASSES.index(said)
    rest[at] = 0.0
    shares = rest / rest.sum() * (1 - sure)
    shares[at] = sure
    return Prediction(photo.id, photo.group, photo.truth, photo.present, tuple(float(p) for p in shares))


def record(backbone: str, photos: Sequence[Photomicrograph], *, wrong: int = 3, fold="f0", seed=0) -> CellRecord:
    """Answer every `wrong`-th photograph rightly and the others not; 1 is always right."""
    said = []
    for at, photo in enumerate(photos):
        step = 0 if at % wrong == 0 else 1 + (at // 2 + len(backbone)) % 2
        called = CLASSES[(CLASSES.index(photo.truth) + step) % 3]
        said.append(prediction(photo, called, 0.45 + 0.5 * ((at * 7) % 11) / 11))
    return CellRecord(
        schema=results.SCHEMA,
        key="k" * 64,
        suite="demo",
        suite_version=1,
        suite_digest=DIGEST,
        cell=Cell("whole-image", backbone, seed, fold),
        status="ok",
        reason=None,
        plugins={
            "detector": {"name": "whole-image", "version": "0.1.0"},
            "backbone": {"name": backbone, "version": "0.1.0", "mode": "scratch", "weights": "9f" * 32},
        },
        scores=score_all(observe(said), n_resamples=200),
        predictions=tuple(said),
        detections=None,
        maps=(),
        box_maps=(),
        trials=(),
        map_key="",
        artefacts={},
        timings={"fit_s": 21.5, "ms_per_image": 3.2},
        environment={"clastbench": "0.1.0", "torch": "2.9.0", "git_commit": "a" * 40, "git_dirty": "false"},
    )


def low_map(photo: Photomicrograph, target: str, shape: tuple[int, int] = (7, 7)) -> Explanation:
    """Return a signed map that is hot about the first clast, or at the lower right where there is none."""
    height, width = photo.load().shape[:2]
    side = max(height, width)
    extent = ((width - side) / 2, (height - side) / 2, (width + side) / 2, (height + side) / 2)
    x0, y0, x1, y1 = photo.clasts[0].box_xyxy if photo.clasts else (0.7 * width, 0.7 * height, width, height)
    shift = 0.5 if target == "sense" else 0.0
    centre_x = ((x0 + x1) / 2 + shift * (x1 - x0) - extent[0]) / side
    centre_y = ((y0 + y1) / 2 - shift * (y1 - y0) / 2 - extent[1]) / side
    rows, columns = np.mgrid[0 : shape[0], 0 : shape[1]]
    away = ((columns + 0.5) / shape[1] - centre_x) ** 2 + ((rows + 0.5) / shape[0] - centre_y) ** 2
    values = np.exp(-away / 0.04) - 0.1
    return Explanation(photo.id, "grad-cam", target, values.astype(np.float32), extent)


def exhibit(photo: Photomicrograph, said: Prediction, kind: str, cell: Cell | None = None, *, maps=True) -> Exhibit:
    """Show a photograph with two maps, or with the reason why there are none."""
    return Exhibit(
        photo=photo,
        prediction=said,
        cell=cell or Cell("whole-image", "net", 0, "f0"),
        kind=kind,
        explanations=tuple(low_map(photo, target) for target in ("sense", "presence")) if maps else (),
        lift={"sense": 0.213 if photo.clasts else None, "presence": 0.402 if photo.clasts else None} if maps else {},
        note=None if maps else "grad-cam needs a layer with positions, and this model names none.",
    )


def gallery(records: Sequence[CellRecord], photos: Sequence[Photomicrograph], *, maps=True, kinds=FAILURES) -> Gallery:
    """Show the failures of one system."""
    by_id = {photo.id: photo for photo in photos}
    selection = select(records, kinds)
    return Gallery(
        title="Failures",
        suite="demo",
        version=1,
        digest=DIGEST,
        system=records[0].cell.system,
        selection=selection,
        exhibits=tuple(
            exhibit(by_id[one.prediction.image_id], one.prediction, one.kind, one.cell, maps=maps)
            for one in selection.chosen
        ),
        provenance=provenance(records),
    )


def row(record_: CellRecord, rank: int | None, *, maps=True) -> Row:
    """Make a line of the leaderboard."""
    scores = {score.metric: score for score in record_.scores}
    if maps:
        scores |= {name: mapped(name, 0.31, 0.2, 0.42) for name in ("lift_sense", "lift_presence", "tail_share")}
        scores["gate_randomisation"] = mapped("gate_randomisation", 0.18, 0.09, 0.27)
    scores |= system_scores([record_], METHOD) if record_.maps else {}
    return Row(rank, record_.cell.detector, record_.cell.backbone, scores, 21.5, 3.2, 18, 1, 0, None)


def failed(backbone: str, reason: str) -> Row:
    """Make a line of a system whose cells all failed."""
    return Row(None, "whole-image", backbone, {}, None, None, 0, 2, 2, reason)


def mapped(name: str, value: float | None, low=None, high=None, reason=None) -> Score:
    """Make a score of maps."""
    return Score(name, value, low, high, n_images=12, n_groups=12, reason=reason)


def map_rows() -> tuple[MapRow, ...]:
    """Return methods, controls and the ceiling; artefacts are undefined, and one method has no maps."""

    def scores(level: float) -> dict[str, Score]:
        named = {name: mapped(name, level, level - 0.06, level + 0.07) for name in LOCALISATION}
        for place, name in enumerate(REGIONS):
            share = level / (place + 1)
            for score in (f"share_{name}", f"area_{name}", f"lift_{name}"):
                named[score] = mapped(score, share, share - 0.03, share + 0.04)
        for score in ("share_artefacts", "area_artefacts", "lift_artefacts"):
            named[score] = mapped(score, None, reason=MAP_METRICS[score].undefined)
        return named

    def asked(level: float) -> dict[str, Score]:
        names = (*FAITHFULNESS, "srg", "equivariance", "equivariance_null")
        return scores(level) | {name: mapped(name, level, level - 0.06, level + 0.07) for name in names}

    return (
        MapRow("random", "any", scores(0.08)),
        MapRow("grad-cam, truth", "any", scores(0.83)),
        MapRow("grad-cam", "sense", asked(0.41)),
        MapRow("grad-cam", "presence", asked(0.52)),
        MapRow("grad-cam, random weights", "sense", scores(0.12)),
        MapRow("centre", "any", scores(0.25)),
        MapRow("sobel", "any", scores(0.11)),
        MapRow("score-cam", "sense", {}, "it needs a layer with positions"),
    )


def leaderboard(rows: Sequence[Row], metric: str = "macro_f1") -> Leaderboard:
    """Make a leaderboard with a published row."""
    published = {"macro_f1": 0.781, "accuracy": 0.825, "sense_end_to_end": 0.74, "majority_rate": 0.7}
    reference = ReferenceRow("InceptionV3", "Iota et al., AGU 2021 poster", published, 40)
    return Leaderboard(
        "demo", 1, DIGEST, metric, tuple(rows), (reference,), ("results/demo/x.json: of another version.",),
        method=METHOD,
    )  # fmt: skip


def changed_ids(scenes: int, changes: Sequence[str]) -> list[str]:
    """Return the ids of so many scenes, each as it is drawn and under every change (`blur=2.5`)."""
    ends = ("", *(f"~{change}" for change in changes))
    return [f"{scene:05d}{end}" for scene in range(scenes) for end in ends]


def changed_suite(folder: Path, ids: Sequence[str], *, folds: Sequence[str] = ("f0",), source: str = "synth") -> Suite:
    """Write a split that tests these photographs in every fold, and return its suite."""
    lines = [f"{fold},test,{image_id}" for fold in folds for image_id in ids]
    (folder / "split.csv").write_text("\n".join(["fold,role,id", *lines]) + "\n", encoding="utf-8")
    data = {"source": source} | ({"recipe": {"seed": 1, "n_images": 9}} if source == "synth" else {})
    said = {"name": "demo", "version": 1, "split": "split.csv", "data": data, "backbones": ("net",), "folder": folder}
    return Suite.model_validate(said)


def changed_record(
    backbone: str, ids: Sequence[str], right: Callable[[str], float], *, fold="f0", seed=0, detector="whole-image"
) -> CellRecord:
    """Read the sense of a photograph rightly with the chance that `right` gives its change; a third show none."""
    said = []
    for image_id in ids:
        scene, _, change = image_id.partition("~")
        truth = CLASSES[int(scene) % 3]
        rng = np.random.default_rng([seed, *f"{detector}{backbone}{image_id}".encode()])
        called = truth if rng.random() < right(change) else {"none": "CW", "CW": "CCW", "CCW": "CW"}[truth]
        shares = tuple(0.8 if name == called else 0.1 for name in CLASSES)
        said.append(Prediction(image_id, scene, truth, truth != "none", shares))
    cell = Cell(detector, backbone, seed, fold)
    return replace(record(backbone, ()), cell=cell, predictions=tuple(said), scores=())


def report(
    names: Sequence[str] = ("net", "other"), photos: Sequence[Photomicrograph] | None = None
) -> tuple[Leaderboard, list[SystemPage], list[Unsolved]]:
    """Return what `write_report` takes: the systems of these names, and one that failed."""
    photos = photographs() if photos is None else photos
    records = {name: record(name, photos, wrong=2 + at) for at, name in enumerate(names)}
    records |= {name: explained(records[name], photos) for name in names[:1]}
    rows = [row(one, 1 + at, maps=not at) for at, one in enumerate(records.values())]
    pages = [
        SystemPage(
            row=line,
            records=(one,),
            maps=map_rows() if not at else (),
            gallery=gallery([one], photos, maps=not at),
            examples=gallery([one], photos, kinds=("right",)).exhibits[:3] if not at else (),
        )
        for at, (line, one) in enumerate(zip(rows, records.values(), strict=True))
    ]
    nobody = failed("dead", "weights of resnet50 are nowhere to be had:\nlooked in 3 places")
    empty = gallery([replace(record("dead", ()), predictions=())], photos)
    pages.append(SystemPage(row=nobody, records=(), gallery=empty))
    by_id = {photo.id: photo for photo in photos}
    unsolved = failed_by_every_system({one.cell.system: [one] for one in records.values()})
    board = leaderboard([*rows, nobody])
    return board, pages, [Unsolved(by_id[one.image_id], one.said) for one in unsolved]
