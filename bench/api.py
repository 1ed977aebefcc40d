"""What the command line does, as functions."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from .report.leaderboard import HEADLINE, Leaderboard, build, current_records, read_records
from .run.inputs import open_source
from .run.session import Choice, Places, Session, Summary
from .suite import Suite, load_suite

if TYPE_CHECKING:
    from .run.progress import Progress


def home(name: str) -> Path:
    """Return the default folder `runs` or `results`: below `$CLASTBENCH_HOME`, or below the current folder."""
    return Path(os.environ.get("CLASTBENCH_HOME", "."), name)


def open_session(
    suite: Suite | str,
    *,
    detectors: Sequence[str] = (),
    backbones: Sequence[str] = (),
    data: Path | None = None,
    store: Path | None = None,
    out: Path | None = None,
    device: str = "auto",
    jobs: int | None = None,
    download: bool = True,
) -> Session:
    """Plan a run without starting it; see `run_suite` for the arguments."""
    places = Places(store=store or home("runs"), out=out or home("results"), data=data)
    choice = Choice(detectors=detectors, backbones=backbones, device=device, jobs=jobs)
    return Session(_loaded(suite), places, choice, download=download)


def run_suite(session: Session, progress: Progress | None = None) -> tuple[Leaderboard, Summary]:
    """Run what is missing, write one result file a cell, and rank all that is there for this version of it.

    Args:
        session: from `open_session`: a suite (or its name) with globs of detectors and backbones (or new plugins),
            the folder of the photographs (`data`), the folders of intermediate outcomes (`store`) and results (`out`),
            `device` (auto, cpu, cuda, cuda:N, mps) and the number of worker processes (`jobs`, 0 for this process).
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
    chosen = _loaded(suite)
    digest = chosen.digest(open_source(chosen, data).digest)
    records = read_records((out or home("results")) / chosen.shown_name, digest)
    return build(chosen, digest, records, metric)


def score_predictions(
    suite: Suite | str, predictions: Path, *, name: str | None = None, data: Path | None = None, out: Path | None = None
) -> Leaderboard:
    """Score a model that never met the harness, and rank it beside the results that are there.

    `predictions` is a CSV with the columns `id, none, CW, CCW [, fold]`; `name` is shown, by default the file's name.

    Raises:
        DataError: a row is impossible, or a photograph of the test split has no prediction.
    """
    from .run.external import score_file  # noqa: PLC0415

    chosen = _loaded(suite)
    folder = (out or home("results")) / chosen.shown_name
    score_file(chosen, open_source(chosen, data), predictions, name or predictions.stem, folder)
    return rank_suite(chosen, data=data, out=out)


def _loaded(suite: Suite | str) -> Suite:
    return suite if isinstance(suite, Suite) else load_suite(suite)
