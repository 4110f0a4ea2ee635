"""Torch datasets, and whatever else has a length and items, as collections of images."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from functools import cached_property
from typing import Any, Protocol

import numpy as np
import torch
from PIL import Image

from benchbench.core.errors import BenchbenchError, DataError
from benchbench.data.arrays import Layout, as_tensor, layout_of, to_image
from benchbench.data.collection import HashedByPixels, digest_of_pixels
from benchbench.data.conversion import Conversion
from benchbench.data.decoding import as_rgb
from benchbench.data.images import to_tensor


class Items(Protocol):
    """A torch dataset, a list: items by index."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int, /) -> Any: ...


class DatasetImages(HashedByPixels):
    """A dataset's items as images.

    Items are tensors [C, H, W], arrays, pictures of Pillow, or tuples that begin with one; a whole number
    in second place is the label. They are asked for one at a time: few datasets are made for threads.

    Args:
        items: the dataset.
        what: for messages.
        conversion: range and quantisation of floats, grey and alpha.

    Raises:
        DataError: it is empty; later, an item that is no image, that fails, or that changes.
    """

    def __init__(self, items: Items, what: str, *, conversion: Conversion) -> None:
        if len(items) == 0:
            raise DataError(f"{what}: it has no items", expected="at least one image")
        self.what, self.conversion, self._items = what, conversion, items
        self._lock = threading.Lock()
        self.names = tuple(map(str, range(len(items))))

    def __getitem__(self, index: int) -> torch.Tensor:
        return self._read(index)[0]

    @cached_property
    def digests(self) -> Sequence[str]:
        """SHA-256 of each image's shape and pixels."""
        return tuple(digest for digest, _ in self._contents)

    @cached_property
    def labels(self) -> Sequence[int] | None:
        """The labels that come with the images; None where one comes without."""
        found = [label for _, label in self._contents if label is not None]
        return tuple(found) if len(found) == len(self) else None

    @cached_property
    def _contents(self) -> tuple[tuple[str, int | None], ...]:
        found = []
        for index in range(len(self)):
            image, label = self._read(index)
            found.append((digest_of_pixels(image), label))
        if digest_of_pixels(self[0]) != found[0][0]:
            raise DataError(
                f"{self.what}: item 0 is another image each time",
                expected="a dataset without random changes",
                fix="take augmentation out of its transforms",
            )
        return tuple(found)

    def _read(self, index: int) -> tuple[torch.Tensor, int | None]:
        name = f"{self.what}[{index}]"
        try:
            with self._lock:
                item = self._items[index]
        except BenchbenchError:
            raise
        except Exception as error:
            raise DataError(
                f"{name}: {type(error).__name__}: {error}", expected="an item", fix="look at the dataset"
            ) from error
        image, label = item, None
        if isinstance(item, (tuple, list)) and item:
            image, label = item[0], _label(item[1]) if len(item) > 1 else None
        return self._image(image, name), label

    def _image(self, image: object, name: str) -> torch.Tensor:
        if isinstance(image, Image.Image):
            return to_tensor(as_rgb(image, name, self.conversion))
        if not isinstance(image, (torch.Tensor, np.ndarray)) or image.ndim != 3:
            told = (
                list(image.shape) if isinstance(image, (torch.Tensor, np.ndarray)) else type(image).__name__
            )
            raise DataError(
                f"{name}: an item of {told}",
                expected="a tensor [3, height, width], an array, a picture, or a tuple that begins with one",
                fix="wrap the dataset in one that gives such items",
            )
        given: Layout | None = "channels_first" if isinstance(image, torch.Tensor) else None
        layout = layout_of(tuple(image.shape), name, layout=given)
        return to_image(as_tensor(image), self.conversion, name=name, layout=layout)


def _label(value: object) -> int | None:
    if isinstance(value, (torch.Tensor, np.ndarray)) and value.ndim == 0:
        value = value.item()
    if isinstance(value, np.integer):
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None
