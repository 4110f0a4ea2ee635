"""Crops of two textures among the built-in photographs, unpaired (image, input)."""

from __future__ import annotations

import random
from typing import Annotated

from pydantic import Field

from benchbench.core.errors import OptionError
from benchbench.core.examples import Batch, Source, Splits
from benchbench.data.crops import CropSet
from benchbench.data.example_sets import Examples
from benchbench.data.photo_options import PhotoExamplesOptions, cut_examples, name_digest
from benchbench.data.photos import Count, scene_of


class PhotoTexturesOptions(PhotoExamplesOptions):
    """Options of two textures.

    Attributes:
        images: A, what is given, and B, what it is to become.
        train, validation, test: how many crops of each.
    """

    images: Annotated[tuple[str, ...], Field(min_length=2, max_length=2)] = ("brick", "grass")
    validation: Count = 2
    test: Count = 4


class TextureSet(Examples):
    """Crops of B whose inputs are crops of A by draw."""

    fields = ("image", "input")

    def __init__(self, crops: CropSet, inputs: CropSet) -> None:
        super().__init__(crops, inputs)
        self._inputs = inputs

    def example(self, index: int, draw: int) -> Batch:
        """The fields image and input; see ExampleSet."""
        rng = random.Random(f"{draw}/{index}/partner")
        given = self._inputs[rng.randrange(len(self._inputs))]
        return {
            "image": self.images.draw(index, f"{draw}/{index}/view"),
            "input": given.flip(-1) if self._inputs.flip and rng.random() < 0.5 else given,
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
        cut_examples(options.model_copy(update={"images": (name,)}), seed) for name in (first, second)
    )
    train, validation, test = (TextureSet(crops[split], inputs[split]) for split in crops)
    return Splits(train, validation, test, name_digest("photo_textures", of_inputs, of_crops))


source = Source(options=PhotoTexturesOptions, open=open_photo_textures, fields=("image", "input"))
