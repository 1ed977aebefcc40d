"""What is exported is read back as the same records."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from clastbench.data import masks
from clastbench.data.agu2021 import read_agu2021
from clastbench.data.coco import read_coco
from clastbench.data.export import export_coco
from clastbench.data.source import digest
from clastbench.data.validate import validate
from clastbench.errors import DataError
from clastbench.records import Clast, Mask, Photomicrograph
from clastbench.synth.dataset import render_photograph
from clastbench.synth.recipe import Recipe


def without_pixels(photographs):
    return [replace(photo, pixels=None) for photo in photographs]


def pixels():
    return np.random.default_rng(5).integers(0, 256, (12, 16, 3), dtype=np.uint8)


def photographs():
    outline = np.zeros((12, 16), bool)
    outline[2:7, 3:9] = True
    runs, ring = masks.encode(outline), Mask(12, 16, polygons=((3.0, 2.0, 9.0, 2.0, 9.0, 7.25),))
    clasts = (
        Clast((3.1, 2.2, 9.3, 7.7), "CW", "sigma", runs, {"core": ring, "tails": runs}),
        Clast((0.0, 0.0, 2.0, 2.0), "CCW", mask=ring, primary=False),
        Clast((0.0, 0.0, 2.0, 2.0), None, "phi"),
        Clast((1.0, 1.0, 2.0, 2.0), None, ignore=True, primary=False),
        Clast((1.0, 1.0, 2.0, 2.0), None, ignore=True, primary=True),
        *[Clast((2.0, 2.0, 4.0, 4.0), sense, judged=told) for sense in ("CW", "CCW", None) for told in (True, False)],
        Clast((2.0, 2.0, 4.0, 4.0), None, "phi", judged=False),
    )
    common = {"pixels": pixels, "sha256": "0" * 64, "group": "g", "attributes": {"width": "16", "height": "12"}}
    return (
        Photomicrograph(
            id="with/1.jpg",
            truth="CW",
            present=True,
            clasts=clasts,
            light="XPL",
            foliation_deg=-3.5,
            um_per_px=0.7,
            **common,
        ),
        Photomicrograph(id="../odd~mirror", truth=None, present=True, **common),
        Photomicrograph(
            id="2", truth="none", present=False, **{**common, "attributes": {**common["attributes"], "note": "ü"}}
        ),
    )


def test_the_same_records_come_back(tmp_path):
    before = photographs()
    after = read_coco(export_coco(before, tmp_path))
    assert without_pixels(after) == without_pixels(before)
    assert digest(after) == digest(before)
    assert all(np.array_equal(one.load(), other.load()) for one, other in zip(after, before, strict=True))


def test_generated_clasts_come_back_judged(tmp_path):
    recipe = Recipe(seed=1, n_images=12, kinds=(("sigma", 1), ("phi", 3), ("theta", 3)))
    before = [render_photograph(recipe, index) for index in range(12)]
    after = read_coco(export_coco(before, tmp_path))
    assert [photo.clasts for photo in after] == [photo.clasts for photo in before]
    assert {clast.kind for photo in after for clast in photo.clasts if clast.sense is None} == {"phi", "theta"}
    assert all(clast.judged for photo in after for clast in photo.clasts)


def test_masks_of_artefacts_come_back_and_unknown_ones_stay_unknown(tmp_path):
    known, unknown, none = photographs()
    scratch = np.zeros((12, 16), bool)
    scratch[:, 7] = True
    drawn = {"scratch": masks.encode(scratch), "letter": Mask(12, 16, polygons=((1.0, 1.0, 5.0, 1.0, 5.0, 4.0),))}
    before = (replace(known, artefacts=drawn), unknown, replace(none, artefacts={}))
    after = read_coco(export_coco(before, tmp_path))
    assert without_pixels(after) == without_pixels(before)
    assert digest(after) == digest(before)
    assert [photo.artefacts for photo in after] == [drawn, None, {}]


def test_generated_artefacts_come_back(tmp_path):
    recipe = Recipe(seed=1, n_images=6, artefacts=1.0)
    before = [render_photograph(recipe, index) for index in range(6)]
    after = read_coco(export_coco(before, tmp_path))
    assert [photo.artefacts for photo in after] == [photo.artefacts for photo in before]
    assert all(photo.artefacts for photo in after)


def test_a_mask_of_an_artefact_without_polygons_is_an_empty_one(tmp_path):
    before = replace(photographs()[1], artefacts={"crack": Mask(12, 16, polygons=())})
    (after,) = read_coco(export_coco([before], tmp_path))
    assert not masks.decode(after.artefacts["crack"]).any()


def label_picture(path):
    with Image.open(path) as picture:
        assert picture.mode == "L"
        return np.array(picture)


def test_the_label_pictures_of_generated_photographs_are_their_masks(tmp_path):
    recipe = Recipe(seed=1, n_images=8, others=(2, 4))
    shown = [render_photograph(recipe, index) for index in range(8)]
    export_coco(shown, tmp_path)
    for number, photo in enumerate(shown, 1):
        parts = label_picture(tmp_path / "masks" / f"{number:05d}.png")
        instances = label_picture(tmp_path / "instances" / f"{number:05d}.png")
        assert np.array_equal(parts > 0, instances > 0)
        for place, clast in enumerate(photo.clasts, 1):
            assert np.array_equal(instances == place, masks.decode(clast.mask))
            assert np.array_equal((instances == place) & (parts == 2), masks.decode(clast.parts["core"]))
            assert np.array_equal((instances == place) & (parts == 1), masks.decode(clast.parts["tails"]))
        assert instances.max(initial=0) == len(photo.clasts)


def test_every_picture_has_its_label_pictures_and_the_folder_says_what_they_mean(tmp_path):
    export_coco(photographs(), tmp_path)
    names = {f"{number:05d}.png" for number in (1, 2, 3)}
    for folder in ("images", "masks", "instances"):
        assert {path.name for path in (tmp_path / folder).iterdir()} == names
    said = (tmp_path / "README.txt").read_text(encoding="utf-8")
    assert "0 matrix, 1 mantle and tails, 2 core" in said
    assert "the earlier clast wins" in said


@pytest.mark.parametrize(
    ("mask", "words"),
    [(Mask(12, 16), "exactly one of the two"), (Mask(3, 4, counts=(12,)), "4 by 3 pixels, the picture of 16 by 12")],
)
@pytest.mark.parametrize("place", ["outline", "core", "artefact"])
def test_a_mask_that_contradicts_itself_or_its_picture_is_not_exported(tmp_path, mask, words, place):
    clast = Clast((0.0, 0.0, 2.0, 2.0), "CW", mask=mask if place == "outline" else None)
    clast = replace(clast, parts={"core": mask} if place == "core" else {})
    shown = replace(photographs()[1], clasts=(clast,), artefacts={"frame": mask} if place == "artefact" else None)
    with pytest.raises(DataError, match=words):
        export_coco([shown], tmp_path)
    assert not (tmp_path / "annotations.json").exists()


def test_a_replaced_picture_is_refused_by_name(tmp_path):
    path = export_coco(photographs(), tmp_path)
    Image.fromarray(255 - pixels()).save(tmp_path / "images" / "00002.png")
    with pytest.raises(DataError, match=r"images\[1\].*images/00002\.png is not the expected picture"):
        read_coco(path)
    (problem,) = validate(tmp_path)
    assert "00002.png is not the expected picture" in str(problem)


def test_an_export_has_no_problem(tmp_path):
    export_coco(photographs(), tmp_path)
    assert validate(tmp_path) == []


def test_nothing_is_overwritten(tmp_path):
    export_coco(photographs(), tmp_path)
    with pytest.raises(DataError, match="exists already"):
        export_coco(photographs(), tmp_path)


def test_real_annotations_come_back(real_data, tmp_path):
    before = [
        photo for photo in read_agu2021(real_data) if photo.id in ("with/98.jpg", "with/52.jpg", "without/39.png")
    ]
    after = read_coco(export_coco(before, tmp_path))
    assert without_pixels(after) == without_pixels(before)
