"""A contact sheet has one tile a photograph, with its clasts drawn on it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image, ImageColor
from scipy.ndimage import label

from clastbench.data import masks, preview
from clastbench.errors import DataError
from clastbench.records import Clast, Mask, Photomicrograph


def photo(number, clasts=()):
    def pixels():
        return np.full((80, 120, 3), 60, np.uint8)

    return Photomicrograph(f"p{number}", pixels, "0", "CW", present=True, group="g", clasts=clasts)


def clast(*, polygons):
    square = Mask(80, 120, polygons=((30.0, 20.0, 90.0, 20.0, 90.0, 60.0, 30.0, 60.0),))
    mask = square if polygons else masks.encode(masks.decode(square))
    return Clast((25, 15, 95, 65), "CW", "sigma", mask, {"core": Mask(80, 120, polygons=((50, 30, 70, 30, 60, 50),))})


def has(sheet, colour):
    return (np.asarray(sheet) == ImageColor.getrgb(colour)).all(axis=2).any()


@pytest.mark.parametrize("polygons", [True, False])
def test_outline_core_box_and_ignore_are_drawn_in_their_colours(tmp_path, polygons):
    inside = Clast((40, 25, 80, 55), None, "phi")
    ignored = Clast((0, 0, 20, 20), None, ignore=True)
    preview.contact_sheet([photo(1, (inside, clast(polygons=polygons), ignored))], tmp_path / "sheet.png")
    with Image.open(tmp_path / "sheet.png") as sheet:
        colours = (preview.OUTLINE, preview.CORE, preview.BOX, preview.IGNORE)
        assert all(has(sheet, colour) for colour in colours)


def test_the_sheet_has_the_asked_columns_and_stops_at_the_limit(tmp_path):
    preview.contact_sheet(
        [photo(number) for number in range(9)], tmp_path / "sheet.png", columns=3, tile=(60, 40), limit=7, plain=True
    )
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert sheet.size == (3 * 64, 3 * 58)


def test_nothing_to_show_is_refused(tmp_path):
    with pytest.raises(DataError, match="no photographs"):
        preview.contact_sheet([], tmp_path / "sheet.png")


def spotted(number=1):
    """A photograph with a scale bar that is drawn."""
    bar = np.zeros((80, 120), bool)
    bar[70:74, 80:110] = True
    return replace(photo(number), artefacts={"scale-bar": masks.encode(bar)})


def test_artefacts_are_outlined_beside_their_own_pixels(tmp_path):
    preview.contact_sheet([spotted()], tmp_path / "sheet.png", tile=(120, 80))
    with Image.open(tmp_path / "sheet.png") as sheet:
        drawn = (np.asarray(sheet)[2:82, 2:122] == ImageColor.getrgb(preview.ARTEFACT)).all(axis=2)
    bar = masks.decode(spotted().artefacts["scale-bar"])
    assert drawn.sum() == 2 * (30 + 4)
    assert not (drawn & bar).any()


@pytest.mark.parametrize("polygons", [True, False])
def test_a_plain_sheet_shows_the_pixels_as_they_are(tmp_path, polygons):
    shown = replace(spotted(), clasts=(clast(polygons=polygons), Clast((0, 0, 20, 20), None, ignore=True)))
    preview.contact_sheet([shown], tmp_path / "sheet.png", tile=(120, 80), plain=True)
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert sheet.size == (124, 98)
        assert (np.asarray(sheet)[2:82, 2:122] == 60).all()


@pytest.mark.parametrize("tile", [(60, 40), (120, 80), (300, 200)])
def test_the_outline_of_a_mask_is_unbroken_at_any_size(tmp_path, tile):
    square = clast(polygons=False)
    shown = photo(1, (replace(square, parts={}, box_xyxy=(0, 0, 120, 80), sense=None, kind=None),))
    preview.contact_sheet([shown], tmp_path / "sheet.png", tile=tile)
    with Image.open(tmp_path / "sheet.png") as sheet:
        picture = np.asarray(sheet)[2 : tile[1] + 2, 2 : tile[0] + 2]
    _, lines = label((picture == ImageColor.getrgb(preview.OUTLINE)).all(axis=2), np.ones((3, 3)))
    assert lines == 1


def test_groups_stand_in_rows_of_their_own_below_their_labels(tmp_path):
    groups = [preview.Group("a", [photo(1)] * 4), preview.Group("b", [photo(2)]), preview.Group("c", [])]
    preview.grouped_sheet(groups, tmp_path / "sheet.png", columns=3, tile=(60, 40), plain=True)
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert sheet.size == (3 * 64, 3 * 58 + 2 * preview.LABEL)
        picture = np.asarray(sheet)
    second = preview.LABEL + 2 * 58
    assert picture[: preview.LABEL].max() > 200
    assert picture[second : second + preview.LABEL].max() > 200
    assert (picture[second + preview.LABEL + 2 : second + preview.LABEL + 42, 2:62] == 60).all()
    assert not picture[second + preview.LABEL :, 64:].any()


def test_the_legend_is_as_high_as_the_width_needs(tmp_path):
    for columns in (1, 6):
        preview.contact_sheet([photo(1)] * 6, tmp_path / f"{columns}.png", columns=columns, tile=(120, 80))
    with Image.open(tmp_path / "1.png") as narrow, Image.open(tmp_path / "6.png") as wide:
        assert narrow.height - 6 * 98 > wide.height - 98
        assert all(has(sheet, colour) for sheet in (narrow, wide) for colour, _ in preview.LEGEND)
