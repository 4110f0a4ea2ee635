"""Crops of the built-in photographs with maps of their segments (image, layout).

Every region is cut into superpixels (SLIC), which are put into a few classes by colour and roughness (k-means
over the superpixels of the training regions). The edges between superpixels are the last channel, as those
between instances are elsewhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import torch
from pydantic import Field

from benchbench.core.examples import Batch, ImageSet, Source, Splits
from benchbench.data.crops import CropSet
from benchbench.data.photo_options import PhotoExamplesOptions, is_flipped, name_digest
from benchbench.data.photos import cut_crops
from benchbench.data.segments import segment


class PhotoSegmentsOptions(PhotoExamplesOptions):
    """Options of segments.

    Attributes:
        images: which photographs.
        classes: how many; the layout has one channel more, of edges.
        superpixel: how wide a superpixel is about, pixels.
    """

    images: Annotated[tuple[str, ...], Field(min_length=1)] = (
        "astronaut", "chelsea", "coffee", "rocket", "motorcycle_left", "motorcycle_right",
    )  # fmt: skip
    classes: Annotated[int, Field(ge=2, le=64)] = 8
    superpixel: Annotated[int, Field(ge=4, le=64)] = 16


class SegmentSet:
    """Crops and their layouts as an ExampleSet.

    Args:
        crops: the photographs.
        layouts: the same crops of the layouts, bool [classes + 1, H, W].
        flips: whether examples are turned over by draw.
    """

    fields: tuple[str, ...] = ("image", "layout")

    def __init__(self, crops: CropSet, layouts: CropSet, *, flips: bool) -> None:
        self._crops, self._layouts, self._flips = crops, layouts, flips
        self.inputs: ImageSet | None = None
        self.names: Sequence[str] = crops.names

    def __len__(self) -> int:
        return len(self._crops)

    def __getitem__(self, index: int) -> torch.Tensor:
        return self._crops[index]

    def example(self, index: int, draw: int) -> Batch:
        """The fields image and layout, turned alike; see ExampleSet."""
        found = {"image": self._crops[index], "layout": self._layouts[index]}
        if self._flips and is_flipped(index, draw):
            return {name: value.flip(-1) for name, value in found.items()}
        return found


def open_photo_segments(options: PhotoSegmentsOptions, seed: int) -> Splits:
    """The three splits, in memory.

    Each region is segmented by itself; splits share the centres of the classes alone, which are the training
    regions'.

    Args:
        seed: places the training crops.

    Raises:
        DataError: more crops are asked for than the photographs hold, or too few superpixels for the classes.
        UnknownNameError: a photograph that scikit-image does not ship.
    """
    crops, digest = cut_crops(options, seed, held_out=options.held_out)
    layouts = segment(
        crops["train"].pixels,
        classes=options.classes,
        superpixel=options.superpixel,
        seed=options.split_seed,
    )
    train, validation, test = (
        SegmentSet(each, CropSet(each.crops, layouts), flips=options.flip and split == "train")
        for split, each in crops.items()
    )
    classes = tuple(f"segment {number}" for number in range(options.classes))
    return Splits(train, validation, test, name_digest("photo_segments", digest), classes=classes)


source = Source(options=PhotoSegmentsOptions, open=open_photo_segments, fields=("image", "layout"))
