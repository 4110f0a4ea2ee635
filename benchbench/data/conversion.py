"""How pixels become RGB bytes: declared, because every choice of it moves a score."""

from __future__ import annotations

from typing import Literal

import torch

from benchbench.core.errors import DataError
from benchbench.core.model import Options

# What may lie outside of the declared range, as a part of it: rounding, and no more.
_SLACK = 1e-3
_RANGES = {"signed": (-1.0, 1.0), "unit": (0.0, 1.0), "byte": (0.0, 255.0)}
_FLOATS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)


class Conversion(Options):
    """What is done with images that are not 8-bit RGB.

    Attributes:
        grey: `repeat` makes three equal channels.
        alpha: `drop` forgets it, as Pillow's convert("RGB") and clean-fid do; `white` and `black` lay the
            picture on that ground.
        sixteen_bit: `scale` brings 65535 to 255: greyscale by division, rounded; of colours Pillow keeps
            the upper byte. clean-fid cuts 16-bit greyscale off at 255 instead.
        orientation: `as_stored` leaves the EXIF orientation alone, as clean-fid does; `exif` obeys it.
        on_broken: `skip` leaves out files that are truncated or no image, and lists them; every file is
            decoded once more for that.
        range: of float pixels, -1..1 (`signed`), 0..1 (`unit`) or 0..255 (`byte`); never guessed.
        outside: float pixels beyond their range by more than a thousandth of it: an `error`, or `clip`.
        quantise: float pixels to bytes: to the nearest, or downwards as `.byte()` does.
    """

    grey: Literal["repeat", "error"] = "repeat"
    alpha: Literal["drop", "white", "black", "error"] = "drop"
    sixteen_bit: Literal["scale", "error"] = "scale"
    orientation: Literal["as_stored", "exif"] = "as_stored"
    on_broken: Literal["error", "skip"] = "error"
    range: Literal["signed", "unit", "byte"] | None = None
    outside: Literal["error", "clip"] = "error"
    quantise: Literal["round", "floor"] = "round"


def check_dtype(dtype: torch.dtype, conversion: Conversion, *, name: str) -> None:
    """Whether pixels of this kind can become bytes at all.

    Raises:
        DataError: integers other than uint8, or floats whose range nobody declares.
    """
    if dtype == torch.uint8:
        return
    if dtype not in _FLOATS:
        raise DataError(
            f"{name}: pixels of {str(dtype).removeprefix('torch.')}",
            expected="uint8 in 0..255, or floats of a declared range",
            fix="convert them to uint8",
        )
    if conversion.range is None:
        raise DataError(
            f"{name}: float pixels, and nothing says their range",
            expected="a declared range: signed (-1..1), unit (0..1) or byte (0..255)",
            fix="look at their least and largest value, then declare conversion.range",
        )


def to_bytes(pixels: torch.Tensor, conversion: Conversion, *, name: str) -> torch.Tensor:
    """Pixels of one image as uint8 of the same shape; floats as their declared range and quantisation say.

    Raises:
        DataError: floats without a declared range, not finite, or beyond it; another kind of pixels.
    """
    check_dtype(pixels.dtype, conversion, name=name)
    if pixels.dtype == torch.uint8 or conversion.range is None:
        return pixels
    low, high = _RANGES[conversion.range]
    values = pixels.double()
    if not torch.isfinite(values).all():
        raise DataError(
            f"{name}: pixels that are NaN or infinite", expected="finite pixels", fix="look at what made them"
        )
    slack = (high - low) * _SLACK
    if conversion.outside == "error" and (values.min() < low - slack or values.max() > high + slack):
        raise DataError(
            f"{name}: pixels from {float(values.min()):.4g} to {float(values.max()):.4g}",
            expected=f"{low:g}..{high:g}, as conversion.range: {conversion.range} declares",
            fix="declare the right range, or cut them off with conversion.outside: clip",
        )
    scaled = (values - low) / (high - low) * 255
    # A hair below a whole number is that number, whatever float32 made of it.
    whole = scaled.round() if conversion.quantise == "round" else (scaled + 1e-4).floor()
    return whole.clamp(0, 255).to(torch.uint8)


def to_rgb(image: torch.Tensor, conversion: Conversion, *, name: str) -> torch.Tensor:
    """uint8 [1, 3 or 4, H, W] as [3, H, W], grey and alpha as declared.

    Raises:
        DataError: another number of channels, or one that the conversion refuses.
    """
    channels = image.shape[0]
    if channels == 1:
        refuse(name, "grey", conversion)
        return image.expand(3, -1, -1).contiguous()
    if channels == 4:
        refuse(name, "alpha", conversion)
        if conversion.alpha == "drop":
            return image[:3].contiguous()
        ground = 255.0 if conversion.alpha == "white" else 0.0
        alpha = image[3:].float() / 255
        return (image[:3].float() * alpha + ground * (1 - alpha)).round().to(torch.uint8)
    if channels != 3:
        raise DataError(f"{name}: {channels} channels", expected="3 channels, or 1 of grey, or 4 with alpha")
    return image.contiguous()


def refuse(name: str, kind: Literal["grey", "alpha", "sixteen_bit"], conversion: Conversion) -> None:
    """Nothing, or the error that the conversion asks for where a picture is of this kind.

    Raises:
        DataError: the conversion says `error`.
    """
    if getattr(conversion, kind) == "error":
        told = {"grey": "greyscale", "alpha": "with transparency", "sixteen_bit": "of 16 bits"}[kind]
        raise DataError(
            f"{name}: a picture {told}",
            expected=f"none, as conversion.{kind}: error says",
            fix=f"convert it, or declare how with conversion.{kind}",
        )
