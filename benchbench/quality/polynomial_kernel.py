"""The polynomial kernel of the kernel distance, tile by tile over all pairs of rows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchbench.core.errors import FeatureError
from benchbench.quality.rows import Rows, blocks, check_rows, check_same_dimensions

TALL, WIDE, STRIP = 1024, 4096, 32
"""Rows and columns of a tile: large enough for fast products, at most 32 MiB in float64; and rows at once."""

LOSS = 1e-6
"""Of the mean kernel value: the distance below which float32 products are not enough."""

Products = NDArray[np.floating[Any]]
Part = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Kernel:
    """k(x, y) = (gamma x.y + coefficient)^degree, in products of one precision."""

    degree: int
    gamma: float
    coefficient: float
    dtype: type[np.float32 | np.float64]

    def rows(self, features: Rows, start: int, stop: int) -> Products:
        """Rows `start` to `stop` in the precision of the products."""
        return np.asarray(features[start:stop], dtype=self.dtype)

    def values(self, left: Products, right: Products) -> Products:
        """Rows [n, D] and [m, D] -> kernel values [n, m]."""
        products = left @ right.T  # half the work where both are one array
        # In strips that stay in a processor's cache: pass after pass over the whole takes twice as long.
        for start, stop in blocks(len(products), STRIP):
            powers = products[start:stop]
            powers *= self.dtype(self.gamma)
            powers += self.dtype(self.coefficient)
            base = powers.copy()
            for _ in range(self.degree - 1):
                powers *= base
        return products


def checked_kernel(
    x: Rows, y: Rows, degree: int, gamma: float | None, coefficient: float, *, least: int = 2
) -> tuple[int, int, Kernel]:
    """Rows of both sets, and the kernel for them: float32 where both are, gamma 1/D unless given.

    Raises:
        FeatureError: not [N, D], fewer rows than `least`, another D, NaN or infinity, or a degree below 1.
    """
    n, dimensions = check_rows(x, what="first features", least=least)
    m, others = check_rows(y, what="second features", least=least)
    check_same_dimensions(dimensions, others)
    if degree < 1:
        raise FeatureError(f"a polynomial kernel of degree {degree}", expected="at least 1")
    single = all(np.asarray(rows[:1]).dtype == np.float32 for rows in (x, y))
    dtype = np.float32 if single else np.float64
    return n, m, Kernel(degree, 1 / dimensions if gamma is None else gamma, coefficient, dtype)


def tiles(x: Rows, y: Rows, kernel: Kernel) -> Iterator[tuple[Part, Part, Products]]:
    """Kernel values of all pairs, tile by tile, with their rows and columns."""
    for i in blocks(int(x.shape[0]), TALL):
        left = kernel.rows(x, *i)
        for j in blocks(int(y.shape[0]), WIDE):
            yield i, j, kernel.values(left, kernel.rows(y, *j))


def upper_tiles(rows: Rows, n: int, kernel: Kernel) -> Iterator[tuple[Part, Part, Products]]:
    """Kernel values of one set's pairs on the diagonal (i == j) and right of it."""
    for i in blocks(n, TALL):
        left = kernel.rows(rows, *i)
        yield i, i, kernel.values(left, left)
        for start, stop in blocks(n - i[1], WIDE):
            j = i[1] + start, i[1] + stop
            yield i, j, kernel.values(left, kernel.rows(rows, *j))


def leave_out_pairs(rows: Part, columns: Part, tile: Products) -> None:
    """Zero at (k, k) of the whole matrix, of which `tile` is a part."""
    both = np.arange(max(rows[0], columns[0]), min(rows[1], columns[1]))
    tile[both - rows[0], both - columns[0]] = 0.0


def has_lost(value: float, scale: float, kernel: Kernel) -> bool:
    """Whether float32 products leave too few digits of a difference."""
    return kernel.dtype is np.float32 and abs(value) < LOSS * scale


def finite(value: float) -> float:
    """The value itself.

    Raises:
        FeatureError: it is NaN or infinite.
    """
    if not np.isfinite(value):
        raise FeatureError(
            "the kernel of these features is too large for their precision",
            expected="gamma x.y + coefficient whose power can be held",
            fix="pass them as float64, or a smaller gamma",
        )
    return value
