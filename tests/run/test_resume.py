"""A run that is killed loses nothing it had published, and ends as if nothing had happened."""

from __future__ import annotations

import csv
import io
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(not Path("/proc").is_dir(), reason="reads /proc to find the workers"),
]

RUN = [sys.executable, "-c", "from clastbench.cli import main; main()", "run"]
SYSTEMS = ("small_vgg@scratch", "majority", "chance", "structure-tensor")
COST = ("fit_s", "ms_per_image")


@pytest.fixture(scope="module")
def suite(tmp_path_factory, write_suite) -> Path:
    return write_suite(tmp_path_factory.mktemp("resume") / "suite", folds=2, backbones=SYSTEMS, epochs=2)


def command(suite: Path, home: Path) -> list[str]:
    where = ["--store", str(home / "runs"), "--out", str(home / "results")]
    return [*RUN, str(suite), "--device", "cpu", "--jobs", "2", *where]


def leaderboard(clastbench, suite: Path, home: Path) -> list[list[str]]:
    """The leaderboard as rows of text, without what it cost."""
    said = clastbench("rank", suite, "--format", "csv", "--out", home / "results")
    assert said.returncode == 0, said.stderr
    rows = list(csv.DictReader(io.StringIO(said.stdout)))
    return [[value for name, value in row.items() if name not in COST] for row in rows]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory, suite, clastbench) -> list[list[str]]:
    home = tmp_path_factory.mktemp("undisturbed")
    assert subprocess.run(command(suite, home), check=False, capture_output=True).returncode == 0
    return leaderboard(clastbench, suite, home)


def published(home: Path) -> dict[str, tuple[int, int]]:
    """Every finished node with what would change if it were made again."""
    nodes = (home / "runs" / "nodes").glob("*/*/node.json")
    return {str(path): (path.stat().st_ino, path.stat().st_mtime_ns) for path in nodes}


def everything_in(home: Path) -> dict[str, tuple[int, int]]:
    return {str(path): (path.stat().st_size, path.stat().st_mtime_ns) for path in home.rglob("*") if path.is_file()}


def children(pid: int) -> set[int]:
    """All descendants of a process."""
    found: set[int] = set()
    for listing in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in map(int, listing.read_text().split()):
            found |= {child} | children(child)
    return found


def alive(pid: int) -> bool:
    """True for a process that runs; one that ended and that nobody asked about is dead."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state not in "ZX"


def wait_until(holds, seconds: float) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if holds():
            return True
        time.sleep(0.02)
    return holds()


@pytest.mark.parametrize(
    ("victim", "moment"),
    [("parent", 0), ("parent", 4), ("parent", 12), ("parent", 40), ("group", 1), ("group", 8), ("group", 55)],
)
def test_a_killed_run_goes_on_where_it_was(tmp_path, suite, undisturbed, clastbench, victim, moment):
    home = tmp_path / "home"
    process = subprocess.Popen(
        command(suite, home), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    assert wait_until(lambda: len(published(home)) >= moment and children(process.pid), 120)
    workers = children(process.pid)
    if victim == "parent":
        process.kill()
    else:
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert wait_until(lambda: not any(map(alive, workers)), 5), "workers outlive their parent"
    reaped = wait_until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in workers), 15)
    kept, files = published(home), everything_in(home)
    assert len(kept) >= moment
    assert everything_in(home) == files

    again = subprocess.run(command(suite, home), check=False, capture_output=True, text=True)
    assert again.returncode == 0, again.stderr
    assert leaderboard(clastbench, suite, home) == undisturbed
    now = published(home)
    assert {path: now[path] for path in kept} == kept
    assert not reaped or not list((home / "runs" / "tmp").iterdir())


def test_two_runs_may_share_a_store(tmp_path, suite, undisturbed, clastbench):
    home = tmp_path / "home"
    both = [
        subprocess.Popen(command(suite, home), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    for process in both:
        _, said = process.communicate(timeout=300)
        assert process.returncode == 0, said
    assert leaderboard(clastbench, suite, home) == undisturbed
