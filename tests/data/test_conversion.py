from __future__ import annotations

import pytest
import torch

from benchbench.core.errors import DataError
from benchbench.data.conversion import Conversion, to_bytes, to_rgb


@pytest.mark.parametrize(
    ("declared", "values"),
    [("unit", [0.0, 0.5, 1.0]), ("signed", [-1.0, 0.0, 1.0]), ("byte", [0.0, 127.5, 255.0])],
)
def test_ranges_are_those_that_are_declared(declared, values):
    pixels = torch.tensor(values)
    assert to_bytes(pixels, Conversion(range=declared), name="x").tolist() == [0, 128, 255]
    assert to_bytes(pixels, Conversion(range=declared, quantise="floor"), name="x").tolist() == [0, 127, 255]


@pytest.mark.parametrize("quantise", ["round", "floor"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("declared", ["unit", "signed"])
def test_every_byte_comes_back_from_floats(quantise, dtype, declared):
    bytes_ = torch.arange(256)
    pixels = bytes_.to(dtype) / 255
    pixels = pixels * 2 - 1 if declared == "signed" else pixels
    made = to_bytes(pixels, Conversion(range=declared, quantise=quantise), name="x")
    assert torch.equal(made, bytes_.to(torch.uint8))


def test_floats_without_a_range_are_refused():
    with pytest.raises(DataError, match=r"^x: float pixels"):
        to_bytes(torch.zeros(3), Conversion(), name="x")


@pytest.mark.parametrize("dtype", [torch.int64, torch.int8, torch.bool])
def test_other_integers_are_refused(dtype):
    with pytest.raises(DataError, match="pixels of"):
        to_bytes(torch.zeros(3, dtype=dtype), Conversion(range="byte"), name="x")


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize("outside", ["error", "clip"])
def test_nan_and_infinity_are_refused_and_never_clipped(value, outside):
    with pytest.raises(DataError, match=r"^batch\[3\]: pixels that are NaN or infinite"):
        to_bytes(torch.tensor([0.0, value]), Conversion(range="unit", outside=outside), name="batch[3]")


def test_what_lies_outside_of_the_range_is_refused_or_clipped():
    pixels = torch.tensor([-0.5, 1.5])
    with pytest.raises(DataError, match=r"from -0\.5 to 1\.5") as caught:
        to_bytes(pixels, Conversion(range="unit"), name="x")
    assert "clip" in caught.value.fix
    assert to_bytes(pixels, Conversion(range="unit", outside="clip"), name="x").tolist() == [0, 255]


def test_rounding_beyond_the_range_is_forgiven():
    assert to_bytes(torch.tensor([-1.0005, 1.0005]), Conversion(range="signed"), name="x").tolist() == [
        0,
        255,
    ]


def test_channels_become_three_as_declared():
    grey, four = torch.full((1, 2, 2), 7, dtype=torch.uint8), torch.full((4, 2, 2), 100, dtype=torch.uint8)
    four[3] = 51
    assert to_rgb(grey, Conversion(), name="x").unique().tolist() == [7]
    assert to_rgb(four, Conversion(), name="x").unique().tolist() == [100]
    assert to_rgb(four, Conversion(alpha="white"), name="x").unique().tolist() == [224]
    assert to_rgb(four, Conversion(alpha="black"), name="x").unique().tolist() == [20]
    for image, changes in ((grey, {"grey": "error"}), (four, {"alpha": "error"})):
        with pytest.raises(DataError, match=r"^x: a picture"):
            to_rgb(image, Conversion(**changes), name="x")
    with pytest.raises(DataError, match="2 channels"):
        to_rgb(torch.zeros(2, 2, 2, dtype=torch.uint8), Conversion(), name="x")
