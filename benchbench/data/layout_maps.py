"""Label maps and instances as layouts: one channel per class, then the edges."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from benchbench.core.errors import DataError
from benchbench.data.kept import Kept
from benchbench.data.label_maps import read_label_map
from benchbench.data.view import Extent, View

_INSTANCE_MODES = ("L", "P", "I", "I;16", "I;16B", "I;16L")


class MapFile(NamedTuple):
    """A label map, and where there is one the map of its instances."""

    labels: Path
    instances: Path | None


@dataclass(frozen=True, slots=True)
class MapSet:
    """Layouts of one split: bool [C, H, W].

    Attributes:
        classes: how many; with instances one more channel has their edges.
        ignored: ids that get no channel: those pixels are empty.
    """

    files: Sequence[MapFile]
    view: View
    kept: Kept
    classes: int
    ignored: frozenset[int]
    is_training: bool = False

    def show(self, index: int) -> torch.Tensor:
        """The layout of a picture that is shown from the middle."""
        return self._layout(self.view.show(self._loaded(index, self.view.size)))

    def draw(self, index: int, seed: str) -> torch.Tensor:
        """The layout of an example; place and flip are those of a picture drawn with this seed."""
        if not self.is_training:
            return self.show(index)
        return self._layout(self.view.draw(self._loaded(index, self.view.load), seed))

    def check(self, index: int, size: tuple[int, int]) -> None:
        """Reads a map, checks it, and keeps it if there is room.

        Args:
            size: width and height of its picture.

        Raises:
            DataError: it is missing, broken, of another size, or holds an id that is no class.
        """
        file = self.files[index]
        labels, instances = self._read(file)
        for path, values in ((file.labels, labels), (file.instances, instances)):
            if values is not None and values.shape != size[::-1]:
                raise DataError(
                    f"{path}: {values.shape[1]} x {values.shape[0]} pixels, and its picture "
                    f"{size[0]} x {size[1]}",
                    expected="maps of their pictures' size",
                    fix="replace one of them",
                )
        found = np.unique(labels).tolist()
        wrong = [value for value in found if value >= self.classes and value not in self.ignored]
        if wrong:
            raise DataError(
                f"{file.labels}: {wrong[0]} is no label id of {self.classes} classes",
                expected=f"0 to {self.classes - 1}"
                + "".join(f", or {value}" for value in sorted(self.ignored)),
                fix="raise 'classes', name it in 'ignored', or replace the file",
            )
        extent = self.view.load if self.is_training else self.view.size
        if self.kept.has_room(2 * extent.height * extent.width):
            self.kept.take((file, extent), lambda: self._load(labels, instances, extent))

    def _read(self, file: MapFile) -> tuple[NDArray[np.uint8], NDArray[np.int32] | None]:
        return read_label_map(file.labels), None if file.instances is None else read_instances(file.instances)

    def _loaded(self, index: int, extent: Extent) -> torch.Tensor:
        file = self.files[index]
        return self.kept.take((file, extent), lambda: self._load(*self._read(file), extent))

    def _load(
        self, labels: NDArray[np.uint8], instances: NDArray[np.int32] | None, extent: Extent
    ) -> torch.Tensor:
        """uint8 [1 or 2, H, W]: ids, and 1 where instances meet."""
        planes = [torch.from_numpy(np.array(self._resized(labels, extent)))]
        if instances is not None:
            planes.append(edges_of(torch.from_numpy(np.array(self._resized(instances, extent)))).byte())
        return torch.stack(planes)

    def _resized(self, values: NDArray[np.generic], extent: Extent) -> Image.Image:
        return self.view.load_picture(Image.fromarray(values), extent, is_map=True)

    def _layout(self, shown: torch.Tensor) -> torch.Tensor:
        channels = shown[0] == torch.arange(self.classes).view(-1, 1, 1)
        return torch.cat([channels, shown[1:].bool()])


def edges_of(instances: torch.Tensor) -> torch.Tensor:
    """Where a pixel differs from one of its four neighbours: bool, of the same shape [H, W].

    Source: Wang et al. 2018 (pix2pixHD), section 3.3; both pixels of such a pair are edge.
    """
    edges = torch.zeros_like(instances, dtype=torch.bool)
    across, down = instances[:, 1:] != instances[:, :-1], instances[1:] != instances[:-1]
    edges[:, 1:] |= across
    edges[:, :-1] |= across
    edges[1:] |= down
    edges[:-1] |= down
    return edges


def read_instances(path: Path) -> NDArray[np.int32]:
    """The values of an instance map, 8 or 16 bits, int32 [H, W].

    Raises:
        DataError: it is missing, broken or coloured.
    """
    try:
        with Image.open(path) as picture:
            picture.load()
            mode = picture.mode
            values = np.array(picture) if mode in _INSTANCE_MODES else None
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        told = "not an image" if isinstance(error, UnidentifiedImageError) else f"cannot be read ({error})"
        raise DataError(f"{path}: {told}", expected=_INSTANCES, fix="remove or replace the file") from None
    if values is None:
        raise DataError(f"{path}: a picture of mode {mode}", expected=_INSTANCES, fix="replace the file")
    return values.astype(np.int32)


_INSTANCES = "a map of instances: one channel of 8 or 16 bits, one number for each instance"
