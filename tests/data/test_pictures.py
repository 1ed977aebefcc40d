"""Every kind of picture file comes out as upright RGB, or is refused in one sentence."""

from __future__ import annotations

import hashlib
import pickle

import numpy as np
import pytest
from PIL import Image

from clastbench.data import pictures
from clastbench.errors import DataError


def saved(tmp_path, image, name="p.png", **options):
    path = tmp_path / name
    image.save(path, **options)
    return path


def flat(mode, value, size=(6, 4)):
    return Image.new(mode, size, value)


@pytest.mark.parametrize(
    ("image", "name", "expected"),
    [
        (flat("RGB", (10, 20, 30)), "p.png", (10, 20, 30)),
        (flat("RGB", (10, 20, 30)), "p.tif", (10, 20, 30)),
        (flat("L", 77), "p.png", (77, 77, 77)),
        (flat("1", 1), "p.png", (255, 255, 255)),
        (flat("LA", (50, 255)), "p.png", (50, 50, 50)),
        (flat("RGBA", (10, 20, 30, 255)), "p.png", (10, 20, 30)),
        (flat("RGBA", (10, 20, 30, 0)), "p.png", (255, 255, 255)),
        (flat("RGB", (10, 200, 30)).quantize(4), "p.gif", (10, 200, 30)),
        (flat("CMYK", (0, 0, 0, 255)), "p.tif", (0, 0, 0)),
    ],
)
def test_every_mode_becomes_rgb(tmp_path, image, name, expected):
    pixels = pictures.open_rgb(saved(tmp_path, image, name))
    assert pixels.shape == (4, 6, 3)
    assert pixels.dtype == np.uint8
    assert np.abs(pixels[1, 1].astype(int) - expected).max() <= 1


@pytest.mark.parametrize("name", ["p.png", "p.tif"])
def test_sixteen_bit_grey_keeps_its_range(tmp_path, name):
    grey = np.array([[0, 257, 32896, 65535]], dtype=np.uint16)
    pixels = pictures.open_rgb(saved(tmp_path, Image.fromarray(grey), name))
    assert pixels[0, :, 0].tolist() == [0, 1, 128, 255]


def test_float_grey_is_refused_because_its_white_is_unknown(tmp_path):
    with pytest.raises(DataError, match="8 or 16 bits"):
        pictures.open_rgb(saved(tmp_path, Image.fromarray(np.zeros((3, 3), np.float32)), "p.tif"))


def test_a_palette_with_transparency_lies_on_white(tmp_path):
    image = flat("P", 0)
    image.putpalette([9, 9, 9])
    pixels = pictures.open_rgb(saved(tmp_path, image, transparency=0))
    assert (pixels == 255).all()


@pytest.mark.parametrize("orientation", range(1, 9))
def test_size_and_pixels_agree_on_the_exif_orientation(tmp_path, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = saved(tmp_path, flat("RGB", 0), "p.jpg", exif=exif)
    assert pictures.picture_size(path) == pictures.open_rgb(path).shape[:2]
    assert pictures.picture_size(path) == ((6, 4) if orientation >= 5 else (4, 6))


def test_exif_orientation_turns_the_pixels(tmp_path):
    image = flat("RGB", 0)
    image.putpixel((0, 0), (255, 255, 255))
    exif = Image.Exif()
    exif[0x0112] = 6
    pixels = pictures.open_rgb(saved(tmp_path, image, exif=exif))
    assert pixels[0, -1].tolist() == [255, 255, 255]


@pytest.mark.parametrize("name", ["p.jpg", "p.png", "p.tif"])
@pytest.mark.parametrize("kept", [0.02, 0.5, 0.9])
def test_a_truncated_file_is_refused(tmp_path, name, kept):
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    path = saved(tmp_path, Image.fromarray(noise), name)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * kept)])
    with pytest.raises(DataError, match=name):
        pictures.open_rgb(path)


@pytest.mark.parametrize("content", [b"", b"not a picture", b"%!PS-Adobe-3.0 EPSF-3.0\n"])
def test_what_is_no_picture_is_refused(tmp_path, content):
    path = tmp_path / "p.jpg"
    path.write_bytes(content)
    with pytest.raises(DataError, match="not a readable picture"):
        pictures.picture_size(path)


def test_a_decompression_bomb_is_refused_before_it_is_decoded(tmp_path):
    path = saved(tmp_path, Image.new("1", (20_000, 20_000)))
    for look in (pictures.open_rgb, pictures.picture_size):
        with pytest.raises(DataError, match="decompression bomb"):
            look(path)


def test_a_missing_picture_is_named(tmp_path):
    with pytest.raises(DataError, match=r"nowhere\.png"):
        pictures.open_rgb(tmp_path / "nowhere.png")


def test_the_digest_is_that_of_the_bytes(tmp_path):
    path = tmp_path / "p"
    path.write_bytes(b"clast")
    assert pictures.sha256_of(path) == hashlib.sha256(b"clast").hexdigest()


def test_a_picture_file_can_be_sent_to_another_process(tmp_path):
    source = pictures.PictureFile(saved(tmp_path, flat("RGB", 5)))
    assert np.array_equal(pickle.loads(pickle.dumps(source))(), source())
