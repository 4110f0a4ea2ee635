from __future__ import annotations

import threading

import pytest
import torch

from benchbench.core.errors import DataError
from benchbench.data.prefetch import iterate


class Counted:
    """Image i is full of i; remembers what was read, and may fail at one."""

    def __init__(self, count: int, broken: int | None = None) -> None:
        self.names = [str(index) for index in range(count)]
        self.read: list[int] = []
        self.broken = broken
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, index: int) -> torch.Tensor:
        with self._lock:
            self.read.append(index)
        if index == self.broken:
            raise DataError(f"images/{index}.png: broken image")
        return torch.full((3, 2, 2), index, dtype=torch.uint8)


def readers() -> list[threading.Thread]:
    return [each for each in threading.enumerate() if each.name.startswith("benchbench-read")]


@pytest.mark.parametrize("workers", [0, 1, 3])
def test_images_come_in_the_order_asked_for(workers):
    order = [5, 1, 1, 9, 0, 3]
    found = list(iterate(Counted(10), order, workers=workers, ahead=4))
    assert [index for index, _ in found] == order
    assert [int(image[0, 0, 0]) for _, image in found] == order
    assert not readers()


@pytest.mark.parametrize("workers", [0, 2])
def test_nothing_to_read_gives_nothing(workers):
    assert list(iterate(Counted(3), [], workers=workers, ahead=4)) == []


@pytest.mark.parametrize("workers", [0, 3])
def test_an_error_names_its_file_and_ends_the_threads(workers):
    images = Counted(100, broken=7)
    found = iterate(images, range(100), workers=workers, ahead=5)
    assert [next(found)[0] for _ in range(7)] == list(range(7))
    with pytest.raises(DataError, match=r"images/7\.png"):
        next(found)
    assert not readers()
    assert max(images.read) <= 7 + 5


def test_no_more_is_read_ahead_than_is_allowed():
    images = Counted(100)
    found = iterate(images, range(100), workers=2, ahead=6)
    for taken, _ in zip(range(1, 40), found, strict=False):
        assert len(images.read) <= taken + 6
    found.close()


def test_threads_end_when_the_consumer_stops_early():
    images = Counted(1000)
    found = iterate(images, range(1000), workers=2, ahead=6)
    next(found)
    assert readers()
    found.close()
    assert not readers()
    assert len(images.read) <= 7


def test_threads_end_when_the_consumer_raises():
    def consume() -> None:
        for index, _ in iterate(Counted(1000), range(1000), workers=2, ahead=6):
            if index == 3:
                raise RuntimeError("the consumer's own")

    with pytest.raises(RuntimeError, match="own"):
        consume()
    assert not readers()
