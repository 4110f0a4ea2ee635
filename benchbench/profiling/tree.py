"""From the named ranges of a trace to a tree of calls: inclusive and own time of each, over all passes."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from benchbench.profiling.events import Event, Trace
from benchbench.profiling.ranges import index_of

Clock = Literal["host", "device"]

# A trace's clock ticks in nanoseconds, told in microseconds as floats: a range may seem to start just
# before the one before it has ended. Within so short a time none starts for real.
_ROUNDING_S = 5e-9


@dataclass(slots=True)
class Node:
    """A module where it is called from: the same one called from two places is two nodes.

    Times are sums over all passes. `time_s` is from start to end; what of it no child takes is its own.
    `device_s` is what the kernels took that it launched itself.
    """

    path: str
    time_s: float = 0.0
    device_s: float = 0.0
    calls: int = 0
    children: dict[str, Node] = field(default_factory=dict)

    @property
    def own_s(self) -> float:
        """Its time without that of its children; never below 0, whatever the clock's rounding makes."""
        return max(self.time_s - sum(child.time_s for child in self.children.values()), 0.0)

    @property
    def device_time_s(self) -> float:
        """What the kernels took that it or anything below launched."""
        return self.device_s + sum(child.device_time_s for child in self.children.values())

    def walk(self) -> Iterator[Node]:
        """Itself and everything below, parents first."""
        yield self
        for child in self.children.values():
            yield from child.walk()

    def time_by(self, clock: Clock) -> float:
        """Its time with what it calls, by the host or by the GPU's kernels."""
        return self.device_time_s if clock == "device" else self.time_s

    def own_by(self, clock: Clock) -> float:
        """Its time without what it calls."""
        return self.device_s if clock == "device" else self.own_s


class Span(NamedTuple):
    """A piece of time in which one module, the innermost, was at work."""

    start_s: float
    end_s: float
    node: Node


@dataclass(frozen=True, slots=True)
class Calls:
    """What a trace says of a network's modules.

    Attributes:
        root: the network; it has no time where no pass was recorded.
        spans: in the order of time, without overlap.
    """

    root: Node
    spans: Sequence[Span]

    def at(self, at_s: float) -> Node | None:
        """The innermost module at work at that time; None where none was."""
        index = bisect_right(self.spans, at_s, key=lambda span: span.start_s) - 1
        return self.spans[index].node if index >= 0 and at_s <= self.spans[index].end_s else None


def read_calls(trace: Trace, paths: Sequence[str]) -> Calls:
    """The tree of calls in all passes of a trace.

    The thread that calls the network is followed; what a model does in threads of its own is time of the
    module that waits for it.

    Args:
        trace: its ranges are in the order of time, an outer one before an inner one that starts with it.
        paths: of the modules, by the index in their ranges' names; the first is the network, "".
    """
    root = Node("")
    found = [(each, paths[index]) for each in trace.ranges if (index := index_of(each.name)) is not None]
    thread = next((each.thread for each, path in found if path == ""), None)
    followed = [(each, path) for each, path in found if each.thread == thread]
    return Calls(root, list(_nest(followed, root)))


def pass_times(trace: Trace) -> tuple[float, ...]:
    """Seconds of the network's range in each pass, by the host."""
    whole = [each for each in trace.ranges if index_of(each.name) == 0]
    return tuple(
        sum(each.duration_s for each in whole if recorded.start_s <= each.start_s <= recorded.end_s)
        for recorded in trace.passes
    )


def _nest(ranges: Sequence[tuple[Event, str]], root: Node) -> Iterator[Span]:
    stack: list[tuple[Event, Node]] = []
    reached_s = 0.0
    for each, path in ranges:
        while stack and stack[-1][0].end_s <= each.start_s + _ROUNDING_S:
            ended, node = stack.pop()
            yield Span(reached_s, ended.end_s, node)
            reached_s = ended.end_s
        if stack:
            yield Span(reached_s, each.start_s, stack[-1][1])
            node = stack[-1][1].children.setdefault(path, Node(path))
        elif path == "":
            node = root
        else:
            # Called beside the network, by a hook of somebody's: no part of a pass.
            continue
        node.time_s += each.duration_s
        node.calls += 1
        stack.append((each, node))
        reached_s = each.start_s
    while stack:
        ended, node = stack.pop()
        yield Span(reached_s, ended.end_s, node)
        reached_s = ended.end_s
