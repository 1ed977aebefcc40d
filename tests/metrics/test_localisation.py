"""Scores of one map against one mask: oracles, edge cases, ties, and what must not matter."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from clastbench.errors import UnknownNameError
from clastbench.metrics import LOCALISATION, localise, shares

SCORES = tuple(name for name in LOCALISATION if name != "rho")
BOUNDED = tuple(name for name in LOCALISATION if name != "lift")


def one(saliency, mask, **said) -> dict[str, float]:
    """Scores of one map."""
    found = localise(np.asarray(saliency)[None], np.asarray(mask)[None], **said)
    return {name: float(value[0]) for name, value in found.items()}


def disc(side: int = 20, radius: float = 5.0, x: float = 8.0) -> np.ndarray:
    down, across = np.mgrid[:side, :side]
    return (down - 9.0) ** 2 + (across - x) ** 2 <= radius**2


def same(a: dict, b: dict, rows=slice(None)) -> bool:
    return all(np.allclose(a[name][rows], b[name], rtol=0, atol=1e-9, equal_nan=True) for name in a)


@st.composite
def scenes(draw, dtype=np.float32, least_masked: int = 0):
    """Some maps of one size with their masks; values from a coarse grid, so that ties are frequent."""
    shape = draw(hnp.array_shapes(min_dims=3, max_dims=3, min_side=1, max_side=6))
    maps = draw(hnp.arrays(np.int64, shape, elements=st.integers(-2, 4))).astype(dtype) / 2
    masks = draw(hnp.arrays(np.bool_, shape))
    masks[:, 0, 0] |= least_masked > 0
    return maps, masks


@pytest.fixture(scope="module")
def random_maps():
    """4,000 maps without ties, and what they come to against one disc."""
    maps = np.random.default_rng(0).random((4000, 20, 20))
    return maps, disc(), localise(maps, disc())


@pytest.mark.parametrize("name", ["epg", "rank_accuracy", "pointing_game"])
def test_random_map_scores_the_masks_share_of_the_area(random_maps, name):
    _, mask, found = random_maps
    error = found[name].std() / 4000**0.5
    assert found[name].mean() == pytest.approx(mask.mean(), abs=4 * error)


def test_random_map_has_no_lift(random_maps):
    lift = random_maps[2]["lift"]
    assert lift.mean() == pytest.approx(0.0, abs=4 * lift.std() / 4000**0.5)


def test_random_map_has_a_pxap_of_about_the_masks_share(random_maps):
    _, mask, found = random_maps
    assert found["pxap"].mean() == pytest.approx(mask.mean(), abs=0.02)


def test_rank_accuracy_of_random_maps_is_hypergeometric(random_maps):
    hypergeom = pytest.importorskip("scipy.stats").hypergeom
    _, mask, found = random_maps
    k = int(mask.sum())
    hits = found["rank_accuracy"] * k
    expected = hypergeom(mask.size, k, k)
    assert np.array_equal(hits, np.round(hits))
    assert hits.var() == pytest.approx(expected.var(), rel=4 * (2 / 4000) ** 0.5)
    for quantile in (0.05, 0.5, 0.95):
        assert np.mean(hits <= expected.ppf(quantile)) == pytest.approx(expected.cdf(expected.ppf(quantile)), abs=0.03)


@pytest.mark.parametrize("name", SCORES)
def test_mask_itself_as_a_map_scores_one(name):
    assert one(disc().astype(np.float32), disc())[name] == 1.0


@pytest.mark.parametrize("name", ["epg", "pointing_game", "rank_accuracy"])
def test_everything_but_the_mask_as_a_map_scores_zero(name):
    assert one((~disc()).astype(np.float32), disc())[name] == 0.0


def test_lowest_lift_is_that_of_no_heat_in_the_mask():
    rho = disc().mean()
    assert one((~disc()).astype(np.float32), disc())["lift"] == pytest.approx(-rho / (1 - rho))


def test_scores_worked_by_hand():
    found = one([[4.0, 3.0], [2.0, 1.0]], [[True, False], [True, False]])
    expected = {"rho": 1 / 2, "epg": 6 / 10, "lift": 1 / 5, "pointing_game": 1, "rank_accuracy": 1 / 2, "pxap": 5 / 6}
    assert found == pytest.approx(expected)


def test_negative_values_count_as_none():
    saliency = np.random.default_rng(0).normal(size=(20, 20))
    assert one(saliency, disc()) == one(np.maximum(saliency, 0), disc())


def test_map_without_positive_mass_scores_the_masks_share():
    rho = disc().mean()
    expected = dict.fromkeys(LOCALISATION, rho) | {"lift": 0.0}
    assert one(np.zeros((20, 20), np.float32), disc()) == pytest.approx(expected)
    assert one(-np.random.default_rng(0).random((20, 20)), disc()) == pytest.approx(expected)


def test_constant_map_scores_the_masks_share():
    expected = dict.fromkeys(LOCALISATION, disc().mean()) | {"lift": 0.0}
    assert one(np.full((20, 20), 0.3, np.float32), disc()) == pytest.approx(expected)


def test_single_hot_pixel_in_the_mask_leaves_the_rest_to_chance():
    mask = disc()
    saliency = np.zeros((20, 20), np.float32)
    saliency[9, 8] = 7.0
    found, n, k = one(saliency, mask), mask.size, int(mask.sum())
    assert found["epg"] == found["lift"] == found["pointing_game"] == 1.0
    assert found["rank_accuracy"] == pytest.approx((1 + (k - 1) * (k - 1) / (n - 1)) / k)
    assert found["pxap"] == pytest.approx((1 + (k - 1) * k / n) / k)


def test_single_hot_pixel_beside_the_mask_is_a_miss():
    saliency = np.zeros((20, 20), np.float32)
    saliency[0, 0] = 7.0
    found = one(saliency, disc())
    assert found["epg"] == found["pointing_game"] == 0.0


@pytest.mark.parametrize("name", SCORES)
def test_empty_mask_is_no_hit_but_undefined(name):
    assert np.isnan(one(np.ones((5, 5), np.float32), np.zeros((5, 5), bool))[name])


def test_empty_mask_has_a_share_of_zero():
    assert one(np.ones((5, 5), np.float32), np.zeros((5, 5), bool))["rho"] == 0.0


@pytest.mark.parametrize("saliency", [np.zeros((5, 5)), np.arange(25.0).reshape(5, 5) - 9])
def test_full_mask_leaves_nothing_to_miss(saliency):
    found = one(saliency, np.ones((5, 5), bool))
    assert np.isnan(found.pop("lift"))
    assert set(found.values()) == {1.0}


@pytest.mark.parametrize("value", [0.0, 2.0, -2.0])
def test_one_pixel_in_the_mask_is_a_full_mask(value):
    found = one([[value]], [[True]])
    assert np.isnan(found.pop("lift"))
    assert set(found.values()) == {1.0}


def test_one_pixel_beside_the_mask_is_an_empty_mask():
    found = one([[2.0]], [[False]])
    assert found.pop("rho") == 0.0
    assert np.isnan(list(found.values())).all()


@pytest.mark.parametrize("broken", [np.nan, np.inf, -np.inf])
def test_map_that_is_not_finite_has_its_masks_share_alone(broken):
    saliency = np.ones((20, 20), np.float32)
    saliency[3, 3] = broken
    found = one(saliency, disc())
    assert found.pop("rho") == disc().mean()
    assert np.isnan(list(found.values())).all()


def test_broken_map_leaves_its_neighbours_alone():
    maps = np.random.default_rng(0).random((3, 20, 20))
    maps[1, 0, 0] = np.nan
    assert same(localise(maps, disc()), localise(maps[2:], disc()), slice(2, 3))


def test_no_maps_have_no_scores():
    assert {name: len(value) for name, value in localise(np.zeros((0, 4, 4)), np.ones((4, 4), bool)).items()} == (
        dict.fromkeys(LOCALISATION, 0)
    )


def test_maps_without_area_are_undefined():
    assert np.isnan([*localise(np.zeros((2, 0, 4)), np.zeros((0, 4), bool)).values()]).all()


@pytest.mark.parametrize("scale", [1e-38, 1e-6, 1e30])
def test_maps_of_any_size_of_values_are_summed_without_loss(scale):
    saliency = np.random.default_rng(0).integers(1, 100, (20, 20)).astype(np.float32)
    assert one(saliency * np.float32(scale), disc())["epg"] == pytest.approx(one(saliency, disc())["epg"], abs=1e-6)


def test_sums_beyond_the_largest_number_do_not_overflow():
    saliency = np.random.default_rng(0).random((20, 20))
    huge, plain = one(saliency * 1.7e308, disc()), one(saliency, disc())
    assert huge == pytest.approx(plain, abs=1e-9)


def test_small_heat_beside_a_large_one_is_not_lost():
    saliency = np.full((400, 400), 1.0, np.float32)
    saliency[0, 0] = 2.0**26
    mask = np.ones((400, 400), bool)
    mask[0, 0] = False
    assert one(saliency, mask, metrics=("epg",))["epg"] == pytest.approx((160000 - 1) / (160000 - 1 + 2**26), rel=1e-9)


@settings(deadline=None)
@given(scenes())
def test_scores_stay_in_their_ranges(scene):
    found = localise(*scene)
    for name in BOUNDED:
        assert (np.isnan(found[name]) | ((found[name] >= 0) & (found[name] <= 1))).all()
    rho = found["rho"][~np.isnan(found["lift"])]
    lift = found["lift"][~np.isnan(found["lift"])]
    assert (lift <= 1).all()
    assert (lift >= -rho / (1 - rho) - 1e-9).all()


@settings(deadline=None)
@given(scenes(np.float64), st.floats(1e-100, 1e100))
def test_positive_scaling_changes_nothing(scene, factor):
    maps, masks = scene
    assert same(localise(maps * factor, masks), localise(maps, masks))


@settings(deadline=None)
@given(scenes())
def test_mirrored_map_and_mask_score_the_same(scene):
    maps, masks = scene
    assert same(localise(maps[:, :, ::-1], masks[:, :, ::-1]), localise(maps, masks))


@settings(deadline=None)
@given(scenes())
def test_place_of_a_pixel_does_not_matter(scene):
    maps, masks = scene
    places = np.random.default_rng(0).permutation(maps[0].size)
    moved = [part.reshape(len(maps), -1)[:, places].reshape(maps.shape) for part in scene]
    assert same(localise(*moved), localise(maps, masks))


@settings(deadline=None)
@given(scenes())
def test_maps_one_by_one_score_as_together(scene):
    maps, masks = scene
    together = localise(maps, masks)
    for row in range(len(maps)):
        assert same(together, localise(maps[row : row + 1], masks[row : row + 1]), slice(row, row + 1))


@settings(deadline=None)
@given(scenes())
def test_double_precision_changes_nothing(scene):
    maps, masks = scene
    assert same(localise(maps.astype(np.float64), masks), localise(maps, masks))


@settings(deadline=None)
@given(scenes(), st.sets(st.sampled_from(LOCALISATION)))
def test_scores_asked_for_alone_are_those_of_all(scene, names):
    found, everything = localise(*scene, metrics=names), localise(*scene)
    assert list(found) == [name for name in LOCALISATION if name in names]
    assert all(np.array_equal(found[name], everything[name], equal_nan=True) for name in names)


@settings(deadline=None)
@given(scenes(least_masked=1))
def test_pxap_is_scikit_learns_average_precision(scene):
    sklearn = pytest.importorskip("sklearn.metrics")
    for saliency, mask, found in zip(*scene, localise(*scene)["pxap"], strict=True):
        expected = sklearn.average_precision_score(mask.ravel(), np.maximum(saliency, 0).ravel())
        assert found == pytest.approx(expected, abs=1e-12)


@settings(deadline=None)
@given(
    hnp.arrays(np.float32, 5, elements=st.sampled_from([-1.0, 0.0, 1.0, 2.0])),
    hnp.arrays(np.bool_, 5).filter(lambda mask: mask.any()),
)
def test_ties_give_the_mean_over_every_order_of_the_tied(values, mask):
    heat = np.maximum(values, 0)
    orders = [sorted(order, key=lambda pixel: -heat[pixel]) for order in permutations(range(5))]
    found = one(values[None], mask[None])
    k = int(mask.sum())
    assert found["pointing_game"] == pytest.approx(np.mean([mask[order[0]] for order in orders]))
    assert found["rank_accuracy"] == pytest.approx(np.mean([mask[order[:k]].mean() for order in orders]))


@pytest.mark.parametrize("period", range(24, 31))
@pytest.mark.parametrize("sign", [-1, 1])
def test_highest_pixels_of_a_large_map_are_found_whatever_its_pattern(period, sign):
    heat = np.random.default_rng(0).permutation(200 * 200) + 60000.0
    heat[::period] += sign * 50000.0
    mask = np.random.default_rng(1).random(heat.size) < 0.1
    highest = np.argsort(-heat, kind="stable")[: mask.sum()]
    assert len(np.unique(heat)) == heat.size
    found = one(heat.reshape(200, 200), mask.reshape(200, 200), metrics=("rank_accuracy",))
    assert found["rank_accuracy"] == mask[highest].mean()


@pytest.mark.parametrize("kind", [np.float16, np.float64, np.longdouble, np.int64])
def test_type_of_the_numbers_does_not_matter(kind):
    maps = np.random.default_rng(0).integers(-2, 9, (2, 20, 20))
    assert same(localise(maps.astype(kind), disc()), localise(maps.astype(np.float32), disc()))


@settings(deadline=None)
@given(scenes())
def test_what_lies_outside_the_domain_does_not_exist(scene):
    maps, masks = scene
    frame = [(0, 0), (1, 2), (3, 0)]
    domain = np.pad(np.ones_like(masks), frame)
    padded = np.pad(maps, frame, constant_values=np.nan), np.pad(masks, frame, constant_values=True)
    assert same(localise(*padded, domain=domain), localise(maps, masks))


def test_empty_domain_leaves_everything_undefined():
    found = one(np.ones((4, 4)), np.ones((4, 4), bool), domain=np.zeros((1, 4, 4), bool))
    assert np.isnan(list(found.values())).all()


def test_one_mask_serves_all_maps():
    maps = np.random.default_rng(0).random((3, 20, 20))
    assert same(localise(maps, disc()), localise(maps, np.stack([disc()] * 3)))


def test_masks_of_zeros_and_ones_are_masks():
    maps = np.random.default_rng(0).random((1, 20, 20))
    assert same(localise(maps, disc().astype(np.uint8)), localise(maps, disc()))


@pytest.mark.parametrize(
    ("maps", "mask", "message"),
    [
        (np.ones((4, 4)), np.ones((4, 4), bool), r"maps must be float\[N, H, W\], got float64 of shape \(4, 4\)"),
        (np.ones((1, 4, 4), complex), np.ones((4, 4), bool), "maps must be float"),
        (np.ones((2, 4, 4)), np.ones((1, 4, 4), bool), r"masks .* \(2, 4, 4\) or \(4, 4\), got shape \(1, 4, 4\)"),
        (np.ones((2, 4, 4)), np.ones((4, 5), bool), r"got shape \(4, 5\)"),
        (np.ones((2, 4, 4)), np.full((4, 4), 255, np.uint8), "hold 0 and 1 only, got uint8"),
        (np.ones((2, 4, 4)), np.full((4, 4), np.nan), "hold 0 and 1 only, got float64"),
    ],
)
def test_bad_input_is_refused_in_one_line(maps, mask, message):
    with pytest.raises(ValueError, match=message):
        localise(maps, mask)


def test_domain_of_another_shape_is_refused():
    with pytest.raises(ValueError, match="domain must be bool"):
        localise(np.ones((1, 4, 4)), np.ones((4, 4), bool), domain=np.ones((5, 4), bool))


def test_unknown_score_is_named_with_its_nearest():
    with pytest.raises(UnknownNameError, match="Did you mean 'epg'"):
        localise(np.ones((1, 4, 4)), np.ones((4, 4), bool), metrics=("epgg",))


def test_shares_worked_by_hand():
    found = shares([[[3.0, 1.0], [-5.0, 0.0]]], {"core": [[True, False], [True, False]]})
    assert {name: value.tolist() for name, value in found.items()} == {
        "share_core": [0.75], "area_core": [0.5], "lift_core": [0.5],
    }  # fmt: skip


@settings(deadline=None)
@given(scenes())
def test_shares_of_a_partition_sum_to_one(scene):
    maps, masks = scene
    found = shares(maps, {"in": masks, "out": ~masks})
    assert found["share_in"] + found["share_out"] == pytest.approx(np.ones(len(maps)))


@settings(deadline=None)
@given(scenes(least_masked=1))
def test_share_on_the_mask_is_its_energy_pointing_game(scene):
    maps, masks = scene
    found, expected = shares(maps, {"clast": masks}), localise(maps, masks)
    named = {"epg": found["share_clast"], "rho": found["area_clast"], "lift": found["lift_clast"]}
    assert same({name: expected[name] for name in named}, named)


def test_share_of_a_map_without_positive_mass_is_the_area():
    found = shares(np.zeros((1, 20, 20)), {"core": disc()})
    assert found["share_core"] == found["area_core"] == pytest.approx(disc().mean())
    assert found["lift_core"] == [0.0]


def test_empty_region_has_nothing():
    found = shares(np.random.default_rng(0).random((2, 4, 4)), {"core": np.zeros((4, 4), bool)})
    assert {value for values in found.values() for value in values.tolist()} == {0.0}


def test_region_that_is_everything_has_no_lift():
    found = shares(np.ones((1, 4, 4)), {"matrix": np.ones((4, 4), bool)})
    assert found["share_matrix"] == found["area_matrix"] == [1.0]
    assert np.isnan(found["lift_matrix"]).all()


@pytest.mark.parametrize("broken", [np.nan, np.inf, -np.inf])
def test_shares_of_a_map_that_is_not_finite_are_undefined(broken):
    found = shares([[[1.0, broken]]], {"core": [[True, False]]})
    assert np.isnan([found["share_core"], found["lift_core"]]).all()
    assert found["area_core"] == [0.5]


def test_shares_beyond_the_largest_number_do_not_overflow():
    saliency = np.random.default_rng(0).random((1, 20, 20))
    huge, plain = (shares(saliency * size, {"core": disc()})["share_core"] for size in (1.7e308, 1.0))
    assert huge == pytest.approx(plain)


def test_region_of_another_shape_is_refused_by_name():
    with pytest.raises(ValueError, match="region 'core' must be bool"):
        shares(np.ones((1, 4, 4)), {"core": np.ones((5, 4), bool)})
