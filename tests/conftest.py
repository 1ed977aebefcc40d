"""A suite small enough to be run many times, and the ways to run it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

# One thread, as every fit of a suite has; it must be said before any numerical library is imported.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("MKL_NUM_THREADS", "1")

import pytest

from clastbench.records import CellRecord
from clastbench.results import read_all
from clastbench.run.progress import PlainLines
from clastbench.run.session import Choice, Places, Session, Summary
from clastbench.suite import Suite, load_suite

ALL = ("small_vgg@scratch", "majority", "chance", "structure-tensor")
DETECTORS = ("whole-image", "ground-truth")

PLUGINS = '''
"""Backbones that misbehave, beside one that does not."""

import os
import signal

import numpy as np


class Sound:
    """Always says the same."""

    size = 8

    def fit(self, crops, validation, *, seed, device, out):
        """Nothing to learn."""

    def load(self, path, *, device):
        """Nothing to load."""

    def predict(self, images):
        """Prefer CW, a little."""
        return np.tile(np.asarray([0.0, 0.5, 0.25], np.float32), (len(images), 1))


class Raises(Sound):
    """Cannot learn."""

    def fit(self, crops, validation, *, seed, device, out):
        """Raise."""
        raise RuntimeError("the thin section\\nslipped")


class Dies(Sound):
    """Takes its own process down, as the kernel does when memory runs out."""

    def fit(self, crops, validation, *, seed, device, out):
        """Kill."""
        os.kill(os.getpid(), signal.SIGKILL)


class NotFinite(Sound):
    """Returns NaN."""

    def predict(self, images):
        """Return NaN."""
        return np.full((len(images), 3), np.nan, np.float32)


class WrongShape(Sound):
    """Forgets a class."""

    def predict(self, images):
        """Return two columns."""
        return np.zeros((len(images), 2), np.float32)
'''


def suite_text(
    *,
    name: str = "tiny",
    detectors: Sequence[str] = DETECTORS,
    backbones: Sequence[str] = ALL,
    seeds: Sequence[int] = (0,),
    epochs: int = 1,
    more: str = "",
) -> str:
    """Return a suite file that states every value, so that no default moves what rests on it."""
    return f"""
name = "{name}"
version = 1
title = "For tests"
split = "split.csv"
detectors = {json.dumps(list(detectors))}
backbones = {json.dumps(list(backbones))}
seeds = {json.dumps(list(seeds))}

[data]
source = "synth"
recipe = {{ level = "easy", seed = 7, n_images = 60, width = 96, height = 64 }}

[crops]
context = 1.25
jitter = 0.1
per_clast = 2
background = 1

[training.scratch]
epochs = {epochs}
batch_size = 16
weight_decay = 0.0
schedule = "constant"
mirror = true
rotate_deg = 10.0
photometric = 0.1
learning_rate = 1e-3
size = [32, 48]

[training.frozen]
epochs = 2
batch_size = 16
learning_rate = 1e-3
weight_decay = 0.0
schedule = "one-cycle"
hidden = 8
mirror = true
size = [64, 96]
{more}"""


def split_text(folds: int) -> str:
    """Deal 60 photographs: 36 train, 9 validate, 15 test; each fold begins somewhere else."""
    rows = ["fold,role,id"]
    for fold in range(folds):
        for place in range(60):
            role = "train" if place < 36 else "validation" if place < 45 else "test"
            rows.append(f"f{fold},{role},{(place + 15 * fold) % 60:05d}")
    return "\n".join(rows) + "\n"


@pytest.fixture(scope="session")
def write_suite() -> Callable[..., Path]:
    """Return a function that writes a small suite of generated photographs and its split into a folder."""

    def write(folder: Path, *, folds: int = 1, split: str | None = None, **said) -> Path:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "split.csv").write_text(split or split_text(folds), encoding="utf-8")
        path = folder / f"{said.get('name', 'tiny')}.toml"
        path.write_text(suite_text(**said), encoding="utf-8")
        return path

    return write


@pytest.fixture
def tiny_suite(tmp_path: Path, write_suite) -> Path:
    """Return the path of the small suite, in a folder of its own."""
    return write_suite(tmp_path / "suite")


@pytest.fixture(scope="session")
def plugin_file(tmp_path_factory) -> Path:
    """Return a file of backbones named Sound, Raises, Dies, NotFinite, WrongShape."""
    path = tmp_path_factory.mktemp("plugins") / "odd.py"
    path.write_text(PLUGINS, encoding="utf-8")
    return path


@dataclass(frozen=True)
class Ran:
    """A run that came to its end."""

    suite: Suite
    path: Path
    home: Path
    session: Session
    summary: Summary

    @property
    def store(self) -> Path:
        return self.home / "runs"

    @property
    def folder(self) -> Path:
        return self.summary.folder

    def records(self) -> list[CellRecord]:
        return list(read_all(self.folder))


@pytest.fixture(scope="session")
def run_suite() -> Callable[..., Ran]:
    """Return a function that runs a suite in this process (or with workers) and keeps everything under `home`."""

    def run(path: Path, home: Path, *, limit: int | None = None, **choice) -> Ran:
        suite = load_suite(str(path), limit=limit)
        places = Places(store=home / "runs", out=home / "results")
        chosen = Choice(**{"device": "cpu", "jobs": 0, **choice})
        session = Session(suite, places, chosen, download=False)
        with (home.parent / "progress.txt").open("a", encoding="utf-8") as said:
            summary = session.run(PlainLines({}, said))
        return Ran(suite, path, home, session, summary)

    return run


@pytest.fixture(scope="session")
def tiny_run(tmp_path_factory, write_suite, run_suite) -> Ran:
    """Return a finished run of every baseline with both detectors on two folds. Look, but do not touch."""
    folder = tmp_path_factory.mktemp("tiny")
    return run_suite(write_suite(folder / "suite", folds=2), folder / "home")


@pytest.fixture(scope="session")
def clastbench() -> Callable[..., subprocess.CompletedProcess]:
    """Return a function that runs the command line in a process of its own."""

    def call(*arguments: str | Path, **said) -> subprocess.CompletedProcess:
        command = [sys.executable, "-c", "from clastbench.cli import main; main()", *map(str, arguments)]
        return subprocess.run(command, capture_output=True, text=True, timeout=900, check=False, **said)

    return call


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Return the folder of the AGU 2021 photographs, or skip."""
    beside = Path(__file__).resolve().parents[2] / "shared" / "data" / "agu2021"
    place = Path(os.environ.get("CLASTBENCH_DATA", beside))
    if not any((folder / "with").is_dir() for folder in (place, place / "images")):
        pytest.skip(f"the AGU 2021 photographs are not at {place}; clone them and set CLASTBENCH_DATA")
    return place
