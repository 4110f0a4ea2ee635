"""The kernel distance (squared maximum mean discrepancy, polynomial kernel): exact, and as in the literature.

All pairs are summed block by block: nothing of size [N, N] is ever held, and no seed is needed.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from benchbench.core.errors import FeatureError
from benchbench.core.measurement import Interval
from benchbench.quality.intervals import Groups, Sets, check_sets, grouped_counts, percentile_interval
from benchbench.quality.polynomial_kernel import (
    Kernel,
    Products,
    checked_kernel,
    finite,
    has_lost,
    leave_out_pairs,
    tiles,
    upper_tiles,
)
from benchbench.quality.rows import FloatArray, Rows

Counts = NDArray[np.uint16]


@dataclass(frozen=True, slots=True)
class SubsetEstimate:
    """The literature's estimate.

    Attributes:
        value: mean over the subsets.
        deviation: over the subsets (divisor: their number), as torch-fidelity and torchmetrics give it.
        subsets: how many.
        size: images of each set in a subset, after it was cut to the smaller set.
    """

    value: float
    deviation: float
    subsets: int
    size: int


@dataclass(frozen=True, slots=True)
class KernelEstimate:
    """The exact value and its interval, from one pass over the pairs."""

    value: float
    interval: Interval


def kernel_distance(
    x: Rows,
    y: Rows,
    *,
    degree: int = 3,
    gamma: float | None = None,
    coefficient: float = 1.0,
    sets: Sets = "independent",
) -> float:
    """Squared maximum mean discrepancy of two feature sets: the unbiased U-statistic over all pairs.

    Args:
        x, y: float32 or float64 [N, D] and [M, D], N, M >= 2; anything sliced in blocks of rows.
        degree, gamma, coefficient: kernel (gamma x.y + coefficient)^degree; gamma is 1/D unless given.
        sets: `paired` where image i of both was made of one input (N = M): k(x_i, y_i) is then left out as
            well, because such a pair is no draw of two independent images and would pull the value down.

    Returns:
        mean k(x, x') + mean k(y, y') - 2 mean k(x, y), without the pairs of an image with itself. No unit;
        lower is better. Unbiased at any N, so that it is negative about half of the time where both sets
        come from one distribution; it is not clipped.

    Products are float32 where both sets are, else float64; sums are float64 always. Rounding of float32
    products averages out over the pairs, to 1e-8 of the mean kernel value or better at 100 images and more
    (about 1e-6 of usual distances; tests/quality/test_kernel.py). A distance that is less than a millionth
    of the mean kernel value (features far from 0 beside their spread) is taken again in float64.

    Raises:
        FeatureError: not [N, D], fewer than two rows, another D, NaN or infinity, or a degree below 1.

    Source: Gretton et al. 2012, eq. 3, and eq. 4 for pairs; Bińkowski et al. 2018 (this kernel).
    """
    n, m, kernel = checked_kernel(x, y, degree, gamma, coefficient)
    check_sets((n, m), sets)
    value, scale = _exact(x, y, kernel, sets)
    if has_lost(value, scale, kernel):
        value, _ = _exact(x, y, replace(kernel, dtype=np.float64), sets)
    return value


def kernel_distance_subsets(
    x: Rows,
    y: Rows,
    *,
    subsets: int = 100,
    size: int = 1000,
    seed: int,
    degree: int = 3,
    gamma: float | None = None,
    coefficient: float = 1.0,
) -> SubsetEstimate:
    """The kernel distance as the literature estimates it: the mean over random subsets.

    Args:
        x, y: float32 or float64 [N, D] and [M, D]; `x` is clean-fid's `feats1`, `y` its `feats2`.
        subsets: how many.
        size: images of each set in one; cut to the smaller set.
        seed: of the choice. numpy's legacy generator, first `y` then `x`, so that clean-fid after
            `np.random.seed(seed)` chooses the same subsets.
        degree, gamma, coefficient: as in kernel_distance.

    Returns:
        Its mean and deviation; no unit. The deviation is that of a subset, not of the mean.

    Raises:
        FeatureError: as kernel_distance, or fewer than one subset of two images.

    Source: Bińkowski et al. 2018, section 4; the formula of clean-fid 0.1.35 `kernel_distance` (agrees to
    1e-5 absolute, clean-fid's float32: tests/quality/test_kernel.py).
    """
    n, m, kernel = checked_kernel(x, y, degree, gamma, coefficient)
    count = min(n, m, size)
    if subsets < 1 or count < 2:
        raise FeatureError(
            f"kernel distance over {subsets} subsets of {count} images",
            expected="at least 1 subset of at least 2",
        )
    first, second = kernel.rows(x, 0, n), kernel.rows(y, 0, m)
    random = np.random.RandomState(seed)
    values = np.empty(subsets)
    for index in range(subsets):
        chosen = second[random.choice(m, count, replace=False)]
        values[index], _ = _exact(first[random.choice(n, count, replace=False)], chosen, kernel)
    return SubsetEstimate(float(values.mean()), float(values.std()), subsets, count)


def kernel_interval(
    x: Rows,
    y: Rows,
    *,
    degree: int = 3,
    gamma: float | None = None,
    coefficient: float = 1.0,
    resamples: int = 1000,
    seed: int = 0,
    level: float = 0.95,
    sets: Sets = "independent",
    groups: tuple[Groups | None, Groups | None] = (None, None),
) -> KernelEstimate:
    """The exact kernel distance with a percentile bootstrap interval over images.

    A resample gives each image a count c of a multinomial draw; its value is the weighted U-statistic
    sum_{i != j} c_i c_j k_ij / sum_{i != j} c_i c_j, in which copies of one image never meet each other
    (they would add k(x, x), larger than any other pair, and shift every resample upwards). Its width is that
    over fresh sets where the sets differ; where both come from one distribution it is about 1.6 times that.

    Args:
        x, y: float32 or float64 [N, D] and [M, D].
        degree, gamma, coefficient: as in kernel_distance.
        resamples: how many; 1,000 cost about half as much again as the value at D = 2,048.
        seed: of the resampling.
        level: of the interval.
        sets: `paired` draws image i of both sets together, and leaves k(x_i, y_i) out (N = M; the same
            input to two models).
        groups: of each set, int [N] from 0 on: images of one group are drawn together (tiles of a picture).

    Raises:
        FeatureError: as kernel_distance; fewer than three images; pairs of sets of different size.

    Source: Efron and Tibshirani 1993, chapter 13; Arcones and Giné 1992 (the bootstrap of U-statistics).
    """
    n, m, kernel = checked_kernel(x, y, degree, gamma, coefficient, least=3)
    check_sets((n, m), sets)
    random = np.random.default_rng(seed)
    first = grouped_counts(n, resamples, random, groups[0])
    second = first if sets == "paired" else grouped_counts(m, resamples, random, groups[1])
    value, scale, values = _resampled(x, y, kernel, (first, second), sets)
    if has_lost(value, scale, kernel):
        value, _, values = _resampled(x, y, replace(kernel, dtype=np.float64), (first, second), sets)
    return KernelEstimate(value, percentile_interval(values, level=level))


def _resampled(
    x: Rows, y: Rows, kernel: Kernel, counts: tuple[Counts, Counts], sets: Sets
) -> tuple[float, float, FloatArray]:
    """Value, mean kernel value, and the value of every resample."""
    (n, m), (first, second) = (int(x.shape[0]), int(y.shape[0])), counts
    resamples = first.shape[1]
    value, values = 0.0, np.zeros(resamples)
    for rows, count, weights in ((x, n, first), (y, m, second)):
        total, totals = 0.0, np.zeros(resamples)
        for i, j, tile in upper_tiles(rows, count, kernel):
            if i == j:
                np.fill_diagonal(tile, 0.0)
            times = 1 if i == j else 2
            total += times * float(tile.sum(dtype=np.float64))
            totals += times * _weighted(weights[slice(*i)], tile, weights[slice(*j)])
        value += total / (count * (count - 1))
        drawn = weights.sum(axis=0, dtype=np.float64)
        values += totals / (np.square(drawn) - np.square(weights, dtype=np.float64).sum(axis=0))
    scale = value / 2
    between, betweens = 0.0, np.zeros(resamples)
    for i, j, tile in tiles(x, y, kernel):
        if sets == "paired":
            leave_out_pairs(i, j, tile)
        between += float(tile.sum(dtype=np.float64))
        betweens += _weighted(first[slice(*i)], tile, second[slice(*j)])
    if sets == "paired":
        value -= 2 * between / (n * (n - 1))
        drawn = first.sum(axis=0, dtype=np.float64)
        values -= 2 * betweens / (np.square(drawn) - np.square(first, dtype=np.float64).sum(axis=0))
    else:
        # Images of a group are drawn together, so that a resample need not have N of them.
        values -= 2 * betweens / (first.sum(axis=0, dtype=np.float64) * second.sum(axis=0, dtype=np.float64))
        value -= 2 * between / (n * m)
    return finite(value), scale, values


def _exact(x: Rows, y: Rows, kernel: Kernel, sets: Sets = "independent") -> tuple[float, float]:
    """Value, and the mean kernel value within the sets, of which it is a difference."""
    n, m = int(x.shape[0]), int(y.shape[0])
    value = 0.0
    for rows, count in ((x, n), (y, m)):
        within = 0.0
        for i, j, tile in upper_tiles(rows, count, kernel):
            if i == j:
                np.fill_diagonal(tile, 0.0)
            within += (1 if i == j else 2) * float(tile.sum(dtype=np.float64))
        value += within / (count * (count - 1))
    scale, between = value / 2, 0.0
    for i, j, tile in tiles(x, y, kernel):
        if sets == "paired":
            leave_out_pairs(i, j, tile)
        between += float(tile.sum(dtype=np.float64))
    return finite(value - 2 * between / (n * (m - 1 if sets == "paired" else m))), scale


def _weighted(left: NDArray[np.uint16], tile: Products, right: NDArray[np.uint16]) -> FloatArray:
    """Counts [n, R], tile [n, m], counts [m, R] -> sum_ij left_ir tile_ij right_jr, [R]."""
    products = tile @ right.astype(tile.dtype)
    products *= left
    sums: FloatArray = products.sum(axis=0, dtype=np.float64)
    return sums
