"""Clocks: what one call takes on a CPU or on a GPU. Tests bring a fake one."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol

import torch

Call = Callable[[], object]


class Timer(Protocol):
    """Seconds of a call, seen from outside and, on a GPU, on the device."""

    has_device_clock: bool

    def now_s(self) -> float:
        """A monotonic clock."""
        ...

    def overhead_s(self) -> float:
        """What reading the clock around a call costs."""
        ...

    def end_to_end_s(self, call: Call, repeats: int) -> float:
        """Seconds of `repeats` calls, until their results are there."""
        ...

    def device_s(self, calls: Sequence[Call], repeats: Sequence[int]) -> list[float]:
        """Device seconds of each entry of `calls`, queued one behind the other."""
        ...


class CpuTimer:
    """`time.perf_counter` around the call."""

    has_device_clock = False

    def now_s(self) -> float:
        """A monotonic clock."""
        return time.perf_counter()

    def overhead_s(self) -> float:
        """The median of 1,000 empty readings."""
        readings = []
        for _ in range(1000):
            start = time.perf_counter()
            readings.append(time.perf_counter() - start)
        return sorted(readings)[500]

    def end_to_end_s(self, call: Call, repeats: int) -> float:
        """Seconds of `repeats` calls."""
        start = time.perf_counter()
        for _ in range(repeats):
            call()
        return time.perf_counter() - start

    def device_s(self, calls: Sequence[Call], repeats: Sequence[int]) -> list[float]:
        """Nothing: a CPU has no second clock."""
        return []


class CudaTimer(CpuTimer):
    """End-to-end: synchronise, call, synchronise. Device: pairs of CUDA events, one sync at the end."""

    has_device_clock = True

    def end_to_end_s(self, call: Call, repeats: int) -> float:
        """Seconds of `repeats` calls, launch cost included: what an interactive user feels."""
        torch.cuda.synchronize()
        start = time.perf_counter()
        for _ in range(repeats):
            call()
            # Within a block too: calls that overlap would hide what launching costs.
            torch.cuda.synchronize()
        return time.perf_counter() - start

    def device_s(self, calls: Sequence[Call], repeats: Sequence[int]) -> list[float]:
        """Seconds between two events around each call."""
        pairs = [(_event(), _event()) for _ in calls]
        for call, count, (start, end) in zip(calls, repeats, pairs, strict=True):
            start.record()
            for _ in range(count):
                call()
            end.record()
        torch.cuda.synchronize()
        return [start.elapsed_time(end) / 1e3 for start, end in pairs]


def _event() -> torch.cuda.Event:
    return torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]


def timer_for(device: str) -> Timer:
    """The clock of a device."""
    return CudaTimer() if device == "cuda" else CpuTimer()


@contextmanager
def undisturbed() -> Iterator[None]:
    """Inference mode, and no garbage collection in the middle of a round."""
    was_enabled = gc.isenabled()
    gc.collect()
    gc.disable()
    try:
        with torch.inference_mode():
            yield
    finally:
        if was_enabled:
            gc.enable()
