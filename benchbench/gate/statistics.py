"""How sure a change is, from its interval; and what several tests at once ask for."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist, fmean, stdev
from typing import TypeVar

from benchbench.core.measurement import Interval
from benchbench.core.statistics import student_quantile

KeyT = TypeVar("KeyT")
# One-sided, as the lower end of a two-sided 95 % interval is.
LEVEL = 0.025


@dataclass(frozen=True, slots=True)
class Worse:
    """How much worse the head is: a ratio above 1, with its interval where there is one.

    Attributes:
        ratio: 1.04 is 4 % worse than the base, 0.9 is 10 % better.
        interval: of `ratio`; both ends are `ratio` of what is exact.
        how: what the interval comes from, in words.
    """

    ratio: float
    interval: Interval | None
    how: str

    def p_beyond(self, tolerance: float) -> float:
        """Probability of a change like this, or a larger one, if the head were worse by `tolerance` exactly.

        Normal, with the standard error that the lower half of the interval stands for.
        """
        if self.interval is None:
            return 1.0
        spread = (self.ratio - self.interval.low) / NormalDist().inv_cdf(0.5 + self.interval.level / 2)
        beyond = self.ratio - (1 + tolerance)
        if spread <= 0:
            return 0.0 if beyond > 0 else 1.0
        return 1 - NormalDist().cdf(beyond / spread)


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
