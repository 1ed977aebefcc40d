"""The regions that maps are scored against: what belongs to which, and what is unknown."""

from __future__ import annotations

import dataclasses
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from clastbench.data.masks import box_around, encode
from clastbench.errors import DataError
from clastbench.explain.regions import Regions, covered_by, regions_of, shrunk
from clastbench.metrics import REGIONS
from clastbench.records import Clast

SHAPE = (80, 120)


def disc(x: float, y: float, radius: float, shape=SHAPE) -> np.ndarray:
    down, across = np.mgrid[: shape[0], : shape[1]]
    return (down - y) ** 2 + (across - x) ** 2 <= radius**2


def bar(x0: int, x1: int, y: int, shape=SHAPE) -> np.ndarray:
    region = np.zeros(shape, bool)
    region[y - 1 : y + 2, x0:x1] = True
    return region


def clast(core: np.ndarray, tails: np.ndarray | None = None) -> Clast:
    whole = core if tails is None else core | tails
    parts = {"core": encode(core)} | ({} if tails is None else {"tails": encode(tails & ~core)})
    return Clast(box_around(whole) or (0, 0, 1, 1), "CW", mask=encode(whole), parts=parts)


def outlined(mask: np.ndarray) -> Clast:
    """A clast of which nobody knows the core."""
    return Clast(box_around(mask), "CW", mask=encode(mask))


CORE, TAILS = disc(60, 40, 10), bar(35, 85, 40)
SIGMA = clast(CORE, TAILS)


def is_partition(found: Regions) -> bool:
    known = [part for part in found.parts.values() if part is not None]
    return np.array_equal(np.sum(known, axis=0), np.ones(found.clast.shape, int))


def test_every_region_has_its_entry_in_the_order_of_the_catalogue():
    assert tuple(regions_of([SIGMA], SHAPE).parts) == REGIONS


def test_core_and_tails_are_the_clasts():
    found = regions_of([SIGMA], SHAPE)
    assert np.array_equal(found.parts["core"], CORE)
    assert np.array_equal(found.parts["tails"], TAILS & ~CORE)
    assert np.array_equal(found.clast, CORE | TAILS)


def test_tails_nobody_drew_are_the_outline_without_the_core():
    drawn = dataclasses.replace(SIGMA, parts={"core": SIGMA.parts["core"]})
    assert np.array_equal(regions_of([drawn], SHAPE).parts["tails"], TAILS & ~CORE)


def test_outline_beyond_core_and_drawn_tails_counts_as_tails():
    mantled = dataclasses.replace(SIGMA, mask=encode(disc(60, 40, 14) | TAILS))
    assert np.array_equal(regions_of([mantled], SHAPE).parts["tails"], (disc(60, 40, 14) | TAILS) & ~CORE)


def test_halo_reaches_half_a_core_radius_from_the_outline():
    halo = regions_of([clast(CORE)], SHAPE).parts["halo"]
    row = np.flatnonzero(halo[40])
    assert row.tolist() == [45, 46, 47, 48, 49, 71, 72, 73, 74, 75]


def test_halo_of_each_clast_is_as_wide_as_its_own_core_asks():
    found = regions_of([clast(disc(30, 40, 17)), clast(disc(90, 40, 5))], SHAPE)
    row = np.flatnonzero(found.parts["halo"][40])
    assert row.tolist() == [*range(5, 13), *range(48, 56), 83, 84, 96, 97]


def test_halo_of_one_clast_does_not_reach_into_another():
    found = regions_of([clast(disc(40, 40, 16)), clast(disc(60, 40, 4))], SHAPE)
    assert not (found.parts["halo"] & found.clast).any()


def test_halo_is_that_of_the_whole_photograph_whatever_the_window():
    whole = regions_of([SIGMA], SHAPE)
    cut = regions_of([SIGMA], SHAPE, window=(66, 10, 120, 70))
    assert np.array_equal(
        cut.parts["core"] | cut.parts["halo"], (whole.parts["core"] | whole.parts["halo"])[10:70, 66:]
    )


