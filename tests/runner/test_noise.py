from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import cycle

import pytest

from benchbench.runner.noise import Noise, measure_noise


class Clock:
    """Time that passes only when the work says so."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def measured(lasting: Iterator[float], steal: Callable[[], tuple[int, ...] | None] = lambda: None) -> Noise:
    clock = Clock()

    def work() -> None:
        clock.now += next(lasting)

    return measure_noise(seconds=5.0, work=work, clock=clock, cpu_times=steal)


def test_equal_times_are_quiet() -> None:
    noise = measured(cycle([0.01]))
    assert noise.quiet
    assert noise.median_s == pytest.approx(0.01)
    assert noise.spread == pytest.approx(0.0, abs=1e-9)
    assert noise.worst == pytest.approx(1.0)
    assert noise.repeats == pytest.approx(500, abs=2)
    assert noise.steal_share is None


def test_a_neighbour_is_heard() -> None:
    noise = measured(cycle([0.01, 0.01, 0.01, 0.02]))
    assert not noise.quiet
    assert noise.p90 == pytest.approx(2.0)


def test_one_rare_hiccup_is_not_noise_but_is_told() -> None:
    noise = measured(cycle([0.01] * 99 + [0.5]))
    assert noise.quiet
    assert noise.worst == pytest.approx(50.0)


def test_stolen_time_is_noise_even_when_the_times_are_equal() -> None:
    readings = iter([(0, 0, 0, 0, 0, 0, 0, 0), (90, 0, 0, 0, 0, 0, 0, 10)])
    noise = measured(cycle([0.01]), lambda: next(readings))
    assert noise.steal_share == pytest.approx(0.1)
    assert not noise.quiet


def test_slow_work_is_still_repeated_twenty_times() -> None:
    assert measured(cycle([2.0])).repeats == 20


def test_the_default_work_takes_time() -> None:
    assert measure_noise(seconds=0.01).median_s > 0
