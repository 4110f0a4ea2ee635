from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from benchbench.core.errors import StoreError
from benchbench.profiling.events import read_trace, sort_events


def test_events_are_told_apart_and_in_seconds(make: Callable[..., Any]) -> None:
    m = make("a")
    raw = [
        m.kernel("k", 5, 40, 60),
        m.memory(31, 512, device_type=1),
        m.launch(5, 30, 34),
        m.module("a", 20, 80),
        m.module("", 20, 90),
        m.step(3, 10, 100),
        {"ph": "X", "cat": "cpu_op", "name": "aten::relu", "pid": 1, "tid": 11, "ts": 25, "dur": 5},
        {"ph": "M", "name": "process_name"},
        {
            "ph": "X",
            "cat": "gpu_user_annotation",
            "name": "module 1: a",
            "pid": 0,
            "tid": 7,
            "ts": 1,
            "dur": 2,
        },
    ]
    trace = sort_events(raw)
    assert [each.name for each in trace.passes] == ["ProfilerStep#3"]
    # The outer one first, although both start at once and the file has the inner one first.
    assert [each.name for each in trace.ranges] == ["module 0: (network)", "module 1: a"]
    assert trace.passes[0].start_s == pytest.approx(9e-6)  # from the first event
    assert trace.kernels[0].start_s == pytest.approx(39e-6)
    assert trace.kernels[0].duration_s == pytest.approx(20e-6)
    assert trace.kernels[0].correlation == trace.calls[0].correlation == 5
    assert [(each.bytes_, each.device) for each in trace.changes] == [(512, "cuda")]


@pytest.mark.parametrize("text", ["", '{"traceEvents": [{"ph": "X"}', "[]", '{"traceEvents": [{"ph": "X"}]}'])
def test_what_is_no_whole_trace_is_told(tmp_path: Path, text: str) -> None:
    path = tmp_path / "a.pt.trace.json"
    path.write_text(text)
    with pytest.raises(StoreError, match="no whole trace"):
        read_trace(path)


def test_a_trace_is_read_from_its_file(tmp_path: Path, make: Callable[..., Any]) -> None:
    path = tmp_path / "a.pt.trace.json"
    path.write_text(json.dumps({"traceEvents": [make().step(0, 0, 8)]}))
    assert read_trace(path).passes[0].duration_s == pytest.approx(8e-6)
