"""A contact sheet has one tile a photograph, with its clasts drawn on it."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageColor

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
        [photo(number) for number in range(9)], tmp_path / "sheet.png", columns=3, tile=(60, 40), limit=7
    )
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert sheet.size == (3 * 64, 3 * 58)


def test_nothing_to_show_is_refused(tmp_path):
    with pytest.raises(DataError, match="no photographs"):
        preview.contact_sheet([], tmp_path / "sheet.png")
