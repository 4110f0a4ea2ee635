from __future__ import annotations

import pytest
import torch

from benchbench.core.errors import DataError, UnknownNameError
from benchbench.data.images import digest_of, open_image, read_image, resize_shorter, write_png


def test_a_picture_survives_png(tmp_path):
    image = torch.randint(0, 256, (3, 5, 7), generator=torch.Generator().manual_seed(0)).to(torch.uint8)
    write_png(tmp_path / "new" / "a.png", image)
    assert torch.equal(read_image(tmp_path / "new" / "a.png"), image)
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["a.png"]


def test_floats_are_clamped_and_rounded(tmp_path):
    write_png(tmp_path / "a.png", torch.tensor([-1.0, 0.5, 2.0]).view(3, 1, 1))
    assert read_image(tmp_path / "a.png").flatten().tolist() == [0, 128, 255]


def test_a_style_picture_by_name_is_a_square():
    assert open_image("coffee", size=64).shape == (3, 64, 64)


def test_a_style_picture_that_is_not_there(tmp_path):
    with pytest.raises(UnknownNameError, match="unknown photograph 'cofee'"):
        open_image("cofee")
    with pytest.raises(DataError, match="cannot be read"):
        open_image(str(tmp_path / "style.png"))


def test_resizing_keeps_the_ratio_and_averages():
    checkerboard = (torch.arange(64).view(8, 8).sum(0) * 0 + (torch.arange(8) % 2) * 255).expand(3, 8, 8)
    small = resize_shorter(checkerboard.to(torch.uint8), 2)
    assert small.shape == (3, 2, 2)
    assert (small.float() - 127).abs().max() < 30
    assert resize_shorter(torch.zeros(3, 10, 25, dtype=torch.uint8), 20).shape == (3, 20, 50)


def test_a_digest_sees_pixels_and_shape():
    zeros = torch.zeros(3, 2, 4, dtype=torch.uint8)
    assert digest_of([zeros]) == digest_of([zeros.clone()])
    assert digest_of([zeros]) != digest_of([zeros.view(3, 4, 2)])
    assert digest_of([zeros]) != digest_of([zeros + 1])
