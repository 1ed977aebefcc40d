"""The flow round the disc is the one of the formulas."""

import numpy as np
import pytest

from clastbench.synth.flow import carry_back, far_field, flow_table, velocity


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


def test_the_disc_spins_clockwise_at_half_the_shear_rate_without_slip():
    x, y = ring(1)
    u, v = velocity("simple", x, y)
    np.testing.assert_allclose(u, y / 2, atol=1e-5)
    np.testing.assert_allclose(v, -x / 2, atol=1e-5)


def test_pure_shear_does_not_move_the_disc():
    u, v = velocity("pure", *ring(1))
    np.testing.assert_allclose(np.hypot(u, v), 0, atol=1e-5)


@pytest.mark.parametrize("shear", ["simple", "pure"])
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


@pytest.mark.parametrize(("shear", "strain"), [("simple", 3.7), ("pure", 0.9)])
def test_the_table_agrees_with_the_flow_carried_back_point_by_point(shear, strain):
    x, y = (np.concatenate(pair) for pair in zip(ring(1.6), ring(2.5), ring(4.0), strict=True))
    origin = carry_back(shear, x, y, strain)
    dx, dy = flow_table(shear).displacement(x, y, strain)
    far_x, far_y = far_field(shear, strain, *origin)
    np.testing.assert_allclose([x + dx, y + dy], [far_x, far_y], atol=0.12)
    found = flow_table(shear).origin_radius(x, y, strain)
    near = np.hypot(*origin) < 3
    np.testing.assert_allclose(found[near], np.hypot(*origin)[near], atol=0.12)


def test_the_flow_table_is_small():
    assert flow_table("simple").fields.nbytes + flow_table("pure").fields.nbytes < 4e6
