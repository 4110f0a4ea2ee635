"""What takes of one process say of a ratio of times: pass, fail, or neither.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from benchbench.core.statistics import RatioEstimate

MOST_TAKES = 3
ENOUGH_RED = 2
TakeStatus = Literal["within", "beyond", "unsure", "noisy"]


@dataclass(frozen=True, slots=True)
class Take:
    """One interleaved comparison of a module with the baseline.

    Attributes:
        ratio: its time by the baseline's.
        controls: of the baseline with itself, and with a copy of itself: what this process cannot tell.
    """

    ratio: RatioEstimate
    controls: tuple[RatioEstimate, ...]

    def status(self, *, limit: float, tolerance: float) -> TakeStatus:
        """Whether the interval lies within `limit`, beyond it, across it, or the controls forbid to say."""
        if any(_is_loud(control, tolerance) for control in self.controls):
            return "noisy"
        if self.ratio.interval.high <= limit:
            return "within"
        return "beyond" if self.ratio.interval.low > limit else "unsure"


@dataclass(frozen=True, slots=True)
class Judgement:
    """What is said of one module: `reason` tells by how much, and how sure."""

    status: Literal["pass", "fail", "ambiguous"]
    reason: str
    takes: tuple[Take, ...]


def judge(
    take: Callable[[int], Take], *, name: str, baseline: str, limit: float, tolerance: float
) -> Judgement:
    """Take up to three times; each take after the first is of fresh copies, so that it can disagree.

    It fails only where two takes lie beyond the limit by themselves and none lies within: each does
    so by chance in 2.5 % of cases at the very limit, both in fewer than 0.2 % (three pairs of three).

    Args:
        take: index -> the take; 0 is there already.
        name, baseline: of the modules.
        limit: the ratio that is allowed, tolerance included.
        tolerance: how far the controls may be from 1.
    """
    takes: list[Take] = []
    found: list[TakeStatus] = []
    while len(takes) < MOST_TAKES:
        takes.append(take(len(takes)))
        found.append(takes[-1].status(limit=limit, tolerance=tolerance))
        if found[-1] == "within" or found.count("beyond") == ENOUGH_RED:
            break
    told = "; ".join(_tell(each, name, baseline) for each in takes)
    allowed = f"at most {limit:.3f}x was allowed"
    if "beyond" not in found and found[-1] == "within":
        return Judgement("pass", f"{told}; {allowed}", tuple(takes))
    if found.count("beyond") == ENOUGH_RED and "within" not in found:
        sure = f"two of {len(takes)} takes say so, each by its own 95 % interval"
        return Judgement("fail", f"{told}; {allowed}; {sure}", tuple(takes))
    return Judgement("ambiguous", f"{_why(found)}: {told}; {allowed}", tuple(takes))


def _why(found: Sequence[TakeStatus]) -> str:
    if "beyond" in found and "within" in found:
        return "one take is beyond the limit, another within"
    if "noisy" in found:
        return "too noisy to tell: the baseline against itself is not 1 within the tolerance"
    return "the intervals hold the limit"


def _tell(take: Take, name: str, baseline: str) -> str:
    ratio = take.ratio
    change = 100 * (ratio.value - 1)
    words = f"{abs(change):.1f} % {'slower' if change > 0 else 'faster'} than"
    controls = ", ".join(
        f"{each.value:.3f} [{each.interval.low:.3f}, {each.interval.high:.3f}]" for each in take.controls
    )
    span = f"{ratio.value:.3f}x [{ratio.interval.low:.3f}, {ratio.interval.high:.3f}]"
    return f"'{name}' is {words} '{baseline}' ({span}; A/A controls {controls})"


def _is_loud(control: RatioEstimate, tolerance: float) -> bool:
    allowed = math.log1p(tolerance)
    return abs(math.log(control.value)) > allowed or control.relative_half_width > allowed
