"""Crops of the built-in photographs with maps of their segments (image, layout).

Every region is cut into superpixels (SLIC), which are put into a few classes by colour and roughness (k-means
over the superpixels of the training regions). The edges between superpixels are the last channel, as those
between instances are elsewhere.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

from pydantic import Field

from benchbench.core.examples import Source, Splits
from benchbench.data.example_sets import AlignedSet
from benchbench.data.photo_options import PhotoExamplesOptions, cut_examples, name_digest
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
    crops, digest = cut_examples(options, seed)
    layouts = segment(
        crops["train"].pixels,
        classes=options.classes,
        superpixel=options.superpixel,
        seed=options.split_seed,
    )
    train, validation, test = (
        AlignedSet(images, {"layout": replace(images, pixels=layouts)}) for images in crops.values()
    )
    classes = tuple(f"segment {number}" for number in range(options.classes))
    return Splits(train, validation, test, name_digest("photo_segments", digest), classes=classes)


source = Source(options=PhotoSegmentsOptions, open=open_photo_segments, fields=("image", "layout"))
