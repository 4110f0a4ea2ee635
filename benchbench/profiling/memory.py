"""The allocator's changes during one pass as a timeline, with its peak and whose it was."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from benchbench.core.contracts import Stages
from benchbench.core.profile import MemoryProfile, Point, thin
from benchbench.core.stages import stage_of
from benchbench.profiling.events import Change, Event
from benchbench.profiling.tree import Calls

MOST_POINTS = 2000


def read_memory(
    changes: Sequence[Change], calls: Calls, recorded: Event, *, device: str, held_bytes: int, stages: Stages
) -> MemoryProfile:
    """The timeline of one recorded pass.

    Counted is what torch's allocator of `device` gives out from the start of the pass, less what comes
    back: activations and its operators' scratch space. Not counted: what libraries take from the system
    themselves (oneDNN's own scratch space, cuBLAS handles), the allocator's rounding and its cache.

    Args:
        changes: the allocators', in the order of time.
        calls: says which module was at work.
        recorded: the pass.
        device: whose allocator.
        held_bytes: weights, buffers and inputs.
        stages: stage name -> module paths or globs.
    """
    levels = list(_levels(changes, recorded, device))
    peak_at_s, peak_bytes = max(levels, key=lambda point: point[1], default=(recorded.start_s, 0))
    node = calls.at(peak_at_s)
    path = None if node is None else node.path
    return MemoryProfile(
        device=device,
        held_bytes=held_bytes,
        peak_bytes=max(peak_bytes, 0),
        peak_at_s=peak_at_s - recorded.start_s,
        peak_layer=path,
        peak_stage=None if path is None else stage_of(path, stages),
        duration_s=recorded.duration_s,
        points=tuple((at_s - recorded.start_s, level) for at_s, level in thin(levels, MOST_POINTS)),
    )


def peaks_by_layer(
    changes: Sequence[Change], calls: Calls, recorded: Event, *, device: str
) -> Mapping[str, int]:
    """Module path -> the most bytes that were given out while it was the innermost at work in that pass."""
    peaks: dict[str, int] = {}
    waiting = _levels(changes, recorded, device)
    following = next(waiting, None)
    level = 0
    for span in calls.spans:
        if span.end_s < recorded.start_s or span.start_s > recorded.end_s:
            continue
        while following is not None and following[0] < span.start_s:
            level = following[1]
            following = next(waiting, None)
        most = level
        while following is not None and following[0] <= span.end_s:
            level = following[1]
            most = max(most, level)
            following = next(waiting, None)
        peaks[span.node.path] = max(peaks.get(span.node.path, 0), most)
    return peaks


def _levels(changes: Sequence[Change], recorded: Event, device: str) -> Iterator[Point]:
    level = 0
    for each in changes:
        if each.device == device and recorded.start_s <= each.at_s <= recorded.end_s:
            level += each.bytes_
            yield each.at_s, level
