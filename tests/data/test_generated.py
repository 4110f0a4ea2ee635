from __future__ import annotations

import gc
from itertools import chain, repeat

import pytest
import torch

from benchbench.core.errors import DataError
from benchbench.data.conversion import Conversion
from benchbench.data.generated import GeneratedImages

SIGNED = Conversion(range="signed")


class Maker:
    """Noise in -1..1; remembers how many images each call made."""

    def __init__(self) -> None:
        self.calls: list[int] = []

    def __call__(self, count: int, generator: torch.Generator) -> torch.Tensor:
        self.calls.append(count)
        return torch.rand(count, 3, 4, 5, generator=generator) * 2 - 1


def images(make: object = None, *, count: int = 10, seed: int = 0, batch: int = 4) -> GeneratedImages:
    return GeneratedImages(make or Maker(), count=count, seed=seed, batch=batch, conversion=SIGNED)


def test_every_image_is_made_once_whatever_is_read_first():
    make = Maker()
    turned = images(make)
    backwards = [turned[index] for index in reversed(range(10))][::-1]
    assert make.calls == [4, 4, 4]
    plain = images()
    assert all(torch.equal(plain[index], backwards[index]) for index in range(10))
    assert turned.digests == plain.digests
    assert make.calls == [4, 4, 4]
    assert len(set(plain.digests)) == 10


def test_nothing_is_made_before_it_is_asked_for():
    make = Maker()
    some = images(make)
    assert make.calls == []
    assert some[9].shape == (3, 4, 5)
    assert make.calls == [4]


def test_an_image_does_not_depend_on_the_count():
    assert images(count=9).digests == images(count=50).digests[:9]


def test_the_seed_counts():
    assert images(seed=1).digest != images(seed=0).digest == images(seed=0).digest


def test_global_seeds_are_neither_used_nor_moved():
    before = torch.random.get_rng_state()
    first = images().digest
    assert torch.equal(torch.random.get_rng_state(), before)
    torch.rand(3)
    assert images().digest == first


def test_pixels_are_rounded():
    exact = images(lambda count, generator: torch.full((count, 3, 2, 2), 0.004), count=1, batch=1)
    assert exact[0].unique().tolist() == [round((0.004 + 1) / 2 * 255)]


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda count, generator: torch.zeros(count + 1, 3, 4, 4), r"\[5, 3, 4, 4\] came"),
        (lambda count, generator: torch.zeros(count, 1, 4, 4), r"\[4, 1, 4, 4\] came"),
        (lambda count, generator: [1, 2], "list came"),
        (lambda count, generator: 1 / 0, "batch 0 failed, ZeroDivisionError"),
        (
            lambda count, generator: torch.zeros(count, 3, 4, 4) + 2,
            r"generated images\[0\]: pixels from 2 to 2",
        ),
    ],
)
def test_what_is_no_images_is_told(make, told):
    with pytest.raises(DataError, match=told):
        images(make)[0]


def test_nan_names_its_image():
    def make(count: int, generator: torch.Generator) -> torch.Tensor:
        made = torch.zeros(count, 3, 4, 4)
        made[2] = float("nan")
        return made

    with pytest.raises(DataError, match=r"generated images\[6\]: pixels that are NaN"):
        images(make)[5]


def test_sizes_may_not_change():
    sizes = chain([4], repeat(5))
    with pytest.raises(DataError, match=r"\[3, 5, 5\] after \[3, 4, 4\]"):
        _ = images(lambda count, generator: torch.zeros(count, 3, *[next(sizes)] * 2)).digests


@pytest.mark.parametrize(("count", "batch"), [(0, 4), (4, 0)])
def test_nothing_cannot_be_made(count, batch):
    with pytest.raises(DataError, match="in batches of"):
        images(count=count, batch=batch)


def test_the_file_is_closed_with_its_images():
    some = images()
    file = some._file
    _ = some[0]
    del some
    gc.collect()
    assert file.closed
