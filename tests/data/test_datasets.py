from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import Dataset, TensorDataset

from benchbench.core.errors import DataError
from benchbench.data.arrays import ArrayImages
from benchbench.data.conversion import Conversion
from benchbench.data.datasets import DatasetImages

PIXELS = torch.randint(0, 256, (5, 3, 6, 8), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
SIGNED = Conversion(range="signed")


def opened(items: Any, **changes: object) -> DatasetImages:
    return DatasetImages(items, "dataset", conversion=Conversion(**changes))


@pytest.mark.parametrize(
    "items",
    [
        list(PIXELS),
        [(image, 3) for image in PIXELS],
        [Image.fromarray(image.permute(1, 2, 0).numpy()) for image in PIXELS],
        [image.permute(1, 2, 0).numpy() for image in PIXELS],
        TensorDataset(PIXELS),
        TensorDataset(PIXELS.float() / 255),
    ],
)
def test_items_of_every_kind_are_the_same_images(items):
    images = opened(items, range="unit")
    assert all(torch.equal(images[index], PIXELS[index]) for index in range(5))
    assert images.digests == ArrayImages(PIXELS, "x", conversion=Conversion()).digests


def test_labels_come_with_the_items():
    assert opened([(image, index * 2) for index, image in enumerate(PIXELS)]).labels == (0, 2, 4, 6, 8)
    assert opened(TensorDataset(PIXELS, torch.arange(5))).labels == (0, 1, 2, 3, 4)
    assert opened([(image, np.int64(7)) for image in PIXELS]).labels == (7,) * 5
    assert opened([(image, "cat") for image in PIXELS]).labels is None
    assert opened(list(PIXELS)).labels is None


def test_pictures_are_converted_as_declared():
    grey = [Image.new("L", (8, 6), 9)]
    assert opened(grey)[0].unique().tolist() == [9]
    with pytest.raises(DataError, match=r"^dataset\[0\]: a picture greyscale"):
        opened(grey, grey="error")[0]


@pytest.mark.parametrize("item", ["text", 3, None, (), torch.zeros(6, 8), torch.zeros(2, 6, 8)])
def test_items_that_are_no_images_are_named(item):
    with pytest.raises(DataError, match=r"^dataset\[0\]: "):
        opened([item], range="unit")[0]


def test_an_item_that_fails_is_named():
    class Failing(Dataset[torch.Tensor]):
        def __len__(self) -> int:
            return 3

        def __getitem__(self, index: int) -> torch.Tensor:
            if index == 2:
                raise FileNotFoundError("2.png is gone")
            return PIXELS[index]

    images = opened(Failing())
    assert torch.equal(images[1], PIXELS[1])
    with pytest.raises(DataError, match=r"^dataset\[2\]: FileNotFoundError: 2\.png is gone"):
        _ = images.digests


def test_a_dataset_that_changes_is_refused():
    class Flipping(Dataset[torch.Tensor]):
        calls = 0

        def __len__(self) -> int:
            return 3

        def __getitem__(self, index: int) -> torch.Tensor:
            self.calls += 1
            return PIXELS[index].roll(self.calls, dims=1)

    with pytest.raises(DataError, match="item 0 is another image each time"):
        _ = opened(Flipping()).digests


def test_an_empty_dataset():
    with pytest.raises(DataError, match="no items"):
        opened([])
