"""What the command line does, as functions."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from .errors import UsageError
from .records import CellRecord
from .report.conditions import ConditionTable, build_by_condition
from .report.leaderboard import HEADLINE, Leaderboard, build, current_records, read_records
from .results import slug
from .run.inputs import open_source
from .run.session import Choice, Places, Session, Summary
from .suite import Suite, load_suite

if TYPE_CHECKING:
    from .curate import Curator
    from .report.selection import Order
    from .run.progress import Progress


def home(name: str) -> Path:
    """Return the default folder `runs` or `results`: below `$CLASTBENCH_HOME`, or below the current folder."""
    return Path(os.environ.get("CLASTBENCH_HOME", "."), name)


def open_session(
    suite: Suite | str,
    *,
    detectors: Sequence[str] = (),
    backbones: Sequence[str] = (),
    explainers: Sequence[str] = (),
    data: Path | None = None,
    store: Path | None = None,
    out: Path | None = None,
    device: str = "auto",
    jobs: int | None = None,
    tensorboard: bool = True,
    download: bool = True,
) -> Session:
    """Plan a run without starting it; see `run_suite` for the arguments."""
    places = Places(store=store or home("runs"), out=out or home("results"), data=data)
    choice = Choice(
        detectors=detectors,
        backbones=backbones,
        explainers=explainers,
        device=device,
        jobs=jobs,
        tensorboard=tensorboard,
    )
    return Session(_loaded(suite), places, choice, download=download)


def run_suite(session: Session, progress: Progress | None = None) -> tuple[Leaderboard, Summary]:
    """Run what is missing, write one result file a cell, and rank all that is there for this version of it.

    Args:
        session: from `open_session`: a suite (or its name) with globs of detectors and backbones (or new plugins),
            the folder of the photographs (`data`), the folders of intermediate outcomes (`store`) and results (`out`),
            `device` (auto, cpu, cuda, cuda:N, mps), the number of worker processes (`jobs`, 0 for this process), and
            whether TensorBoard's event files are written to `tensorboard/` in the store (`tensorboard`).
        progress: told of every node; by default a bar or plain lines on stderr.
    """
    from .run.progress import for_stderr  # noqa: PLC0415

    summary = session.run(progress or for_stderr(session.store.timings()))
    records, left_out = current_records(session.folder, session.plan.digest)
    return build(session.suite, session.plan.digest, records, left_out=left_out), summary


def rank_suite(
    suite: Suite | str, *, metric: str = HEADLINE, data: Path | None = None, out: Path | None = None
) -> Leaderboard:
    """Rank the results that are there.

    Raises:
        DataError: there are none, or some are of another version of the suite.
        UnknownNameError: nobody registered the metric.
    """
    chosen, digest, records = _finished(suite, data, out)
    return build(chosen, digest, records, metric)


def rank_by_condition(suite: Suite | str, *, data: Path | None = None, out: Path | None = None) -> ConditionTable:
    """Score the results that are there in each condition of the suite's photographs (light, blur, …).

    Raises:
        DataError: the suite has no conditions, or there are no results, or some are of another version of the suite.
    """
    return build_by_condition(*_finished(suite, data, out))


def score_predictions(
    suite: Suite | str,
    predictions: Path,
    *,
    maps: Path | None = None,
    name: str | None = None,
    data: Path | None = None,
    out: Path | None = None,
) -> Leaderboard:
    """Score a model that never met the harness, and rank it beside the results that are there.

    `predictions` is a CSV with the columns `id, none, CW, CCW [, fold]`, or, where its name ends in `.json`, detections
    as COCO results: a list of `{"image_id", "category_id", "bbox": [x, y, width, height], "score" [, "fold"]}`. `maps`
    is a folder with `sense/ID.npy` and `presence/ID.npy`, saliency maps float[h, w] of whole photographs, beside a CSV;
    `name` is shown, by default the file's name.

    Raises:
        DataError: a row is impossible, or a photograph of the test split has no prediction or no map.
        UsageError: maps beside detections.
    """
    from .run.external import score_file  # noqa: PLC0415
    from .run.external_boxes import score_boxes  # noqa: PLC0415

    chosen, detected = _loaded(suite), predictions.suffix.lower() == ".json"
    if detected and maps is not None:
        raise UsageError(f"{maps}: --maps goes with a CSV of probabilities; {predictions} holds detections.")
    folder, source = (out or home("results")) / chosen.shown_name, open_source(chosen, data)
    if detected:
        score_boxes(chosen, source, predictions, name or predictions.stem, folder)
    else:
        score_file(chosen, source, predictions, name or predictions.stem, folder, maps=maps)
    return rank_suite(chosen, data=data, out=out)


def write_gallery(
    session: Session,
    system: str,
    *,
    kinds: Sequence[str] | None = None,
    n: int = 24,
    order: Order = "confidence",
    seed: int = 0,
    form: str = "html",
    to: Path | None = None,
    pixels: bool = True,
    progress: Progress | None = None,
) -> Path:
    """Write a gallery of one system's failures and return where it begins.

    Args:
        session: from `open_session`; its results must be there.
        system: `DETECTOR+BACKBONE`, or one cell of it, `DETECTOR+BACKBONE/seed0-FOLD`.
        kinds: which failures, of `report.selection.ALL_KINDS`; by default wrong answers about photographs, and of
            systems that propose boxes all kinds of mistakes about clasts.
        n: at most so many photographs or mistakes of each kind.
        order: `confidence` (surest first) or `random`, drawn with `seed`.
        seed: of the random order.
        form: `html` (a folder), `png` or `pdf` (sheets at 300 dpi with a caption file).
        to: where to write; by default below the suite's results.
        pixels: False leaves out all that shows a photograph, for data that may not be redistributed.
        progress: told of every node.

    Raises:
        UnknownNameError: no such system, cell or kind.
        UsageError: mistakes about clasts of a system that proposes no boxes.
    """
    from .report.drawing import check_format  # noqa: PLC0415
    from .report.gallery import write_gallery as write  # noqa: PLC0415
    from .report.sheets import write_sheet  # noqa: PLC0415

    place = to or session.folder / "galleries" / slug(system.replace(" + ", "+", 1))
    if form != "html":
        place = place if to else place.with_name(f"{place.name}.{form}")
        check_format(place)
        if place.suffix.lower() != f".{form}":
            raise UsageError(f"{place}: the format is {form}; expected a name that ends in .{form}.")
    gallery = _curator(session, progress).gallery(system, kinds, n=n, order=order, seed=seed, explained=pixels)
    if form == "html":
        return write(gallery, place, pixels=pixels)
    return write_sheet(gallery, place, pixels=pixels)[0]


def write_report(
    session: Session, *, to: Path | None = None, pixels: bool = True, progress: Progress | None = None
) -> Path:
    """Write the static report of a suite's results, by default to `report` beside them; return its first page."""
    return _curator(session, progress).report(to or session.folder / "report", pixels=pixels)


