"""On a small list of events in the form that Kineto writes them on a GPU."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from benchbench.profiling import kernels
from benchbench.profiling.events import Trace, sort_events
from benchbench.profiling.tree import read_calls


@pytest.fixture
def pass_on_gpu(make: Callable[..., Any]) -> tuple[Trace, tuple[str, ...]]:
    """`a` launches two kernels, `b` one and a copy; the GPU works later than the host."""
    m = make("a", "b")
    raw = [
        m.step(0, 0, 300),
        m.module("", 0, 100),
        m.module("a", 10, 40),
        m.module("b", 60, 80),
        m.launch(1, 12, 15),
        m.launch(2, 20, 23),
        m.launch(3, 62, 70),
        m.launch(4, 90, 92),
        m.kernel("conv", 1, 20, 50),
        m.kernel("norm", 2, 40, 55, stream=8),  # overlaps the first
        m.kernel("conv", 3, 75, 100),  # the GPU was idle from 55; until 70 there was nothing to do
        {**m.kernel("Memcpy DtoH", 4, 110, 120), "cat": "gpu_memcpy"},
    ]
    return sort_events(raw), m.paths


def test_kernels_are_charged_to_who_launched_them(pass_on_gpu: Any) -> None:
    trace, paths = pass_on_gpu
    calls = read_calls(trace, paths)
    kernels.charge(kernels.launched(trace), calls)
    assert calls.root.children["a"].device_s == pytest.approx(45e-6)
    assert calls.root.children["b"].device_s == pytest.approx(25e-6)
    assert calls.root.device_s == pytest.approx(10e-6)
    assert calls.root.device_time_s == pytest.approx(80e-6)


def test_gaps_and_what_of_them_waits_for_the_host(pass_on_gpu: Any) -> None:
    trace, _ = pass_on_gpu
    gaps = kernels.measure_gaps([kernels.of_pass(kernels.launched(trace), trace.passes[0])])
    assert gaps is not None
    assert gaps.kernels == 4
    assert gaps.gaps == 2
    assert gaps.busy_s == pytest.approx((35 + 25 + 10) * 1e-6)
    assert gaps.idle_s == pytest.approx((20 + 10) * 1e-6)
    assert gaps.longest_s == pytest.approx(20e-6)
    # 55 to 70: the third launch had not ended; the copy was launched long before the GPU fell idle at 100.
    assert gaps.waiting_for_host_s == pytest.approx(15e-6)
    assert gaps.launch_s == pytest.approx((3 + 3 + 8 + 2) * 1e-6)


def test_busy_and_idle_are_the_time_between_first_and_last(pass_on_gpu: Any) -> None:
    trace, _ = pass_on_gpu
    gaps = kernels.measure_gaps([kernels.launched(trace)])
    assert gaps is not None
    assert gaps.busy_s + gaps.idle_s == pytest.approx(100e-6)


def test_the_list_is_by_name_of_one_pass_most_time_first(pass_on_gpu: Any) -> None:
    trace, _ = pass_on_gpu
    rows = kernels.list_kernels(kernels.launched(trace), passes=2)
    assert [(row.name, row.calls) for row in rows] == [("conv", 1.0), ("norm", 0.5), ("Memcpy DtoH", 0.5)]
    assert rows[0].time_s == pytest.approx(55e-6 / 2)
    assert sum(row.share for row in rows) == pytest.approx(1.0)


def test_a_kernel_without_its_launch_is_the_networks_and_nobody_waited(make: Callable[..., Any]) -> None:
    m = make("a")
    raw = [m.step(0, 0, 99), m.module("", 0, 30), m.kernel("k", 1, 40, 50), m.kernel("k", 2, 60, 70)]
    trace = sort_events(raw)
    calls = read_calls(trace, m.paths)
    kernels.charge(kernels.launched(trace), calls)
    gaps = kernels.measure_gaps([kernels.launched(trace)])
    assert calls.root.device_s == pytest.approx(20e-6)
    assert gaps is not None
    assert (gaps.waiting_for_host_s, gaps.launch_s) == (0.0, 0.0)
    assert gaps.idle_s == pytest.approx(10e-6)


def test_a_pass_belongs_to_its_launches_whenever_the_kernels_ran(make: Callable[..., Any]) -> None:
    m = make()
    raw = [
        m.step(0, 0, 50),
        m.step(1, 50, 100),
        m.launch(1, 40, 41),
        m.kernel("late", 1, 60, 70),
    ]
    trace = sort_events(raw)
    found = [len(kernels.of_pass(kernels.launched(trace), each)) for each in trace.passes]
    assert found == [1, 0]


def test_without_kernels_there_are_no_gaps() -> None:
    assert kernels.measure_gaps([[], []]) is None


def test_a_kernel_within_another_ends_no_busy_time(make: Callable[..., Any]) -> None:
    m = make()
    raw = [m.kernel("long", 1, 10, 50), m.kernel("short", 2, 20, 30, stream=8), m.kernel("next", 3, 45, 60)]
    gaps = kernels.measure_gaps([kernels.launched(sort_events(raw))])
    assert gaps is not None
    assert (gaps.gaps, gaps.idle_s) == (0, 0.0)
    assert gaps.busy_s == pytest.approx(50e-6)
