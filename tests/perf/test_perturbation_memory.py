"""Memory of perturbation: bounded by the batch, whatever the number of inputs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.perf, pytest.mark.skipif(not Path("/proc").is_dir(), reason="reads /proc for the peak")]

PICTURES_KILOBYTES = (512 - 64) * 3 * 64 * 64 * 4 // 1024
"""What the pictures alone would take, were they kept."""
SCRIPT = """
import sys
from pathlib import Path

import numpy as np
import torch

from clastbench.explain.imputers import Blur, Mean
from clastbench.explain.perturbation import Probed, perturb
from clastbench.explain.units import grid

torch.set_num_threads(1)
units = grid((64, 64), (0, 0, 64, 64), n=3)
network = torch.nn.Sequential(torch.nn.Conv2d(3, 8, 3, stride=2), torch.nn.ReLU(), torch.nn.AdaptiveAvgPool2d(1))


def probes(n):
    for at in range(n):
        generator = torch.Generator().manual_seed(at)
        maps = tuple((k, np.random.default_rng((at, k)).normal(size=9)) for k in range(2))
        yield Probed(torch.randn(3, 64, 64, generator=generator), units, maps)


def values(inputs, owners):
    return network(inputs).flatten(1)[:, :2]


n = int(sys.argv[1])
assert sum(1 for _ in perturb(probes(n), values, [Mean(0.0), Blur(0.0)], steps=3, batch=32)) == n
status = Path("/proc/self/status").read_text()  # not getrusage: a child begins with its parent's peak there
print(next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM")))
"""


def peak_kilobytes(n_images: int) -> int:
    """The largest resident set of a process of its own."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", SCRIPT, str(n_images)], capture_output=True, text=True, check=True
    )
    return int(done.stdout)


def test_eight_times_the_images_need_no_more_memory(capsys):
    few, many = peak_kilobytes(64), peak_kilobytes(512)
    with capsys.disabled():
        print(  # noqa: T201 – the figures are what this is for
            f"\nperturbation, peak of resident memory: 64 images {few / 1024:.0f} MiB, 512 images "
            f"{many / 1024:.0f} MiB, {many / few:.3f} times"
        )
    assert many <= 1.1 * few
    assert many - few <= PICTURES_KILOBYTES / 2
