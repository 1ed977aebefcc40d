"""What is asked of a model about changed pictures: closed forms of linear models, sharing, batches, order."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from toy_networks import convolutional

from clastbench.errors import ExplanationError
from clastbench.explain.imputers import imputers
from clastbench.explain.perturbation import Probed, perturb
from clastbench.explain.units import grid


class Constant:
    """Stands in for removed pixels: one value."""

    def __init__(self, value: float = 0.0, name: str = "constant") -> None:
        self.value, self.name = value, name

    def ready(self, picture, window):
        return lambda removed: torch.where(removed[:, None], torch.tensor(self.value), picture)


class Window:
    """Remembers what it was told, and replaces nothing."""

    name = "window"

    def __init__(self) -> None:
        self.windows = []

    def ready(self, picture, window):
        self.windows.append(window)
        return lambda removed: picture.expand(len(removed), -1, -1, -1).clone()


class Linear:
    """f = w . x + c in float64, F columns; counts the rows it sees and keeps their owners."""

    def __init__(self, weights, constant=0.0) -> None:
        self.weights, self.constant = torch.as_tensor(weights, dtype=torch.float64), constant
        self.sizes, self.owners, self.rows = [], [], []

    def __call__(self, inputs, owners):
        self.sizes.append(len(inputs))
        self.owners.extend(owners.tolist())
        self.rows.extend(row.tobytes() for row in inputs.contiguous().numpy())
        return inputs.double().flatten(1) @ self.weights.T + self.constant


SIDE = 6


def picture(seed=0, size=(SIDE, SIDE)):
    return torch.randn(3, *size, generator=torch.Generator().manual_seed(seed))


def weights(seed=0, n_columns=1, size=(SIDE, SIDE)):
    return np.random.default_rng(seed).normal(size=(n_columns, 3 * size[0] * size[1]))


def contributions(model, shown, units, baseline=0.0):
    """w_i (x_i - b), summed over each unit, float64[F, U]."""
    pixels = (model.weights.reshape(-1, *shown.shape) * (shown.double() - baseline)).sum(dim=1).numpy()
    return np.stack([pixels[:, units == unit].sum(axis=1) for unit in range(units.max() + 1)], axis=1)


def area(curve):
    return np.trapezoid(curve, dx=1 / (curve.shape[-1] - 1), axis=-1)


def answers(probes, values, by=None, **options):
    return list(perturb(probes, values, [Constant()] if by is None else by, **{"steps": 4, "batch": 7, **options}))


untied = hnp.arrays(np.float64, 9, elements=st.floats(-10, 10), unique=True)
baselines = st.floats(-2, 2, width=32)
CELLS = grid((SIDE, SIDE), (0, 0, SIDE, SIDE), n=3)


def linear_answers(relevance, baseline, **options):
    """Answers of a linear model of one column with a step a unit, its value of the picture, and its contributions."""
    model = Linear(weights(1), constant=3.0)
    probe = Probed(picture(1), CELLS, ((0, relevance),))
    found = answers([probe], model, [Constant(baseline)], steps=9, **options)[0]
    return found, contributions(model, probe.picture, CELLS, baseline)[0]


@settings(deadline=None, max_examples=50)
@given(untied, baselines)
def test_insertion_and_deletion_of_a_linear_model_add_up_to_both_ends_for_any_map(relevance, baseline):
    found, _ = linear_answers(relevance, baseline)
    insertion = found.lerf[0, 0, ::-1]
    total = area(found.morf[0, 0]) + area(insertion)
    assert total == pytest.approx(found.whole[0] + found.empty[0, 0], abs=1e-5)


@settings(deadline=None, max_examples=50)
@given(baselines)
def test_deletion_of_the_best_order_of_a_linear_model(baseline):
    _, parts = linear_answers(np.arange(9.0), baseline)
    found, _ = linear_answers(parts, baseline)
    best = sum(c * (9 - k - 0.5) / 9 for k, c in enumerate(sorted(parts, reverse=True)))
    assert area(found.morf[0, 0]) == pytest.approx(found.whole[0] - best, abs=1e-5)
    assert area(found.control_morf[0, 0]) == pytest.approx(found.whole[0] - best, abs=1e-5)


@settings(deadline=None, max_examples=50)
@given(baselines)
def test_lerf_minus_morf_of_the_signed_map_of_a_linear_model_and_of_its_reverse(baseline):
    _, parts = linear_answers(np.arange(9.0), baseline)
    gain = sum(c * (9 - 2 * k - 1) / 9 for k, c in enumerate(sorted(parts, reverse=True)))
    for relevance, expected in ((parts, gain), (-parts, -gain)):
        found, _ = linear_answers(relevance, baseline)
        assert area(found.lerf[0, 0]) - area(found.morf[0, 0]) == pytest.approx(expected, abs=1e-5)
        assert area(found.control_lerf[0, 0]) - area(found.control_morf[0, 0]) == pytest.approx(gain, abs=1e-5)


@settings(deadline=None, max_examples=50)
@given(untied, baselines)
def test_single_removals_of_a_linear_model_are_its_contributions(relevance, baseline):
    found, parts = linear_answers(relevance, baseline)
    np.testing.assert_allclose(found.whole - found.single[0], parts[:, None], atol=1e-5)


def test_pixel_flipping_of_a_linear_model_takes_the_sorted_contributions_away_one_by_one():
    model, pixels = Linear(weights(2), constant=1.0), np.arange(SIDE * SIDE).reshape(SIDE, SIDE)
    shown = picture(2)
    parts = contributions(model, shown, pixels)[0]
    found = answers([Probed(shown, pixels, ((0, parts),))], model, steps=SIDE * SIDE, control=False)[0]
    descending, ascending = np.sort(parts)[::-1], np.sort(parts)
    np.testing.assert_allclose(found.morf[0, 0, 1:], found.whole[0] - np.cumsum(descending), atol=1e-5)
    np.testing.assert_allclose(found.lerf[0, 0, 1:], found.whole[0] - np.cumsum(ascending), atol=1e-5)


@pytest.mark.parametrize(("n_units", "steps"), [(9, 4), (9, 9), (9, 20), (1, 3), (2, 4), (36, 9)])
def test_step_removes_the_rounded_share_of_the_units(n_units, steps):
    units = np.arange(36).reshape(6, 6) * n_units // 36
    model = Linear(np.full((1, 108), 1.0))
    shown = torch.ones(3, 6, 6)
    shown[:] = torch.from_numpy(1 / np.bincount(units.ravel())[units] / 3)
    found = answers([Probed(shown, units, ((0, np.arange(float(n_units))),))], model, steps=steps)[0]
    counts = [round(n_units * step / steps) for step in range(steps + 1)]
    np.testing.assert_allclose(found.morf[0, 0], n_units - np.array(counts), atol=1e-5)


@pytest.mark.parametrize("n_columns", [1, 2, 5])
def test_shapes_and_columns(n_columns):
    model = Linear(weights(3, n_columns), constant=torch.arange(n_columns))
    maps = tuple((column, np.random.default_rng(column).normal(size=9)) for column in range(n_columns)) * 2
    found = answers([Probed(picture(3), CELLS, maps)], model, [Constant(), Constant(1.0)], steps=5)[0]
    assert found.whole.shape == (n_columns,)
    assert found.empty.shape == (2, n_columns)
    assert found.single.shape == (2, 9, n_columns)
    assert found.morf.shape == found.lerf.shape == (2, 2 * n_columns, 6)
    assert found.control_morf.shape == found.control_lerf.shape == (2, n_columns, 6)
    own = np.array([column for column, _ in maps])
    for curves, columns in ((found.morf, own), (found.control_lerf, np.arange(n_columns))):
        np.testing.assert_array_equal(curves[:, :, 0], np.broadcast_to(found.whole[columns], (2, len(columns))))
        np.testing.assert_array_equal(curves[:, :, -1], found.empty[:, columns])
    assert all(value.dtype == np.float64 for value in vars(found).values())


def test_each_column_has_a_control_order_of_its_own_and_the_mean_over_imputers_makes_it():
    model = Linear(weights(4, 2))
    probe = Probed(picture(4), CELLS, ())
    both = [Constant(-1.0), Constant(2.0)]
    found = answers([probe], model, both, steps=9)[0]
    effects = np.mean([contributions(model, probe.picture, CELLS, one.value) for one in both], axis=0)
    maps = tuple(enumerate(effects))
    expected = answers([Probed(probe.picture, CELLS, maps)], model, both, steps=9)[0]
    np.testing.assert_allclose(found.control_morf, expected.morf, atol=1e-9)
    np.testing.assert_allclose(found.control_lerf, expected.lerf, atol=1e-9)


def distinct(orders, n_units, steps, n_imputers):
    """How many different pictures these orders of removal and all single units ask for."""
    counts = [round(n_units * step / steps) for step in range(steps + 1)]
    removed = {frozenset([unit]) for unit in range(n_units)} | {frozenset(range(n_units))}
    removed |= {frozenset(order[:count].tolist()) for order in orders for count in counts}
    return 1 + n_imputers * len(removed - {frozenset()})


@pytest.mark.parametrize("n_maps", [0, 1, 3])
@pytest.mark.parametrize("steps", [4, 9])
def test_every_distinct_picture_is_asked_for_once(n_maps, steps):
    model, both = Linear(weights(5, 2)), [Constant(-3.0), Constant(4.0)]
    probe = Probed(picture(5), CELLS, tuple((0, np.random.default_rng(k).normal(size=9)) for k in range(n_maps)))
    effects = np.mean([contributions(model, probe.picture, CELLS, one.value) for one in both], axis=0)
    up = [np.argsort(relevance) for relevance in (*effects, *(relevance for _, relevance in probe.maps))]
    answers([probe], model, both, steps=steps)
    assert len(model.rows) == distinct([*up, *(one[::-1] for one in up)], 9, steps, 2)
    assert len(model.rows) == len(set(model.rows))


def test_map_its_negative_and_an_equal_control_cost_no_more_than_one():
    units = grid((2, 2), (0, 0, 2, 2), n=2)
    model = Linear(weights(6, size=(2, 2)))
    shown = picture(6, (2, 2))
    parts = contributions(model, shown, units)[0]
    answers([Probed(shown, units, ((0, parts), (0, -parts), (0, 2 * parts)))], model, [Constant(), Constant(9.0)])
    lone, whole, paths = 4, 1, 4  # paths: two and three of four units removed, from either end
    most = 1 + 2 * (lone + whole + 2 * paths)  # the control's order may be another one
    assert len(model.rows) <= most
    model.rows.clear()
    answers([Probed(shown, units, ((0, parts), (0, -parts), (0, 2 * parts)))], model)
    assert len(model.rows) == 1 + lone + whole + paths


def test_unperturbed_picture_is_seen_once_whatever_the_number_of_imputers():
    model, shown = Linear(weights(7)), picture(7)
    answers([Probed(shown, CELLS, ())], model, [Constant(9.0), Constant(8.0), Constant(7.0)])
    assert model.rows.count(shown.numpy().tobytes()) == 1


NETWORK = convolutional().eval()


def network_values(inputs, _owners):
    return NETWORK(inputs)[:, :2]


def stream():
    """Inputs with different windows, numbers of units and of maps."""
    windows = [(0, 0, 12, 8), (2, 0, 10, 8), (0, 1, 12, 5), (3, 2, 9, 6), (0, 0, 12, 8), (5, 3, 6, 4)]
    numbers = [3, 2, 4, 3, 1, 2]
    for at, (window, n) in enumerate(zip(windows, numbers, strict=True)):
        units = grid((8, 12), window, n)
        rng = np.random.default_rng(at)
        maps = tuple((k % 2, rng.normal(size=units.max() + 1)) for k in range(at % 4))
        yield Probed(picture(at, (8, 12)), units, maps)


def assert_same(found, expected, atol=1e-5):
    for name, value in vars(expected).items():
        np.testing.assert_allclose(getattr(found, name), value, atol=atol, err_msg=name)


IMPUTERS = (Constant(0.5), Constant(-1.0))


@pytest.mark.parametrize("batch", [1, 7, 32])
def test_batch_size_and_neighbours_change_nothing(batch):
    together = answers(stream(), network_values, IMPUTERS, batch=batch)
    alone = [answers([one], network_values, IMPUTERS, batch=16)[0] for one in stream()]
    assert len(together) == len(alone) == 6
    for found, expected in zip(together, alone, strict=True):
        assert_same(found, expected)


def test_batch_size_changes_nothing_with_the_real_imputers():
    probes = [
        Probed(
            picture(at, (24, 36)), grid((24, 36), (at, 0, 30, 24)), ((0, np.random.default_rng(at).normal(size=36)),)
        )
        for at in range(2)
    ]
    for found, expected in zip(
        *(answers(probes, network_values, imputers(0.0), batch=batch) for batch in (5, 32)), strict=True
    ):
        assert_same(found, expected)


def test_order_of_the_inputs_changes_nothing():
    there = answers(stream(), network_values, IMPUTERS)
    back = answers(reversed(list(stream())), network_values, IMPUTERS)
    for found, expected in zip(reversed(back), there, strict=True):
        assert_same(found, expected)


def test_rows_know_their_owners():
    model = Linear(weights(8, 2, size=(8, 12)))
    answers(stream(), model)
    assert set(model.owners) == set(range(6))
    shown = [one.picture.numpy().tobytes() for one in stream()]
    for owner, row in zip(model.owners, model.rows, strict=True):
        if row in shown:
            assert shown.index(row) == owner


def test_batches_are_full_but_for_the_last_questions():
    model = Linear(weights(8, 2, size=(8, 12)))
    answers((one for _ in range(5) for one in stream()), model, batch=8)
    short = [at for at, size in enumerate(model.sizes) if size < 8]
    assert max(model.sizes) == 8
    assert short == [] or (len(short) <= 3 and short[0] >= len(model.sizes) - 6)


def test_probes_are_drawn_when_a_batch_needs_them():
    drawn, finished, ahead = [], [], []

    def probes():
        for at in range(40):
            drawn.append(at)
            ahead.append(len(drawn) - len(finished))
            yield Probed(picture(at), CELLS, ())

    model = Linear(weights(9))
    for one in perturb(probes(), model, [Constant()], steps=4, batch=8):
        finished.append(one)  # noqa: PERF402 – while it goes on
    assert len(drawn) == len(finished) == 40
    assert max(ahead) <= 3


def test_nothing_is_drawn_before_the_first_answer_is_asked_for():
    def probes():
        raise AssertionError
        yield

    perturb(probes(), Linear(weights()), [Constant()], batch=4)


def test_no_inputs_have_no_answers():
    assert answers([], Linear(weights())) == []


def test_constant_map_removes_the_same_units_from_both_ends():
    model = Linear(weights(10))
    found = answers([Probed(picture(10), CELLS, ((0, np.full(9, 0.3)), (0, np.zeros(9))))], model)[0]
    np.testing.assert_array_equal(found.morf, found.lerf)
    np.testing.assert_array_equal(found.morf[:, 0], found.morf[:, 1])


def test_order_of_tied_units_is_another_one_in_another_picture_and_fair_over_many():
    model = Linear(np.ones((1, 108)))
    shown = [picture(seed) for seed in range(300)]
    found = answers([Probed(one, CELLS, ((0, np.zeros(9)),)) for one in shown], model, steps=9, control=False)
    first = [
        np.abs(contributions(model, probe, CELLS)[0] - (one.whole[0] - one.morf[0, 0, 1])).argmin()
        for probe, one in zip(shown, found, strict=True)
    ]
    assert np.bincount(first, minlength=9).min() >= 15  # 33 are expected of each


@pytest.mark.parametrize("level", [1.0, 1e-4])
def test_units_without_effect_are_ordered_by_no_rounding(level):
    constant, seen = Linear(np.zeros((1, 108)), constant=level), []
    for seed in range(3):
        generator = torch.Generator().manual_seed(seed)
        jittered = lambda *row: constant(*row) + 1e-7 * torch.randn(1, generator=generator)  # noqa: B023, E731
        answers([Probed(picture(11), CELLS, ())], jittered, batch=1)
        seen.append(set(constant.rows))
        constant.rows.clear()
    assert seen[0] == seen[1] == seen[2]


def test_one_unit_is_single_and_all_at_once():
    model = Linear(weights(12))
    found = answers([Probed(picture(12), np.zeros((SIDE, SIDE), np.int64), ((0, np.ones(1)),))], model)[0]
    assert len(model.rows) == 2
    np.testing.assert_array_equal(found.single[:, 0], found.empty)
    np.testing.assert_array_equal(found.morf[0, 0], np.where(np.arange(5) > 2, found.empty[0], found.whole))


def test_without_control_only_the_maps_are_asked_for():
    model = Linear(weights(13, 2))
    pixels = np.arange(SIDE * SIDE).reshape(SIDE, SIDE)
    maps = ((1, np.random.default_rng(0).normal(size=36)),)
    found = answers([Probed(picture(13), pixels, maps)], model, [Constant(), Constant(1.0)], control=False)[0]
    assert len(model.rows) == 1 + 2 * (1 + 3 + 3)
    assert found.single.shape == (2, 0, 2)
    assert found.control_morf.shape == found.control_lerf.shape == (2, 2, 0)
    assert found.morf.shape == (2, 1, 5)


def test_imputer_hears_the_window_once_a_picture_and_pixels_outside_stay():
    units = grid((8, 12), (2, 1, 10, 7), n=2)
    window, model = Window(), Linear(weights(14, size=(8, 12)))
    answers([Probed(picture(14, (8, 12)), units, ())], model, [Constant(5.0), window], batch=2)
    assert window.windows == [(2, 1, 10, 7)]
    outside = np.broadcast_to(units < 0, (3, 8, 12))
    shown = picture(14, (8, 12)).numpy()
    rows = [np.frombuffer(row, np.float32).reshape(3, 8, 12) for row in model.rows]
    assert all((row[outside] == shown[outside]).all() for row in rows)
    assert any((row[~outside] == 5).all() for row in rows)


def test_batches_are_channels_last_and_without_gradients():
    def values(inputs, _owners):
        assert inputs.is_contiguous(memory_format=torch.channels_last)
        assert inputs.dtype == torch.float32
        assert torch.is_inference_mode_enabled()
        return inputs.sum(dim=(1, 2, 3))[:, None]

    stream_ = perturb([Probed(picture(15), CELLS, ())], values, [Constant()], batch=7)
    next(stream_)
    assert not torch.is_inference_mode_enabled()


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_value_that_is_not_finite_is_refused_with_the_question(bad):
    def values(inputs, owners):
        said = torch.zeros(len(inputs), 2)
        said[(inputs == 4).all(dim=1).flatten(1).any(dim=1) & torch.from_numpy(owners == 1), 1] = bad
        return said

    probes = [Probed(picture(seed), CELLS, ()) for seed in range(3)]
    with pytest.raises(ExplanationError, match=f"value 1 of input 1 is {bad} with 9 of 9 units replaced by four"):
        answers(probes, values, [Constant(name="zero"), Constant(4.0, "four")], batch=1)


def test_value_of_the_picture_itself_that_is_not_finite_is_refused():
    with pytest.raises(ExplanationError, match=r"value 0 of input 0 is nan with 0 of 9 units replaced$"):
        answers([Probed(picture(), CELLS, ())], lambda inputs, _: torch.full((len(inputs), 1), float("nan")))


@pytest.mark.parametrize(
    ("probe", "words"),
    [
        (Probed(picture(), CELLS[:4], ()), "do not fit"),
        (Probed(picture(), np.full((SIDE, SIDE), -1), ()), "at least one unit"),
        (Probed(picture(), CELLS * 2, ()), "every unit a pixel"),
        (Probed(picture(), CELLS, ((0, np.zeros(8)),)), "relevance for each of 9 units"),
        (Probed(picture(), CELLS, ((0, np.full(9, np.nan)),)), "finite relevance"),
        (Probed(picture(), CELLS, ((1, np.zeros(9)),)), r"columns \[1\], f has 1"),
    ],
)
def test_probe_that_makes_no_sense_is_refused(probe, words):
    with pytest.raises(ValueError, match=words):
        answers([probe], Linear(weights()))


def test_inputs_of_another_size_are_refused():
    probes = [Probed(picture(0, size), grid(size, (0, 0, size[1], size[0])), ()) for size in ((6, 6), (8, 12))]
    with pytest.raises(ValueError, match="one size"):
        answers(probes, lambda inputs, _: inputs.sum(dim=(1, 2, 3))[:, None])


@pytest.mark.parametrize("wrong", [{"steps": 0}, {"batch": 0}, {"by": ()}])
def test_arguments_that_make_no_sense_are_refused(wrong):
    with pytest.raises(ValueError, match="at least one"):
        answers([], Linear(weights()), **wrong)


def test_values_of_the_wrong_shape_are_refused():
    with pytest.raises(ValueError, match="one row each"):
        answers([Probed(picture(), CELLS, ())], lambda inputs, _: inputs.sum(dim=(1, 2, 3)))
