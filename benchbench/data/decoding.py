"""Image files to RGB bytes, converted as declared."""

from __future__ import annotations

import struct
import zlib
from io import BytesIO

import numpy as np
import torch
from PIL import Image, ImageOps, UnidentifiedImageError

from benchbench.core.errors import DataError
from benchbench.data.conversion import Conversion, refuse, to_bytes
from benchbench.data.images import to_tensor

_WITH_ALPHA = ("RGBA", "LA", "PA", "La", "RGBa")
_GREY = ("L", "1", "LA", "La", "F", "I")
# What Pillow's decoders raise on damaged files, one or another.
_DAMAGED = (
    OSError,
    SyntaxError,
    ValueError,
    EOFError,
    TypeError,
    LookupError,
    ArithmeticError,
    AttributeError,
    MemoryError,
    struct.error,
    zlib.error,
    Image.DecompressionBombError,
)
_SIGNATURES = (
    (b"\x89PNG\r\n", "png"),
    (b"\xff\xd8\xff", "jpeg"),
    (b"BM", "bmp"),
    (b"II*\x00", "tiff"),
    (b"MM\x00*", "tiff"),
    *((b"P%d" % number, "ppm") for number in range(1, 7)),
)


def codec_of(content: bytes) -> str:
    """What a file is stored as by its first bytes, whatever it is called; `unknown` for no picture."""
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        return "webp"
    return next((codec for start, codec in _SIGNATURES if content.startswith(start)), "unknown")


def decode(content: bytes, name: str, conversion: Conversion) -> torch.Tensor:
    """An image file's bytes as uint8 [3, H, W]; of several pictures the first.

    Raises:
        DataError: not an image, a truncated one, or of a kind that the conversion refuses.
    """
    picture, deep = load(content, name, conversion)
    if deep:
        refuse(name, "sixteen_bit", conversion)
    return to_tensor(as_rgb(picture, name, conversion))


def load(content: bytes, name: str, conversion: Conversion) -> tuple[Image.Image, bool]:
    """The whole picture in the mode that it is stored in, and whether it has 16 bits per channel.

    Raises:
        DataError: not an image, or a broken one.
    """
    try:
        with Image.open(BytesIO(content)) as opened:
            # Of 16-bit colour Pillow tells nothing once it is loaded.
            deep = opened.mode.startswith("I") or any(
                ";16" in str(tile[3]) for tile in getattr(opened, "tile", ())
            )
            opened.load()
            upright = ImageOps.exif_transpose(opened) if conversion.orientation == "exif" else opened
            return upright, deep
    except _DAMAGED as error:
        told = str(error) or type(error).__name__
        reason = "not an image" if isinstance(error, UnidentifiedImageError) else f"broken image ({told})"
        raise DataError(
            f"{name}: {reason}",
            expected="a whole picture that Pillow can read",
            fix="remove or replace the file, or pass over such files with conversion.on_broken: skip",
        ) from None


def as_rgb(picture: Image.Image, name: str, conversion: Conversion) -> Image.Image:
    """A picture of any mode as RGB, converted as declared.

    Raises:
        DataError: of a kind that the conversion refuses.
    """
    transparent = picture.mode in _WITH_ALPHA or "transparency" in picture.info
    if transparent:
        refuse(name, "alpha", conversion)
    if picture.mode in _GREY or picture.mode.startswith("I;16"):
        refuse(name, "grey", conversion)
    if picture.mode.startswith("I"):
        picture = _from_sixteen_bits(picture, name)
    elif picture.mode == "F":
        floats = torch.from_numpy(np.array(picture, dtype=np.float64))
        picture = Image.fromarray(to_bytes(floats, conversion, name=name).numpy())
    if not transparent:
        return picture.convert("RGB")
    whole = picture.convert("RGBA")
    if conversion.alpha in ("white", "black"):
        whole = Image.alpha_composite(Image.new("RGBA", whole.size, conversion.alpha), whole)
    return whole.convert("RGB")


def _from_sixteen_bits(picture: Image.Image, name: str) -> Image.Image:
    values = np.asarray(picture, dtype=np.float64)
    if values.min() < 0 or values.max() > 65535:
        raise DataError(
            f"{name}: pixels from {values.min():.0f} to {values.max():.0f}",
            expected="8 or 16 bits per channel",
            fix="convert it to 8 bits",
        )
    # Pillow's own conversion cuts off at 255 instead of scaling.
    return Image.fromarray(np.rint(values / 257).astype(np.uint8))
