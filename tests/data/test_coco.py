"""COCO files become photomicrographs; what is impossible is refused with file, field and value."""

from __future__ import annotations

import pytest

from clastbench.data.coco import read_coco
from clastbench.data.masks import decode
from clastbench.errors import DataError


def test_a_small_file_is_read_in_full(coco_file):
    first, second = read_coco(coco_file())
    clast, crowd = first.clasts
    assert (first.id, first.truth, first.present, first.group) == ("a.png", "CW", True, "a.png")
    assert (first.light, first.foliation_deg, first.attributes) == ("XPL", 12, {"width": "40", "height": "30"})
    assert (clast.box_xyxy, clast.sense, clast.kind, clast.ignore, clast.primary) == (
        (10, 5, 20, 15),
        "CW",
        "sigma",
        False,
        True,
    )
    assert decode(clast.mask).sum() == 100
    assert decode(clast.parts["core"]).sum() == 36
    assert (crowd.ignore, crowd.primary, crowd.sense) == (True, False, None)
    assert (second.truth, second.present, second.clasts) == ("none", False, ())
    assert first.load().shape == (30, 40, 3)
    assert len(first.sha256) == 64


def test_pictures_may_lie_in_a_folder_beside_the_file(coco_file, tmp_path):
    path = coco_file()
    (tmp_path / "images").mkdir()
    for name in ("a.png", "b.png"):
        (tmp_path / name).rename(tmp_path / "images" / name)
    assert read_coco(path)[0].load().shape == (30, 40, 3)


def test_pictures_may_lie_elsewhere(coco_file, tmp_path):
    path = coco_file()
    (tmp_path / "elsewhere").mkdir()
    for name in ("a.png", "b.png"):
        (tmp_path / name).rename(tmp_path / "elsewhere" / name)
    assert len(read_coco(path, tmp_path / "elsewhere")) == 2


@pytest.mark.parametrize(
    ("fields", "truth", "present"),
    [
        ([{"sense": "CW"}], "CW", True),
        ([{"sense": "none"}], "none", False),
        ([{"sense": None}], None, True),
        ([{"sense": None, "kind": "phi"}], "none", False),
        ([{"sense": None, "category_id": 4}], "none", False),
        ([{"sense": None, "judged": True}], "none", False),
        ([{"sense": "CW", "judged": False}], None, True),
        ([{"sense": "CW"}, {"sense": "none"}], "CW", True),
        ([{"sense": "CW"}, {"sense": None}], None, True),
        ([{"sense": "CW"}, {"sense": None, "primary": False}], "CW", True),
        ([{"sense": "CW"}, {"sense": "CCW"}], None, True),
        ([{"sense": "CW"}, {"sense": "CCW", "primary": False}], "CW", True),
        ([{"sense": "CW"}, {"sense": "CCW", "ignore": 1}], "CW", True),
        ([{"category_id": 2}], "CCW", True),
        ([{"category_id": 3}], None, True),
        ([{"category_id": 3, "sense": "CW"}], "CW", True),
        ([], "none", False),
    ],
)
def test_the_truth_follows_from_the_primary_clasts(coco_file, fields, truth, present):
    def change(document):
        common = {"image_id": 1, "category_id": 1, "bbox": [1, 1, 5, 5]}
        document["categories"].append({"id": 4, "name": "none"})
        document["annotations"] = [{**common, **field} for field in fields]

    photo = read_coco(coco_file(change))[0]
    assert (photo.truth, photo.present) == (truth, present)


@pytest.mark.parametrize(
    ("fields", "judged"),
    [
        ({"category_id": 1}, True),
        ({"category_id": 3}, False),
        ({"category_id": 3, "judged": True}, True),
        ({"category_id": 4}, True),
        ({"sense": "CW"}, True),
        ({"sense": "CW", "judged": False}, False),
        ({"sense": "none"}, True),
        ({"sense": "none", "kind": "other"}, True),
        ({"sense": None}, False),
        ({"sense": None, "category_id": 4}, True),
        ({"sense": None, "judged": True}, True),
        *[({"sense": None, "kind": kind}, True) for kind in ("phi", "theta")],
        *[({"sense": None, "kind": kind}, False) for kind in ("other", "complex", "fish", "sigma", "delta")],
    ],
)
def test_a_clast_is_judged_when_somebody_has_said_what_it_shows(coco_file, fields, judged):
    def change(document):
        document["categories"].append({"id": 4, "name": "none"})
        document["annotations"] = [{"image_id": 1, "category_id": 1, "bbox": [1, 1, 5, 5], **fields}]

    (clast,) = read_coco(coco_file(change))[0].clasts
    assert clast.judged is judged


