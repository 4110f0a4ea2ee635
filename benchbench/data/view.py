"""How a picture of the user's becomes what a network sees: resized, cut out, turned over."""

from __future__ import annotations

import random
from typing import Annotated, Literal, NamedTuple, Self

import torch
from PIL import Image
from pydantic import Field, model_validator

from benchbench.core.model import Options

Side = Annotated[int, Field(ge=8, le=4096)]
Size = Side | tuple[Side, Side]
How = Literal["resize_crop", "resize", "crop"]
Filter = Literal["bicubic", "bilinear"]

_FILTERS = {"bicubic": Image.Resampling.BICUBIC, "bilinear": Image.Resampling.BILINEAR}


class Extent(NamedTuple):
    """Height and width, pixels."""

    height: int
    width: int


class ViewOptions(Options):
    """Options of how pictures are shown.

    Attributes:
        size: side of the result, pixels, or [height, width].
        load_size: training pictures are made this large first, and `size` is cut out at a place drawn for
            every example; null: `size`. All others are made `size` at once.
        how: `resize_crop` keeps the ratio: the picture is scaled until it covers the size, and its middle is
            cut out. `resize` does not: it becomes exactly the size (pix2pix, CycleGAN, FastGAN). `crop`
            leaves the scale alone: training examples at a place drawn, the others from the middle.
        cut: a square of so many pixels is cut out of the middle before anything else (StarGAN takes 178 of
            CelebA's 178x218).
        filter: of Pillow, antialiased. Label maps are always resized to the nearest value.
        flip: half of the training examples, by draw, are turned over left to right.
        on_small: `resize` enlarges pictures smaller than `size`, which are an error else.
        memory_gib: so much memory holds decoded pictures, GiB; the rest is decoded whenever it is needed.
    """

    size: Size = 256
    load_size: Size | None = None
    how: How = "resize_crop"
    cut: Side | None = None
    filter: Filter = "bicubic"
    flip: bool = True
    on_small: Literal["error", "resize"] = "error"
    memory_gib: Annotated[float, Field(ge=0, le=1024)] = 1.0

    @model_validator(mode="after")
    def _load_size_covers(self) -> Self:
        if self.load_size is None:
            return self
        if self.how == "crop":
            raise ValueError("load_size resizes, and how: crop does not; expected one of them")
        load, size = extent_of(self.load_size), extent_of(self.size)
        if load.height < size.height or load.width < size.width:
            raise ValueError(f"load_size is {list(load)}, expected at least the size {list(size)}")
        return self

    def view(self) -> View:
        """What the options say, for pictures."""
        size = extent_of(self.size)
        load = size if self.load_size is None else extent_of(self.load_size)
        return View(size, load, self.how, self.cut, self.filter, self.flip)


class View(NamedTuple):
    """How pictures are shown; see ViewOptions.

    Every picture is loaded first, which nothing random changes, so that it can be kept in memory, and then
    shown.
    """

    size: Extent
    load: Extent
    how: How
    cut: int | None
    filter: Filter
    flip: bool

    def is_covered(self, width: int, height: int) -> bool:
        """Whether a picture of that many pixels needs no enlarging to `size`."""
        if self.cut is not None:
            if min(width, height) < self.cut:
                return False
            width = height = self.cut
        return width >= self.size.width and height >= self.size.height

    def load_picture(self, picture: Image.Image, extent: Extent, *, is_map: bool = False) -> Image.Image:
        """The picture at `extent` (`size` or `load`), or larger where something is yet to be cut off.

        Args:
            is_map: its values are classes: none but those that are there may come of it.
        """
        if self.cut is not None and min(picture.size) >= self.cut:
            left, top = (picture.width - self.cut) // 2, (picture.height - self.cut) // 2
            picture = picture.crop((left, top, left + self.cut, top + self.cut))
        width, height = extent.width, extent.height
        if self.how != "resize":
            scale = max(extent.width / picture.width, extent.height / picture.height)
            if self.how == "crop" and scale <= 1:
                return picture
            width, height = (
                max(width, round(picture.width * scale)),
                max(height, round(picture.height * scale)),
            )
        if picture.size == (width, height):
            return picture
        return picture.resize((width, height), Image.Resampling.NEAREST if is_map else _FILTERS[self.filter])

    def show(self, loaded: torch.Tensor) -> torch.Tensor:
        """The middle of a loaded picture, [..., H, W] of `size`."""
        height, width = loaded.shape[-2:]
        return self._at(loaded, (height - self.size.height) // 2, (width - self.size.width) // 2)

    def draw(self, loaded: torch.Tensor, seed: str) -> torch.Tensor:
        """A training example of a loaded picture: place and flip depend on `seed` and its shape alone.

        Pictures that belong together stay so when they are drawn with one seed and of one shape.
        """
        rng = random.Random(seed)
        is_flipped = rng.random() < 0.5
        spare = [side - of for side, of in zip(loaded.shape[-2:], self.size, strict=True)]
        if self.load == self.size and self.how != "crop":
            top, left = spare[0] // 2, spare[1] // 2
        else:
            top, left = rng.randint(0, spare[0]), rng.randint(0, spare[1])
        shown = self._at(loaded, top, left)
        return shown.flip(-1) if self.flip and is_flipped else shown

    def _at(self, loaded: torch.Tensor, top: int, left: int) -> torch.Tensor:
        return loaded[..., top : top + self.size.height, left : left + self.size.width]


def extent_of(size: int | tuple[int, int]) -> Extent:
    """A size as declared: one side for a square, or height and width."""
    return Extent(size, size) if isinstance(size, int) else Extent(*size)


def enlarged(view: View, load_size: Size | None) -> View:
    """The view with the papers' jitter where nobody declares another: loaded at 286 for every 256 pixels.

    Source: Isola et al. 2017, section 6.2; Zhu et al. 2017 and Park et al. 2019 (COCO, ADE20K) do the same.
    """
    if load_size is not None or view.how == "crop":
        return view
    return view._replace(load=Extent(*(round(side * 286 / 256) for side in view.size)))
