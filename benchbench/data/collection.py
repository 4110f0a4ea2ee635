"""What all collections of images share: hashes of contents, and parts of a collection."""

from __future__ import annotations

import hashlib
import os
from abc import ABC, abstractmethod
from collections.abc import Sequence
from functools import cached_property

import torch

from benchbench.core.collection import ImageCollection
from benchbench.core.errors import DataError
from benchbench.core.examples import ImageSet
from benchbench.core.model import canonical_json
from benchbench.data.conversion import Conversion
from benchbench.data.prefetch import read_ahead

# Reading, hashing and decoding let other threads run; more than these wait for one another.
READERS = min(8, 2 * (os.cpu_count() or 1))
AHEAD = 64


def digest_of_contents(digests: Sequence[str], conversion: Conversion) -> str:
    """16 hexadecimal digits over contents and conversion; the order of the images does not count."""
    whole = hashlib.sha256(canonical_json(conversion.model_dump(mode="json")).encode())
    for digest in sorted(digests):
        whole.update(digest.encode())
    return whole.hexdigest()[:16]


def digest_of_pixels(image: torch.Tensor) -> str:
    """SHA-256 over shape and pixels of one uint8 image."""
    content = hashlib.sha256(repr(tuple(image.shape)).encode())
    content.update(image.contiguous().numpy().data)
    return content.hexdigest()


class HashedByPixels(ABC):
    """Images without a file of their own, as an ImageCollection; hashed once, when somebody asks."""

    names: Sequence[str]
    conversion: Conversion
    left_out: Sequence[str] = ()
    codecs: Sequence[str] = ("raw",)

    def __len__(self) -> int:
        return len(self.names)

    @abstractmethod
    def __getitem__(self, index: int) -> torch.Tensor:
        """uint8 [3, H, W]; called from several threads."""

    @cached_property
    def digests(self) -> Sequence[str]:
        """SHA-256 of each image's shape and pixels."""
        found = read_ahead(self._digest, range(len(self)), workers=READERS, ahead=AHEAD)
        return tuple(digest for _, digest in found)

    @cached_property
    def digest(self) -> str:
        """Of all and the conversion, in any order."""
        return digest_of_contents(self.digests, self.conversion)

    def _digest(self, index: int) -> str:
        return digest_of_pixels(self[index])


class ImageSequence(HashedByPixels):
    """Any ImageSet as an ImageCollection.

    Args:
        images: `[i]` is uint8 [3, H, W].
        codecs: what they were stored as.
        labels: class of each.
        conversion: how they became RGB bytes, as far as anybody declared it.
    """

    def __init__(
        self,
        images: ImageSet,
        *,
        codecs: Sequence[str] = ("raw",),
        labels: Sequence[int] | None = None,
        conversion: Conversion | None = None,
    ) -> None:
        self._images = images
        self.names = images.names
        self.codecs = tuple(codecs)
        self.labels: Sequence[int] | None = labels
        self.conversion = conversion or Conversion()

    def __getitem__(self, index: int) -> torch.Tensor:
        return self._images[index]


class Subset:
    """The images of a collection at `indices`.

    Args:
        images: the whole.
        indices: which of them, in which order.
        names: what they are called here, where not as in the whole: outputs by their contents' names.
    """

    def __init__(
        self, images: ImageCollection, indices: Sequence[int], *, names: Sequence[str] | None = None
    ) -> None:
        self._images, self._indices = images, tuple(indices)
        self.names: Sequence[str] = (
            tuple(images.names[index] for index in indices) if names is None else names
        )
        assert len(self.names) == len(self._indices)

    def __len__(self) -> int:
        return len(self._indices)

    def __getitem__(self, index: int) -> torch.Tensor:
        return self._images[self._indices[index]]

    @property
    def codecs(self) -> Sequence[str]:
        """Of the whole collection."""
        return self._images.codecs

    @property
    def left_out(self) -> Sequence[str]:
        """Of the whole collection; images that are not in this part are not listed."""
        return self._images.left_out

    @cached_property
    def labels(self) -> Sequence[int] | None:
        """Class of each."""
        labels = self._images.labels
        return None if labels is None else tuple(labels[index] for index in self._indices)

    @cached_property
    def digests(self) -> Sequence[str]:
        """Of each image."""
        return tuple(self._images.digests[index] for index in self._indices)

    @cached_property
    def digest(self) -> str:
        """Of all, and of what they are a part of, whose conversion it shares; the whole has its own."""
        if sorted(self._indices) == list(range(len(self._images))):
            return self._images.digest
        whole = hashlib.sha256(self._images.digest.encode())
        for digest in sorted(self.digests):
            whole.update(digest.encode())
        return whole.hexdigest()[:16]


def limited(images: ImageCollection, count: int | None) -> ImageCollection:
    """The first `count` images by content hash, sorted as they were; all for None.

    They are the same ones whatever names and order the images have.

    Raises:
        DataError: there are fewer, or none are asked for.
    """
    if count is None or count == len(images):
        return images
    if not 0 < count <= len(images):
        raise DataError(
            f"{count} images asked for, {len(images)} are there",
            expected=f"1 to {len(images)}",
            fix=f"ask for {len(images)}, or for all",
        )
    chosen = sorted(range(len(images)), key=lambda index: images.digests[index])[:count]
    return Subset(images, sorted(chosen))
