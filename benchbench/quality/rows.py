"""Feature sets as rows, [N, D]: what must be true of them, and how they are read block by block."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from benchbench.core.errors import FeatureError

BLOCK = 1024

FloatArray = NDArray[np.float64]


class Rows(Protocol):
    """Numbers [N, D] whose rows are read in parts: an array, an `np.memmap`, a CPU tensor."""

    @property
    def shape(self) -> Any:
        """(N, D)."""

    def __getitem__(self, index: Any, /) -> Any: ...


def check_shape(features: Rows, *, what: str = "features", least: int = 2) -> tuple[int, int]:
    """N and D of a feature set.

    Raises:
        FeatureError: not two-dimensional, no dimension, or fewer than `least` rows.
    """
    shape = tuple(getattr(features, "shape", ()))
    if len(shape) != 2 or shape[1] == 0:
        raise FeatureError(f"{what}: shape {shape}", expected="[images, dimensions], one row per image")
    n, dimensions = int(shape[0]), int(shape[1])
    if n < least:
        raise FeatureError(f"{what}: {n} image{'' if n == 1 else 's'}", expected=f"at least {least}")
    return n, dimensions


def check_rows(features: Rows, *, what: str = "features", least: int = 2) -> tuple[int, int]:
    """N and D of a feature set that is fit to be used.

    Args:
        features: [N, D], float32 or float64, in feature units.
        what: how messages call it.
        least: the smallest N that will do.

    Raises:
        FeatureError: as check_shape, or a value is NaN or infinite; the message names the first such row.
    """
    n, dimensions = check_shape(features, what=what, least=least)
    for start, stop in blocks(n):
        check_finite(read_rows(features, start, stop, what=what), what=what, first=start)
    return n, dimensions


def check_finite(block: FloatArray, *, what: str = "features", first: int = 0) -> None:
    """Every number of a block [n, D] must be finite; `first` is its first row's number in the whole set.

    Raises:
        FeatureError: one is not; the message names the first such row.
    """
    # A sum is finite only where every number of it is, or huge: one cheap pass where all is well.
    with np.errstate(all="ignore"):
        total = block.sum()
    if np.isfinite(total):
        return
    finite = np.isfinite(block).all(axis=1)
    if not finite.all():
        raise FeatureError(
            f"{what}: row {first + int(np.argmin(finite))} (counted from 0) holds NaN or infinity",
            expected="finite numbers",
            fix="look at that image and at the extractor's output for it",
        )


def read_rows(features: Rows, start: int, stop: int, *, what: str = "features") -> FloatArray:
    """Rows `start` to `stop` as float64 [stop - start, D]; a view where they are float64 already.

    Raises:
        FeatureError: they are no numbers.
    """
    try:
        return np.asarray(features[start:stop], dtype=np.float64)
    except (TypeError, ValueError, RuntimeError) as error:
        raise FeatureError(f"{what}: not an array of numbers ({error})") from None


def copy_rows(features: Rows, *, what: str = "features") -> FloatArray:
    """All rows as a float64 array of its own, [N, D].

    Raises:
        FeatureError: they are no numbers.
    """
    try:
        return np.array(features, dtype=np.float64)
    except (TypeError, ValueError, RuntimeError) as error:
        raise FeatureError(f"{what}: not an array of numbers ({error})") from None


def choose_rows(features: Rows, indices: NDArray[np.int64]) -> FloatArray:
    """Rows [k] of a set that has been checked, float64 [k, D]."""
    return np.asarray(features[indices], dtype=np.float64)


def blocks(n: int, size: int = BLOCK) -> Iterator[tuple[int, int]]:
    """Start and stop of consecutive blocks of `size` that cover 0..n."""
    for start in range(0, n, size):
        yield start, min(start + size, n)


def check_same_dimensions(first: int, second: int) -> None:
    """Two feature sets must have the same D.

    Raises:
        FeatureError: they do not.
    """
    if first != second:
        raise FeatureError(
            f"the feature sets have {first} and {second} dimensions",
            expected="features of one extractor",
        )
