from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from benchbench.core.errors import DataError
from benchbench.data.label_maps import read_label_map

VALUES = np.array([[0, 7, 255], [33, 1, 2]], dtype=np.uint8)


def test_grey_values_are_the_classes(tmp_path):
    Image.fromarray(VALUES).save(tmp_path / "a.png")
    found = read_label_map(tmp_path / "a.png")
    assert found.dtype == np.uint8
    assert np.array_equal(found, VALUES)
    found[0, 0] = 1


def test_of_a_palette_the_indices_are_the_classes(tmp_path):
    picture = Image.fromarray(VALUES).convert("P")
    picture.putdata(VALUES.flatten().tolist())
    picture.putpalette([(17 * index) % 256 for index in range(768)])
    picture.save(tmp_path / "p.png")
    with Image.open(tmp_path / "p.png") as opened:
        assert opened.mode == "P"
    assert np.array_equal(read_label_map(tmp_path / "p.png"), VALUES)


@pytest.mark.parametrize(
    ("picture", "told"),
    [
        (Image.fromarray(VALUES.astype(np.uint16)), "16-bit values"),
        (Image.fromarray(VALUES).convert("RGB"), r"a coloured picture \(RGB\)"),
        (Image.fromarray(VALUES).convert("RGBA"), r"a coloured picture \(RGBA\)"),
        (Image.fromarray(VALUES).convert("LA"), "grey with transparency"),
        (Image.fromarray(VALUES).convert("1"), "values of one bit"),
    ],
)
def test_other_pictures_are_no_label_maps(tmp_path, picture, told):
    picture.save(tmp_path / "x.png")
    with pytest.raises(DataError, match=f"x.png: {told}") as caught:
        read_label_map(tmp_path / "x.png")
    assert "8-bit picture of one channel" in str(caught.value)


def test_a_jpeg_has_lost_its_values(tmp_path):
    Image.fromarray(VALUES).save(tmp_path / "x.jpg")
    with pytest.raises(DataError, match="a JPEG"):
        read_label_map(tmp_path / "x.jpg")


def test_broken_and_missing_files(tmp_path):
    with pytest.raises(DataError, match="No such file"):
        read_label_map(tmp_path / "none.png")
    (tmp_path / "text.png").write_text("no picture")
    with pytest.raises(DataError, match="not an image"):
        read_label_map(tmp_path / "text.png")
    big = np.random.default_rng(0).integers(0, 255, size=(64, 64)).astype(np.uint8)
    Image.fromarray(big).save(tmp_path / "cut.png")
    content = (tmp_path / "cut.png").read_bytes()
    (tmp_path / "cut.png").write_bytes(content[: len(content) // 2])
    with pytest.raises(DataError, match="broken image"):
        read_label_map(tmp_path / "cut.png")
