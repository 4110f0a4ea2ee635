"""Cutting photographs into regions that share no pixel, and crops out of those regions."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import torch

from benchbench.data.images import resize_shorter

SplitName = Literal["train", "validation", "test"]
Box = tuple[int, int, int, int]  # top, left, height, width


@dataclass(frozen=True, slots=True)
class Region:
    """A part of one photograph that belongs to one split, in the photograph's own pixels."""

    photo: str
    split: SplitName
    box: Box


@dataclass(frozen=True, slots=True)
class Crop:
    """A square of `size` pixels at `top`, `left` of a region's pixels."""

    region: Region
    top: int
    left: int
    size: int

    @property
    def name(self) -> str:
        """Photograph, split and place: `coffee-test-0-128`."""
        return f"{self.region.photo}-{self.region.split}-{self.top}-{self.left}"


def cut_photo(
    photo: str,
    shape: tuple[int, int],
    *,
    sides: Mapping[SplitName, int],
    rng: random.Random,
    across: Literal["longer", "rows"] = "longer",
    held_out: float = 0.0,
) -> list[Region]:
    """Disjoint regions of one photograph.

    A strip at one end of the longer side is held out; it gives a test square and, where there is
    room below it, a validation square, else one of the two by chance. The rest is for training. A
    photograph too small for both goes wholly to a held-out split.

    Args:
        shape: height and width.
        sides: the smallest region side of each split, pixels; a split left out gets none.
        rng: decides the end of the strip, the order in it and the split where only one fits.
        across: `rows` cuts along the height, whatever the shape: two views of one scene whose rows
            correspond are then cut through the same rows.
        held_out: the strip is at least this part of the photograph, if that leaves room for training.
    """
    height, width = shape
    rows = across == "rows" or height > width
    length, breadth = (height, width) if rows else (width, height)
    held = [split for split in ("test", "validation") if split in sides]
    # Chance is drawn in one fixed order, so that one photograph's regions depend on nothing else.
    at_start, first = rng.random() < 0.5, rng.random() < 0.5
    fitting = [split for split in held if sides[split] <= min(length, breadth)]  # type: ignore[index]
    strip = max((sides[split] for split in fitting), default=0)  # type: ignore[index]
    train = sides.get("train")
    if strip:
        strip = max(strip, min(round(held_out * length), length - (train or 0)))
    if train is not None and length - strip < train:
        if min(length, breadth) < train and not fitting:
            return []
        strip = length
    if strip and len(fitting) == 2 and breadth < sides["test"] + sides["validation"]:
        fitting = [fitting[0] if first else fitting[1]]

    def box(start: int, end: int, low: int, high: int) -> Box:
        return (start, low, end - start, high - low) if rows else (low, start, high - low, end - start)

    held_start, held_end = (0, strip) if at_start else (length - strip, length)
    rest_start, rest_end = (strip, length) if at_start else (0, length - strip)
    regions = []
    if train is not None and rest_end - rest_start >= train and breadth >= train:
        regions.append(Region(photo, "train", box(rest_start, rest_end, 0, breadth)))
    if len(fitting) == 2:
        # A third is for validation, as far as a square of each fits.
        share = min(max(sides["validation"], breadth // 3), breadth - sides["test"])
        edge = share if first else breadth - share
        low, high = ("validation", "test") if first else ("test", "validation")
        regions.append(Region(photo, low, box(held_start, held_end, 0, edge)))  # type: ignore[arg-type]
        regions.append(Region(photo, high, box(held_start, held_end, edge, breadth)))  # type: ignore[arg-type]
    elif fitting and strip:
        regions.append(Region(photo, fitting[0], box(held_start, held_end, 0, breadth)))  # type: ignore[arg-type]
    return regions


def grid_crops(regions: Sequence[tuple[Region, tuple[int, int]]], size: int) -> list[Crop]:
    """Squares that do not overlap, one region after another and then round again.

    Args:
        regions: each with the height and width of its pixels.
        size: side of the squares.
    """
    columns: list[list[Crop]] = []
    for region, (height, width) in regions:
        rows, places = height // size, width // size
        # The grid is centred: the middle of a photograph shows more than its border.
        top, left = (height - rows * size) // 2, (width - places * size) // 2
        columns.append(
            [Crop(region, top + r * size, left + c * size, size) for r in range(rows) for c in range(places)]
        )
    most = max((len(crops) for crops in columns), default=0)
    return [crops[turn] for turn in range(most) for crops in columns if turn < len(crops)]


def random_crops(
    regions: Sequence[tuple[Region, tuple[int, int]]], size: int, *, count: int, rng: random.Random
) -> list[Crop]:
    """`count` squares at random places, the regions taking turns; they may overlap each other."""
    crops = []
    for index in range(count):
        region, (height, width) = regions[index % len(regions)]
        crops.append(Crop(region, rng.randint(0, height - size), rng.randint(0, width - size), size))
    return crops


@dataclass(slots=True)
class CropSet:
    """Crops as an ImageSet: `[i]` is uint8 [3, size, size]; regions are held in memory.

    Attributes:
        pixels: of each region, [C, H, W].
        flip: half of the examples, by draw, are turned over left to right.
    """

    crops: Sequence[Crop]
    pixels: Mapping[Region, torch.Tensor]
    flip: bool = False
    names: Sequence[str] = field(init=False)

    def __post_init__(self) -> None:
        self.names = tuple(crop.name for crop in self.crops)

    def __len__(self) -> int:
        return len(self.crops)

    def __getitem__(self, index: int) -> torch.Tensor:
        crop = self.crops[index]
        region = self.pixels[crop.region]
        return region[:, crop.top : crop.top + crop.size, crop.left : crop.left + crop.size]

    def draw(self, index: int, seed: str) -> torch.Tensor:
        """The crop as an example; whether it is turned over depends on `seed` alone."""
        is_flipped = self.flip and random.Random(seed).random() < 0.5
        return self[index].flip(-1) if is_flipped else self[index]


def region_pixels(image: torch.Tensor, region: Region, scale: float, side: int) -> torch.Tensor:
    """The region's pixels, shrunk by `scale` after it was cut, so that no border is shared.

    Args:
        image: the photograph, uint8 [3, H, W].
        side: the least side that the result must have.
    """
    top, left, height, width = region.box
    cut = image[:, top : top + height, left : left + width].contiguous()
    if scale >= 1:
        return cut
    return resize_shorter(cut, max(side, round(min(height, width) * scale)))
