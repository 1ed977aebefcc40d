"""Perturbation of pictures: beside Quantus' pixel flipping, and beside the bare passes through the network."""

from __future__ import annotations

import warnings
from time import perf_counter

import numpy as np
import pytest
import torch
import torchvision

from clastbench.explain.imputers import Blur, Mean
from clastbench.explain.perturbation import Probed, perturb
from clastbench.explain.units import cell_means, grid

pytestmark = [pytest.mark.perf, pytest.mark.filterwarnings("ignore")]

N_IMAGES, N_MAPS, SIDE = 32, 5, 224
BATCH = 16
"""The same for both sides; 8 to 32 rows of 224 pixels are equally fast here, 64 are slower."""
STEPS = 12
"""Quantus removes colour values, all three of a pixel in turn: every third of 12 steps ends at whole pixels."""
FEATURES_IN_STEP = 3 * SIDE**2 // STEPS
WHOLE_PIXELS = slice(3, None, 3)


@pytest.fixture(scope="module")
def quantus():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pytest.importorskip("quantus")


@pytest.fixture(scope="module", autouse=True)
def _two_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    return torchvision.models.resnet18(weights=None).eval()


@pytest.fixture(scope="module")
def images() -> torch.Tensor:
    return torch.randn(N_IMAGES, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(1))


