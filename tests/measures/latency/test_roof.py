from __future__ import annotations

from typing import Any

import pytest
import torch

from benchbench.core.host import Cache
from benchbench.measures.latency import roof as roof_module
from benchbench.measures.latency.roof import (
    Work,
    beyond_caches,
    copy_work,
    float_work,
    measure_figures,
    take_blocks,
    within_cache,
)

CPU = torch.device("cpu")
CACHES = (Cache(1, 2**15, 2), Cache(2, 2**20, 2), Cache(3, 2**25, 1))


class Scripted:
    """Never calls; each reading takes as many seconds a call as the next of the script, the last for good."""

    has_device_clock = False

    def __init__(self, *seconds: float) -> None:
        self.clock_s = 0.0
        self.calls = 0
        self._seconds = list(seconds)

    def now_s(self) -> float:
        return self.clock_s

    def overhead_s(self) -> float:
        return 0.0

    def end_to_end_s(self, call: Any, repeats: int) -> float:
        each_s = self._seconds.pop(0) if len(self._seconds) > 1 else self._seconds[0]
        self.calls += repeats
        self.clock_s += each_s * repeats
        return each_s * repeats

    def device_s(self, calls: Any, repeats: Any) -> list[float]:
        return [self.end_to_end_s(call, count) / 2 for call, count in zip(calls, repeats, strict=True)]


def test_blocks_are_work_per_second_and_warming_up_is_none() -> None:
    timer = Scripted(9.0, 0.5, 0.25, 1.0)
    assert take_blocks(timer, Work("w", 10, int), rounds=3) == (20.0, 40.0, 10.0)
    assert timer.calls == 3 + 3 * 8


def test_time_that_is_up_ends_the_blocks_and_one_is_taken_always() -> None:
    # The first call takes 1 s of 30, and so more than a twentieth of 5: one call a block.
    timer = Scripted(1.0)
    assert take_blocks(timer, Work("w", 10, int), rounds=20, limit_s=5.0) == (10.0,) * 5
    assert timer.calls == 6
    slow = Scripted(60.0)
    assert take_blocks(slow, Work("w", 60, int), rounds=20, limit_s=5.0) == (1.0,)
    quick = Scripted(1e-3)
    assert len(take_blocks(quick, Work("w", 10, int), rounds=20, limit_s=5.0)) == 20
    assert quick.calls == 1 + 3 + 20 * 8


def test_a_gpus_own_clock_is_read_where_there_is_one() -> None:
    timer = Scripted(1.0)
    timer.has_device_clock = True
    assert take_blocks(timer, Work("w", 10, int), rounds=1) == (20.0,)


def test_a_copy_counts_bytes_read_and_bytes_written_and_copies() -> None:
    work = copy_work(2**20, CPU)
    assert work.amount == 2 * 2**20
    assert work.repeats == 2**29 // 2**21
    work.call()
    assert copy_work(2**26, CPU).repeats == 8


def test_products_and_convolutions_by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "get_num_threads", lambda: 8)
    assert [work.amount for work in float_work(torch.float32, CPU)] == [1024**3, 128 * 128 * 9 * 64 * 64]
    monkeypatch.setattr(torch, "get_num_threads", lambda: 9)
    assert [work.amount for work in float_work(torch.float32, CPU)][:2] == [1024**3, 2048**3]


def test_how_much_is_copied_follows_the_caches() -> None:
    # Source and target together: four times the last level, and half of the second level.
    assert beyond_caches(CACHES) == 64 * 2**20
    assert beyond_caches((*CACHES[:2], Cache(3, 2**25, 8))) == 2 * 2**28
    assert beyond_caches(()) == 64 * 2**20
    assert within_cache(CACHES) == 2**19
    assert within_cache(CACHES[:1]) is None


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(roof_module, "_sides", lambda device: [16])
    monkeypatch.setattr(roof_module, "_LEAST_COPY_BYTES", 2**12)


def test_every_roof_is_the_best_way_to_it(small: None) -> None:
    # A way is one warming-up of a call, one of three, and a block; seconds per call of each in turn.
    seconds = [s for each in (1.0, 2.0, 1.0, 4.0, 0.5, 0.25, 0.125) for s in (0.0, 0.0, each)]
    timer = Scripted(*seconds)
    figures = {each.name: each for each in measure_figures(timer, CPU, CACHES, rounds=1)}
    assert list(figures) == ["float32", "bfloat16", "int8", "memory", "cache"]
    convolution = 128 * 128 * 9 * 64 * 64
    assert figures["float32"].blocks == (convolution / 2.0,)
    assert figures["float32"].how == "3x3 convolution, 128 to 128 channels at 64 x 64"
    assert figures["bfloat16"].blocks == (convolution / 4.0,)
    assert (figures["int8"].blocks, figures["int8"].how) == ((16**3 / 0.5,), "torch._int_mm of 16 x 16")
    assert figures["memory"].blocks == (2 * 64 * 2**20 / 0.25,)
    assert figures["cache"].blocks == (2 * 2**19 / 0.125,)
    assert all(each.reason is None for each in figures.values())


def test_what_cannot_be_measured_has_its_reason_and_the_rest_is_there(
    small: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any) -> Any:
        raise RuntimeError("no such operator\nmore of it")

    monkeypatch.setattr(roof_module, "integer_work", refuse)
    figures = {each.name: each for each in measure_figures(Scripted(1.0), CPU, (), rounds=1)}
    assert figures["int8"].reason == "RuntimeError: no such operator"
    assert figures["int8"].best is None
    assert figures["cache"].reason == "the system does not say how large the second-level cache is"
    assert [name for name, each in figures.items() if each.best] == ["float32", "bfloat16", "memory"]


def test_the_real_operators_run_here(small: None) -> None:
    class Calling(Scripted):
        def end_to_end_s(self, call: Any, repeats: int) -> float:
            call()
            return super().end_to_end_s(call, repeats)

    figures = list(measure_figures(Calling(1.0), CPU, (Cache(2, 2**14, 1),), rounds=1))
    measured = {each.name for each in figures if each.best is not None}
    assert measured >= {"float32", "memory", "cache"}
    assert all((each.best is None) == (each.reason is not None) for each in figures)
