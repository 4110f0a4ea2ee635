"""Whatever somebody has images in, as one collection."""

from __future__ import annotations

from collections.abc import Callable
from inspect import getattr_static
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray

from benchbench.core.collection import ImageCollection
from benchbench.core.errors import DataError
from benchbench.core.examples import ImageSet
from benchbench.data.arrays import ArrayImages, open_npy, open_npz
from benchbench.data.collection import ImageSequence, limited
from benchbench.data.conversion import Conversion
from benchbench.data.datasets import DatasetImages, Items
from benchbench.data.image_files import open_folder_of_images, open_zip_of_images

Openable = str | Path | torch.Tensor | NDArray[Any] | ImageSet | Items

_PATHS = "a folder, or a file .zip, .npz or .npy, of images"


def open_images(
    what: Openable, *, conversion: Conversion | None = None, limit: int | None = None
) -> ImageCollection:
    """A folder, zip, npz or npy by path; a tensor [N, C, H, W], an array, a dataset, any ImageSet.

    A collection comes back as it is. An ImageSet has RGB bytes already: no conversion is left to do.

    Args:
        what: where the images are.
        conversion: how they become RGB bytes.
        limit: so many of them, chosen by content.

    Raises:
        DataError: nothing is there, it holds no images, or fewer than `limit`.
    """
    conversion = conversion or Conversion()
    if isinstance(what, (str, Path)):
        if not str(what):
            raise DataError("an empty path", expected=_PATHS, fix="name the folder or file")
        return limited(_open_path(Path(what).expanduser(), conversion), limit)
    told = type(what).__name__
    if isinstance(what, torch.Tensor):
        images = ArrayImages(what, told, conversion=conversion, layout="channels_first")
        return limited(images, limit)
    if isinstance(what, np.ndarray):
        return limited(ArrayImages(what, told, conversion=conversion), limit)
    # Asked for plainly, `digests` would read every image.
    if getattr_static(what, "digests", None) is not None:
        return limited(cast("ImageCollection", what), limit)
    if not (hasattr(what, "__len__") and hasattr(what, "__getitem__")):
        raise DataError(
            f"a {told} holds no images that are known here",
            expected="a path, a tensor [N, 3, H, W], an array, or a dataset with a length",
        )
    if hasattr(what, "names"):
        return limited(ImageSequence(cast("ImageSet", what), conversion=conversion), limit)
    return limited(DatasetImages(what, told, conversion=conversion), limit)


def _open_path(path: Path, conversion: Conversion) -> ImageCollection:
    if path.is_dir():
        return open_folder_of_images(path, conversion)
    if not path.is_file():
        raise DataError(f"no such file or folder: {path}", expected=_PATHS, fix="correct the path")
    openers: dict[str, Callable[[Path, Conversion], ImageCollection]] = {
        ".zip": open_zip_of_images,
        ".npz": open_npz,
        ".npy": open_npy,
    }
    opener = openers.get(path.suffix.lower())
    if opener is None:
        raise DataError(f"{path}: not known as a file of many images", expected=_PATHS)
    return opener(path, conversion)
