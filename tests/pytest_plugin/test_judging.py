from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest

from benchbench.core.measurement import Interval
from benchbench.core.statistics import RatioEstimate, paired_ratio
from benchbench.pytest_plugin.judging import Judgement, Take, judge

TOLERANCE = 0.05


def ratio(low: float, high: float) -> RatioEstimate:
    half = math.log(high / low) / 2
    return RatioEstimate(math.sqrt(low * high), Interval(low=low, high=high), half)


QUIET = (ratio(0.99, 1.01),)
WITHIN, BEYOND, ACROSS = ratio(0.98, 1.04), ratio(1.06, 1.10), ratio(1.0, 1.10)
LOUD = Take(ratio(1.06, 1.10), (ratio(0.9, 1.0),))


def judged(takes: Sequence[Take | RatioEstimate]) -> Judgement:
    ready = [each if isinstance(each, Take) else Take(each, QUIET) for each in takes]
    found = judge(
        lambda index: ready[index], name="new", baseline="old", limit=1 + TOLERANCE, tolerance=TOLERANCE
    )
    # No take is made that changes nothing.
    assert len(found.takes) == len(takes)
    return found


@pytest.mark.parametrize(
    ("takes", "status"),
    [
        ([WITHIN], "pass"),
        ([ACROSS, WITHIN], "pass"),
        ([LOUD, ACROSS, WITHIN], "pass"),
        ([BEYOND, BEYOND], "fail"),
        ([ACROSS, BEYOND, BEYOND], "fail"),
        ([LOUD, BEYOND, BEYOND], "fail"),
        ([BEYOND, WITHIN], "ambiguous"),
        ([BEYOND, ACROSS, LOUD], "ambiguous"),
        ([ACROSS, ACROSS, ACROSS], "ambiguous"),
        ([LOUD, LOUD, LOUD], "ambiguous"),
    ],
)
def test_two_takes_of_their_own_make_red_and_one_makes_green(
    takes: Sequence[Take | RatioEstimate], status: str
) -> None:
    assert judged(takes).status == status


def test_the_reason_tells_by_how_much_and_how_sure() -> None:
    assert "8.0 % slower than 'old' (1.080x [1.060, 1.100]" in judged([BEYOND, BEYOND]).reason
    assert "at most 1.050x was allowed" in judged([WITHIN]).reason
    assert judged([BEYOND, WITHIN]).reason.startswith("one take is beyond the limit, another within")
    assert judged([LOUD, LOUD, LOUD]).reason.startswith("too noisy to tell")


def test_equal_calls_under_heavy_noise_are_never_red() -> None:
    random = np.random.default_rng(0)

    def noisy() -> np.ndarray:
        # Bursts of a neighbour: some rounds of the pair, and not of the control, take twice as long.
        return 0.01 * np.exp(random.normal(0, 0.05, 20)) * np.where(random.random(20) < 0.2, 2.0, 1.0)

    def take(_: int) -> Take:
        old, new, control = noisy(), noisy(), noisy()
        estimates = [paired_ratio([each], [old], resamples=200) for each in (new, control)]
        return Take(estimates[0], (estimates[1],))

    found = [
        judge(take, name="new", baseline="old", limit=1 + TOLERANCE, tolerance=TOLERANCE).status
        for _ in range(60)
    ]
    assert found.count("fail") == 0
