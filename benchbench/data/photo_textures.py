"""Crops of two textures among the built-in photographs, unpaired (image, input)."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Annotated

import torch
from pydantic import Field

from benchbench.core.errors import OptionError
from benchbench.core.examples import Batch, ImageSet, Source, Splits
from benchbench.data.crops import CropSet
from benchbench.data.photo_options import PhotoExamplesOptions, is_flipped, name_digest
from benchbench.data.photos import Count, cut_crops, scene_of


class PhotoTexturesOptions(PhotoExamplesOptions):
    """Options of two textures.

    Attributes:
        images: A, what is given, and B, what it is to become.
        train, validation, test: how many crops of each.
    """

    images: Annotated[tuple[str, ...], Field(min_length=2, max_length=2)] = ("brick", "grass")
    validation: Count = 2
    test: Count = 4


class TextureSet:
    """Crops of B as an ExampleSet, whose inputs are crops of A by draw.

    Args:
        crops: of B.
        inputs: of A.
        flips: whether both are turned over by draw.
    """

    fields: tuple[str, ...] = ("image", "input")

    def __init__(self, crops: CropSet, inputs: CropSet, *, flips: bool) -> None:
        self._crops, self._inputs, self._flips = crops, inputs, flips
        self.inputs: ImageSet | None = inputs
        self.names: Sequence[str] = crops.names

    def __len__(self) -> int:
        return len(self._crops)

    def __getitem__(self, index: int) -> torch.Tensor:
        return self._crops[index]

    def example(self, index: int, draw: int) -> Batch:
        """The fields image and input; see ExampleSet."""
        rng = random.Random(f"{draw}/{index}/partner")
        image, given = self._crops[index], self._inputs[rng.randrange(len(self._inputs))]
        is_input_flipped = rng.random() < 0.5
        return {
            "image": image.flip(-1) if self._flips and is_flipped(index, draw) else image,
            "input": given.flip(-1) if self._flips and is_input_flipped else given,
        }


def open_photo_textures(options: PhotoTexturesOptions, seed: int) -> Splits:
    """The three splits, in memory.

    Args:
        seed: places the training crops.

    Raises:
        DataError: more crops are asked for than one of the photographs holds.
        OptionError: both are one scene.
        UnknownNameError: a photograph that scikit-image does not ship.
    """
    first, second = options.images
    if scene_of(first) == scene_of(second):
        raise OptionError(f"photo_textures: {first} and {second}", expected="two scenes in 'images'")
    (inputs, of_inputs), (crops, of_crops) = (
        cut_crops(options.model_copy(update={"images": (name,)}), seed, held_out=options.held_out)
        for name in (first, second)
    )
    train, validation, test = (
        TextureSet(crops[split], inputs[split], flips=options.flip and split == "train")
        for split in ("train", "validation", "test")
    )
    return Splits(train, validation, test, name_digest("photo_textures", of_inputs, of_crops))


source = Source(options=PhotoTexturesOptions, open=open_photo_textures, fields=("image", "input"))
