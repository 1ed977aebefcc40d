"""Formats are recognised by what lies in a folder, and the digest by what a score depends on."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import pytest

from clastbench.data import source
from clastbench.errors import DataError, UnknownNameError
from clastbench.records import Clast, Mask, Photomicrograph


def test_the_room_opens_without_the_heavy_libraries():
    code = "import sys, clastbench.data; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"torch", "pandas", "sklearn", "matplotlib", "scipy", "cv2", "faster_coco_eval"} & set(loaded)


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        (["annotations.json", "a.png"], "coco"),
        (["_annotations.coco.json"], "coco"),
        (["data.yaml"], "yolo"),
        (["CW/a.png", "none/b.png"], "folders"),
        (["with/a.jpg", "without/b.jpg"], "agu2021"),
        (["images/with/a.jpg", "images/without/b.jpg", "annotations.json"], "agu2021"),
    ],
)
def test_the_format_is_recognised(tmp_path, files, expected):
    for name in files:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert source.detect_format(tmp_path) == expected


@pytest.mark.parametrize(("name", "expected"), [("x.json", "coco"), ("x.yml", "yolo")])
def test_a_file_is_recognised_by_its_suffix(tmp_path, name, expected):
    (tmp_path / name).touch()
    assert source.detect_format(tmp_path / name) == expected


def test_an_unknown_folder_says_what_was_looked_for(tmp_path):
    with pytest.raises(DataError, match=r"annotations\.json.*data\.yaml.*CW, CCW, none"):
        source.detect_format(tmp_path)


def test_an_unknown_format_is_answered_with_the_nearest(tmp_path):
    with pytest.raises(UnknownNameError, match="Did you mean 'coco'"):
        source.read(tmp_path, "cocoo")


def test_a_named_format_without_its_file_is_refused(tmp_path):
    with pytest.raises(DataError, match="no annotation file"):
        source.read(tmp_path, "coco")


def test_a_coco_folder_is_read(coco_file):
    assert len(source.read(coco_file().parent)) == 2


def photo(**changes):
    values = {"id": "p", "sha256": "s", "truth": "CW", "present": True, "group": "g", **changes}
    return Photomicrograph(pixels=lambda: None, clasts=(Clast((0, 0, 2, 2), "CW"),), **values)


def test_the_digest_does_not_depend_on_the_order():
    one, other = photo(), photo(id="q")
    assert source.digest([one, other]) == source.digest([other, one])


@pytest.mark.parametrize(
    "change",
    [
        {"id": "q"},
        {"sha256": "t"},
        {"truth": "CCW"},
        {"present": False},
        {"group": "h"},
        {"foliation_deg": 3.0},
        {"clasts": ()},
        {"clasts": (Clast((0, 0, 2, 3), "CW"),)},
        {"clasts": (Clast((0, 0, 2, 2), "CCW"),)},
        {"clasts": (Clast((0, 0, 2, 2), "CW", ignore=True),)},
        {"clasts": (Clast((0, 0, 2, 2), "CW", judged=False),)},
        {"artefacts": {}},
    ],
)
def test_the_digest_knows_everything_that_a_score_depends_on(change):
    assert source.digest([replace(photo(), **change)]) != source.digest([photo()])


def test_the_digest_knows_what_artefacts_cover():
    marks = [{}, {"crack": Mask(2, 2, counts=(1, 3))}, {"crack": Mask(2, 2, counts=(2, 2))}]
    marks.append({"bubble": marks[1]["crack"]})
    assert len({source.digest([photo(artefacts=one)]) for one in marks}) == len(marks)


def test_the_digest_is_pinned():
    """A change here makes stored results unreadable: do not change the value, raise the schema version."""
    assert source.digest([photo()]) == "68d4aa8ea346ed797b70394352270f6d2189e7ff78a4c830c0f50726a56c90eb"
