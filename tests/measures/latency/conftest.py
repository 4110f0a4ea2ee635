"""A clock that a test winds itself."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from benchbench.measures.latency.timers import Call


class FakeTimer:
    """Time moves only while a call runs, by as much as the call says."""

    def __init__(self, *, overhead_s: float = 1e-9, device_share: float | None = None) -> None:
        self.clock_s = 0.0
        self.has_device_clock = device_share is not None
        self._device_share = device_share or 0.0
        self._overhead_s = overhead_s

    def now_s(self) -> float:
        return self.clock_s

    def overhead_s(self) -> float:
        return self._overhead_s

    def end_to_end_s(self, call: Call, repeats: int) -> float:
        started = self.clock_s
        for _ in range(repeats):
            call()
        return max(self.clock_s - started, 1e-12)

    def device_s(self, calls: Sequence[Call], repeats: Sequence[int]) -> list[float]:
        return [
            self.end_to_end_s(call, count) * self._device_share
            for call, count in zip(calls, repeats, strict=True)
        ]

    def call(self, seconds: Callable[[int], float] | float, calls: list[str], name: str) -> Call:
        """A call that takes `seconds`, or `seconds(how often it was called)`, and is noted."""
        count = 0

        def run() -> None:
            nonlocal count
            self.clock_s += seconds(count) if callable(seconds) else seconds
            count += 1
            calls.append(name)

        return run


@pytest.fixture
def fake_timer() -> type[FakeTimer]:
    return FakeTimer