def explain_photograph(
    session: Session,
    system: str,
    image_id: str,
    *,
    methods: Sequence[str] = ("grad-cam", "layer-cam", "eigen-cam", "integrated-gradients", "occlusion"),
    to: Path | None = None,
    progress: Progress | None = None,
) -> Path:
    """Draw one test photograph with the maps of several methods side by side, and return the picture's path."""
    from .report.drawing import check_format  # noqa: PLC0415

    place = to or session.folder / "explained" / slug(system.replace(" + ", "+", 1)) / f"{slug(image_id)}.png"
    check_format(place)
    return _curator(session, progress).panel(system, image_id, methods, place)


def _curator(session: Session, progress: Progress | None) -> Curator:
    from .curate import Curator  # noqa: PLC0415
    from .run.progress import for_stderr  # noqa: PLC0415

    return Curator(session, progress or for_stderr(session.store.timings()))


def _finished(suite: Suite | str, data: Path | None, out: Path | None) -> tuple[Suite, str, list[CellRecord]]:
    """Return a suite, its digest and its results."""
    chosen = _loaded(suite)
    digest = chosen.digest(open_source(chosen, data).digest)
    return chosen, digest, read_records((out or home("results")) / chosen.shown_name, digest)


def _loaded(suite: Suite | str) -> Suite:
    return suite if isinstance(suite, Suite) else load_suite(suite)
