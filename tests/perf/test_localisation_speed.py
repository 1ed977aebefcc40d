"""Our localisation scores beside Quantus': the same values, in a hundredth of the time."""

from __future__ import annotations

import warnings
from time import perf_counter

import numpy as np
import pytest

from clastbench.metrics import localise

pytestmark = [pytest.mark.perf, pytest.mark.filterwarnings("ignore")]

SIDE = 224
N_OURS, N_THEIRS = 1000, 100
THEIRS = {"epg": "RelevanceMassAccuracy", "rank_accuracy": "RelevanceRankAccuracy", "pointing_game": "PointingGame"}
LEAST_RATIO = 100


@pytest.fixture(scope="module")
def quantus():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pytest.importorskip("quantus")


@pytest.fixture(scope="module")
def maps() -> np.ndarray:
    """Maps float32[1000, 224, 224] of positive values, none twice in a map."""
    values = np.tile(np.arange(1, SIDE**2 + 1, dtype=np.float32) / SIDE**2, (N_OURS, 1))
    return np.random.default_rng(0).permuted(values, axis=1, out=values).reshape(N_OURS, SIDE, SIDE)


@pytest.fixture(scope="module")
def masks() -> np.ndarray:
    """Discs of many sizes, bool[1000, 224, 224]."""
    down, across = np.mgrid[:SIDE, :SIDE]
    rng = np.random.default_rng(1)
    radii, centres = rng.uniform(5, 90, N_OURS), rng.uniform(40, 184, (N_OURS, 2))
    return np.stack(
        [(down - y) ** 2 + (across - x) ** 2 <= radius**2 for radius, (x, y) in zip(radii, centres, strict=True)]
    )


def of_quantus(quantus, name: str, maps: np.ndarray, masks: np.ndarray) -> np.ndarray:
    """Quantus' own scores of ready maps, with its own settings; the model is there because the call asks for one."""
    torch = pytest.importorskip("torch")
    metric = getattr(quantus, THEIRS[name])(disable_warnings=True)
    found = metric(
        model=torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(3 * SIDE**2, 3)),
        x_batch=np.zeros((len(maps), 3, SIDE, SIDE), np.float32),
        y_batch=np.zeros(len(maps), int),
        a_batch=maps[:, None],
        s_batch=masks[:, None],
        device="cpu",
    )
    return np.asarray(found, dtype=np.float64)


@pytest.mark.parametrize("name", THEIRS)
def test_maps_without_ties_score_as_in_quantus(quantus, maps, masks, name):
    some = slice(0, 40)
    expected = of_quantus(quantus, name, maps[some].astype(np.float64), masks[some])
    assert localise(maps[some], masks[some], metrics=(name,))[name] == pytest.approx(expected, abs=1e-6)


def test_scores_come_a_hundred_times_faster_than_in_quantus(quantus, maps, masks, capsys):
    localise(maps[:10], masks[:10])
    started = perf_counter()
    localise(maps, masks, metrics=tuple(THEIRS))
    ours = perf_counter() - started
    theirs = {}
    for name in THEIRS:
        started = perf_counter()
        of_quantus(quantus, name, maps[:N_THEIRS], masks[:N_THEIRS])
        theirs[name] = (perf_counter() - started) * N_OURS / N_THEIRS
    total = sum(theirs.values())
    with capsys.disabled():
        shown = ", ".join(f"{THEIRS[name]} {seconds:.1f} s" for name, seconds in theirs.items())
        print(  # noqa: T201 – the figures are what this test is for
            f"\n{N_OURS} maps of {SIDE} x {SIDE}, mass, rank and pointing: clastbench {ours:.2f} s; "
            f"Quantus {quantus.__version__} {total:.1f} s ({shown}; timed on {N_THEIRS} maps, times "
            f"{N_OURS // N_THEIRS}); ratio {total / ours:.0f}"
        )
    assert total >= LEAST_RATIO * ours
