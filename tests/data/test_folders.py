"""A folder for each class is the simplest data set."""

from __future__ import annotations

import pytest

from clastbench.data.folders import read_folders
from clastbench.errors import DataError


def test_the_folder_is_the_truth(tmp_path, picture):
    for seed, name in enumerate(("CW/1.png", "ccw/deep/2.PNG", "none/3.png")):
        picture(name, seed=seed)
    photographs = read_folders(tmp_path)
    assert [(photo.id, photo.truth, photo.present) for photo in photographs] == [
        ("CW/1.png", "CW", True),
        ("ccw/deep/2.PNG", "CCW", True),
        ("none/3.png", "none", False),
    ]
    assert photographs[0].load().shape == (30, 40, 3)
    assert photographs[0].clasts == ()


def test_an_unknown_folder_is_refused(tmp_path, picture):
    picture("CW/1.png")
    picture("frogs/1.png")
    with pytest.raises(DataError, match=r"frogs.*expected CW, CCW or none"):
        read_folders(tmp_path)


def test_a_link_out_of_the_folder_is_refused(tmp_path, picture):
    outside = picture("outside.png")
    picture("root/CW/1.png")
    (tmp_path / "root" / "CW" / "2.png").symlink_to(outside)
    with pytest.raises(DataError, match=r"2\.png.*leaves the folder"):
        read_folders(tmp_path / "root")


def test_an_empty_folder_is_refused(tmp_path):
    with pytest.raises(DataError, match="no pictures"):
        read_folders(tmp_path)
