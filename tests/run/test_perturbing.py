"""Which inputs are tested, and which part of them is taken away."""

import numpy as np
import pytest

from clastbench.records import Photomicrograph
from clastbench.run.perturbing import _in_turn, _window
from clastbench.run.regards import Regard


def regard(image_id):
    return Regard(0, image_id, None, "CW", (0,))


def photo(width, height):
    return Photomicrograph("p", lambda: np.zeros((height, width, 3), np.uint8), "", "CW", True, "g")


def test_every_photograph_comes_once_before_any_comes_twice():
    regards = [regard(name) for name in "aaabbc"]
    order = _in_turn(regards)
    assert sorted(order) == list(range(6))
    assert {regards[at].image_id for at in order[:3]} == set("abc")
    assert order[:3] == [at for at in order if at in (0, 3, 5)]
    assert order[5] == 2


def test_the_order_of_photographs_does_not_follow_their_names():
    regards = [regard(f"{number:05d}") for number in range(40)]
    assert _in_turn(regards) != list(range(40))
    assert [regards[at].image_id for at in _in_turn(regards)] == [
        regards[::-1][at].image_id for at in _in_turn(regards[::-1])
    ]


@pytest.mark.parametrize(
    ("size", "box", "window"),
    [
        ((64, 96), None, (0, 0, 96, 64)),  # 192 x 128 fills the canvas
        ((96, 96), None, (0, 16, 96, 80)),  # grey above and below
        ((64, 64), (0.0, 0.0, 64.0, 64.0), (0, 0, 64, 64)),
        ((64, 64), (-32.0, 0.0, 32.0, 64.0), (32, 0, 64, 64)),  # half of the crop lies outside
        ((64, 64), (160.0, 96.0, 224.0, 160.0), (0, 0, 32, 32)),
        ((32, 64), (0.0, 0.0, 64.0, 64.0), (16, 0, 48, 32)),
    ],
)
def test_only_what_shows_the_photograph_is_taken_away(size, box, window):
    assert _window(photo(192, 128), box, size) == window


def test_a_crop_that_shows_nothing_is_taken_away_as_it_is():
    assert _window(photo(192, 128), (192.0, 0.0, 256.0, 64.0), (64, 64)) == (0, 0, 64, 64)
