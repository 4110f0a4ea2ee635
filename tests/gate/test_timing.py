from __future__ import annotations

import math

import pytest

from benchbench.core.gating import SetsEstimate
from benchbench.core.measurement import Interval
from benchbench.gate.timing import decide

QUIET = (1.0, Interval(low=0.99, high=1.01))
LOUD = (1.08, Interval(low=1.05, high=1.11))


def found(
    ratio: float,
    half: float,
    *,
    p: float = 1.0,
    confirmed: int = 2,
    controls: tuple[tuple[float, Interval], ...] = (QUIET,) * 4,
) -> SetsEstimate:
    interval = Interval(low=ratio * math.exp(-half), high=ratio * math.exp(half))
    is_quiet = LOUD not in controls
    return SetsEstimate(
        ratio=ratio, interval=interval, p_slower=p, controls=controls, is_quiet=is_quiet, confirmed=confirmed
    )


def alone(estimate: SetsEstimate, tolerance: float = 0.05) -> tuple[str, str]:
    return decide({"cell": estimate}, {"cell": tolerance})["cell"]


def test_within_the_tolerance_passes() -> None:
    status, reason = alone(found(1.01, 0.02, controls=(QUIET,) * 2))
    assert status == "pass"
    assert reason == "head takes +1.0 % time, 95 % [−1.0 %, +3.0 %]: not over 5 %, 1 set of fresh processes"


def test_surely_slower_fails_and_says_by_how_much_and_how_sure() -> None:
    status, reason = alone(found(1.12, 0.02, p=0.0004))
    assert status == "fail"
    assert "+12.0 % time" in reason
    assert "[+9.8 %, +14.3 %]" in reason
    assert "over 5 %, 2 sets of fresh processes, p = 0.0004" in reason


@pytest.mark.parametrize(
    ("estimate", "told"),
    [
        (found(1.05, 0.02, p=0.5), "neither within nor beyond 5 % after 2 sets"),
        (found(1.12, 0.02, p=0.001, confirmed=1), "1 of 2 sets says so by itself"),
        (found(1.12, 0.02, p=0.001, controls=(QUIET, LOUD)), "processes of the same code differed by +8.0 %"),
        (found(1.00, 0.01, controls=(QUIET, LOUD)), "too noisy to tell for 5 %"),
    ],
)
def test_everything_else_is_ambiguous_with_its_reason(estimate: SetsEstimate, told: str) -> None:
    status, reason = alone(estimate)
    assert status == "ambiguous"
    assert told in reason
    assert "\n" not in reason


def test_the_more_cells_the_surer_each_must_be() -> None:
    assert alone(found(1.12, 0.04, p=0.02))[0] == "ambiguous"  # one look of two
    suspect = found(1.12, 0.04, p=0.01)
    assert alone(suspect)[0] == "fail"
    many = {"suspect": suspect, **{f"cell {index}": found(1.0, 0.01) for index in range(9)}}
    status, reason = decide(many, dict.fromkeys(many, 0.05))["suspect"]
    assert (status, reason.endswith("but not among 10 timings (Holm)")) == ("ambiguous", True)


def test_each_cell_has_a_tolerance_of_its_own() -> None:
    both = {"strict": found(1.12, 0.02, p=0.0004), "lax": found(1.12, 0.02, p=1.0)}
    verdicts = decide(both, {"strict": 0.05, "lax": 0.2})
    assert [verdicts[name][0] for name in both] == ["fail", "pass"]
