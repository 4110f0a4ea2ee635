"""Events as Kineto writes them, times in microseconds, and what a test reads from them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from benchbench.profiling.ranges import range_name

Raw = Mapping[str, Any]
MAIN = 11


def _complete(name: str, start: float, end: float, category: str, tid: int, **args: Any) -> Raw:
    return {
        "ph": "X",
        "cat": category,
        "name": name,
        "pid": 1,
        "tid": tid,
        "ts": start,
        "dur": end - start,
        "args": args,
    }


class Maker:
    """Makes raw events; `paths` are the modules by index."""

    def __init__(self, *paths: str) -> None:
        self.paths = ("", *paths)

    def module(self, path: str, start: float, end: float, *, tid: int = MAIN) -> Raw:
        name = range_name(self.paths.index(path), path)
        return _complete(name, start, end, "user_annotation", tid)

    def step(self, number: int, start: float, end: float) -> Raw:
        return _complete(f"ProfilerStep#{number}", start, end, "user_annotation", MAIN)

    def launch(self, correlation: int, start: float, end: float, *, tid: int = MAIN) -> Raw:
        return _complete("cudaLaunchKernel", start, end, "cuda_runtime", tid, correlation=correlation)

    def kernel(self, name: str, correlation: int, start: float, end: float, *, stream: int = 7) -> Raw:
        return _complete(name, start, end, "kernel", stream, correlation=correlation, stream=stream)

    def memory(self, at: float, change: int, *, device_type: int = 0) -> Raw:
        args = {"Bytes": change, "Device Type": device_type, "Total Allocated": 0, "Addr": 4096}
        return {
            "ph": "i",
            "cat": "cpu_instant_event",
            "name": "[memory]",
            "ts": at,
            "tid": MAIN,
            "args": args,
        }


@pytest.fixture(scope="session")
def make() -> Callable[..., Maker]:
    """`make("a", "a.b")`: a Maker of events of a network with these modules."""
    return Maker
