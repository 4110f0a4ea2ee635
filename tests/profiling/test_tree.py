from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from benchbench.profiling.events import sort_events
from benchbench.profiling.tree import pass_times, read_calls

OTHER = 12


@pytest.fixture
def two_passes(make: Callable[..., Any]) -> Any:
    """Two passes of 100 µs: `a` of 60 with `a.b` of 20 twice in it, then `c` of 30."""
    m = make("a", "a.b", "c")
    raw = []
    for number, start in enumerate((0.0, 1000.0)):
        raw += [
            m.step(number, start - 5, start + 110),
            m.module("", start, start + 100),
            m.module("a", start + 5, start + 65),
            m.module("a.b", start + 10, start + 30),
            m.module("a.b", start + 40, start + 60),
            m.module("c", start + 65, start + 95),
        ]
    return sort_events(raw), m.paths


def test_inclusive_and_own_times(two_passes: Any) -> None:
    root = read_calls(*two_passes).root
    a = root.children["a"]
    assert root.time_s == pytest.approx(200e-6)
    assert a.time_s == pytest.approx(120e-6)
    assert a.children["a.b"].time_s == pytest.approx(80e-6)
    assert (root.calls, a.calls, a.children["a.b"].calls) == (2, 2, 4)
    assert root.own_s == pytest.approx(20e-6)
    assert a.own_s == pytest.approx(40e-6)
    assert sum(node.own_s for node in root.walk()) == pytest.approx(root.time_s)


def test_spans_cover_each_pass_once_and_say_who_was_at_work(two_passes: Any) -> None:
    calls = read_calls(*two_passes)
    assert sum(span.end_s - span.start_s for span in calls.spans) == pytest.approx(200e-6)
    assert all(
        left.end_s <= right.start_s + 1e-12 for left, right in zip(calls.spans, calls.spans[1:], strict=False)
    )
    at = {each: calls.at((each + 5) * 1e-6) for each in (-1, 2, 7, 20, 35, 50, 70, 98, 500, 1020)}
    found = {each: None if node is None else node.path for each, node in at.items()}
    assert found == {
        -1: None,
        2: "",
        7: "a",
        20: "a.b",
        35: "a",
        50: "a.b",
        70: "c",
        98: "",
        500: None,
        1020: "a.b",
    }


def test_seconds_of_each_pass(two_passes: Any) -> None:
    assert pass_times(two_passes[0]) == pytest.approx([100e-6, 100e-6])


def test_one_module_called_from_two_places_is_two_nodes(make: Callable[..., Any]) -> None:
    m = make("a", "b", "shared")
    raw = [
        m.module("", 0, 100),
        m.module("a", 0, 40),
        m.module("shared", 10, 20),
        m.module("b", 40, 90),
        m.module("shared", 50, 80),
    ]
    root = read_calls(sort_events(raw), m.paths).root
    assert root.children["a"].children["shared"].time_s == pytest.approx(10e-6)
    assert root.children["b"].children["shared"].time_s == pytest.approx(30e-6)


def test_other_threads_and_other_callers_are_left_out(make: Callable[..., Any]) -> None:
    m = make("a")
    raw = [
        m.module("a", 0, 10),
        m.module("", 20, 60),
        m.module("a", 25, 50, tid=OTHER),
        m.module("a", 30, 40),
    ]
    root = read_calls(sort_events(raw), m.paths).root
    assert root.children["a"].calls == 1
    assert root.own_s == pytest.approx(30e-6)


def test_a_trace_without_passes_is_a_network_without_time() -> None:
    calls = read_calls(sort_events([]), ("", "a"))
    assert (calls.root.time_s, calls.root.calls, list(calls.spans), calls.at(0.0)) == (0.0, 0, [], None)
