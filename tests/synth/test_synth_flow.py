"""The flow round the disc is the one of the formulas."""

import numpy as np
import pytest

from clastbench.synth.flow import MAX_STRAIN, carry_back, far_field, flow_table, velocity

SHEARS = ("simple", "general", "pure")
REACH = (12.0, 6.0)
"""Where the tables end, along and across the foliation, in disc radii."""


def ring(radius):
    angle = np.linspace(0, 2 * np.pi, 48, endpoint=False)
    return (radius * np.cos(angle)).astype(np.float32), (radius * np.sin(angle)).astype(np.float32)


def test_far_away_simple_shear_is_u_equals_y():
    x, y = ring(300)
    u, v = velocity("simple", x, y)
    np.testing.assert_allclose(u, y, atol=0.02)
    np.testing.assert_allclose(v, 0, atol=0.02)


def test_far_away_pure_shear_stretches_along_the_foliation():
    x, y = ring(300)
    u, v = velocity("pure", x, y)
    np.testing.assert_allclose(u, x, atol=0.02)
    np.testing.assert_allclose(v, -y, atol=0.02)


def far_gradient(shear):
    """Velocity gradient [[du/dx, du/dy], [dv/dx, dv/dy]] where the disc is out of sight."""
    x, y, h = np.array([3000.0]), np.array([2000.0]), 1.0
    columns = [
        [
            (after - before).item() / (2 * h)
            for after, before in zip(velocity(shear, *ahead), velocity(shear, *behind), strict=True)
        ]
        for ahead, behind in (((x + h, y), (x - h, y)), ((x, y + h), (x, y - h)))
    ]
    return np.array(columns).T


def vorticity_number(gradient):
    """Kinematic vorticity number: vorticity over the largest difference of stretching rates; 1 simple, 0 pure shear."""
    stretching = np.linalg.eigvalsh((gradient + gradient.T) / 2)
    return (gradient[0, 1] - gradient[1, 0]) / (stretching[1] - stretching[0])


@pytest.mark.parametrize(("shear", "number"), [("simple", 1.0), ("general", 0.75), ("pure", 0.0)])
def test_far_away_the_kinematic_vorticity_number_is_that_of_the_shear(shear, number):
    assert vorticity_number(far_gradient(shear)) == pytest.approx(number, abs=1e-3)


def test_far_away_general_shear_is_simple_shear_with_stretching_along_the_foliation():
    (stretch, shear), (turn, thinning) = far_gradient("general")
    assert shear == pytest.approx(1, abs=1e-3)
    assert turn == pytest.approx(0, abs=1e-3)
    assert stretch == pytest.approx(-thinning, abs=1e-3)
    assert stretch > 0.3


def test_general_shear_is_the_sum_of_simple_shear_and_stretching():
    x, y = ring(1.4)
    rate = far_gradient("general")[0, 0]
    simple, pure, general = (np.array(velocity(shear, x, y)) for shear in ("simple", "pure", "general"))
    np.testing.assert_allclose(general, simple + rate * pure, atol=1e-4)


def test_stretching_does_not_change_the_spin_of_the_disc():
    np.testing.assert_allclose(velocity("general", *ring(1)), velocity("simple", *ring(1)), atol=1e-5)


@pytest.mark.parametrize("shear", SHEARS)
def test_half_a_turn_turns_the_velocity(shear):
    x, y = ring(2.2)
    np.testing.assert_allclose(velocity(shear, -x, -y), -np.array(velocity(shear, x, y)), atol=1e-6)


@pytest.mark.parametrize("shear", SHEARS)
def test_the_far_field_is_the_exponential_of_its_gradient(shear):
    """Points follow dx/dt = L x, so that they go to exp(L t) x."""
    linalg = pytest.importorskip("scipy.linalg")
    start = np.array(ring(1.0))
    moved = linalg.expm(1.6 * far_gradient(shear)) @ start
    np.testing.assert_allclose(far_field(shear, 1.6, *start), moved, atol=0.01)


@pytest.mark.parametrize("shear", SHEARS)
def test_points_without_strain_stay_where_they_are(shear):
    x, y = ring(2.0)
    dx, dy = flow_table(shear).displacement(x, y, 0.0)
    np.testing.assert_allclose([dx, dy], 0, atol=1e-5)
    np.testing.assert_allclose(flow_table(shear).origin_radius(x, y, 0.0), 2.0, atol=0.01)


def crossing(axis):
    """Points in small steps across the end of the table, along one axis, at three places of the other."""
    steps = np.arange(-0.5, 0.5, 0.005, dtype=np.float32) + np.float32(REACH[axis])
    at = np.repeat(np.float32([[-1.5], [0.3], [2.0]]), len(steps), axis=1)
    along = np.tile(steps, (3, 1))
    return (along, at) if axis == 0 else (at, along)


