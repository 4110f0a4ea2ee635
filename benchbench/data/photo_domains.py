"""Crops of the built-in photographs, labelled with the scene that they show (image, attributes, target)."""

from __future__ import annotations

from typing import Annotated

import torch
from pydantic import Field

from benchbench.core.errors import DataError, OptionError
from benchbench.core.examples import Source, Splits
from benchbench.data.example_sets import LabelledSet
from benchbench.data.photo_options import PhotoExamplesOptions, cut_examples, name_digest
from benchbench.data.photos import scene_of


class PhotoDomainsOptions(PhotoExamplesOptions):
    """Options of labelled crops.

    Attributes:
        images: one domain each, in this order; the two motorcycles are one. The default ones differ in their
            colours at first sight.
    """

    images: Annotated[tuple[str, ...], Field(min_length=2)] = ("coffee", "chelsea", "hubble", "ihc", "rocket")


def open_photo_domains(options: PhotoDomainsOptions, seed: int) -> Splits:
    """The three splits, in memory.

    Args:
        seed: places the training crops.

    Raises:
        DataError: more crops are asked for than the photographs hold, or a scene gets no training crop.
        OptionError: fewer than two scenes.
        UnknownNameError: a photograph that scikit-image does not ship.
    """
    crops, digest = cut_examples(options, seed)
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
    attributes = torch.eye(len(scenes))
    train, validation, test = (
        LabelledSet(each, attributes[[scenes.index(scene_of(crop.region.photo)) for crop in each.crops]])
        for each in crops.values()
    )
    return Splits(train, validation, test, name_digest("photo_domains", digest), classes=scenes)


source = Source(
    options=PhotoDomainsOptions, open=open_photo_domains, fields=("image", "attributes", "target")
)
