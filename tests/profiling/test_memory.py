from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from benchbench.core.profile import MemoryProfile
from benchbench.profiling.events import sort_events
from benchbench.profiling.memory import peaks_by_layer, read_memory, thin
from benchbench.profiling.tree import read_calls


@pytest.fixture
def raw(make: Callable[..., Any]) -> Any:
    m = make("a", "b")
    return m.paths, [
        m.step(0, 0, 100),
        m.module("", 5, 95),
        m.module("a", 10, 40),
        m.module("b", 50, 90),
        m.memory(-10, 10_000),  # before the pass
        m.memory(15, 300),
        m.memory(20, 500),  # scratch of a
        m.memory(22, 9_999, device_type=1),  # another device's
        m.memory(30, -500),
        m.memory(60, 400),
        m.memory(93, -300),
        m.memory(94, -400),
    ]


def _read(raw: Any, *, device: str) -> MemoryProfile:
    paths, events = raw
    trace = sort_events(events)
    calls = read_calls(trace, paths)
    return read_memory(
        trace.changes, calls, trace.passes[0], device=device, held_bytes=7, stages={"first": ("a",)}
    )


def test_the_peak_and_whose_it_is(raw: Any) -> None:
    found = _read(raw, device="cpu")
    assert (found.peak_bytes, found.peak_layer, found.peak_stage) == (800, "a", "first")
    assert found.peak_at_s == pytest.approx(20e-6)
    assert found.held_bytes == 7
    assert [level for _, level in found.points] == [300, 800, 300, 700, 400, 0]


def test_each_device_has_its_own_allocator(raw: Any) -> None:
    found = _read(raw, device="cuda")
    assert (found.peak_bytes, len(found.points)) == (9_999, 1)


def test_a_pass_without_changes_has_no_peak(raw: Any) -> None:
    paths, events = raw
    found = _read((paths, [each for each in events if each["name"] != "[memory]"]), device="cpu")
    assert (found.peak_bytes, found.peak_layer, found.points) == (0, None, ())


def test_the_peak_of_each_layer_starts_at_what_it_found(raw: Any) -> None:
    paths, events = raw
    trace = sort_events(events)
    peaks = peaks_by_layer(trace.changes, read_calls(trace, paths), trace.passes[0], device="cpu")
    # b makes 400 beside the 300 that a left; the network itself sees b's 700 go.
    assert peaks == {"": 700, "a": 800, "b": 700}


def test_a_layer_that_takes_nothing_still_has_what_lives(make: Callable[..., Any]) -> None:
    m = make("a", "inplace")
    events = [
        m.step(0, 0, 100),
        m.module("", 0, 100),
        m.module("a", 10, 20),
        m.module("inplace", 30, 40),
        m.memory(15, 64),
        m.memory(50, -64),
    ]
    trace = sort_events(events)
    peaks = peaks_by_layer(trace.changes, read_calls(trace, m.paths), trace.passes[0], device="cpu")
    assert peaks["inplace"] == 64


@pytest.mark.parametrize("peak", [0, 1, 4_998, 9_999])
def test_thinning_keeps_the_peak_and_the_order(peak: int) -> None:
    points = [(float(index), 1_000_000 if index == peak else index % 7) for index in range(10_000)]
    kept = thin(points, 100)
    assert len(kept) <= 100
    assert (float(peak), 1_000_000) in kept
    assert [at for at, _ in kept] == sorted(at for at, _ in kept)
    assert thin(points[:100], 100) == points[:100]


def test_what_was_given_out_before_the_network_started_counts(make: Callable[..., Any]) -> None:
    m = make("a")
    events = [m.step(0, 0, 100), m.memory(2, 64), m.module("", 5, 95), m.module("a", 10, 20)]
    trace = sort_events(events)
    peaks = peaks_by_layer(trace.changes, read_calls(trace, m.paths), trace.passes[0], device="cpu")
    assert peaks == {"": 64, "a": 64}
