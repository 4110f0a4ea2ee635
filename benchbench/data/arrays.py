"""Images in arrays: tensors, numpy arrays, npy files, and npz archives in ADM's form."""

from __future__ import annotations

import struct
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from benchbench.core.errors import DataError
from benchbench.data.collection import HashedByPixels
from benchbench.data.conversion import Conversion, check_dtype, to_bytes, to_rgb

Layout = Literal["channels_first", "channels_last"]
_CHANNELS = (1, 3, 4)
_DAMAGED = (OSError, ValueError, EOFError, KeyError, MemoryError, RuntimeError, SyntaxError,
            struct.error, zlib.error, zipfile.BadZipFile)  # fmt: skip


class ArrayImages(HashedByPixels):
    """Rows of an array as images, named by their place; `[i]` is uint8 [3, H, W].

    Args:
        pixels: [N, C, H, W] or [N, H, W, C] with C of 1, 3 or 4: numpy, in memory or mapped, or a tensor
            on any device. Nothing is copied.
        what: for messages.
        conversion: range and quantisation of floats, grey and alpha.
        layout: where the channels are; where nobody says it, the shape must tell.
        labels: class of each.

    Raises:
        DataError: another shape, no images, pixels that cannot become bytes, or labels that do not fit.
    """

    def __init__(
        self,
        pixels: NDArray[Any] | torch.Tensor,
        what: str,
        *,
        conversion: Conversion,
        layout: Layout | None = None,
        labels: Sequence[int] | None = None,
    ) -> None:
        shape = tuple(pixels.shape)
        if len(shape) != 4:
            raise DataError(f"{what}: an array of shape {list(shape)}", expected=_EXPECTED)
        if 0 in shape:
            raise DataError(f"{what}: it holds no images (shape {list(shape)})", expected=_EXPECTED)
        self.layout = layout_of(shape[1:], what, layout=layout)
        check_dtype(_dtype(pixels, what), conversion, name=what)
        if labels is not None and len(labels) != shape[0]:
            raise DataError(
                f"{what}: {len(labels)} labels for {shape[0]} images",
                expected="one for each",
                fix="write it anew, with all labels or with none",
            )
        self.what, self.conversion, self._pixels = what, conversion, pixels
        self.names = tuple(map(str, range(shape[0])))
        self.labels: Sequence[int] | None = labels

    def __getitem__(self, index: int) -> torch.Tensor:
        row = as_tensor(self._pixels[index])
        return to_image(row, self.conversion, name=f"{self.what}[{index}]", layout=self.layout)


_EXPECTED = "[N, height, width, channels] or [N, channels, height, width] with 1, 3 or 4 channels, N > 0"


def layout_of(shape: tuple[int, ...], what: str, *, layout: Layout | None) -> Layout:
    """Where the channels of one image are; `shape` has three sides.

    Raises:
        DataError: there are no 1, 3 or 4 channels there, or they could be in two places.
    """
    first, last = shape[0] in _CHANNELS, shape[2] in _CHANNELS
    if layout is None and first and last:
        raise DataError(
            f"{what}: the shape {list(shape)} of an image does not tell where its channels are",
            expected="larger images, or a tensor [N, channels, height, width]",
            fix="pass it as a torch tensor, or as npz: [N, height, width, channels]",
        )
    if not (first if layout == "channels_first" else last if layout == "channels_last" else first or last):
        wanted = {"channels_first": "[3, height, width]", "channels_last": "[height, width, 3]"}
        raise DataError(
            f"{what}: images of shape {list(shape)}",
            expected=wanted[layout] if layout else " or ".join(wanted.values()),
        )
    return layout or ("channels_first" if first else "channels_last")


def as_tensor(row: NDArray[Any] | torch.Tensor) -> torch.Tensor:
    """A copy in memory, in the machine's own byte order."""
    if isinstance(row, torch.Tensor):
        return row.detach().cpu()
    return torch.from_numpy(np.array(row, dtype=row.dtype.newbyteorder("="), order="C"))