def test_the_truth_of_the_image_overrules_its_clasts(coco_file):
    def change(document):
        document["annotations"].append({"image_id": 1, "category_id": 3, "bbox": [20, 20, 5, 5]})
        document["images"][0].update(sense="CCW")
        document["images"][1].update(sense=None, present=True)

    first, second = read_coco(coco_file(change))
    assert (first.truth, first.present) == ("CCW", True)
    assert (second.truth, second.present) == (None, True)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda d: d["annotations"][0].update(image_id=9), r"annotations\[0\]\.image_id.*no image has the id 9"),
        (
            lambda d: d["annotations"][0].update(category_id=9),
            r"annotations\[0\]\.category_id.*no category has the id 9",
        ),
        (lambda d: d["categories"][0].update(name="garnet"), "garnet.*expected CW, CCW"),
        (lambda d: d["annotations"][0].update(bbox=[1, 1, 0, 5]), "bbox.*no area"),
        (lambda d: d["annotations"][0].update(bbox=[1, 1, 5]), "bbox"),
        (lambda d: d["annotations"][0].update(sense="dextral"), "sense.*'CW', 'CCW' or 'none'.*dextral"),
        (lambda d: d["annotations"][0].update(judged=1), r"annotations\[0\]\.judged.*boolean"),
        (lambda d: d["annotations"][0].update(segmentation={"size": [3, 3], "counts": [9]}), r"size.*\[30, 40\]"),
        (lambda d: d["images"][1].update(id=1), r"images\[1\]\.id.*images\[0\]"),
        (lambda d: d["images"][1].update(file_name="a.png"), r"images\[1\]\.file_name.*images\[0\]"),
        (lambda d: d["images"][0].update(file_name="../a.png"), "leaves the folder"),
        (lambda d: d["images"][0].update(file_name="/etc/hostname"), "leaves the folder"),
        (lambda d: d["images"][0].update(file_name="c.png"), "there is no picture"),
        (lambda d: d["images"][0].update(sha256="0" * 64), r"a\.png is not the expected picture.*expected '000"),
        (lambda d: d["images"][0].update(width="wide"), r"images\[0\]\.width"),
        (lambda d: d["images"][0].update(width=float("nan")), r"images\[0\]\.width"),
        (lambda d: d["images"][0].update(foliation_deg=float("inf")), r"images\[0\]\.foliation_deg"),
        (lambda d: d.pop("images"), "images: expected a list"),
    ],
)
def test_an_impossible_file_is_refused_by_field_and_value(coco_file, change, words):
    with pytest.raises(DataError, match=rf"annotations\.json.*{words}"):
        read_coco(coco_file(change))


@pytest.mark.parametrize("text", ["", "{", "[]", "7", "[" * 100_000, '{"images": 1' + "0" * 5000 + "}", "\xff"])
def test_what_is_not_a_coco_document_is_refused(tmp_path, text):
    path = tmp_path / "annotations.json"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(DataError, match=r"annotations\.json"):
        read_coco(path)


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(DataError, match="cannot be read"):
        read_coco(tmp_path / "annotations.json")


def bar() -> dict:
    return {"size": [30, 40], "counts": [1100, 60, 40]}


def test_masks_of_artefacts_are_read_by_kind(coco_file):
    def change(document):
        document["images"][0].update(artefact_masks={"scale-bar": bar(), "letter": [[1, 1, 6, 1, 6, 9, 1, 9]]})
        document["images"][1].update(artefact_masks={})

    first, second = read_coco(coco_file(change))
    assert {kind: decode(mask).sum() for kind, mask in first.artefacts.items()} == {"scale-bar": 60, "letter": 40}
    assert second.artefacts == {}


def test_without_masks_of_artefacts_they_are_unknown(coco_file):
    assert [photo.artefacts for photo in read_coco(coco_file())] == [None, None]
    said = coco_file(lambda document: document["images"][0].update(artefact_masks=None))
    assert read_coco(said)[0].artefacts is None


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ([], r"artefact_masks.*valid dictionary"),
        ({"frame": None}, r"artefact_masks\.frame: segmentation: expected polygons or run lengths"),
        ({"frame": []}, r"artefact_masks\.frame: segmentation: expected polygons or run lengths"),
        ({"frame": [[1, 2, 3]]}, r"artefact_masks\.frame.*at least 6 coordinates"),
        ({"frame": {"size": [3, 3], "counts": [9]}}, r"artefact_masks\.frame.*\[30, 40\]"),
        ({"crack": bar(), "frame": {"size": [30, 40], "counts": [7]}}, r"artefact_masks\.frame.*sum 1200"),
    ],
)
def test_an_impossible_mask_of_an_artefact_is_refused_by_its_kind(coco_file, said, words):
    path = coco_file(lambda document: document["images"][1].update(artefact_masks=said))
    with pytest.raises(DataError, match=rf"annotations\.json: images\[1\]\.{words}"):
        read_coco(path)