def test_clast_outside_the_window_still_has_its_halo_there():
    found = regions_of([clast(CORE)], SHAPE, window=(72, 0, 120, 80))
    assert not found.clast.any()
    assert found.parts["halo"][40, :4].all()


def test_border_is_five_percent_of_each_side_of_the_window():
    found = regions_of([], SHAPE).parts["border"]
    assert np.array_equal(np.flatnonzero(~found[40]), np.arange(6, 114))
    assert np.array_equal(np.flatnonzero(~found[:, 60]), np.arange(4, 76))


def test_window_has_a_border_of_its_own():
    found = regions_of([], SHAPE, window=(20, 10, 60, 50)).parts["border"]
    assert found.shape == (40, 40)
    assert np.array_equal(np.flatnonzero(~found[20]), np.arange(2, 38))


def test_clast_takes_precedence_over_the_border():
    edge = clast(disc(0, 40, 10))
    found = regions_of([edge], SHAPE)
    assert found.parts["core"][40, 0]
    assert not (found.parts["border"] & (found.clast | found.parts["halo"])).any()


def test_artefacts_take_precedence_over_everything():
    scale_bar = bar(0, 120, 40)
    found = regions_of([SIGMA], SHAPE, artefacts=scale_bar)
    assert np.array_equal(found.parts["artefacts"], scale_bar)
    assert np.array_equal(found.parts["core"], CORE & ~scale_bar)
    assert is_partition(found)


def test_artefacts_of_all_kinds_are_one_region():
    one, other = disc(20, 20, 9), bar(10, 60, 20)
    assert np.array_equal(covered_by({"bubble": encode(one), "crack": encode(other)}, SHAPE), one | other)


def test_a_photograph_without_artefacts_has_an_empty_region_and_one_nobody_looked_at_has_none():
    assert not covered_by({}, SHAPE).any()
    assert covered_by(None, SHAPE) is None


def test_artefacts_drawn_for_a_picture_of_another_size_are_refused():
    with pytest.raises(DataError, match="120 by 80 pixels, but its photograph of 119 by 80"):
        covered_by({"frame": encode(np.ones(SHAPE, bool))}, (80, 119))


def test_unknown_artefacts_take_nothing():
    found = regions_of([SIGMA], SHAPE)
    assert found.parts["artefacts"] is None
    assert is_partition(found)


def test_core_takes_precedence_over_the_tails_of_another_clast():
    found = regions_of([clast(disc(30, 40, 8), bar(30, 70, 40)), clast(CORE)], SHAPE)
    assert np.array_equal(found.parts["core"], disc(30, 40, 8) | CORE)
    assert is_partition(found)


@pytest.mark.parametrize("name", ["core", "tails", "halo", "matrix"])
def test_one_clast_without_a_core_leaves_the_others_parts_unknown_too(name):
    assert regions_of([SIGMA, outlined(disc(20, 20, 5))], SHAPE).parts[name] is None


def test_border_and_artefacts_are_known_without_a_core():
    edge, scale_bar = disc(0, 40, 10), bar(0, 120, 70)
    found = regions_of([outlined(edge)], SHAPE, artefacts=scale_bar)
    assert np.array_equal(found.parts["artefacts"], scale_bar)
    assert np.array_equal(found.parts["border"], regions_of([], SHAPE).parts["border"] & ~edge & ~scale_bar)
    assert np.array_equal(found.clast, edge)


def test_photograph_without_clasts_is_matrix_and_border():
    found = regions_of([], SHAPE)
    assert not found.clast.any()
    assert not (found.parts["core"] | found.parts["tails"] | found.parts["halo"]).any()
    assert is_partition(found)


def test_empty_core_has_no_halo():
    none = np.zeros(SHAPE, bool)
    found = regions_of([dataclasses.replace(SIGMA, parts={"core": encode(none)})], SHAPE)
    assert not found.parts["halo"].any()


def test_clast_of_no_pixels_changes_nothing():
    found = regions_of([clast(np.zeros(SHAPE, bool))], SHAPE)
    assert np.array_equal(found.parts["matrix"], regions_of([], SHAPE).parts["matrix"])