def to_image(pixels: torch.Tensor, conversion: Conversion, *, name: str, layout: Layout) -> torch.Tensor:
    """One image's pixels as uint8 [3, H, W].

    Raises:
        DataError: pixels that the conversion does not cover.
    """
    if layout == "channels_last":
        pixels = pixels.permute(2, 0, 1)
    return to_rgb(to_bytes(pixels, conversion, name=name), conversion, name=name)


def _dtype(pixels: NDArray[Any] | torch.Tensor, what: str) -> torch.dtype:
    if isinstance(pixels, torch.Tensor):
        return pixels.dtype
    kinds = {"u1": torch.uint8, "f2": torch.float16, "f4": torch.float32, "f8": torch.float64}
    kind = pixels.dtype.str[1:]
    if kind not in kinds:
        raise DataError(
            f"{what}: pixels of {pixels.dtype}",
            expected="uint8 in 0..255, or floats of a declared range",
            fix="convert them to uint8",
        )
    return kinds[kind]


def open_npz(path: Path, conversion: Conversion) -> ArrayImages:
    """An archive in ADM's form: `arr_0` [N, H, W, 3], and in `arr_1` labels [N] where it has them.

    What is stored without compression, as ADM does, stays on disk and is read row by row.

    Raises:
        DataError: it is no such archive.
    """
    if not zipfile.is_zipfile(path):
        raise _unreadable(path, "it is no npz archive, or a part of one is missing")
    try:
        with np.load(path, allow_pickle=False) as archive:
            if "arr_0" not in archive.files:
                raise DataError(
                    f"{path}: it holds {', '.join(archive.files) or 'nothing'}, and no arr_0",
                    expected="arr_0: images uint8 [N, height, width, 3], as ADM's sample batches",
                    fix="np.savez(path, images); statistics of images cannot stand for them",
                )
            mapped = _mapped_member(path, "arr_0.npy")
            pixels = archive["arr_0"] if mapped is None else mapped
            labels = archive["arr_1"] if "arr_1" in archive.files else None
    except _DAMAGED as error:
        raise _unreadable(path, str(error) or type(error).__name__) from None
    if labels is not None and (labels.ndim != 1 or labels.dtype.kind not in "iu"):
        raise DataError(
            f"{path}: arr_1 is {labels.dtype} of shape {list(labels.shape)}",
            expected="labels: whole numbers [N]",
            fix="write it anew, with such labels or without arr_1",
        )
    classes = None if labels is None else tuple(int(each) for each in labels)
    return ArrayImages(pixels, str(path), conversion=conversion, layout="channels_last", labels=classes)


def open_npy(path: Path, conversion: Conversion) -> ArrayImages:
    """One array, left on disk and read row by row.

    Raises:
        DataError: it is none, or of another shape than images.
    """
    try:
        with path.open("rb") as file:
            if file.read(6) != b"\x93NUMPY":
                raise _unreadable(path, "it is no npy file")
        pixels = np.load(path, mmap_mode="r", allow_pickle=False)
    except _DAMAGED as error:
        raise _unreadable(path, str(error) or type(error).__name__) from None
    return ArrayImages(pixels, str(path), conversion=conversion)


def _mapped_member(path: Path, member: str) -> NDArray[Any] | None:
    """A member that is stored as it is, mapped; None for a compressed one and for what numpy must judge."""
    with zipfile.ZipFile(path) as archive, path.open("rb") as file:
        info = archive.getinfo(member)
        if info.compress_type != zipfile.ZIP_STORED or info.flag_bits & 1:
            return None
        file.seek(info.header_offset + 26)
        name_bytes, extra_bytes = struct.unpack("<HH", file.read(4))
        file.seek(name_bytes + extra_bytes, 1)
        if np.lib.format.read_magic(file) != (1, 0):
            return None
        shape, by_columns, dtype = np.lib.format.read_array_header_1_0(file)
        if dtype.hasobject or 0 in shape or not shape:
            return None
        order: Literal["F", "C"] = "F" if by_columns else "C"
        return np.memmap(path, dtype, mode="r", offset=file.tell(), shape=shape, order=order)


def _unreadable(path: Path, told: str) -> DataError:
    return DataError(
        f"{path}: cannot be read ({told})",
        expected="arrays as numpy writes them, without pickled objects",
        fix="bring the file again, or write it anew with np.savez",
    )
