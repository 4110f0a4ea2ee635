"""A confidence interval for any statistic of independent values."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from benchbench.core.measurement import Interval


def _mean(values: NDArray[np.float64]) -> NDArray[np.float64]:
    means: NDArray[np.float64] = values.mean(axis=-1)
    return means


def bootstrap_interval(
    values: Sequence[float],
    *,
    statistic: Callable[[NDArray[np.float64]], NDArray[np.float64]] = _mean,
    resamples: int = 2000,
    seed: int = 0,
    level: float = 0.95,
) -> Interval | None:
    """Percentile bootstrap interval of `statistic`, or None for fewer than two values.

    Args:
        values: independent of each other, one per crop for example.
        statistic: [resamples, N] -> [resamples], along the last axis; the mean unless said.
        resamples: how many.
        seed: of the resampling; the same seed gives the same interval.

    Source: Efron and Tibshirani 1993, chapter 13.
    """
    data = np.asarray(values, dtype=np.float64)
    if data.size < 2:
        return None
    draws = np.random.default_rng(seed).integers(0, data.size, size=(resamples, data.size))
    low, high = np.quantile(statistic(data[draws]), [(1 - level) / 2, (1 + level) / 2])
    return Interval(low=float(low), high=float(high), level=level)
