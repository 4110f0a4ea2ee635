"""Features of one set of images as files: rows of float32, read and written block by block.

<entry>/meta.json       what it is, and its shape
<entry>/features.f32    float32 [N, members, D], little endian, row after row
<entry>/logits.f32      float32 [N, classes], where the extractor has a head
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from benchbench.core.errors import FeatureError
from benchbench.core.model import Frozen, JsonValue

FEATURES_FILE = "features.f32"
LOGITS_FILE = "logits.f32"
FLOAT = np.dtype("<f4")


class EntryMeta(Frozen):
    """What one entry holds."""

    format: int
    source: dict[str, JsonValue]
    label: str
    count: int
    members: int
    dimensions: int
    classes: int = 0
    created: float
    sha256: dict[str, str] = {}


class FeatureRows:
    """Rows of one member, read from disk block by block: `rows[a:b]` is float32 [b - a, D].

    Its memory does not depend on N. `rows[indices]` takes chosen ones.
    """

    def __init__(self, path: Path, meta: EntryMeta, member: int) -> None:
        self._path, self._meta, self._member = path, meta, member
        self.shape = (meta.count, meta.dimensions)
        self.dtype = FLOAT

    def __len__(self) -> int:
        return self._meta.count

    def __getitem__(self, rows: slice | NDArray[np.intp]) -> NDArray[np.float32]:
        members, dimensions = self._meta.members, self._meta.dimensions
        if not isinstance(rows, slice):
            return np.concatenate([self[row : row + 1] for row in rows.tolist()])
        first, last, step = rows.indices(self._meta.count)
        if step != 1:
            raise ValueError("rows are read in order: a step of 1")
        last = max(first, last)
        width = members * dimensions
        with self._path.open("rb") as file:
            file.seek(first * width * FLOAT.itemsize)
            block = np.fromfile(file, dtype=FLOAT, count=(last - first) * width)
        if block.size != (last - first) * width:
            raise FeatureError(
                f"{self._path} became shorter while it was read", fix="run again: its features are made anew"
            )
        return np.ascontiguousarray(block.reshape(-1, members, dimensions)[:, self._member])

    def whole(self) -> NDArray[np.float32]:
        """All rows at once, float32 [N, D]."""
        return self[0 : self._meta.count]


@dataclass(frozen=True, slots=True)
class FeatureTable:
    """Features of one set of images, in the order of their content digests."""

    folder: Path
    meta: EntryMeta

    @property
    def key(self) -> str:
        """The entry's name."""
        return self.folder.name

    def rows(self, member: int = 0) -> FeatureRows:
        """Features of one member."""
        return FeatureRows(self.folder / FEATURES_FILE, self.meta, member)

    def logits(self) -> NDArray[np.float32] | None:
        """float32 [N, classes], or None where the extractor has no head."""
        if not self.meta.classes:
            return None
        flat = np.fromfile(self.folder / LOGITS_FILE, dtype=FLOAT)
        return flat.reshape(self.meta.count, self.meta.classes)


class TableWriter:
    """Fills one entry, rows at any place; see `FeatureCache.writing`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._features = (folder / FEATURES_FILE).open("wb")
        self._logits = (folder / LOGITS_FILE).open("wb")
        self.shape: tuple[int, int] | None = None
        self.classes = 0
        self.count = 0

    def write(
        self,
        places: NDArray[np.int64],
        features: NDArray[np.float32],
        logits: NDArray[np.float32] | None,
        *,
        names: Sequence[str] = (),
    ) -> None:
        """Rows at `places`: features [n, members, D], logits [n, classes] or None.

        Args:
            names: of the images, for messages.

        Raises:
            FeatureError: a feature that is no number, or another shape than before.
        """
        if features.ndim != 3 or len(features) != len(places):
            raise FeatureError(
                f"an extractor gave features of shape {list(features.shape)} for {len(places)} images",
                expected=f"[{len(places)}, members, dimensions]",
            )
        shape = (features.shape[1], features.shape[2])
        if self.shape is not None and self.shape != shape:
            raise FeatureError(
                f"an extractor gave features of shape {list(shape)} after {list(self.shape)}",
                expected="the same members and dimensions for every batch",
            )
        classes = 0 if logits is None else logits.shape[-1]
        if (logits is not None and logits.shape != (len(places), classes)) or (
            self.shape is not None and classes != self.classes
        ):
            raise FeatureError(
                f"an extractor gave classes of shape {list(logits.shape) if logits is not None else None}",
                expected=f"[{len(places)}, classes], as many for every batch",
            )
        for what, values in (("features", features), ("classes", logits)):
            finite = np.isfinite(values).reshape(len(places), -1).all(axis=1) if values is not None else None
            if finite is not None and not finite.all():
                row = int(np.argmin(finite))
                raise FeatureError(
                    f"{what} of {names[row] if names else f'image {places[row]}'} are not finite "
                    "(NaN or infinite)",
                    expected="numbers",
                    fix="look at that image and at the extractor's weights; nothing was computed from them",
                )
        self.shape, self.classes, self.count = shape, classes, self.count + len(places)
        _put(self._features, places, features.reshape(len(places), -1))
        if logits is not None:
            _put(self._logits, places, logits)

    def close(self) -> None:
        """Close both files."""
        self._features.close()
        self._logits.close()


def _put(file: BinaryIO, places: NDArray[np.int64], rows: NDArray[np.float32]) -> None:
    width = rows.shape[1] * FLOAT.itemsize
    handle = file.fileno()
    for place, row in zip(places, np.ascontiguousarray(rows, dtype=FLOAT), strict=True):
        os.pwrite(handle, row.tobytes(), int(place) * width)
