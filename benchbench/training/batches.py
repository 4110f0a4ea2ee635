"""Which images a step sees: a function of seed and step alone, whatever was interrupted."""

from __future__ import annotations

import torch

from benchbench.core.contracts import ImageSet
from benchbench.core.errors import DataError


class Batches:
    """Endless seeded shuffles of a training set, cut into batches.

    Every image comes once per pass; a batch may reach over the end of a pass, so that none is
    dropped.

    Args:
        images: the training set; all of one size.
        size: images per step, over all processes.
        rank, world: which process this is, of how many; each takes every `world`-th image.
    """

    def __init__(self, images: ImageSet, *, size: int, seed: int, rank: int = 0, world: int = 1) -> None:
        if len(images) == 0:
            raise DataError("no training images", fix="give the data source a number of 'train' images")
        self._images, self._size, self._seed = images, size, seed
        self._rank, self._world = rank, world
        self._order: tuple[int, list[int]] = (-1, [])

    def indices(self, step: int) -> list[int]:
        """The images of one step (from 1), for this process."""
        first = (step - 1) * self._size
        return [self._at(place) for place in range(first + self._rank, first + self._size, self._world)]

    def load(self, step: int) -> torch.Tensor:
        """The images of one step as float [N, 3, H, W] in 0..1."""
        return torch.stack([self._images[index] for index in self.indices(step)]).float().div_(255)

    def _at(self, place: int) -> int:
        epoch, offset = divmod(place, len(self._images))
        if self._order[0] != epoch:
            generator = torch.Generator().manual_seed(mix_seed(self._seed, epoch))
            self._order = (epoch, torch.randperm(len(self._images), generator=generator).tolist())
        return self._order[1][offset]


def mix_seed(seed: int, *parts: int) -> int:
    """One 63-bit seed from several numbers, unlike those of their neighbours (splitmix64)."""
    state = seed & 0xFFFFFFFFFFFFFFFF
    for part in parts:
        state = (state * 0x9E3779B97F4A7C15 + part + 0x9E3779B97F4A7C15) & 0xFFFFFFFFFFFFFFFF
        state = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) & 0xFFFFFFFFFFFFFFFF
        state = ((state ^ (state >> 27)) * 0x94D049BB133111EB) & 0xFFFFFFFFFFFFFFFF
        state ^= state >> 31
    return state >> 1
