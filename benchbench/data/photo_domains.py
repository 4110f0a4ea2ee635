"""Crops of the built-in photographs, labelled with the scene that they show (image, attributes, target)."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Annotated

import torch
from pydantic import Field

from benchbench.core.errors import DataError, OptionError
from benchbench.core.examples import Batch, ImageSet, Source, Splits
from benchbench.data.crops import CropSet
from benchbench.data.photo_options import PhotoExamplesOptions, is_flipped, name_digest
from benchbench.data.photos import cut_crops, scene_of


class PhotoDomainsOptions(PhotoExamplesOptions):
    """Options of labelled crops.

    Attributes:
        images: one domain each, in this order; the two motorcycles are one. The default ones differ in their
            colours at first sight.
    """

    images: Annotated[tuple[str, ...], Field(min_length=2)] = ("coffee", "chelsea", "hubble", "ihc", "rocket")


class DomainSet:
    """Crops and the scene of each as an ExampleSet.

    Args:
        scenes: what the entries of `attributes` stand for.
        flips: whether examples are turned over by draw.
    """

    fields: tuple[str, ...] = ("image", "attributes", "target")

    def __init__(self, crops: CropSet, scenes: Sequence[str], *, flips: bool) -> None:
        self._crops, self._flips = crops, flips
        self.inputs: ImageSet | None = None
        self.names: Sequence[str] = crops.names
        places = [scenes.index(scene_of(crop.region.photo)) for crop in crops.crops]
        self.attributes = torch.eye(len(scenes))[places]

    def __len__(self) -> int:
        return len(self._crops)

    def __getitem__(self, index: int) -> torch.Tensor:
        return self._crops[index]

    def example(self, index: int, draw: int) -> Batch:
        """The fields image, attributes and target; see ExampleSet."""
        image = self._crops[index]
        other = random.Random(f"{draw}/{index}/target").randrange(len(self))
        return {
            "image": image.flip(-1) if self._flips and is_flipped(index, draw) else image,
            "attributes": self.attributes[index],
            "target": self.attributes[other],
        }


def open_photo_domains(options: PhotoDomainsOptions, seed: int) -> Splits:
    """The three splits, in memory.

    Args:
        seed: places the training crops.

    Raises:
        DataError: more crops are asked for than the photographs hold, or a scene gets no training crop.
        OptionError: fewer than two scenes.
        UnknownNameError: a photograph that scikit-image does not ship.
    """
    crops, digest = cut_crops(options, seed, held_out=options.held_out)
    scenes = tuple(dict.fromkeys(map(scene_of, options.images)))
    if len(scenes) < 2:
        raise OptionError(f"photo_domains: {scenes[0]} alone", expected="two scenes or more in 'images'")
    shown = {scene_of(crop.region.photo) for crop in crops["train"].crops}
    missing = [scene for scene in scenes if scene not in shown]
    if missing:
        raise DataError(
            f"photo_domains: no training crop of '{missing[0]}'",
            expected=f"at least {len(options.images)} training crops, of a size that every photograph has",
            fix="raise 'train', lower 'size', or leave that photograph out",
        )
    train, validation, test = (
        DomainSet(crops[split], scenes, flips=options.flip and split == "train")
        for split in ("train", "validation", "test")
    )
    return Splits(train, validation, test, name_digest("photo_domains", digest), classes=scenes)


source = Source(
    options=PhotoDomainsOptions, open=open_photo_domains, fields=("image", "attributes", "target")
)
