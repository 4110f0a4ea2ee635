"""How sure a change is, from its interval; and what several tests at once ask for."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev
from typing import TypeVar

from benchbench.core.measurement import Direction, Interval
from benchbench.core.statistics import student_above, student_quantile

KeyT = TypeVar("KeyT")
# One-sided, as the lower end of a two-sided 95 % interval is.
LEVEL = 0.025
# Of an interval that was stored without saying of how much it was made: as if of five values. Intervals over
# images are made of hundreds; Holm's 0.025 / 20 is then 2.4 half-widths away, where normal tails make it 1.5.
UNKNOWN_FREEDOM = 4


@dataclass(frozen=True, slots=True)
class Worse:
    """How the head's figure stands to the base's, with its interval where there is one.

    Attributes:
        ratio: head / base; 1 + (head - base) / scale of what has no ratio.
        interval: of `ratio`; both ends are `ratio` of what is exact.
        how: what the interval comes from, in words.
        direction: whether the figure is better when lower, or when higher.
        freedom: degrees of freedom of the interval.
        is_difference: whether `ratio` is made of a difference, and may be 0 or less.
    """

    ratio: float
    interval: Interval | None
    how: str
    direction: Direction = "lower"
    freedom: int = UNKNOWN_FREEDOM
    is_difference: bool = False

    @property
    def share(self) -> float:
        """How much worse the head is, as a share of the base: 0.04 is 4 % worse, -0.1 10 % better."""
        return self._share(self.ratio)

    @property
    def shares(self) -> tuple[float, float]:
        """The interval of `share`, lower end first."""
        assert self.interval is not None
        low, high = sorted(map(self._share, (self.interval.low, self.interval.high)))
        return low, high

    def p_beyond(self, tolerance: float) -> float:
        """Probability of a change like this, or a larger one, if the head were worse by `tolerance` exactly.

        Student's, with the standard error that the side of the interval towards the base stands for; on the
        log scale, on which intervals of ratios are made.

        Source: Student 1908.
        """
        if self.interval is None:
            return 1.0
        sign = 1 if self.direction == "lower" else -1
        nearer = self.interval.low if sign > 0 else self.interval.high
        value, end, limit = (self._scaled(each) for each in (self.ratio, nearer, 1 + sign * tolerance))
        beyond, half = sign * (value - limit), sign * (value - end)
        if half <= 0:
            return 0.0 if beyond > 0 else 1.0
        error = half / student_quantile(0.5 + self.interval.level / 2, self.freedom)
        return student_above(beyond / error, self.freedom)

    def _share(self, ratio: float) -> float:
        return ratio - 1 if self.direction == "lower" else 1 - ratio

    def _scaled(self, ratio: float) -> float:
        return ratio if self.is_difference else math.log(ratio)


def reject_by_holm(p_values: Mapping[KeyT, float], *, level: float = LEVEL) -> frozenset[KeyT]:
    """Which of several tests stand when all are made at once.

    Source: Holm 1979: the smallest p is compared with level / n, the next with level / (n - 1), and so on.
    """
    kept: list[KeyT] = []
    ordered = sorted(p_values.items(), key=lambda item: item[1])
    for place, (key, p) in enumerate(ordered):
        if p >= level / (len(ordered) - place):
            break
        kept.append(key)
    return frozenset(kept)


def mean_log_ratio(ratios: Sequence[float], *, level: float = 0.95) -> tuple[float, Interval]:
    """The geometric mean of three or more ratios, with Student's interval of it."""
    logs = [math.log(each) for each in ratios]
    centre = fmean(logs)
    half = student_quantile(0.5 + level / 2, len(logs) - 1) * stdev(logs) / math.sqrt(len(logs))
    return math.exp(centre), Interval(low=math.exp(centre - half), high=math.exp(centre + half), level=level)
