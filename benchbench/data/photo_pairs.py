"""Crops of the built-in photographs, to be made of their edges (image, input)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import torch
from pydantic import Field

from benchbench.core.examples import Batch, ImageSet, Source, Splits
from benchbench.data.crops import CropSet
from benchbench.data.photo_options import PhotoExamplesOptions, is_flipped, name_digest
from benchbench.data.photos import cut_crops


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


class EdgeSet:
    """Crops and their edges as an ExampleSet.

    Args:
        crops: the photographs.
        edges: the same crops of the edges.
        flips: whether examples are turned over by draw.
    """

    fields: tuple[str, ...] = ("image", "input")

    def __init__(self, crops: CropSet, edges: CropSet, *, flips: bool) -> None:
        self._crops, self._edges, self._flips = crops, edges, flips
        self.inputs: ImageSet | None = edges
        self.names: Sequence[str] = crops.names

    def __len__(self) -> int:
        return len(self._crops)

    def __getitem__(self, index: int) -> torch.Tensor:
        return self._crops[index]

    def example(self, index: int, draw: int) -> Batch:
        """The fields image and input, turned alike; see ExampleSet."""
        found = {"image": self._crops[index], "input": self._edges[index]}
        if self._flips and is_flipped(index, draw):
            return {name: value.flip(-1) for name, value in found.items()}
        return found


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
    crops, digest = cut_crops(options, seed, held_out=options.held_out)
    edges = {region: draw_edges(image, options.sigma) for region, image in crops["train"].pixels.items()}
    train, validation, test = (
        EdgeSet(each, CropSet(each.crops, edges), flips=options.flip and split == "train")
        for split, each in crops.items()
    )
    return Splits(train, validation, test, name_digest("photo_pairs", digest))


source = Source(options=PhotoPairsOptions, open=open_photo_pairs, fields=("image", "input"))
