"""The real photographs: planned without pixels, verified with them."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from clastbench.data import agu2021
from clastbench.data.pictures import picture_size
from clastbench.data.splits import check_split, make_split, read_split
from clastbench.data.validate import validate
from clastbench.errors import DataError

SPLIT = Path(__file__).resolve().parents[2] / "suites" / "splits" / "agu2021-cv.csv"


@pytest.fixture(scope="module")
def photographs():
    return agu2021.read_agu2021()


def test_a_run_can_be_planned_without_pixels(photographs):
    assert len(photographs) == 202
    assert Counter(photo.truth for photo in photographs) == {"none": 99, "CW": 68, "CCW": 32, None: 3}
    assert sum(photo.present for photo in photographs) == 103
    assert all(len(photo.sha256) == 64 for photo in photographs)


def test_disputed_and_misfiled_labels_are_left_open(photographs):
    open_ones = {photo.id for photo in photographs if photo.truth is None}
    assert open_ones == {"with/20.jpg", "with/98.jpg", "without/98.jpg"}
    assert all(photo.present for photo in photographs if photo.truth is None)


def test_the_undrawn_clast_lies_in_an_ignore_region(photographs):
    photo = next(photo for photo in photographs if photo.id == "without/98.jpg")
    assert [(clast.ignore, clast.box_xyxy) for clast in photo.clasts] == [(True, (0, 0, 800, 533))]


def test_a_clast_drawn_against_the_expert_label_is_not_judged(photographs):
    drawn = {
        photo.id: (photo.truth, clast.sense)
        for photo in photographs
        for clast in photo.clasts
        if clast.sense is not None and not clast.judged
    }
    assert drawn == {"with/27.jpg": ("CW", "CCW"), "with/36.jpg": ("CCW", "CW"), "with/66.jpg": ("CCW", "CW")}


def test_only_clasts_of_which_somebody_could_tell_are_judged(photographs):
    judged = [clast for photo in photographs for clast in photo.clasts if clast.judged]
    assert Counter(clast.sense for clast in judged) == {"CW": 93, "CCW": 29, None: 18}
    assert {clast.kind for clast in judged if clast.sense is None} == {"phi", "theta"}


def test_duplicates_share_a_group(photographs):
    groups = Counter(photo.group for photo in photographs)
    twice = {"with/9+37", "with/10+67", "with/20+98", "with/40+41", "with/89+90", "with/92+93"}
    assert {group for group, size in groups.items() if size > 1} == twice


def test_outlines_cores_and_notes_come_along(photographs):
    clasts = [clast for photo in photographs for clast in photo.clasts if not clast.ignore]
    assert (len(clasts), sum(clast.primary for clast in clasts)) == (311, 127)
    assert sum("core" in clast.parts for clast in clasts) == 206
    assert "label conflict" in next(photo for photo in photographs if photo.id == "with/20.jpg").attributes["note"]


def test_pixels_that_are_not_shipped_say_where_they_can_be_had(photographs):
    with pytest.raises(DataError, match=r"with/1\.jpg is not shipped.*git clone.*--data"):
        photographs[0].load()


def test_the_frozen_split_fits_the_data(photographs):
    split = read_split(SPLIT)
    check_split(split, photographs)
    assert list(split.folds) == [f"r{repeat}f{fold}" for repeat in range(1, 6) for fold in range(1, 6)]


def test_the_frozen_split_can_be_made_again(photographs):
    assert make_split(photographs, seed=2021) == read_split(SPLIT)


def test_every_fold_tests_both_senses_in_proportion(photographs):
    truths = {photo.id: photo.truth for photo in photographs}
    for fold in read_split(SPLIT).folds.values():
        tested = Counter(truths[identity] for identity in fold.test)
        assert (tested["CW"], tested["CCW"], tested["none"]) == pytest.approx((13.6, 6.4, 19.8), abs=1)


def test_another_folder_is_refused(tmp_path):
    with pytest.raises(DataError, match="no folders `with` and `without`"):
        agu2021.read_agu2021(tmp_path)


def test_the_first_missing_photograph_is_named(tmp_path, photographs):
    (tmp_path / "with").mkdir()
    (tmp_path / "without").mkdir()
    with pytest.raises(DataError, match=r"with/1\.jpg: is missing"):
        agu2021.verify(photographs, tmp_path)


def test_the_first_differing_photograph_is_named(tmp_path, photographs):
    (tmp_path / "images" / "with").mkdir(parents=True)
    (tmp_path / "images" / "without").mkdir()
    (tmp_path / "images" / "with" / "1.jpg").write_bytes(b"a frog")
    with pytest.raises(DataError, match=r"with/1\.jpg: sha256: is .*, expected bc5ea1b"):
        agu2021.verify(photographs, tmp_path)


def test_the_real_photographs_are_the_expected_ones(real_data):
    photographs = agu2021.read_agu2021(real_data)
    agu2021.verify(photographs, real_data)
    agu2021.verify(photographs, agu2021.picture_root(real_data))
    for photo in photographs:
        stated = (int(photo.attributes["height"]), int(photo.attributes["width"]))
        assert picture_size(photo.pixels.path) == stated, photo.id


def test_the_odd_real_photographs_become_rgb(real_data):
    by_id = {photo.id: photo for photo in agu2021.read_agu2021(real_data)}
    for name in ("with/98.jpg", "with/29.jpg", "without/29.jpg", "without/39.png"):
        pixels = by_id[name].load()
        assert (pixels.ndim, pixels.shape[2], pixels.dtype) == (3, 3, np.uint8)


def test_the_real_data_have_no_problem(real_data):
    assert validate(real_data) == []
