"""What the sources made from the built-in photographs share."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import Annotated

from pydantic import Field

from benchbench.data.crops import CropSet, SplitName
from benchbench.data.photos import PhotosOptions, cut_crops


class PhotoExamplesOptions(PhotosOptions):
    """Options of crops that come with more than their pixels.

    Attributes:
        held_out: at least this part of every photograph is for validation and test, where that leaves a
            training crop.
        flip: half of the training examples, by draw, are turned over left to right.
    """

    held_out: Annotated[float, Field(ge=0, le=0.9)] = 0.25
    flip: bool = True


def cut_examples(options: PhotoExamplesOptions, seed: int) -> tuple[dict[SplitName, CropSet], str]:
    """See cut_crops; training crops are turned over as the options say."""
    crops, digest = cut_crops(options, seed, held_out=options.held_out)
    return {**crops, "train": replace(crops["train"], flip=options.flip)}, digest


def name_digest(source: str, *digests: str) -> str:
    """One digest for what a source makes of others' content."""
    return hashlib.sha256("/".join((source, *digests)).encode()).hexdigest()[:16]
