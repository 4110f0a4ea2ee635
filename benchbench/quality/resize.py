"""Bringing images to an extractor's size, in the two ways that published figures were made with.

Parmar, Zhang and Zhu 2022 show how much a score depends on it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from benchbench.core.errors import DataError
from benchbench.core.features import ResizeName
from benchbench.core.precise import full_precision

# Output rows per product: few enough that a band holds little beside its taps, many enough to be fast.
# Measured from 64 to 512 pixels: 16 to 24 are alike, 50 takes a third longer.
_BAND = 20
# Images per product: as many as the caches hold.
_TOGETHER = 4
# Keys 1981 with a = -0.5, as Pillow's BICUBIC.
_A = -0.5


class _Band(NamedTuple):
    """Rows `start`..`stop` of a resampling matrix, over the inputs `low`..`high` that they read."""

    start: int
    stop: int
    low: int
    high: int
    weights: Tensor


def resize(images: Tensor, *, side: int, how: ResizeName) -> Tensor:
    """Images as float32 [N, 3, side, side] in 0..255.

    Args:
        images: uint8 or float [N, 3, H, W] in 0..255, on any device.
        side: pixels.
        how: `clean`, `legacy` or `none`, see core/features.py.

    Raises:
        DataError: `none`, and the images have another size.

    Source: `clean` is Pillow's bicubic of mode F, channel by channel, clipped: clean-fid's; agrees with it to
    1e-4 (tests/quality/test_resize.py). `legacy` is clean-fid's legacy_pytorch, pytorch-fid's own resizing.
    """
    height, width = images.shape[-2:]
    if how == "none":
        if (height, width) != (side, side):
            raise DataError(
                f"images of {width} x {height} pixels, and the extractor takes {side} x {side}",
                expected="that size, or a declared way of resizing",
                fix="set resize: clean (or legacy)",
            )
        return images.float()
    if how == "legacy":
        resized = F.interpolate(images.float(), size=(side, side), mode="bilinear", align_corners=False)
        return resized.clamp_(0, 255)
    if images.device.type != "cpu":
        with full_precision():
            return _resize_dense(images, side)
    with full_precision(), _one_thread():
        made = torch.empty(len(images), 3, side, side)
        for first in range(0, len(images), _TOGETHER):
            part = slice(first, first + _TOGETHER)
            _resize_banded(images[part], side, made[part])
        return made


@contextmanager
def _one_thread() -> Iterator[None]:
    """The block in one thread; afterwards as many as before.

    Products of microseconds gain little from a second thread, and on busy cores, while images are decoded
    beside them, they wait for it: up to a hundred times as long as alone was measured.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _resize_dense(images: Tensor, side: int) -> Tensor:
    """Whole matrix products: few of them are faster there than bands."""
    rows, columns = (
        torch.from_numpy(_matrix(size, side)).to(images.device, torch.float32) for size in images.shape[-2:]
    )
    return (rows @ (images.float() @ columns.T)).clamp_(0, 255)


def _resize_banded(images: Tensor, side: int, target: Tensor) -> None:
    # Rows outermost, so that a band of rows is one stretch of memory and one product does all images.
    count, channels, height, width = images.shape
    values = images.permute(2, 0, 1, 3).float().reshape(height, -1)
    if height != side:
        tall = values.new_empty(side, values.shape[1])
        for band in _bands(height, side):
            torch.mm(band.weights, values[band.low : band.high], out=tall[band.start : band.stop])
        values = tall
    values = values.view(-1, width)
    if width != side:
        wide = values.new_empty(len(values), side)
        for band in _bands(width, side):
            torch.mm(values[:, band.low : band.high], band.weights.T, out=wide[:, band.start : band.stop])
        values = wide
    torch.clamp(values.view(side, count, channels, side).permute(1, 2, 0, 3), 0, 255, out=target)


@lru_cache(maxsize=256)
def _bands(size: int, side: int) -> tuple[_Band, ...]:
    matrix = _matrix(size, side)
    bands = []
    for start in range(0, side, _BAND):
        stop = min(start + _BAND, side)
        read = np.flatnonzero(matrix[start:stop].any(axis=0))
        low, high = int(read[0]), int(read[-1]) + 1
        weights = torch.from_numpy(matrix[start:stop, low:high]).float().contiguous()
        bands.append(_Band(start, stop, low, high, weights))
    return tuple(bands)


@lru_cache(maxsize=256)
def _matrix(size: int, side: int) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    """[side, size]: Pillow's antialiased bicubic, whose kernel widens with the shrinking."""
    if size == side:
        return np.eye(side)  # Pillow leaves an axis of the right size alone
    scale = size / side
    widened = max(scale, 1.0)
    reach = 2 * widened
    matrix = np.zeros((side, size))
    for row in range(side):
        centre = (row + 0.5) * scale
        low, high = max(int(centre - reach + 0.5), 0), min(int(centre + reach + 0.5), size)
        distance = np.abs((np.arange(low, high) - centre + 0.5) / widened)
        near = ((_A + 2) * distance - (_A + 3)) * distance**2 + 1
        far = (((distance - 5) * distance + 8) * distance - 4) * _A
        weights = np.where(distance < 1, near, np.where(distance < 2, far, 0.0))
        matrix[row, low:high] = weights / weights.sum()
    return matrix
