"""Hands recorded samples to pytest-benchmark as its own, by its public doors alone.

A latency is measured in fresh processes in which the cells take turns; run where pytest-benchmark's
fixture would call it, it would be one cell after the other in this process, and two cells would be
compared by two moments of the machine. So the fixture runs in pedantic mode under a clock of ours: the
`timer` of the `benchmark` marker, its documented way to bring one. Each round's setup sets the clock
to zero and its target moves it by what the other process' clock read for that block. What
pytest-benchmark keeps, prints, draws, compares and writes are then those samples, round for round
and exactly; `timer` in its JSON says `benchbench_recorded`.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NoReturn, Protocol


class BenchmarkFixture(Protocol):
    """What is used of pytest-benchmark's `benchmark`."""

    disabled: bool
    group: str | None
    param: str | None
    params: dict[str, Any] | None
    extra_info: dict[str, Any]
    pedantic: Callable[..., Any]


class RecordedClock:
    """A clock that reads what another one read."""

    __name__ = "benchbench_recorded"

    def __init__(self) -> None:
        self._now_s = 0.0

    def __call__(self) -> float:
        """Seconds since the round began."""
        return self._now_s

    def hand_over(self, samples: Sequence[float], benchmark: BenchmarkFixture) -> None:
        """Let `benchmark` take one round per sample, in seconds and in their order."""
        rounds = iter(samples)

        def begin() -> None:
            self._now_s = 0.0

        def play() -> None:
            # Beyond the last sample (--benchmark-cprofile calls once more) nothing is timed.
            self._now_s = next(rounds, self._now_s)

        benchmark.pedantic(play, setup=begin, rounds=len(samples))


def fail_within(benchmark: BenchmarkFixture, error: Exception) -> None:
    """Raise `error` where a function to benchmark would, or its fixture complains that it was not used.

    Raises:
        Exception: `error`.
    """

    def fail() -> NoReturn:
        raise error

    benchmark.pedantic(fail)
