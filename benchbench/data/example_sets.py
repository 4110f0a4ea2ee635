"""Images with more than their pixels, whatever the images are: files of the user's, crops of photographs."""

from __future__ import annotations

import random
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Protocol

import torch

from benchbench.core.examples import Batch, ImageSet


class Drawn(Protocol):
    """What an example shows a view of."""

    def draw(self, index: int, seed: str) -> torch.Tensor:
        """What is random in it depends on `seed` alone: two that are drawn with one seed still fit."""
        ...


class DrawnImages(ImageSet, Drawn, Protocol):
    """Images as they are, and as examples show them."""


class Examples(ABC):
    """An ExampleSet over images.

    Args:
        images: what a generator is to make.
        inputs: see ExampleSet.
    """

    fields: tuple[str, ...]

    def __init__(self, images: DrawnImages, inputs: ImageSet | None = None) -> None:
        self.images, self.inputs = images, inputs
        self.names: Sequence[str] = images.names

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> torch.Tensor:
        return self.images[index]

    @abstractmethod
    def example(self, index: int, draw: int) -> Batch:
        """The fields; see ExampleSet."""


class AlignedSet(Examples):
    """Images and what lies on each of them pixel by pixel; all of it is cut and turned alike.

    Args:
        images: what a generator is to make.
        beside: by field, what has at `i` what belongs to image `i`.
        inputs: see ExampleSet.
    """

    def __init__(
        self, images: DrawnImages, beside: Mapping[str, Drawn], *, inputs: ImageSet | None = None
    ) -> None:
        super().__init__(images, inputs)
        self.fields = ("image", *beside)
        self._drawn: Mapping[str, Drawn] = {"image": images, **beside}

    def example(self, index: int, draw: int) -> Batch:
        """The fields, of one view; see ExampleSet."""
        return {name: each.draw(index, f"{draw}/{index}/view") for name, each in self._drawn.items()}


class LabelledSet(Examples):
    """Images and their attributes; the target is what another image has, by draw.

    Args:
        images: what the attributes are to be seen on.
        attributes: float32 [N, A], of 0 and 1.
    """

    fields = ("image", "attributes", "target")

    def __init__(self, images: DrawnImages, attributes: torch.Tensor) -> None:
        super().__init__(images)
        self.attributes = attributes

    def example(self, index: int, draw: int) -> Batch:
        """The fields image, attributes and target; see ExampleSet."""
        other = random.Random(f"{draw}/{index}/target").randrange(len(self))
        return {
            "image": self.images.draw(index, f"{draw}/{index}/view"),
            "attributes": self.attributes[index],
            "target": self.attributes[other],
        }
