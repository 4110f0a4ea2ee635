from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from benchbench.core.errors import DataError
from benchbench.quality.resize import _resize_dense, resize

# (height, width) -> side: the usual ones, odd ones, one axis alone, both ways at once, hardly any pixels.
SIZES = [
    ((256, 256), 299),
    ((64, 64), 299),
    ((512, 384), 299),
    ((37, 53), 299),
    ((299, 64), 299),
    ((64, 299), 299),
    ((700, 33), 299),
    ((300, 298), 299),
    ((1, 2), 299),
    ((101, 67), 32),
    ((20, 20), 21),
]


def cleanfid_resizer(library: str, method: str, side: int) -> Callable[[Any], Any]:
    from benchbench.core.torchvision_schemas import declare_missing_operators

    declare_missing_operators()
    from cleanfid.resize import make_resizer

    made: Callable[[Any], Any] = make_resizer(library, False, method, (side, side))
    return made


def pictures(height: int, width: int, *, count: int = 2, seed: int = 0) -> Tensor:
    drawn = np.random.default_rng(seed).integers(0, 256, (count, 3, height, width), dtype=np.uint8)
    return torch.from_numpy(drawn)


def one_by_one(resizer: Callable[[Any], Any], images: Tensor) -> Tensor:
    made = [resizer(image.permute(1, 2, 0).numpy()) for image in images]
    return torch.from_numpy(np.stack(made)).permute(0, 3, 1, 2)


@pytest.mark.parametrize(("size", "side"), SIZES)
@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32])
def test_clean_is_clean_fids(size: tuple[int, int], side: int, dtype: torch.dtype) -> None:
    images = pictures(*size).to(dtype)
    if dtype == torch.float32:
        images = (images * 0.997 + 0.3).clamp(0, 255)
    wanted = one_by_one(cleanfid_resizer("PIL", "bicubic", side), images)
    made = resize(images, side=side, how="clean")
    assert made.dtype == torch.float32
    assert made.shape == (2, 3, side, side)
    assert float((made - wanted).abs().max()) <= 1e-4


@pytest.mark.parametrize(("size", "side"), SIZES)
def test_legacy_is_clean_fids(size: tuple[int, int], side: int) -> None:
    images = pictures(*size)
    wanted = one_by_one(cleanfid_resizer("PyTorch", "bilinear", side), images)
    made = resize(images, side=side, how="legacy")
    assert made.dtype == torch.float32
    assert float((made - wanted).abs().max()) <= 1e-5


@pytest.mark.parametrize(("size", "side"), [((256, 256), 299), ((101, 67), 32), ((64, 299), 299)])
def test_every_device_resizes_alike(size: tuple[int, int], side: int) -> None:
    # The products that a GPU makes run on any device.
    images = pictures(*size)
    dense = _resize_dense(images, side)
    assert dense.dtype == torch.float32
    assert float((dense - resize(images, side=side, how="clean")).abs().max()) <= 1e-4


def test_overshoot_is_clipped() -> None:
    images = torch.zeros(1, 3, 40, 40, dtype=torch.uint8)
    images[:, :, :, 20:] = 255
    made = resize(images, side=299, how="clean")
    assert float(made.min()) == 0
    assert float(made.max()) == 255


def test_channels_and_images_do_not_mix() -> None:
    # More of them than one product takes.
    images = pictures(30, 40, count=9)
    made = resize(images, side=50, how="clean")
    for index in range(9):
        for channel in range(3):
            pillow = Image.fromarray(images[index, channel].numpy().astype(np.float32)).resize(
                (50, 50), resample=Image.Resampling.BICUBIC
            )
            wanted = torch.from_numpy(np.array(pillow)).clamp(0, 255)
            assert float((made[index, channel] - wanted).abs().max()) <= 1e-4


@pytest.mark.parametrize("how", ["clean", "legacy", "none"])
def test_the_right_size_stays_as_it_is(how: Any) -> None:
    images = pictures(64, 64)
    made = resize(images, side=64, how=how)
    assert made.dtype == torch.float32
    assert torch.equal(made, images.float())


@pytest.mark.parametrize("how", ["clean", "legacy", "none"])
@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32])
def test_the_images_are_left_alone(how: Any, dtype: torch.dtype) -> None:
    images = pictures(64, 64).to(dtype)
    before = images.clone()
    resize(images, side=64, how=how)
    resize(images, side=80, how="clean")
    assert torch.equal(images, before)


def test_memory_order_does_not_matter() -> None:
    images = pictures(48, 36)
    turned = images.contiguous(memory_format=torch.channels_last)
    assert torch.equal(resize(turned, side=99, how="clean"), resize(images, side=99, how="clean"))


def test_none_refuses_another_size_and_names_both() -> None:
    with pytest.raises(DataError, match=r"80 x 64 pixels.*299 x 299"):
        resize(pictures(64, 80), side=299, how="none")


def test_it_runs_in_inference_mode() -> None:
    images = pictures(20, 30)
    with torch.inference_mode():
        made = resize(images, side=31, how="clean")
    assert torch.equal(made, resize(images, side=31, how="clean"))


def test_the_number_of_threads_is_left_alone() -> None:
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        resize(pictures(20, 30), side=31, how="clean")
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
