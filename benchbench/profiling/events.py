"""A trace file as typed events: the complete ones (`X`) and those of the allocator, times in seconds."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchbench.core.errors import StoreError

_DEVICE_TYPES = {0: "cpu", 1: "cuda"}  # c10::DeviceType
_ON_DEVICE = frozenset({"kernel", "gpu_memcpy", "gpu_memset"})
_RUNTIME = frozenset({"cuda_runtime", "cuda_driver"})
STEP = "ProfilerStep#"


@dataclass(frozen=True, slots=True)
class Event:
    """Something that took time: an operator, a named range, a call of the CUDA runtime, a kernel.

    Attributes:
        thread: process and thread of the host; device and stream of a kernel.
        correlation: ties a kernel to the call that launched it.
    """

    name: str
    category: str
    start_s: float
    duration_s: float
    thread: tuple[str, str]
    correlation: int | None = None

    @property
    def end_s(self) -> float:
        """When it was over."""
        return self.start_s + self.duration_s


@dataclass(frozen=True, slots=True)
class Change:
    """The allocator of `device` gave out `bytes_`, or got them back where that is negative."""

    at_s: float
    bytes_: int
    device: str


@dataclass(frozen=True, slots=True)
class Trace:
    """What a trace holds, each kind in the order of time.

    Attributes:
        passes: one per recorded pass.
        ranges: the named ranges of modules, and whatever else the model names.
        calls: of the CUDA runtime and driver.
        kernels: what ran on the GPU, copies and fills too.
        changes: the allocator's.
    """

    passes: tuple[Event, ...]
    ranges: tuple[Event, ...] = ()
    calls: tuple[Event, ...] = ()
    kernels: tuple[Event, ...] = ()
    changes: tuple[Change, ...] = ()


def read_trace(path: Path) -> Trace:
    """The trace in a file of `torch.profiler`.

    Raises:
        StoreError: it cannot be read, or is no trace.
    """
    try:
        events: list[Mapping[str, Any]] = json.loads(path.read_text(encoding="utf-8"))["traceEvents"]
        return sort_events(events)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise StoreError(f"{path} is no whole trace: {type(error).__name__}: {error}") from error


def sort_events(events: Iterable[Mapping[str, Any]]) -> Trace:
    """Raw events of the trace's JSON, whose times are microseconds, by kind and in the order of time.

    Times are told from the first event: since the machine's start, a nanosecond is lost in rounding.
    """
    complete: list[Event] = []
    changes: list[Change] = []
    events = list(events)
    first = min((each["ts"] for each in events if "ts" in each), default=0.0)
    for each in events:
        if each.get("ph") == "X":
            complete.append(_event(each, first))
        elif each.get("name") == "[memory]":
            said = each["args"]
            device = _DEVICE_TYPES.get(said["Device Type"], "other")
            changes.append(Change((each["ts"] - first) / 1e6, said["Bytes"], device))
    # An outer range that starts with an inner one comes first.
    complete.sort(key=lambda each: (each.start_s, -each.duration_s))
    annotations = [each for each in complete if each.category == "user_annotation"]
    return Trace(
        passes=tuple(each for each in annotations if each.name.startswith(STEP)),
        ranges=tuple(each for each in annotations if not each.name.startswith(STEP)),
        calls=tuple(each for each in complete if each.category in _RUNTIME),
        kernels=tuple(each for each in complete if each.category in _ON_DEVICE),
        changes=tuple(sorted(changes, key=lambda change: change.at_s)),
    )


def _event(raw: Mapping[str, Any], first: float) -> Event:
    return Event(
        name=str(raw["name"]),
        category=str(raw.get("cat", "")),
        start_s=(raw["ts"] - first) / 1e6,
        duration_s=raw.get("dur", 0.0) / 1e6,
        thread=(str(raw.get("pid")), str(raw.get("tid"))),
        correlation=raw.get("args", {}).get("correlation"),
    )
