from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from benchbench.core.errors import DataError
from benchbench.data.collection import ImageSequence
from benchbench.data.conversion import Conversion
from benchbench.data.generated import GeneratedImages
from benchbench.data.open import open_images

PIXELS = np.random.default_rng(0).integers(0, 256, (5, 6, 8, 3), dtype=np.uint8)


class Named:
    names = tuple("abcde")

    def __len__(self) -> int:
        return 5

    def __getitem__(self, index: int) -> torch.Tensor:
        return torch.from_numpy(PIXELS[index]).permute(2, 0, 1)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "images").mkdir()
    for index, pixels in enumerate(PIXELS):
        Image.fromarray(pixels).save(tmp_path / "images" / f"{index}.png")
    return tmp_path


def test_pixels_are_the_same_wherever_they_are(folder):
    np.savez(folder / "a.NPZ.npz", PIXELS)
    np.save(folder / "a.npy", PIXELS)
    sources = [
        folder / "images",
        str(folder / "images"),
        folder / "a.NPZ.npz",
        folder / "a.npy",
        PIXELS,
        torch.from_numpy(PIXELS).permute(0, 3, 1, 2),
        list(torch.from_numpy(PIXELS).permute(0, 3, 1, 2)),
        Named(),
    ]
    for source in sources:
        images = open_images(source)
        assert len(images) == 5
        assert np.array_equal(images[4].permute(1, 2, 0).numpy(), PIXELS[4])
        assert len(open_images(source, limit=3).digests) == 3


def test_an_image_set_keeps_its_names():
    assert open_images(Named()).names == Named.names


def test_a_collection_is_taken_as_it_is_and_nothing_is_read():
    made = []

    def make(count: int, generator: torch.Generator) -> torch.Tensor:
        made.append(count)
        return torch.zeros(count, 3, 4, 4)

    images = GeneratedImages(make, count=3, seed=0, batch=2, conversion=Conversion(range="unit"))
    assert open_images(images) is images
    assert made == []
    plain = ImageSequence(Named())
    assert open_images(plain) is plain


def test_a_tensor_has_its_channels_first():
    with pytest.raises(DataError, match=r"Tensor: images of shape \[6, 8, 3\]"):
        open_images(torch.from_numpy(PIXELS))


@pytest.mark.parametrize("name", ["nothing", "nothing.zip", "a.png", "a.txt"])
def test_a_path_that_is_no_collection_says_what_would_be_one(tmp_path, name):
    Image.new("RGB", (4, 4)).save(tmp_path / "a.png")
    (tmp_path / "a.txt").write_text("x")
    with pytest.raises(DataError) as caught:
        open_images(tmp_path / name)
    assert str(tmp_path) in caught.value.problem
    assert caught.value.expected


def test_an_empty_path_is_not_this_folder():
    with pytest.raises(DataError, match="an empty path"):
        open_images("")


@pytest.mark.parametrize("what", [3, None, iter([]), object()])
def test_other_things_hold_no_images(what):
    with pytest.raises(DataError, match="holds no images that are known here"):
        open_images(what)
