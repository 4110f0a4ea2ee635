"""Medians, outliers and paired ratios with intervals that hold on a shared machine."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike, NDArray

from benchbench.core.measurement import Interval

# Fewest samples for a percentile, so that a distribution-free 95 % bound on it exists.
PERCENTILE_MINIMUM = {90: 64, 95: 130, 99: 662}


@dataclass(frozen=True, slots=True)
class Summary:
    """Five figures of one list of samples, all in the samples' unit."""

    count: int
    median: float
    low_quartile: float
    high_quartile: float
    minimum: float

    @property
    def iqr(self) -> float:
        """Interquartile range."""
        return self.high_quartile - self.low_quartile


def summarise(samples: ArrayLike) -> Summary:
    """Median, quartiles and minimum of at least one sample.

    Raises:
        ValueError: there is no sample.
    """
    values = np.asarray(samples, dtype=np.float64)
    if values.size == 0:
        raise ValueError("no samples")
    low, median, high = np.percentile(values, [25, 50, 75])
    return Summary(values.size, float(median), float(low), float(high), float(values.min()))


def percentile(samples: ArrayLike, rank: int) -> float | None:
    """The percentile, or None where there are too few samples for it to mean anything."""
    values = np.asarray(samples, dtype=np.float64)
    return float(np.percentile(values, rank)) if values.size >= PERCENTILE_MINIMUM.get(rank, 20) else None


@dataclass(frozen=True, slots=True)
class Outliers:
    """How many samples lie beyond Tukey's fences (1.5 and 3 IQR); they are counted, never dropped."""

    low_severe: int
    low_mild: int
    high_mild: int
    high_severe: int

    @property
    def total(self) -> int:
        """All of them."""
        return self.low_severe + self.low_mild + self.high_mild + self.high_severe


def classify_outliers(samples: ArrayLike) -> Outliers:
    """Tukey's classification of the samples."""
    values = np.asarray(samples, dtype=np.float64)
    summary = summarise(values)
    low, high, iqr = summary.low_quartile, summary.high_quartile, summary.iqr
    return Outliers(
        low_severe=int((values < low - 3 * iqr).sum()),
        low_mild=int(((values >= low - 3 * iqr) & (values < low - 1.5 * iqr)).sum()),
        high_mild=int(((values > high + 1.5 * iqr) & (values <= high + 3 * iqr)).sum()),
        high_severe=int((values > high + 3 * iqr).sum()),
    )


@dataclass(frozen=True, slots=True)
class RatioEstimate:
    """A paired ratio with its interval, and its relative half-width (on the log scale)."""

    value: float
    interval: Interval
    relative_half_width: float


def paired_ratio(
    numerator: Sequence[ArrayLike],
    denominator: Sequence[ArrayLike],
    *,
    seed: int = 0,
    resamples: int = 2000,
    level: float = 0.95,
) -> RatioEstimate:
    """Ratio of two subjects timed side by side, round by round, in one or more processes.

    The estimate is the mean over processes of each process's median log-ratio. Its interval is a
    bootstrap over processes, then over blocks of successive rounds: noise on a shared machine comes
    in bursts, so neighbouring rounds are not independent. A few blocks understate their spread, so
    the deviations are widened as Student's t is against the normal; the interval of one process
    is no narrower than the order statistics that hold its median. Where processes differ by more than
    their rounds tell (memory layout), Student's interval over the processes is the wider one and
    counts; one process alone cannot know of such differences.

    Args:
        numerator, denominator: per process, samples [rounds], aligned: entry i of both is round i.
        seed: of the bootstrap; the same samples give the same interval.
        resamples: bootstrap resamples.
        level: confidence level.

    Returns:
        numerator / denominator.

    Raises:
        ValueError: the rounds do not align, or a process has fewer than two, or a sample is not positive.

    Source: Kalibera and Jones 2013 (hierarchical bootstrap); Künsch 1989 (blocks). How often the
    interval of two equal subjects excludes 1: tests/core/test_statistics.py, benchmarks/aa.py.
    """
    logs = [_log_ratio(top, bottom) for top, bottom in zip(numerator, denominator, strict=True)]
    if not logs:
        raise ValueError("no samples")
    centers = np.asarray([np.median(each) for each in logs])
    center = float(np.mean(centers))
    rng = np.random.default_rng(seed)
    tail = (1 - level) / 2
    per_process = np.stack([_block_medians(each, resamples, rng, tail=tail) for each in logs])
    count = len(logs)
    chosen = rng.integers(0, count, size=(count, resamples))
    means = np.mean(per_process[chosen, np.arange(resamples)], axis=0)
    low, high = np.quantile(means, [tail, 1 - tail])
    if count > 1:
        spread = student_quantile(1 - tail, count - 1) * float(np.std(centers, ddof=1)) / math.sqrt(count)
        least, most = center - spread, center + spread
    else:
        least, most = _median_bounds(logs[0], tail)
    low, high = min(low, least), max(high, most)
    # A skewed resample may leave the estimate outside; an interval that excludes its own centre misleads.
    low, high = min(float(low), center), max(float(high), center)
    return RatioEstimate(
        value=math.exp(center),
        interval=Interval(low=math.exp(low), high=math.exp(high), level=level),
        relative_half_width=(high - low) / 2,
    )