@pytest.fixture(scope="module")
def maps() -> np.ndarray:
    """Smooth maps float64[maps, images, H, W], none like another, no value twice."""
    coarse = torch.randn(N_MAPS * N_IMAGES, 1, 7, 7, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    fine = torch.nn.functional.interpolate(coarse, (SIDE, SIDE), mode="bicubic").numpy()
    fine += 1e-6 * np.random.default_rng(3).permuted(np.arange(SIDE**2)).reshape(SIDE, SIDE) / SIDE**2
    return fine.reshape(N_MAPS, N_IMAGES, SIDE, SIDE)


def classes() -> np.ndarray:
    return np.arange(N_IMAGES) * 31 % 1000


def values_of(network, part=slice(None)):
    """The logit of each image's class, one column."""
    wanted = torch.from_numpy(classes()[part])

    def values(inputs, owners):
        return network(inputs).gather(1, wanted[owners][:, None])

    return values


def timed(work):
    started = perf_counter()
    found = work()
    return perf_counter() - started, found


def pass_seconds(network, images) -> float:
    """What a picture costs in a full batch, at the network's best layout."""
    batch = images[:BATCH].contiguous(memory_format=torch.channels_last)
    with torch.inference_mode():
        network(batch)
        return min(timed(lambda: network(batch))[0] for _ in range(4)) / BATCH


def flipped_by_us(network, images, maps, part=slice(None)):
    """MoRF and LeRF of all maps under one colour, pixel by pixel, float64[images, 2, maps, S + 1]."""
    pixels = np.arange(SIDE**2).reshape(SIDE, SIDE)
    probes = (Probed(image, pixels, tuple((0, one[at].ravel()) for one in maps)) for at, image in enumerate(images))
    answers = perturb(probes, values_of(network, part), [Mean(0.0)], steps=STEPS, batch=BATCH, control=False)
    return np.stack([np.stack([one.morf[0], one.lerf[0]]) for one in answers])


def flipped_by_quantus(quantus, network, images, maps, part):
    """One curve a map, float64[maps, images, S]."""
    metric = quantus.PixelFlipping(
        features_in_step=FEATURES_IN_STEP, perturb_baseline=0.0, normalise=False, disable_warnings=True
    )
    return np.stack(
        [
            metric(
                model=network,
                x_batch=images.numpy(),
                y_batch=classes()[part],
                a_batch=one[:, None],
                softmax=False,
                device="cpu",
                batch_size=BATCH,
            )
            for one in maps
        ]
    )


def show(capsys, line: str) -> None:
    with capsys.disabled():
        print(f"\n{line}")  # noqa: T201 – the figures are what this is for


@pytest.mark.parametrize(("n_maps", "least"), [(1, 1.1), (N_MAPS, 1.15)])
def test_pixel_flipping_is_faster_than_in_quantus_and_the_same(quantus, network, images, maps, capsys, n_maps, least):
    some = maps[:n_maps]
    flipped_by_us(network, images[:2], some)
    theirs, ours, worst, cost = 0.0, 0.0, 0.0, [pass_seconds(network, images)]
    for at in range(0, N_IMAGES, BATCH):  # in turn, so that both meet the same machine
        part = slice(at, at + BATCH)
        took, found = timed(lambda part=part: flipped_by_us(network, images[part], some[:, part], part))
        ours += took
        cost.append(pass_seconds(network, images))
        for side, sign in enumerate((1, -1)):
            took, expected = timed(
                lambda part=part, sign=sign: flipped_by_quantus(
                    quantus, network, images[part], sign * some[:, part], part
                )
            )
            theirs += took
            ends = found[:, side, :, WHOLE_PIXELS].transpose(1, 0, 2)
            worst = max(worst, float(np.abs(ends - expected[:, :, WHOLE_PIXELS.start - 1 :: WHOLE_PIXELS.step]).max()))
        cost.append(pass_seconds(network, images))
    n_ours, n_theirs = N_IMAGES * (2 * n_maps * (STEPS - 1) + 2), N_IMAGES * 2 * n_maps * STEPS
    show(
        capsys,
        f"MoRF and LeRF of {n_maps} map(s), {N_IMAGES} images, {STEPS} steps, batches of {BATCH}, resnet18, 2 threads: "
        f"clastbench {ours:.1f} s ({n_ours} passes, {1e3 * ours / n_ours:.1f} ms each), Quantus "
        f"{quantus.__version__} {theirs:.1f} s ({n_theirs}, {1e3 * theirs / n_theirs:.1f} ms each), "
        f"{theirs / ours:.2f} times; with deletion as a third run of Quantus, the same as MoRF: "
        f"{1.5 * theirs / ours:.2f} times; a bare pass {', '.join(f'{1e3 * one:.1f}' for one in cost)} ms; "
        f"largest difference {worst:.1e}",
    )
    assert worst <= 1e-4
    assert theirs >= least * ours


CELLS = grid((SIDE, SIDE), (0, 0, SIDE, SIDE))
METRICS = {
    "single cells and control": (False, True, [Mean(0.0)]),
    "deletion, MoRF and LeRF": (True, False, [Mean(0.0)]),
    "insertion, MoRF and LeRF": (True, False, [Blur(0.0)]),
    "everything": (True, True, [Mean(0.0), Blur(0.0)]),
}


@pytest.mark.parametrize("name", METRICS)
def test_little_time_is_spent_beside_the_passes(network, images, maps, capsys, name):
    with_maps, control, imputers = METRICS[name]
    values, rows, inside = values_of(network), [], []

    def counted(inputs, owners):
        rows.append(len(inputs))
        took, said = timed(lambda: values(inputs, owners))
        inside.append(took)
        return said

    def run():
        probes = (
            Probed(image, CELLS, tuple((0, cell_means(one[at], CELLS)) for one in maps if with_maps))
            for at, image in enumerate(images[:8])
        )
        return list(perturb(probes, counted, imputers, batch=BATCH, control=control))

    cost = [pass_seconds(network, images)]
    ours, _ = timed(run)
    cost.append(pass_seconds(network, images))
    bare = sum(rows) * float(np.mean(cost))
    show(
        capsys,
        f"{name}, {', '.join(one.name for one in imputers)}, 8 images: {ours:.2f} s, {sum(inside):.2f} s in the "
        f"network ({ours / sum(inside):.3f} times); {sum(rows)} passes in {len(rows)} batches, bare {bare:.2f} s "
        f"({', '.join(f'{1e3 * one:.1f}' for one in cost)} ms each; {ours / bare:.3f} times)",
    )
    assert ours <= 1.15 * sum(inside)  # bare passes, timed before and after, differ where others use the machine
