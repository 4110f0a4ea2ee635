"""Where a series over runs steps to another level: a robust rule, and advice only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median

AFTER = 3
LEAST_BEFORE = 5
MOST_BEFORE = 20
THRESHOLD = 4.0
LEAST_CHANGE = 0.01
# The median absolute deviation of a normal distribution, times this, is its standard deviation.
_TO_DEVIATION = 1.4826


@dataclass(frozen=True, slots=True)
class Step:
    """A change of level; `at` is the index of the first value on the new one."""

    at: int
    before: float
    after: float

    @property
    def change(self) -> float | None:
        """Relative to the level before; None where that is 0."""
        return self.after / self.before - 1 if self.before else None


def find_steps(values: Sequence[float]) -> tuple[Step, ...]:
    """The steps of a noisy series, in its order.

    At each value the median of it and the next two is set against the median of what stands before, back
    to the last step (the last twenty, five at least). A step is marked where the two differ by more than
    four times the noise and by more than 1 %. The noise is the larger of two deviations estimated from
    medians, so that neither one outlier nor a slow drift makes it small or a step of itself: of the values
    before from their median, and of the differences between neighbours of the whole series. One outlier
    is no step: two of three successive values are asked for on the new level.
    """
    steps: list[Step] = []
    start = at = 0
    neighbours = _neighbour_noise(values)
    while at + AFTER <= len(values):
        if at - start < LEAST_BEFORE:
            at += 1
            continue
        before = values[max(start, at - MOST_BEFORE) : at]
        level, next_level = median(before), median(values[at : at + AFTER])
        shift = abs(next_level - level)
        noise = max(_deviation(before), neighbours)
        if shift > THRESHOLD * noise and shift > LEAST_CHANGE * abs(level):
            at = _first_beyond(values, at, level, next_level)
            after = median(values[at : at + AFTER])
            steps.append(Step(at, level, after))
            start = at
        at += 1
    return tuple(steps)


def find_changes(values: Sequence[float]) -> tuple[Step, ...]:
    """The changes of what is counted and so has no noise: every one is a step."""
    return tuple(
        Step(at, values[at - 1], values[at]) for at in range(1, len(values)) if values[at] != values[at - 1]
    )


def _first_beyond(values: Sequence[float], at: int, level: float, next_level: float) -> int:
    # The median of three passes the threshold one value before the step, where two of them are beyond it.
    near = [
        index
        for index in range(at, at + AFTER)
        if abs(values[index] - next_level) < abs(values[index] - level)
    ]
    return near[0] if near else at


def _deviation(values: Sequence[float]) -> float:
    centre = median(values)
    return _TO_DEVIATION * median(abs(value - centre) for value in values)


def _neighbour_noise(values: Sequence[float]) -> float:
    # The difference of two independent values deviates by the square root of two more than each.
    pairs = [b - a for a, b in pairwise(values)]
    return _TO_DEVIATION * median(map(abs, pairs)) / 2**0.5 if pairs else 0.0