def student_quantile(probability: float, freedom: int) -> float:
    """Quantile of Student's t distribution; within 0.3 % of it between 0.025 and 0.975.

    Source: Abramowitz and Stegun 1964, 26.7.5; in closed form for one and two degrees of freedom.
    """
    if freedom == 1:
        return math.tan(math.pi * (probability - 0.5))
    if freedom == 2:
        return (2 * probability - 1) / math.sqrt(2 * probability * (1 - probability))
    z = NormalDist().inv_cdf(probability)
    terms = (
        z,
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
        (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / 92160,
    )
    return float(sum(term / freedom**power for power, term in enumerate(terms)))


def student_above(value: float, freedom: int) -> float:
    """Probability of a value above this one, by Student's t distribution."""
    # scipy is slow to import, and most of what reads a verdict needs no probability.
    from scipy.special import stdtr

    return float(stdtr(freedom, -value))


@dataclass(frozen=True, slots=True)
class MedianEstimate:
    """A median, its standard error, and the degrees of freedom that the error has."""

    value: float
    error: float
    freedom: int

    def half_width(self, *, level: float = 0.95) -> float:
        """Half of Student's interval."""
        return student_quantile((1 + level) / 2, self.freedom) * self.error


def estimate_median(values: ArrayLike, *, seed: int = 0, resamples: int = 400) -> MedianEstimate:
    """The median of successive rounds, of which neighbours are not independent.

    The error is that of a bootstrap over blocks of rounds; no less than what the order statistics around the
    median say.

    Raises:
        ValueError: there are fewer than two values.
    """
    samples = np.asarray(values, dtype=np.float64)
    if samples.size < 2:
        raise ValueError(f"{samples.size} rounds: a median's error needs two")
    medians, blocks = _resampled_medians(samples, resamples, np.random.default_rng(seed))
    error = float(np.std(medians)) * math.sqrt(blocks / (blocks - 1))
    low, high = _median_bounds(samples, 0.025)
    least = (high - low) / 2 / student_quantile(0.975, blocks - 1)
    return MedianEstimate(float(np.median(samples)), max(error, least), blocks - 1)


def count_blocks(rounds: int) -> int:
    """Into how many blocks of successive rounds a bootstrap takes them apart."""
    return -(-rounds // _block_length(rounds))


def _block_length(rounds: int) -> int:
    return max(1, round(math.cbrt(rounds)))


def _log_ratio(top: ArrayLike, bottom: ArrayLike) -> NDArray[np.float64]:
    a, b = np.asarray(top, dtype=np.float64), np.asarray(bottom, dtype=np.float64)
    if a.shape != b.shape or a.ndim != 1 or a.size < 2:
        raise ValueError(f"rounds do not align, or are fewer than two: {a.shape} against {b.shape}")
    if not (np.all(a > 0) and np.all(b > 0)):
        raise ValueError("a ratio needs positive samples")
    return np.log(a) - np.log(b)


def _median_bounds(values: NDArray[np.float64], tail: float) -> tuple[float, float]:
    # Of n samples, those below the median are binomial (n, 1/2), whatever their distribution.
    ordered = np.sort(values)
    skipped = max(0, int(ordered.size / 2 - NormalDist().inv_cdf(1 - tail) * math.sqrt(ordered.size) / 2))
    return float(ordered[skipped]), float(ordered[-1 - skipped])


def _block_medians(
    values: NDArray[np.float64], resamples: int, rng: np.random.Generator, *, tail: float
) -> NDArray[np.float64]:
    medians, blocks = _resampled_medians(values, resamples, rng)
    widening = student_quantile(1 - tail, blocks - 1) / NormalDist().inv_cdf(1 - tail)
    center = np.median(values)
    return np.asarray(center + (medians - center) * widening * math.sqrt(blocks / (blocks - 1)))


def _resampled_medians(
    values: NDArray[np.float64], resamples: int, rng: np.random.Generator
) -> tuple[NDArray[np.float64], int]:
    size = values.size
    block = _block_length(size)
    blocks = count_blocks(size)
    starts = rng.integers(0, size, size=(resamples, blocks))
    # Circular blocks give every round the same weight.
    index = (starts[:, :, None] + np.arange(block)) % size
    return np.median(values[index.reshape(resamples, -1)[:, :size]], axis=1), blocks
