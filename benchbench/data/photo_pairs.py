"""Crops of the built-in photographs, to be made of their edges (image, input)."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

import torch
from pydantic import Field

from benchbench.core.examples import Source, Splits
from benchbench.data.example_sets import AlignedSet
from benchbench.data.photo_options import PhotoExamplesOptions, cut_examples, name_digest


class PhotoPairsOptions(PhotoExamplesOptions):
    """Options of edges and photographs.

    Attributes:
        images: which photographs.
        sigma: of the Gaussian before the gradient in Canny's detector, pixels; larger finds fewer edges.
    """

    images: Annotated[tuple[str, ...], Field(min_length=1)] = (
        "astronaut", "chelsea", "coffee", "rocket", "motorcycle_left", "motorcycle_right",
    )  # fmt: skip
    sigma: Annotated[float, Field(ge=0.1, le=20)] = 1.5


def draw_edges(image: torch.Tensor, sigma: float) -> torch.Tensor:
    """Canny's edges of a picture, black on white, both uint8 [3, H, W].

    Source: Canny 1986, as scikit-image has it, of the luma that Pillow computes.
    """
    from skimage.feature import canny

    weights = torch.tensor([0.299, 0.587, 0.114]).view(3, 1, 1)
    grey = (image.float() * weights).sum(dim=0) / 255
    found = torch.from_numpy(canny(grey.numpy(), sigma=sigma))  # type: ignore[no-untyped-call]
    return torch.where(found, 0, 255).to(torch.uint8).expand(3, -1, -1)


def open_photo_pairs(options: PhotoPairsOptions, seed: int) -> Splits:
    """The three splits, in memory. Edges are found in each region by itself, so that splits share nothing.

    Args:
        seed: places the training crops.

    Raises:
        DataError: more crops are asked for than the photographs hold.
        UnknownNameError: a photograph that scikit-image does not ship.
    """
    crops, digest = cut_examples(options, seed)
    edges = {region: draw_edges(image, options.sigma) for region, image in crops["train"].pixels.items()}
    inputs = [replace(each, pixels=edges) for each in crops.values()]
    train, validation, test = (
        AlignedSet(images, {"input": given}, inputs=given)
        for images, given in zip(crops.values(), inputs, strict=True)
    )
    return Splits(train, validation, test, name_digest("photo_pairs", digest))


source = Source(options=PhotoPairsOptions, open=open_photo_pairs, fields=("image", "input"))
