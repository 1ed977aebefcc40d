"""YOLO data sets are read as ultralytics reads them."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from clastbench.data.yolo import read_yolo
from clastbench.data.yolo_paths import label_of
from clastbench.errors import DataError


def dataset(tmp_path, picture, labels="0 0.5 0.5 0.5 0.5\n", names=("CW", "CCW"), **keys):
    picture("images/train/a.png", seed=1)
    picture("images/val/b.png", seed=2)
    (tmp_path / "labels" / "train").mkdir(parents=True)
    (tmp_path / "labels" / "train" / "a.txt").write_text(labels)
    path = tmp_path / "data.yaml"
    names = list(names) if isinstance(names, tuple) else names
    path.write_text(yaml.safe_dump({"train": "images/train", "val": "images/val", "names": names, **keys}))
    return path


def test_boxes_become_pixels_and_a_missing_label_means_nothing(tmp_path, picture):
    first, second = read_yolo(dataset(tmp_path, picture))
    assert (first.id, first.truth, first.attributes["split"]) == ("images/train/a.png", "CW", "train")
    assert first.clasts[0].box_xyxy == (10, 7.5, 30, 22.5)
    assert (second.truth, second.present, second.attributes["split"]) == ("none", False, "validation")


def test_names_may_be_a_dictionary_in_any_spelling(tmp_path, picture):
    photo = read_yolo(dataset(tmp_path, picture, labels="7 .5 .5 .5 .5", names={0: "Dextral", 7: "sinistral"}))[0]
    assert photo.truth == "CCW"


def test_a_polygon_gives_box_and_mask(tmp_path, picture):
    clast = read_yolo(dataset(tmp_path, picture, labels="1 .25 .2 .75 .2 .75 .6\n"))[0].clasts[0]
    assert clast.box_xyxy == (10, 6, 30, 18)
    assert clast.mask.polygons == (pytest.approx((10, 6, 30, 6, 30, 18)),)


def test_both_senses_leave_the_truth_open(tmp_path, picture):
    photo = read_yolo(dataset(tmp_path, picture, labels="0 .5 .5 .1 .1\n1 .2 .2 .1 .1\n"))[0]
    assert (photo.truth, photo.present) == (None, True)


def test_a_clast_whose_sense_is_not_told_is_not_judged(tmp_path, picture):
    rows = "0 .5 .5 .1 .1\n1 .2 .2 .1 .1\n2 .8 .8 .1 .1\n"
    photo = read_yolo(dataset(tmp_path, picture, labels=rows, names=("CW", "none", "clast")))[0]
    assert [(clast.sense, clast.judged) for clast in photo.clasts] == [("CW", True), (None, True), (None, False)]


def test_path_moves_the_root(tmp_path, picture):
    path = dataset(tmp_path, picture, path=str(tmp_path))
    moved = tmp_path / "elsewhere.yaml"
    path.rename(moved)
    assert len(read_yolo(moved)) == 2


def test_a_list_of_pictures_may_stand_for_a_folder(tmp_path, picture):
    path = dataset(tmp_path, picture, train="train.txt", val=None)
    (tmp_path / "train.txt").write_text("./images/train/a.png\nimages/val/b.png\n")
    assert [photo.id for photo in read_yolo(path)] == ["images/train/a.png", "images/val/b.png"]


def test_roboflow_paths_are_understood(tmp_path, picture):
    assert len(read_yolo(dataset(tmp_path, picture, train="../images/train"))) == 2


def test_the_last_images_folder_is_replaced():
    assert label_of(Path("/images/x/images/y/a.jpg")) == Path("/images/x/labels/y/a.txt")
    assert label_of(Path("/x/a.jpg")) == Path("/x/a.txt")


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        ("0 .5 .5 .5", "4 numbers"),
        ("0 .5 .5 0 .5", "no area"),
        ("5 .5 .5 .5 .5", "class 5 is not among the names"),
        ("x .5 .5 .5 .5", "not a class number"),
        ("0 nan .5 .5 .5", "between 0 and 1"),
        ("0 20 15 10 10", "between 0 and 1"),
    ],
)
def test_a_wrong_row_is_named_by_line(tmp_path, picture, labels, words):
    with pytest.raises(DataError, match=rf"a\.txt: line 2: .*{words}"):
        read_yolo(dataset(tmp_path, picture, labels="0 .5 .5 .5 .5\n" + labels))


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"names": ["garnet"]}, "garnet"),
        ({"names": None}, "names"),
        ({"train": "nowhere"}, "neither a folder nor a list"),
        ({"train": 7}, "expected a path"),
        ({"train": "../.."}, "leaves the folder"),
        ({"train": None, "val": None}, "no pictures"),
    ],
)
def test_a_wrong_yaml_is_refused(tmp_path, picture, keys, words):
    with pytest.raises(DataError, match=rf"data\.yaml.*{words}"):
        read_yolo(dataset(tmp_path, picture, **keys))


@pytest.mark.parametrize("text", ["[", "- a", "a: *b", ""])
def test_what_is_not_yaml_is_refused(tmp_path, text):
    path = tmp_path / "data.yaml"
    path.write_text(text)
    with pytest.raises(DataError, match=r"data\.yaml"):
        read_yolo(path)
