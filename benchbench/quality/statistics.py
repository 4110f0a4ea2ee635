"""Mean and covariance of a feature set, kept in the form that a Fréchet distance is exact and fast from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.linalg.blas import dsyrk

from benchbench.core.errors import FeatureError
from benchbench.quality.rows import FloatArray, Rows, blocks, check_finite, check_shape, copy_rows

FOLD = 512
"""Rows that are gathered before they go into the cross product: large enough for fast products."""


@dataclass(frozen=True, slots=True, eq=False)
class FeatureStatistics:
    """The first two moments of N feature vectors. Exactly one of `rows` and `covariance` is given.

    Attributes:
        count: N, at least 2.
        mean: float64 [D].
        rows: float64 [N, D], centred and divided by sqrt(N - 1), so that rows.T @ rows is the covariance;
            kept where N - 1 < D.
        covariance: float64 [D, D], divisor N - 1; kept otherwise.
        extractor: what made the features (label and weights hash); "" where it was not said.

    Raises:
        FeatureError: shapes that do not belong together, or values that are no finite numbers.
    """

    count: int
    mean: FloatArray
    rows: FloatArray | None
    covariance: FloatArray | None
    extractor: str = ""

    def __post_init__(self) -> None:
        second = self.rows if self.covariance is None else self.covariance
        if second is None or (self.rows is not None and self.covariance is not None):
            raise FeatureError("statistics need one of rows and covariance", expected="exactly one of them")
        wanted = (self.count if self.covariance is None else self.dimensions, self.dimensions)
        if self.count < 2 or self.mean.ndim != 1 or second.shape != wanted:
            raise FeatureError(
                f"statistics of {self.count} images: mean {self.mean.shape}, second moment {second.shape}",
                expected="N >= 2, a mean [D] and a covariance [D, D] or centred rows [N, D]",
            )
        if not (np.isfinite(self.mean).all() and np.isfinite(second).all()):
            raise FeatureError("statistics hold NaN or infinity", expected="finite numbers")

    @property
    def dimensions(self) -> int:
        """D."""
        return int(self.mean.shape[0])


class Moments:
    """Mean and covariance of feature batches as they come; memory does not grow with N.

    Rows are kept until more than D have come; from then on a [D, D] sum of products of centred rows takes
    their place. Batches are joined about their own means, so that nothing cancels where the mean is large
    beside the deviation.

    Source: Chan, Golub and LeVeque 1983, eq. 2.1 (joining two sets' sums of squares).
    """

    def __init__(self) -> None:
        self._waiting: list[FloatArray] = []
        self._waiting_rows = 0
        self._folded = 0
        self._dimensions = 0
        self._mean: FloatArray | None = None
        self._scatter: FloatArray | None = None

    @property
    def count(self) -> int:
        """How many rows have come."""
        return self._folded + self._waiting_rows

    def add(self, batch: Rows) -> None:
        """Takes a batch of features, float32 or float64 [n, D], n >= 0; it is copied.

        Raises:
            FeatureError: not [n, D], another D than before, or a value that is NaN or infinite (the row is
                counted from the first batch on).
        """
        shape = tuple(batch.shape)
        if len(shape) != 2 or shape[1] == 0 or (self._dimensions and shape[1] != self._dimensions):
            wanted = f"[n, {self._dimensions}]" if self._dimensions else "[n, dimensions]"
            raise FeatureError(f"a batch of features has shape {shape}", expected=wanted)
        rows = copy_rows(batch)
        check_finite(rows, first=self.count)
        self._dimensions = int(shape[1])
        self._waiting.append(rows)
        self._waiting_rows += rows.shape[0]
        if self.count > self._dimensions and (self._waiting_rows >= FOLD or self._folded == 0):
            self._fold()

    def finish(self, extractor: str = "") -> FeatureStatistics:
        """The statistics of all rows so far; more may be added afterwards.

        Raises:
            FeatureError: fewer than two rows have come.
        """
        if self.count < 2:
            raise FeatureError(f"{self.count} feature vectors", expected="at least 2")
        if self._mean is None and self.count <= self._dimensions:
            rows = np.concatenate(self._waiting)
            mean = rows.mean(axis=0)
            rows -= mean
            rows /= np.sqrt(self.count - 1)
            return FeatureStatistics(self.count, mean, rows, None, extractor)
        self._fold()
        assert self._mean is not None
        assert self._scatter is not None
        covariance = _mirrored(self._scatter / (self._folded - 1))
        return FeatureStatistics(self._folded, self._mean.copy(), None, covariance, extractor)

    def _fold(self) -> None:
        if not self._waiting_rows:
            return
        rows = self._waiting[0] if len(self._waiting) == 1 else np.concatenate(self._waiting)
        self._waiting, self._waiting_rows = [], 0
        n, mean = rows.shape[0], rows.mean(axis=0)
        rows -= mean
        total = self._folded + n
        if self._mean is None or self._scatter is None:
            self._mean = mean
            self._scatter = np.zeros((self._dimensions, self._dimensions), order="F")
        step = mean - self._mean
        # Lower triangle alone, added in place: half the products, and no second [D, D].
        self._scatter = dsyrk(1.0, rows.T, beta=1.0, c=self._scatter, overwrite_c=1, lower=1)
        if self._folded:
            between = np.sqrt(self._folded * n / total) * step
            self._scatter = dsyrk(1.0, between[:, None], beta=1.0, c=self._scatter, overwrite_c=1, lower=1)
            self._mean = self._mean + step * (n / total)
        self._folded = total


def _mirrored(lower: FloatArray) -> FloatArray:
    """The symmetric matrix of a lower triangle, in place."""
    for start, stop in blocks(lower.shape[0], 256):
        lower[:start, start:stop] = lower[start:stop, :start].T
        corner = np.tril(lower[start:stop, start:stop])
        lower[start:stop, start:stop] = corner + np.tril(corner, -1).T
    return lower


def statistics_of(features: Rows, *, extractor: str = "") -> FeatureStatistics:
    """Mean and covariance of a feature set.

    Args:
        features: float32 or float64 [N, D], in feature units; anything that is sliced in blocks of rows.
        extractor: what made them.

    Returns:
        float64 moments: centred rows / sqrt(N - 1) where N - 1 < D, else the covariance (divisor N - 1).

    Raises:
        FeatureError: not [N, D], N < 2, or NaN or infinity (the message names the first bad row).

    Source: numpy.mean and numpy.cov, as clean-fid and pytorch-fid use them.
    """
    n, dimensions = check_shape(features)
    moments = Moments()
    # Whole where the rows are kept anyway; else in blocks, so that float32 is never copied whole.
    for start, stop in blocks(n, max(n, 1) if n <= dimensions else 8 * FOLD):
        moments.add(features[start:stop])
    return moments.finish(extractor)
