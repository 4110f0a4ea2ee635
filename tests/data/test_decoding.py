from __future__ import annotations

import struct
import zlib
from io import BytesIO

import numpy as np
import pytest
import torch
from PIL import Image

from benchbench.core.errors import DataError
from benchbench.data.conversion import Conversion
from benchbench.data.decoding import codec_of, decode

PIXELS = np.random.default_rng(0).integers(0, 256, (6, 9, 3), dtype=np.uint8)


def stored(picture: Image.Image, kind: str = "PNG", **save: object) -> bytes:
    buffer = BytesIO()
    picture.save(buffer, kind, **save)
    return buffer.getvalue()


def rgb() -> Image.Image:
    return Image.fromarray(PIXELS)


def test_rgb_comes_back_as_it_is():
    image = decode(stored(rgb()), "a.png", Conversion())
    assert image.shape == (3, 6, 9)
    assert image.dtype == torch.uint8
    assert np.array_equal(image.permute(1, 2, 0).numpy(), PIXELS)


@pytest.mark.parametrize("mode", ["P", "L", "1", "LA", "RGBA", "CMYK", "YCbCr"])
def test_other_modes_are_what_pillow_and_clean_fid_make_of_them(mode):
    kind = "JPEG" if mode in ("CMYK", "YCbCr") else "PNG"
    content = stored(rgb().convert(mode), kind)
    expected = np.asarray(Image.open(BytesIO(content)).convert("RGB"))
    assert np.array_equal(decode(content, "a", Conversion()).permute(1, 2, 0).numpy(), expected)


def test_sixteen_bit_grey_is_scaled_and_not_cut_off():
    content = stored(Image.fromarray(np.array([[0, 257, 300], [32768, 65535, 65400]], dtype=np.uint16)))
    assert decode(content, "a", Conversion())[0].tolist() == [[0, 1, 1], [128, 255, 254]]


@pytest.mark.parametrize(
    ("picture", "option"),
    [
        (rgb().convert("L"), "grey"),
        (rgb().convert("LA"), "grey"),
        (rgb().convert("RGBA"), "alpha"),
        (Image.fromarray(PIXELS[..., 0].astype(np.uint16) * 257), "sixteen_bit"),
    ],
)
def test_what_the_conversion_refuses_is_told_by_name(picture, option):
    with pytest.raises(DataError, match=r"^dir/a\.png: a picture ") as caught:
        decode(stored(picture), "dir/a.png", Conversion(**{option: "error"}))
    assert f"conversion.{option}" in caught.value.fix


def test_sixteen_bits_of_colour_are_refused_too():
    # Pillow writes no such file: one pixel of 16 bits per channel.
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 1, 1, 16, 2, 0, 0, 0)
    pixel = zlib.compress(b"\x00" + struct.pack(">HHH", 65535, 256, 255))
    content = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixel) + chunk(b"IEND", b"")
    assert decode(content, "a", Conversion()).flatten().tolist() == [255, 1, 0]
    with pytest.raises(DataError, match="16 bits"):
        decode(content, "a", Conversion(sixteen_bit="error"))


def test_alpha_is_dropped_or_laid_on_a_ground():
    content = stored(Image.new("RGBA", (2, 2), (200, 100, 0, 0)))
    made = {
        ground: decode(content, "a", Conversion(alpha=ground))[:, 0, 0].tolist()
        for ground in ("drop", "white", "black")
    }
    assert made == {"drop": [200, 100, 0], "white": [255, 255, 255], "black": [0, 0, 0]}


@pytest.mark.parametrize("mode", ["P", "RGB", "L"])
def test_a_transparent_colour_counts_as_alpha(mode):
    picture = Image.new(mode, (2, 2), 0)
    content = stored(picture, transparency={"P": 0, "RGB": (0, 0, 0), "L": 0}[mode])
    assert decode(content, "a", Conversion(alpha="white")).unique().tolist() == [255]
    assert decode(content, "a", Conversion()).unique().tolist() == [0]
    with pytest.raises(DataError, match="transparency"):
        decode(content, "a", Conversion(alpha="error"))


def test_a_palette_with_several_transparencies_warns_nobody():
    content = stored(rgb().quantize(8), transparency=bytes([0, 128, 255]))
    assert decode(content, "a", Conversion()).shape == (3, 6, 9)


def test_exif_orientation_is_left_alone_unless_declared():
    exif = Image.Exif()
    exif[0x0112] = 6
    content = stored(rgb(), "JPEG", exif=exif)
    assert decode(content, "a", Conversion()).shape == (3, 6, 9)
    assert decode(content, "a", Conversion(orientation="exif")).shape == (3, 9, 6)


def test_float_files_need_a_range():
    content = stored(Image.fromarray(np.array([[-1.0, 0.0, 1.0]], dtype=np.float32)), "TIFF")
    with pytest.raises(DataError, match=r"a\.tif: float pixels"):
        decode(content, "a.tif", Conversion())
    assert decode(content, "a.tif", Conversion(range="signed"))[0].tolist() == [[0, 128, 255]]


@pytest.mark.parametrize(("kind", "save"), [("PNG", {}), ("JPEG", {}), ("WEBP", {}), ("BMP", {})])
def test_a_truncated_file_is_named(kind, save):
    content = stored(rgb(), kind, **save)
    with pytest.raises(DataError, match=r"^x/broken: (broken image|not an image)") as caught:
        decode(content[: len(content) // 2], "x/broken", Conversion())
    assert "on_broken: skip" in caught.value.fix


@pytest.mark.parametrize("content", [b"", b"hello", b"\x89PNG\r\n\x1a\n"])
def test_no_image_is_named(content):
    with pytest.raises(DataError, match=r"^x/a\.png: not an image"):
        decode(content, "x/a.png", Conversion())


def test_codecs_are_told_by_content():
    kinds = ("PNG", "JPEG", "BMP", "WEBP", "TIFF", "PPM")
    assert [codec_of(stored(rgb(), kind)) for kind in kinds] == [kind.lower() for kind in kinds]
    assert codec_of(b"hello") == "unknown"
