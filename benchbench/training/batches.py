"""Which examples a step sees: a function of seed and step alone, whatever was interrupted."""

from __future__ import annotations

from collections.abc import Mapping

import torch

from benchbench.core.errors import DataError
from benchbench.core.examples import Batch, ExampleSet, ImageSet
from benchbench.data.collate import collate


class Batches:
    """Endless seeded shuffles of a training set, cut into batches.

    Every image comes once per pass; a batch may reach over the end of a pass, so that none is
    dropped.

    Args:
        images: the training set; all of one size.
        size: images per step, over all processes.
        rank, world: which process this is, of how many; each takes every `world`-th image.

    Raises:
        DataError: no training images, or fewer than a batch.
    """

    def __init__(self, images: ImageSet, *, size: int, seed: int, rank: int = 0, world: int = 1) -> None:
        if len(images) == 0:
            raise DataError("no training images", fix="give the data source a number of 'train' images")
        if len(images) < size:
            raise DataError(
                f"batch: {size}, and there are {len(images)} training images",
                expected=f"a batch of at most {len(images)}",
                fix="lower 'batch', or give the data source more 'train' images",
            )
        self._images, self._size, self._seed = images, size, seed
        # Asked once: whether a set is one of examples takes longer to find out than to load one from memory.
        self._example = images.example if isinstance(images, ExampleSet) else self._image_alone
        self._rank, self._world = rank, world
        self._order: tuple[int, list[int]] = (-1, [])

    def indices(self, step: int) -> list[int]:
        """The images of one step (from 1), for this process."""
        return [index for index, _ in self.places(step)]

    def places(self, step: int) -> list[tuple[int, int]]:
        """Image and seed of what is random in its example, for each of one step's images."""
        first = (step - 1) * self._size
        own = range(first + self._rank, first + self._size, self._world)
        return [(self._at(place), mix_seed(self._seed, place, 1)) for place in own]

    def load(self, step: int) -> Batch:
        """The examples of one step."""
        return collate([self._example(index, draw) for index, draw in self.places(step)])

    def _image_alone(self, index: int, draw: int) -> Batch:
        return {"image": self._images[index]}

    def _at(self, place: int) -> int:
        epoch, offset = divmod(place, len(self._images))
        if self._order[0] != epoch:
            generator = torch.Generator().manual_seed(mix_seed(self._seed, epoch))
            self._order = (epoch, torch.randperm(len(self._images), generator=generator).tolist())
        return self._order[1][offset]


def move(batch: Mapping[str, torch.Tensor], device: torch.device, layout: torch.memory_format) -> Batch:
    """The batch on a device, its pictures in the layout of the networks."""
    moved = {
        # Even where there is nothing to do, `to` lets the thread that reads ahead in first.
        name: value if value.device == device else value.to(device, non_blocking=True)
        for name, value in batch.items()
    }
    return {
        name: value.contiguous(memory_format=layout) if value.dim() == 4 else value
        for name, value in moved.items()
    }


def seed_device(seed: int, device: torch.device) -> None:
    """Seeds torch's generators that a training on `device` draws from.

    On a CPU its one alone: `torch.manual_seed` takes 60 times as long, to note the seed for devices that are
    not there.
    """
    if device.type == "cpu":
        torch.default_generator.manual_seed(seed)
    else:
        torch.manual_seed(seed)


def mix_seed(seed: int, *parts: int) -> int:
    """One 63-bit seed from several numbers, unlike those of their neighbours (splitmix64)."""
    state = seed & 0xFFFFFFFFFFFFFFFF
    for part in parts:
        state = (state * 0x9E3779B97F4A7C15 + part + 0x9E3779B97F4A7C15) & 0xFFFFFFFFFFFFFFFF
        state = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) & 0xFFFFFFFFFFFFFFFF
        state = ((state ^ (state >> 27)) * 0x94D049BB133111EB) & 0xFFFFFFFFFFFFFFFF
        state ^= state >> 31
    return state >> 1
