"""What the sources made from the built-in photographs share."""

from __future__ import annotations

import hashlib
import random
from typing import Annotated

from pydantic import Field

from benchbench.data.photos import PhotosOptions


class PhotoExamplesOptions(PhotosOptions):
    """Options of crops that come with more than their pixels.

    Attributes:
        held_out: at least this part of every photograph is for validation and test, where that leaves a
            training crop.
        flip: half of the training examples, by draw, are turned over left to right.
    """

    held_out: Annotated[float, Field(ge=0, le=0.9)] = 0.25
    flip: bool = True


def is_flipped(index: int, draw: int) -> bool:
    """Whether an example is turned over: one in two, by its draw."""
    return random.Random(f"{draw}/{index}/view").random() < 0.5


def name_digest(source: str, *digests: str) -> str:
    """One digest for what a source makes of others' content."""
    return hashlib.sha256("/".join((source, *digests)).encode()).hexdigest()[:16]
