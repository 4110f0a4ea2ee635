"""Images whose content is known by hash: what quality is measured on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from benchbench.core.examples import ImageSet


class ImageCollection(ImageSet, Protocol):
    """Images whose content is known by hash: what quality is measured on.

    Hashes, codecs and labels may cost one reading of every image when they are first asked for.
    """

    @property
    def digests(self) -> Sequence[str]:
        """SHA-256 of each image's content, file bytes or pixels, in the order of `names`."""
        ...

    @property
    def digest(self) -> str:
        """16 hexadecimal digits over the sorted digests and the declared conversion, order or not."""
        ...

    @property
    def codecs(self) -> Sequence[str]:
        """What they were stored as, by their first bytes, sorted: `jpeg`, `png`, `raw`."""
        ...

    @property
    def labels(self) -> Sequence[int] | None:
        """Class of each image; None where nobody tells."""
        ...

    @property
    def left_out(self) -> Sequence[str]:
        """What was passed over, each with its reason."""
        ...
