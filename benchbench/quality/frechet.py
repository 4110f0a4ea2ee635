"""The Fréchet distance between Gaussians, exact and fast, and what each image does to it.

Where N <= D the trace term is the nuclear norm of the centred cross-Gram; otherwise that of the product of
the covariances' Cholesky factors, pivoted where one is rank-deficient. No matrix square root is taken.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from scipy.linalg import solve_triangular
from scipy.linalg.blas import dtrmm
from scipy.linalg.lapack import dpotrf, dpstrf

from benchbench.core.errors import FeatureError, ProtocolMismatchError
from benchbench.quality.rows import FloatArray, Rows, blocks, read_rows
from benchbench.quality.statistics import FeatureStatistics, statistics_of

INDEFINITE = 1e-5
"""Of the trace: what a pivoted Cholesky may leave over before a matrix is no covariance. Covariances that
were stored as float32 stay below it."""
LOSS = 1e-10
"""Of a sum of singular values: the bound up to which it is taken from squares; what is lost is some 1,000
times less."""
ONE_THREAD = 1024
"""Rows or columns of a matrix up to which its SVD is as fast in one thread as in more."""


@dataclass(frozen=True, slots=True, eq=False)
class _Factor:
    """F [D, r] with F @ F.T the covariance.

    For a covariance, `pivots` [r] are the rows of F that form the lower triangle `top` [r, r]; `triangular`
    where F is that triangle itself.
    """

    matrix: FloatArray
    pivots: np.ndarray[tuple[int], np.dtype[np.intp]] | None = None
    top: FloatArray | None = None
    triangular: bool = False


def frechet_distance(a: FeatureStatistics | Rows, b: FeatureStatistics | Rows) -> float:
    """Fréchet distance between Gaussians fitted to two feature sets.

    Args:
        a, b: statistics, or features float32 or float64 [N, D] of which they are taken.

    Returns:
        Squared distance in feature units, >= 0, lower is better:
        |m1 - m2|^2 + tr S1 + tr S2 - 2 tr (S1 S2)^(1/2). Rounding is about 1e-13 of tr S1 + tr S2.

    Raises:
        ProtocolMismatchError: the extractors or D differ.
        FeatureError: features that are not [N, D], N < 2, NaN or infinity, or no covariance.

    Source: Dowson and Landau 1982; Heusel et al. 2017, section 2. Agrees with clean-fid to 1e-6 relative
    and with closed forms to 1e-9 (tests/quality/test_frechet.py).
    """
    first, second = _comparable(a, b)
    left, right = _factor(first), _factor(second)
    step = first.mean - second.mean
    overlap = _nuclear_norm(_cross(left, right), full_rank=left.triangular and right.triangular)
    spread = _square_sum(left.matrix) + _square_sum(right.matrix)
    # Traces are the factors' own, so that what a factor leaves out of S is left out of every term.
    return max(float(step @ step + spread - 2 * overlap), 0.0)


def frechet_influence(a: Rows, b: Rows) -> tuple[FloatArray, FloatArray]:
    """What each image does to the Fréchet distance: its influence function.

    Element i of the first is d/de FD((1 - e) w + e delta_i, b) at e = 0, where w weighs every image of `a`
    by 1/N and the covariance under weights is N / (N - 1) times the weighted one; likewise the second. To
    first order, FD under weights u is FD + sum_i u_i influence_i. Intervals are made of this
    (intervals.linear_interval): FDs of resampled sets are all too large, because copies hold less variety,
    and their percentiles do not hold the value. The standard error it gives is that over fresh sets within
    20 % where the sets differ; where both come from one distribution it is up to 1.4 times too large.

    Args:
        a, b: features float32 or float64 [N, D].

    Returns:
        float64 [Na] and [Nb], each of mean 0, in the distance's unit.

    Raises:
        ProtocolMismatchError: D differs.
        FeatureError: not [N, D], N < 2, NaN or infinity.

    Source: Hampel 1974 (influence function); the derivative of the trace term is -T, with T the optimal
    transport map between the Gaussians (Takatsu 2011), here T = L1^-T U S U^T L1^-1 for L1^T L2 = U S V^T.
    """
    first, second = _comparable(a, b)
    assert not isinstance(a, FeatureStatistics)
    assert not isinstance(b, FeatureStatistics)
    left, right = _factor(first), _factor(second)
    cross = _tensor(_cross(left, right))
    with _few_threads(cross):
        u, s, vt = (each.numpy() for each in torch.linalg.svd(cross, full_matrices=False))
    step = first.mean - second.mean
    return (
        _influence(a, first, left, (u * np.sqrt(s)).T, step),
        _influence(b, second, right, vt * np.sqrt(s)[:, None], -step),
    )


def _influence(
    features: Rows, own: FeatureStatistics, factor: _Factor, roots: FloatArray, step: FloatArray
) -> FloatArray:
    """Of one set; `roots` [k, r] = S^(1/2) U^T in the coordinates of its factor."""
    n = own.count
    transport = None
    if factor.top is not None and factor.pivots is not None:
        transport = solve_triangular(factor.top, roots.T, lower=True, trans="T", check_finite=False).T
    values = np.empty(n)
    for start, stop in blocks(n):
        centred = read_rows(features, start, stop) - own.mean
        if transport is None or factor.pivots is None:
            # An image's coordinates in its own set's rows are a unit vector times sqrt(N - 1).
            moved = (n - 1) * np.square(roots[:, start:stop]).sum(axis=0)
        else:
            moved = np.square(centred[:, factor.pivots] @ transport.T).sum(axis=1)
        values[start:stop] = 2 * (centred @ step) + (np.square(centred).sum(axis=1) - moved) * (n / (n - 1))
    influence: FloatArray = values - values.mean()
    return influence


def _comparable(
    a: FeatureStatistics | Rows, b: FeatureStatistics | Rows
) -> tuple[FeatureStatistics, FeatureStatistics]:
    first = a if isinstance(a, FeatureStatistics) else statistics_of(a)
    second = b if isinstance(b, FeatureStatistics) else statistics_of(b)
    differing = []
    # Bare arrays say nothing of their extractor; statistics do, and then both must.
    if isinstance(a, FeatureStatistics) and isinstance(b, FeatureStatistics) and a.extractor != b.extractor:
        differing.append(f"extractor '{a.extractor}' and '{b.extractor}'")
    if first.dimensions != second.dimensions:
        differing.append(f"dimensions {first.dimensions} and {second.dimensions}")
    if differing:
        raise ProtocolMismatchError(
            f"two feature sets cannot be compared: {'; '.join(differing)}",
            expected="features of one extractor",
            fix="extract both sets with the same extractor and weights",
        )
    return first, second


def _factor(statistics: FeatureStatistics) -> _Factor:
    if statistics.rows is not None:
        return _Factor(statistics.rows.T)
    assert statistics.covariance is not None
    # The transpose is the same matrix in LAPACK's order.
    covariance = (
        statistics.covariance.T if statistics.covariance.flags.c_contiguous else statistics.covariance
    )
    variances = np.diagonal(covariance)
    triangle, info = dpotrf(covariance, lower=1)
    assert info >= 0, info
    # What dpstrf takes for zero. Below it a pivot is rounding, and its root is not small.
    negligible = len(variances) * np.finfo(np.float64).eps * max(float(variances.max()), 0.0)
    if info == 0 and float(np.square(np.diagonal(triangle)).min()) > negligible:
        return _Factor(triangle, np.arange(len(variances)), triangle, triangular=True)
    packed, pivots, rank, info = dpstrf(covariance, lower=1)
    assert info >= 0, info
    triangle = np.tril(packed)[:, :rank]
    order = np.asarray(pivots, dtype=np.intp) - 1
    matrix = np.empty_like(triangle)
    matrix[order] = triangle
    trace = float(variances.sum())
    if abs(trace - _square_sum(matrix)) > INDEFINITE * abs(trace):
        raise FeatureError(
            "a covariance has negative eigenvalues: it is no covariance",
            expected="a symmetric positive semidefinite [D, D] with divisor N - 1",
        )
    return _Factor(matrix, order[:rank], triangle[:rank])


def _cross(left: _Factor, right: _Factor) -> FloatArray:
    """F1.T @ F2, [r1, r2]."""
    if left.triangular:
        product: FloatArray = dtrmm(1.0, left.matrix, right.matrix, lower=1, trans_a=1)
        return product
    # Torch's product here and its SVD below: two libraries' threads wait for each other on a busy machine.
    return (_tensor(left.matrix).T @ _tensor(right.matrix)).numpy()


def _nuclear_norm(matrix: FloatArray, *, full_rank: bool) -> float:
    """The sum of singular values.

    The roots of the Gram's eigenvalues are them too, at a third of the cost, but lose half the digits of
    small ones: they are taken where a bound says that the sum keeps its own.
    """
    if not matrix.size:
        return 0.0
    values = _tensor(matrix)
    if full_rank and len(values) > ONE_THREAD:
        squares = torch.linalg.eigvalsh(values @ values.T)
        if squares[0] > 0:
            roots = squares.sqrt()
            # To first order each eigenvalue is off by eps of the largest, and its root by that over 2 roots.
            lost = torch.finfo(squares.dtype).eps * squares[-1] * (0.5 / roots).sum()
            if lost <= LOSS * roots.sum():
                return float(roots.sum())
    with _few_threads(values):
        return float(torch.linalg.svdvals(values).sum())


@contextmanager
def _few_threads(matrix: torch.Tensor) -> Iterator[None]:
    """One thread for a small matrix's SVD.

    Several wait for one another some thousand times in it. That gains nothing up to 1,000 rows, and on a
    machine that has other work it was seen to take 10 to 100 times as long.
    """
    before = torch.get_num_threads()
    try:
        if min(matrix.shape) <= ONE_THREAD:
            torch.set_num_threads(1)
        yield
    finally:
        torch.set_num_threads(before)


def _tensor(matrix: FloatArray) -> torch.Tensor:
    """The same memory, unless torch could not take it as it lies."""
    usable = matrix.flags.writeable and min(matrix.strides, default=0) >= 0
    return torch.from_numpy(matrix if usable else matrix.copy())


def _square_sum(matrix: FloatArray) -> float:
    flat = matrix.ravel(order="K")
    return float(flat @ flat)
