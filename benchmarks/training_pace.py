"""Steps of the training loop, timed one by one, with other work between them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import torch

from benchbench.core.examples import Batch, ExampleSet, ImageSet
from benchbench.core.training import TrainingTask


class Counted:
    """A training set that knows how many examples it gave."""

    fields: tuple[str, ...] = ("image",)
    inputs: ImageSet | None = None

    def __init__(self, images: ImageSet) -> None:
        self._images, self.given, self.seconds = images, 0, 0.0
        self.names = images.names
        self._example = images.example if isinstance(images, ExampleSet) else self._image_alone

    def __len__(self) -> int:
        return len(self._images)

    def __getitem__(self, index: int) -> torch.Tensor:
        return self._images[index]

    def example(self, index: int, draw: int) -> Batch:
        """As the set's own."""
        began = time.perf_counter()
        found = self._example(index, draw)
        self.seconds += time.perf_counter() - began
        self.given += 1
        return found

    def _image_alone(self, index: int, draw: int) -> Batch:
        return {"image": self._images[index]}


class Moment(NamedTuple):
    """Seconds on the wall, and of computing by all threads of this process."""

    wall_s: float
    cpu_s: float

    def since(self, other: Moment) -> Moment:
        """What has passed between the two."""
        return Moment(self.wall_s - other.wall_s, self.cpu_s - other.cpu_s)


@dataclass
class Periods:
    """Whole steps of the loop, each beside the bare step after it; seconds of reading a batch."""

    loop: list[Moment] = field(default_factory=list)
    bare: list[Moment] = field(default_factory=list)
    read_s: list[float] = field(default_factory=list)

    @property
    def ratios(self) -> list[float]:
        """Loop over bare on the wall, step by step."""
        return [ours.wall_s / theirs.wall_s for ours, theirs in zip(self.loop, self.bare, strict=True)]

    @property
    def cpu_ratios(self) -> list[float]:
        """The same in computing time, which other processes change less."""
        return [ours.cpu_s / theirs.cpu_s for ours, theirs in zip(self.loop, self.bare, strict=True)]


class Paced:
    """The recipe's task, with a bare step after every one of its own; what it leaves alone it passes on."""

    def __init__(self, task: TrainingTask, pace: Callable[[int], None]) -> None:
        self._task, self._pace = task, pace

    def __getattr__(self, name: str) -> Any:
        return getattr(self._task, name)

    def losses(self, batch: Batch, step: int) -> Iterator[tuple[str, Mapping[str, torch.Tensor]]]:
        """The recipe's; behind the last one its optimiser has moved."""
        yield from self._task.losses(batch, step)
        self._pace(step)
