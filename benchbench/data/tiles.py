"""Images cut into squares, each of them an image of its own."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePosixPath

import torch

from benchbench.core.errors import DataError
from benchbench.core.examples import ImageSet


class Tiles:
    """Squares of `side` pixels that cover each image from its middle, without overlap; the rest is left out.

    Args:
        images: `[i]` is uint8 [3, H, W].
        side: of the squares, pixels.

    Raises:
        DataError: an image is smaller than a tile.
    """

    def __init__(self, images: ImageSet, side: int) -> None:
        self._images, self._side = images, side
        self._places: list[tuple[int, int, int]] = []
        names = []
        for index in range(len(images)):
            height, width = images[index].shape[-2:]
            if min(height, width) < side:
                raise DataError(
                    f"{images.names[index]} is {width} x {height} pixels, and a tile {side} x {side}",
                    expected="images no smaller than a tile",
                )
            for row in range(height // side):
                for column in range(width // side):
                    top, left = (height % side) // 2 + row * side, (width % side) // 2 + column * side
                    self._places.append((index, top, left))
                    # The suffix stays last: images pair by what stands before it.
                    whole = PurePosixPath(images.names[index])
                    names.append(whole.with_name(f"{whole.stem}-{top}-{left}{whole.suffix}").as_posix())
        self.names: Sequence[str] = tuple(names)
        self.sources: Sequence[int] = tuple(index for index, _, _ in self._places)

    def __len__(self) -> int:
        return len(self._places)

    def __getitem__(self, number: int) -> torch.Tensor:
        index, top, left = self._places[number]
        return self._images[index][:, top : top + self._side, left : left + self._side].contiguous()
