"""How much a figure changed between two runs that nothing paired."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from benchbench.core.measurement import Interval, Measurement
from benchbench.core.paired_means import is_mean_of_samples, ratio_of_means
from benchbench.core.statistics import paired_ratio

How = Literal["exact", "samples", "image by image", "intervals", "no interval"]
Verdict = Literal["equal", "better", "worse", "no difference", "unknown"]
EXACT = frozenset(
    {
        "parameters",
        "macs",
        "macs_output_size",
        "elementwise",
        "discriminator_parameters",
        "discriminator_macs",
        "total_parameters",
    }
)
COUNTED = EXACT | {"peak_activation"}
# A time, and the ratio of it to the baseline's that was taken side by side.
LATENCIES = {"latency": "speedup", "device_latency": "device_speedup"}


@dataclass(frozen=True, slots=True)
class Change:
    """A figure against the first run's.

    Attributes:
        value: other / first; other - first where `is_difference`.
        interval: (low, high), where there is one.
        how: what the interval comes from.
        is_difference: for decibels, and for figures that may be 0 or less.
    """

    value: float
    interval: tuple[float, float] | None
    how: How
    is_difference: bool = False

    def verdict(self, *, direction: str) -> Verdict:
        """What the interval allows to say; nothing without one, unless both were counted."""
        none = 0.0 if self.is_difference else 1.0
        low, high = self.interval or (self.value, self.value)
        if self.how == "no interval":
            return "unknown"
        if low <= none <= high:
            return "equal" if self.how == "exact" else "no difference"
        return "better" if (low > none) == (direction == "higher") else "worse"


def change_between(pairs: Sequence[tuple[Measurement, Measurement]]) -> Change | None:
    """The change from the first to the second of each pair; a pair per seed.

    Counts are exact. Latencies have their interval from the raw samples of each run, process by process
    (`paired_ratio` against 1 second), joined as independent ones; means over images that both runs
    share are paired image by image; every other figure has its own interval, joined likewise. Over
    several seeds the value is the ratio of the means, which are what a table shows (each seed's ratio,
    weighted by its first figure), and the interval the hull of theirs, which is never too narrow.

    Returns:
        None where a ratio means nothing: no pair, or a figure that is not finite.

    Source: Zou and Donner 2008 (an interval of a ratio from two asymmetric ones, on the log scale).
    """
    changes = [_change(first, other) for first, other in pairs]
    known = [each for each in changes if each is not None]
    if not known or len(known) < len(changes) or len({each.is_difference for each in known}) > 1:
        return None
    if len(known) == 1:
        return known[0]
    intervals = [each.interval for each in known if each.interval is not None]
    hull = None
    if len(intervals) == len(known):
        hull = (min(low for low, _ in intervals), max(high for _, high in intervals))
    is_difference = known[0].is_difference
    weights = [1.0 if is_difference else first.value for first, _ in pairs]
    mean = sum(w * each.value for w, each in zip(weights, known, strict=True)) / sum(weights)
    how: How = "no interval" if hull is None and known[0].how != "exact" else known[0].how
    return Change(mean, hull, how, is_difference)


def _change(first: Measurement, other: Measurement) -> Change | None:
    if not (math.isfinite(first.value) and math.isfinite(other.value)):
        return None
    if first.unit == "dB" or first.value <= 0 or other.value <= 0:
        return _difference(first, other)
    ratio = other.value / first.value
    if first.name in COUNTED:
        return Change(ratio, None, "exact")
    if first.name in LATENCIES and (made := _of_times(first, other)) is not None:
        return made
    if is_mean_of_samples(first) and is_mean_of_samples(other):
        paired = ratio_of_means(_flat(other), _flat(first))
        if paired is not None:
            return Change(paired.value, (paired.interval.low, paired.interval.high), "image by image")
    if _have_intervals(first, other) and first.interval and other.interval:
        if first.interval.low > 0 and other.interval.low > 0:
            low, high = join_intervals(
                math.log(other.value), _logs(other.interval), math.log(first.value), _logs(first.interval)
            )
            return Change(ratio, (math.exp(low), math.exp(high)), "intervals")
        return _difference(first, other)
    return Change(ratio, None, "no interval")


def _difference(first: Measurement, other: Measurement) -> Change:
    value = other.value - first.value
    if not (_have_intervals(first, other) and first.interval and other.interval):
        return Change(value, None, "no interval", is_difference=True)
    mine, theirs = other.interval, first.interval
    low, high = join_intervals(other.value, (mine.low, mine.high), first.value, (theirs.low, theirs.high))
    return Change(value, (low, high), "intervals", is_difference=True)


def _of_times(first: Measurement, other: Measurement) -> Change | None:
    sides = []
    for each in (other, first):
        chunks = [chunk for chunk in each.samples if len(chunk) >= 2]
        if not chunks or len(chunks) < len(each.samples) or min(map(min, chunks)) <= 0:
            return None
        sides.append(paired_ratio(chunks, [[1.0] * len(chunk) for chunk in chunks]))
    mine, theirs = sides
    low, high = join_intervals(
        math.log(mine.value), _logs(mine.interval), math.log(theirs.value), _logs(theirs.interval)
    )
    return Change(mine.value / theirs.value, (math.exp(low), math.exp(high)), "samples")


def join_intervals(
    a: float, of_a: tuple[float, float], b: float, of_b: tuple[float, float]
) -> tuple[float, float]:
    """The interval of a - b from those of a and of b, which are independent and may be skewed.

    Source: Zou and Donner 2008.
    """
    low = a - b - math.hypot(a - of_a[0], of_b[1] - b)
    high = a - b + math.hypot(of_a[1] - a, b - of_b[0])
    return low, high


def _logs(interval: Interval) -> tuple[float, float]:
    return math.log(interval.low), math.log(interval.high)


def _have_intervals(first: Measurement, other: Measurement) -> bool:
    mine, theirs = first.interval, other.interval
    return mine is not None and theirs is not None and mine.level == theirs.level


def _flat(figure: Measurement) -> list[float]:
    return [sample for chunk in figure.samples for sample in chunk]