@settings(deadline=None, max_examples=50)
@given(st.data())
def test_known_regions_are_a_partition_of_the_window(data):
    shape = data.draw(st.tuples(st.integers(1, 24), st.integers(1, 24)))
    noise = [data.draw(hnp.arrays(np.bool_, shape)) for _ in range(5)]
    x0, y0 = data.draw(st.integers(0, shape[1] - 1)), data.draw(st.integers(0, shape[0] - 1))
    window = x0, y0, data.draw(st.integers(x0 + 1, shape[1])), data.draw(st.integers(y0 + 1, shape[0]))
    clasts = [clast(noise[0], noise[1]), clast(noise[2], noise[3])]
    found = regions_of(clasts, shape, window=window, artefacts=noise[4])
    assert found.clast.shape == (window[3] - y0, window[2] - x0)
    assert is_partition(found)


def test_regions_of_a_mirrored_photograph_are_mirrored():
    mirrored = clast(CORE[:, ::-1], TAILS[:, ::-1])
    found, twin = regions_of([SIGMA], SHAPE), regions_of([mirrored], SHAPE)
    for name in ("core", "tails", "halo", "border", "matrix"):
        assert np.array_equal(found.parts[name][:, ::-1], twin.parts[name])


def test_clast_without_a_mask_is_refused_by_its_box():
    with pytest.raises(DataError, match=r"\(1.0, 2.0, 3.0, 4.0\) has no mask"):
        regions_of([Clast((1.0, 2.0, 3.0, 4.0), "CW")], SHAPE)


def test_mask_of_another_size_than_the_photograph_is_refused():
    with pytest.raises(DataError, match="120 by 80 pixels, but its photograph of 119 by 80"):
        regions_of([SIGMA], (80, 119))


@pytest.mark.parametrize("window", [(-1, 0, 5, 5), (0, 0, 121, 80), (5, 5, 5, 9), (0, 9, 9, 8)])
def test_window_that_is_not_within_the_photograph_is_refused(window):
    with pytest.raises(ValueError, match="window must be"):
        regions_of([SIGMA], SHAPE, window=window)


@pytest.mark.parametrize("artefacts", [np.zeros((80, 119), bool), np.zeros(SHAPE, np.uint8)])
def test_artefacts_of_another_shape_or_type_are_refused(artefacts):
    with pytest.raises(ValueError, match=r"artefacts must be bool of shape \(80, 120\)"):
        regions_of([SIGMA], SHAPE, artefacts=artefacts)


def test_regions_own_their_arrays():
    scale_bar = bar(0, 120, 40)
    found = regions_of([SIGMA], SHAPE, artefacts=scale_bar)
    found.parts["artefacts"][:] = False
    assert scale_bar.any()


def by_blocks(mask: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Shrink in the plain way: enlarge to a common multiple of both sizes, then count."""
    fine = mask.repeat(shape[0], axis=0).repeat(shape[1], axis=1)
    blocks = fine.reshape(shape[0], mask.shape[0], shape[1], mask.shape[1])
    return 2 * blocks.sum(axis=(1, 3)) >= mask.size


@settings(deadline=None)
@given(hnp.arrays(np.bool_, hnp.array_shapes(min_dims=2, max_dims=2, max_side=9)), st.data())
def test_shrinking_keeps_the_cells_that_are_at_least_half_covered(mask, data):
    shape = data.draw(st.tuples(st.integers(1, 12), st.integers(1, 12)))
    assert np.array_equal(shrunk(mask, shape), by_blocks(mask, shape))


def test_cell_that_is_just_half_covered_is_in():
    assert shrunk(np.array([[True, False], [False, True]]), (1, 1)).all()


def test_shrinking_to_the_same_size_changes_nothing():
    assert np.array_equal(shrunk(CORE, SHAPE), CORE)


def test_shrunk_disc_keeps_its_share_of_the_area():
    assert shrunk(disc(500, 400, 300, (800, 1000)), (64, 80)).mean() == pytest.approx(np.pi * 0.09 / 0.8, rel=0.02)


def test_importing_regions_needs_neither_scipy_nor_torch():

    code = (
        "import sys, clastbench.explain.regions; print([n for n in ('scipy', 'torch', 'sklearn') if n in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
