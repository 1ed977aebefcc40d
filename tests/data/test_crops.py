"""Crops that are cut when they are asked for are those that would have been kept."""

from __future__ import annotations

import numpy as np
import pytest

from clastbench.data.crops import CutOnDemand
from clastbench.data.letterbox import letterbox
from clastbench.records import Photomicrograph

SIZE = (12, 18)
BOXES = [("a", None), ("a", (2, 3, 20, 15)), ("b", (-5, -5, 10, 10)), ("a", (0, 0, 8, 8))]


def photograph(name: str, opened: list[str]) -> Photomicrograph:
    pixels = np.random.default_rng(len(name) + ord(name)).integers(0, 256, (20, 30, 3), np.uint8)

    def load():
        opened.append(name)
        return pixels.copy()

    return Photomicrograph(id=name, pixels=load, sha256="", truth=None, present=False, group=name)


@pytest.fixture
def opened() -> list[str]:
    return []


@pytest.fixture
def cut(opened) -> CutOnDemand:
    return CutOnDemand({name: photograph(name, opened) for name in "ab"}, BOXES, SIZE)


def kept(cut) -> np.ndarray:
    return np.stack([letterbox(photograph(name, []).load(), SIZE, box)[0] for name, box in BOXES])


@pytest.mark.parametrize("rows", [slice(None), slice(1, 3), np.asarray([3, 0]), np.asarray([], np.int64)])
def test_they_are_what_a_letterbox_gives(cut, rows):
    assert np.array_equal(cut[rows], kept(cut)[rows])


def test_they_have_the_shape_of_an_array(cut):
    assert (cut.shape, len(cut)) == ((4, *SIZE, 3), 4)
    assert CutOnDemand({}, [], SIZE)[:].shape == (0, *SIZE, 3)


def test_rows_of_one_photograph_open_it_once(cut, opened):
    cut[np.asarray([0, 1, 3])]
    assert opened == ["a"]


def test_nothing_is_opened_before_it_is_asked_for(cut, opened):
    assert cut.shape[0] == 4
    assert opened == []
