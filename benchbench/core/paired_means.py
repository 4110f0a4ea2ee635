"""How much a mean changes between two lists that were taken on the same images."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import fmean

import numpy as np
from numpy.typing import ArrayLike

from benchbench.core.measurement import Interval, Measurement


@dataclass(frozen=True, slots=True)
class MeanRatio:
    """Ratio of two means with its interval."""

    value: float
    interval: Interval


def ratio_of_means(
    numerator: ArrayLike, denominator: ArrayLike, *, seed: int = 0, resamples: int = 4000, level: float = 0.95
) -> MeanRatio | None:
    """mean(numerator) / mean(denominator), entry i of both from image i.

    The interval is a bootstrap over images that draws both lists' entries together, so that what
    makes an image hard for every network does not widen it.

    Args:
        numerator, denominator: samples [images], positive on average.

    Returns:
        None where the lists do not pair up, or hold fewer than three images.

    Source: Efron and Tibshirani 1993, section 10.3 (bootstrap of a ratio).
    """
    a, b = np.asarray(numerator, dtype=np.float64), np.asarray(denominator, dtype=np.float64)
    if a.shape != b.shape or a.ndim != 1 or a.size < 3 or not b.mean() > 0:
        return None
    index = np.random.default_rng(seed).integers(0, a.size, size=(resamples, a.size))
    below = b[index].mean(axis=1)
    if not np.all(below > 0):
        return None
    tail = (1 - level) / 2
    low, high = np.quantile(a[index].mean(axis=1) / below, [tail, 1 - tail])
    value = float(a.mean() / b.mean())
    return MeanRatio(value, Interval(low=min(float(low), value), high=max(float(high), value), level=level))


def is_mean_of_samples(figure: Measurement) -> bool:
    """Whether the figure is the mean of its samples, one per image, so that two of them pair up."""
    # A score of a whole set of images (FID) has none to pair; a ratio of decibels says nothing.
    if figure.protocol.settings.get("aggregate") != "mean" or figure.unit != "1":
        return False
    samples = [value for chunk in figure.samples for value in chunk]
    return bool(samples) and math.isclose(fmean(samples), figure.value, rel_tol=1e-6, abs_tol=1e-12)
