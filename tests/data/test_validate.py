"""The validator lists every problem, and a broken file never ends in a traceback."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import pytest
import yaml
from conftest import small_document
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from clastbench.data.problems import Problem
from clastbench.data.validate import validate


def text(problems):
    return "\n".join(str(problem) for problem in problems)


def test_sound_data_have_no_problem(coco_file):
    assert validate(coco_file()) == []
    assert validate(coco_file().parent) == []


def test_every_problem_is_listed_not_only_the_first(coco_file, tmp_path):
    def change(document):
        document["images"][0]["width"] = 41
        document["annotations"][0]["bbox"] = [30, 5, 20, 10]
        document["annotations"] += [
            {"id": 3, "image_id": 1, "category_id": 1, "bbox": [1, 1, 0, 3]},
            {"id": 4, "image_id": 1, "category_id": 8, "bbox": [1, 1, 3, 3]},
            {"id": 5, "image_id": 70, "category_id": 1, "bbox": [1, 1, 3, 3]},
            {"id": 6, "image_id": 1, "category_id": 1, "bbox": [1, float("inf"), 3, 3]},
            {"id": 7, "image_id": 1, "category_id": 1, "bbox": [1, 1, 3, 3], "core": {"size": [9, 9], "counts": [81]}},
            {"id": 8, "image_id": 1, "category_id": 1, "bbox": "box"},
        ]
        document["images"] += [
            {"id": 3, "file_name": "c.png", "width": 40, "height": 30},
            {"id": 4, "file_name": "../a.png", "width": 40, "height": 30},
            {"id": 5, "file_name": "a.png", "width": 40, "height": 30},
            {"id": 6, "file_name": "gone.png", "width": 40, "height": 30},
            {"id": 7, "file_name": "half.png", "width": 40, "height": 30},
        ]

    path = coco_file(change)
    content = (tmp_path / "b.png").read_bytes()
    (tmp_path / "c.png").write_bytes(content)
    (tmp_path / "half.png").write_bytes(content[:300])
    found = text(validate(path))
    for words in (
        "a.png: width, height: the picture has 40 by 30 pixels, the annotations say 41 by 30",
        "a.png: box 1",
        "annotations[2]: bbox",
        "annotations[3].category_id: no category has the id 8",
        "annotations[4].image_id: no image has the id 70",
        "annotations[5].bbox.1: Input should be a finite number",
        "annotations[6]: segmentation.size",
        "annotations[7].bbox: Input should be a valid list",
        "c.png: group: the same bytes as 'b.png'",
        "images[3].file_name: the path '../a.png' leaves the folder",
        "images[4].file_name: 'a.png' is also the name of images[0]",
        "images[5].file_name: there is no picture",
        "half.png: ",
    ):
        assert words in found


def test_the_same_pixels_in_other_bytes_are_found(coco_file, tmp_path):
    def change(document):
        document["images"].append({"id": 3, "file_name": "c.tif", "width": 40, "height": 30})

    path = coco_file(change)
    Image.open(tmp_path / "a.png").save(tmp_path / "c.tif")
    assert "c.tif: group: the same pixels as 'a.png'" in text(validate(path))


def test_duplicates_within_one_group_are_no_problem(coco_file, tmp_path):
    def change(document):
        document["images"].append({"id": 3, "file_name": "c.png", "width": 40, "height": 30, "group": "a.png"})

    path = coco_file(change)
    (tmp_path / "c.png").write_bytes((tmp_path / "a.png").read_bytes())
    assert validate(path) == []


def test_other_bytes_than_stated_are_found(coco_file):
    path = coco_file(lambda document: document["images"][0].update(sha256="0" * 64))
    assert "not the expected picture" in text(validate(path))


def test_a_decompression_bomb_is_found(coco_file, tmp_path):
    path = coco_file()
    Image.new("1", (20_000, 20_000)).save(tmp_path / "b.png")
    assert "decompression bomb" in text(validate(path))


def test_a_link_out_of_the_folder_is_found(picture, tmp_path):
    outside = picture("outside.png")
    picture("root/images/b.png", seed=2)
    (tmp_path / "root" / "images" / "a.png").symlink_to(outside)
    (tmp_path / "root" / "annotations.json").write_text(json.dumps(small_document()))
    assert "'a.png' leaves the folder" in text(validate(tmp_path / "root"))


def test_yolo_problems_are_listed_row_by_row(picture, tmp_path):
    picture("images/a.png")
    (tmp_path / "labels").mkdir()
    (tmp_path / "labels" / "a.txt").write_text("0 .5 .5 .2 .2\n9 .5 .5 .2 .2\n0 .5 .5\n0 .95 .5 .2 .2\n")
    (tmp_path / "data.yaml").write_text(yaml.safe_dump({"train": "images", "val": "gone", "names": ["CW", "frog"]}))
    found = text(validate(tmp_path))
    for words in ("names: 1: 'frog'", "gone is neither", "line 2: the class 9", "line 3: 3 numbers", "a.png: box 2"):
        assert words in found


def test_folder_problems_are_listed(picture, tmp_path):
    picture("CW/a.png")
    picture("frogs/b.png", seed=1)
    (tmp_path / "CW" / "c.png").write_bytes(b"no picture")
    found = text(validate(tmp_path))
    assert "frogs" in found
    assert "c.png" in found


@pytest.mark.parametrize("name", ["nowhere", "empty", "file.txt"])
def test_what_is_no_data_set_is_one_problem(tmp_path, name):
    (tmp_path / "empty").mkdir()
    (tmp_path / "file.txt").write_text("")
    assert len(validate(tmp_path / name)) == 1


odd = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from([10**400, -1, 0, 1e308, "../x", "/", "\0", "a\ud800", "x" * 300, "a.png", "CW", [[1] * 6]]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(["size", "counts", "id"]), inner),
    max_leaves=6,
)


def paths_in(node, prefix=()):
    yield prefix
    pairs = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, value in pairs:
        yield from paths_in(value, (*prefix, key))


PLACES = list(paths_in(small_document()))[1:]


def mutated(changes):
    document = small_document()
    for place, value in changes:
        node = document
        try:
            for key in place[:-1]:
                node = node[key]
            node[place[-1]] = value
        except (KeyError, IndexError, TypeError):
            continue
    return document


@pytest.fixture(scope="module")
def folder():
    with tempfile.TemporaryDirectory() as name:
        for seed, picture_name in enumerate(("a.png", "b.png")):
            Image.new("RGB", (40, 30), (seed, 0, 0)).save(Path(name) / picture_name)
        yield Path(name)


@settings(deadline=None, max_examples=300)
@given(changes=st.lists(st.tuples(st.sampled_from(PLACES), odd), min_size=1, max_size=4))
def test_a_mutated_coco_file_never_ends_in_a_traceback(folder, changes):
    path = folder / "annotations.json"
    path.write_text(json.dumps(mutated(changes)))
    problems = validate(path)
    assert all(isinstance(problem, Problem) and str(problem).isprintable() for problem in problems)


@settings(deadline=None, max_examples=150)
@given(content=st.binary(max_size=60), cut=st.integers(0, 900))
def test_a_damaged_coco_file_never_ends_in_a_traceback(folder, content, cut):
    path = folder / "annotations.json"
    whole = json.dumps(small_document()).encode()
    path.write_bytes(whole[:cut] + content + whole[cut + len(content) :])
    assert isinstance(validate(path), list)
