from __future__ import annotations

import gc
from collections.abc import Callable

import pytest
import torch

from benchbench.measures.latency import timers
from benchbench.measures.latency.roof import measure_roofs
from benchbench.measures.latency.timers import CpuTimer, CudaTimer, timer_for, undisturbed


class FakeEvent:
    log: list[str]
    made = 0

    def __init__(self, *, enable_timing: bool) -> None:
        assert enable_timing
        self.number = FakeEvent.made
        FakeEvent.made += 1

    def record(self) -> None:
        FakeEvent.log.append(f"event {self.number}")

    def elapsed_time(self, end: FakeEvent) -> float:
        FakeEvent.log.append("read")
        return 1000.0 * (end.number - self.number)  # ms


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    said: list[str] = []
    FakeEvent.log, FakeEvent.made = said, 0
    monkeypatch.setattr(torch.cuda, "synchronize", lambda: said.append("sync"))
    monkeypatch.setattr(torch.cuda, "Event", FakeEvent)
    monkeypatch.setattr(timers.time, "perf_counter", lambda: float(said.append("clock") or len(said)))
    return said


def noted(log: list[str], name: str) -> Callable[[], None]:
    return lambda: log.append(name)


def test_end_to_end_on_a_gpu_is_synchronise_call_synchronise(log: list[str]) -> None:
    seconds = CudaTimer().end_to_end_s(noted(log, "call"), 2)
    assert log == ["sync", "clock", "call", "sync", "call", "sync", "clock"]
    assert seconds == 5.0


def test_device_time_is_of_event_pairs_with_one_sync_at_the_end(log: list[str]) -> None:
    seconds = CudaTimer().device_s([noted(log, "a"), noted(log, "b")], [1, 3])
    assert log[:8] == ["event 0", "a", "event 1", "event 2", "b", "b", "b", "event 3"]
    assert log[8:] == ["sync", "read", "read"]
    assert seconds == [1.0, 1.0]


def test_the_cpu_has_one_clock(log: list[str]) -> None:
    timer = CpuTimer()
    assert timer.end_to_end_s(noted(log, "call"), 2) == 3.0
    assert log == ["clock", "call", "call", "clock"]
    assert (timer.has_device_clock, timer.device_s([], [])) == (False, [])
    assert timer.overhead_s() == 1.0


def test_each_device_has_its_clock() -> None:
    assert isinstance(timer_for("cuda"), CudaTimer)
    assert not isinstance(timer_for("cpu"), CudaTimer)


@pytest.mark.parametrize("enabled", [True, False])
def test_garbage_collection_and_gradients_come_back_after_an_error(*, enabled: bool) -> None:
    was_enabled = gc.isenabled()
    (gc.enable if enabled else gc.disable)()
    try:
        with pytest.raises(RuntimeError, match="in the middle"):
            _fail_undisturbed()
        assert gc.isenabled() is enabled
        assert not torch.is_inference_mode_enabled()
    finally:
        (gc.enable if was_enabled else gc.disable)()


def _fail_undisturbed() -> None:
    with undisturbed():
        assert not gc.isenabled()
        assert torch.is_inference_mode_enabled()
        raise RuntimeError("in the middle")


def test_roofs_are_the_best_reading(fake_timer) -> None:  # type: ignore[no-untyped-def]
    class Scripted(fake_timer):  # type: ignore[misc]
        def end_to_end_s(self, call: Callable[[], object], repeats: int) -> float:
            self.clock_s += 1.0
            return repeats / (1 + self.clock_s % 3)

    macs_per_s, bytes_per_s = measure_roofs(Scripted(), torch.device("cpu"))
    assert macs_per_s == 3 * 1024**3
    assert bytes_per_s == 3 * 2 * 4 * 16 * 2**20