@pytest.mark.parametrize("shear", SHEARS)
@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("side", [1, -1])
def test_the_displacement_fades_out_without_a_jump_at_the_end_of_the_table(shear, axis, side):
    x, y = (np.float32(side) * part for part in crossing(axis))
    for part in flow_table(shear).displacement(x, y, MAX_STRAIN[shear]):
        assert np.abs(np.diff(part, axis=1)).max() < 0.01
        assert np.all(part[:, -90:] == 0)


@pytest.mark.parametrize("shear", SHEARS)
def test_the_displacement_has_no_jump_where_it_begins_to_fade(shear):
    steps = np.arange(7, 12, 0.01, dtype=np.float32)
    for part in flow_table(shear).displacement(steps, np.full_like(steps, 2.5), 2.0):
        assert np.abs(np.diff(part)).max() < 0.05


@pytest.mark.parametrize("shear", ["simple", "general"])
def test_the_displacement_changes_sign_across_the_line(shear):
    x, y = ring(1.8)
    one, other = (flow_table(shear).displacement(sign * x, sign * y, 3.0) for sign in (1, -1))
    np.testing.assert_allclose(one, -np.array(other), atol=1e-3)


def test_beyond_the_table_nothing_is_mantle():
    x, y = np.array([12.5, -13.0, 0.0, 3.0], np.float32), np.array([0.0, 1.0, 6.5, -7.0], np.float32)
    assert np.all(np.isinf(flow_table("simple").origin_radius(x, y, 5.0)))


def test_more_strain_than_the_table_holds_is_read_as_its_last_slice():
    x, y = ring(1.5)
    most, more = (flow_table("pure").origin_radius(x, y, MAX_STRAIN["pure"] * times) for times in (1, 2))
    np.testing.assert_allclose(most, more, atol=1e-3)


def test_the_disc_spins_clockwise_at_half_the_shear_rate_without_slip():
    x, y = ring(1)
    u, v = velocity("simple", x, y)
    np.testing.assert_allclose(u, y / 2, atol=1e-5)
    np.testing.assert_allclose(v, -x / 2, atol=1e-5)


def test_pure_shear_does_not_move_the_disc():
    u, v = velocity("pure", *ring(1))
    np.testing.assert_allclose(np.hypot(u, v), 0, atol=1e-5)


@pytest.mark.parametrize("shear", SHEARS)
def test_velocity_is_free_of_divergence(shear):
    x, y = (axis.astype(np.float64) for axis in ring(1.7))
    h = 1e-4
    stretch_x = velocity(shear, x + h, y)[0] - velocity(shear, x - h, y)[0]
    stretch_y = velocity(shear, x, y + h)[1] - velocity(shear, x, y - h)[1]
    np.testing.assert_allclose((stretch_x + stretch_y) / (2 * h), 0, atol=1e-6)


@pytest.mark.parametrize("shear", ["simple", "pure"])
def test_carrying_forward_after_back_returns_to_the_start(shear):
    x, y = ring(1.5)
    back = carry_back(shear, x, y, 1.0)
    # A reflection reverses simple shear, and a quarter turn reverses pure shear: forward is back in the other frame.
    if shear == "simple":
        again_x, again_y = carry_back(shear, -back[0], back[1], 1.0)
        again_x = -again_x
    else:
        again_y, again_x = carry_back(shear, back[1], back[0], 1.0)
    np.testing.assert_allclose([again_x, again_y], [x, y], atol=2e-3)


@pytest.mark.parametrize(("shear", "strain"), [("simple", 3.7), ("general", 2.3), ("pure", 0.9)])
def test_the_table_agrees_with_the_flow_carried_back_point_by_point(shear, strain):
    x, y = (np.concatenate(pair) for pair in zip(ring(1.6), ring(2.5), ring(4.0), strict=True))
    origin = carry_back(shear, x, y, strain)
    dx, dy = flow_table(shear).displacement(x, y, strain)
    far_x, far_y = far_field(shear, strain, *origin)
    np.testing.assert_allclose([x + dx, y + dy], [far_x, far_y], atol=0.12)
    found = flow_table(shear).origin_radius(x, y, strain)
    near = np.hypot(*origin) < 3
    np.testing.assert_allclose(found[near], np.hypot(*origin)[near], atol=0.12)


def test_the_flow_tables_are_small():
    assert sum(flow_table(shear).fields.nbytes for shear in SHEARS) < 40e6
