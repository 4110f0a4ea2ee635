"""What a GPU did: kernels, whose they are, and the gaps between them. Functions over a trace's events."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from benchbench.core.profile import GapProfile, KernelProfile
from benchbench.profiling.events import Event, Trace
from benchbench.profiling.tree import Calls

MOST_KERNELS = 50


@dataclass(frozen=True, slots=True)
class Launched:
    """A kernel and the host's call that launched it; None where the trace does not hold it."""

    kernel: Event
    launch: Event | None

    @property
    def asked_s(self) -> float:
        """When the host asked for it."""
        return self.kernel.start_s if self.launch is None else self.launch.start_s


def launched(trace: Trace) -> Sequence[Launched]:
    """Every kernel, copy and fill with its launch, which carries the same correlation."""
    calls: dict[int | None, Event] = {each.correlation: each for each in trace.calls}
    calls.pop(None, None)
    return [Launched(each, calls.get(each.correlation)) for each in trace.kernels]


def charge(kernels: Sequence[Launched], calls: Calls) -> None:
    """Add each kernel's time to the module that was at work on the host when it was launched.

    A kernel that no module launched is the network's: its inputs' or outputs' copies.
    """
    for each in kernels:
        node = calls.at(each.asked_s) or calls.root
        node.device_s += each.kernel.duration_s


def of_pass(kernels: Sequence[Launched], recorded: Event) -> Sequence[Launched]:
    """Those that were launched during one pass, whenever they ran."""
    return [each for each in kernels if recorded.start_s <= each.asked_s <= recorded.end_s]


def list_kernels(kernels: Sequence[Launched], *, passes: int) -> tuple[KernelProfile, ...]:
    """By name, most time first; figures are of one pass, at most MOST_KERNELS of them."""
    times: dict[str, list[float]] = {}
    for each in kernels:
        times.setdefault(each.kernel.name, []).append(each.kernel.duration_s)
    total_s = sum(map(sum, times.values()))
    rows = [
        KernelProfile(
            name=name,
            calls=len(spent) / passes,
            time_s=sum(spent) / passes,
            share=sum(spent) / total_s if total_s else 0.0,
        )
        for name, spent in times.items()
    ]
    return tuple(sorted(rows, key=lambda row: -row.time_s)[:MOST_KERNELS])


def busy_s(kernels: Sequence[Launched]) -> float:
    """Seconds in which at least one of them ran: those that overlap count once."""
    return sum(end_s - start_s for start_s, end_s in _busy(kernels))


def measure_gaps(passes: Sequence[Sequence[Launched]]) -> GapProfile | None:
    """What lies between the first and the last kernel of each pass; None where there was no kernel.

    A gap is idle time on all streams together. The part of it before the host's launching call has ended
    is waiting for the host: the network is limited by launches there, and not by the GPU.

    Args:
        passes: per pass, its kernels.
    """
    with_work = [each for each in passes if each]
    if not with_work:
        return None
    count = len(with_work)
    gaps = [list(_gaps(each)) for each in with_work]
    flat = [gap for each in gaps for gap in each]
    launches = [each.launch.duration_s for found in with_work for each in found if each.launch is not None]
    return GapProfile(
        kernels=sum(map(len, with_work)) / count,
        busy_s=sum(map(busy_s, with_work)) / count,
        idle_s=sum(idle_s for idle_s, _ in flat) / count,
        waiting_for_host_s=sum(waiting_s for _, waiting_s in flat) / count,
        gaps=len(flat) / count,
        longest_s=max((idle_s for idle_s, _ in flat), default=0.0),
        launch_s=sum(launches) / count,
    )


def _gaps(kernels: Sequence[Launched]) -> Iterator[tuple[float, float]]:
    """Of each gap: its seconds, and those of them in which the next kernel was not launched yet."""
    first_launch: Mapping[float, float] = _launch_ends(kernels)
    busy = list(_busy(kernels))
    for (_, idle_from_s), (idle_to_s, _) in pairwise(busy):
        asked_s = first_launch[idle_to_s]
        yield idle_to_s - idle_from_s, min(max(asked_s - idle_from_s, 0.0), idle_to_s - idle_from_s)


def _launch_ends(kernels: Sequence[Launched]) -> dict[float, float]:
    ends: dict[float, float] = {}
    for each in kernels:
        if each.launch is not None:
            start_s = each.kernel.start_s
            ends[start_s] = min(ends.get(start_s, each.launch.end_s), each.launch.end_s)
        else:
            # Nobody knows when it was asked for: it kept nobody waiting.
            ends.setdefault(each.kernel.start_s, 0.0)
    return ends


def _busy(kernels: Sequence[Launched]) -> Iterator[tuple[float, float]]:
    """Intervals without overlap in which something ran."""
    start_s = end_s = None
    for each in sorted((each.kernel for each in kernels), key=lambda kernel: kernel.start_s):
        if end_s is None or start_s is None:
            start_s, end_s = each.start_s, each.end_s
        elif each.start_s > end_s:
            yield start_s, end_s
            start_s, end_s = each.start_s, each.end_s
        else:
            end_s = max(end_s, each.end_s)
    if start_s is not None and end_s is not None:
        yield start_s, end_s
