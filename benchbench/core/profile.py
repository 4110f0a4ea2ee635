"""What a profile says of one network, as plain records: the content of `profile.json`, read without torch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal, TypeAlias

from pydantic import Field

from benchbench.core.cell import Cell
from benchbench.core.model import Frozen

PROFILE_SCHEMA = 1

Seconds: TypeAlias = Annotated[float, Field(ge=0)]

Point: TypeAlias = tuple[float, int]
"""Seconds and bytes."""

LayerClass: TypeAlias = Literal[
    "depthwise",
    "pointwise",
    "dense convolution",
    "grouped convolution",
    "transposed convolution",
    "norm",
    "activation",
    "upsampling",
    "linear",
    "other",
]


class _Spent(Frozen):
    """Figures of one forward pass, the mean over the passes that were recorded.

    Attributes:
        own_s: seconds in it, without what it calls.
        share: of the whole network's time, 0 to 1.
        macs, bytes_moved: its own, without what it calls; docs/profile.md says what is counted.
        macs_per_s, bytes_per_s: those by `own_s`; None where it does none, or where no time was seen.
        peak_bytes: the most that the allocator had given out while it was at work; None: nothing was seen.
    """

    own_s: Seconds
    share: Annotated[float, Field(ge=0)]
    macs: int = 0
    bytes_moved: int = 0
    macs_per_s: float | None = None
    bytes_per_s: float | None = None
    peak_bytes: int | None = None


class LayerProfile(_Spent):
    """One module.

    Attributes:
        path: dotted, "" is the network itself.
        kind: its Python class.
        layer_class: what work it does: by its class where that is one of torch's own, with groups and kernel
            of a convolution, else by its own operators: a convolution or product, or what moves most bytes.
        calls: in one pass.
        time_s: seconds from its start to its end, with what it calls; `own_s` without.
        host_s: on a GPU, `time_s` as the host saw it: what launching cost.
        parameters: its own.
        output_shape: () where it makes no single tensor.
    """

    path: str
    kind: str
    layer_class: LayerClass = "other"
    stage: str | None = None
    calls: float
    time_s: Seconds
    host_s: float | None = None
    parameters: int = 0
    output_shape: tuple[int, ...] = ()


class StageProfile(_Spent):
    """The modules of one stage together; `stage` None is everything that no stage names."""

    stage: str | None
    layers: int


class MemoryProfile(Frozen):
    """Bytes that torch's allocator gave out during one pass, less those that came back.

    Attributes:
        device: whose allocator, cpu or cuda.
        held_bytes: weights, buffers and inputs, by shape: they were there before, and come on top.
        peak_bytes: the most at one moment, from 0 at the start of the pass.
        peak_at_s: when, from the start of the pass.
        peak_layer: path of the innermost module at work then; None where no module was.
        peak_stage: its stage.
        duration_s: of the pass.
        points: (seconds, bytes) after each change; thinned where there are many, never of its peak.
    """

    device: str
    held_bytes: int
    peak_bytes: int
    peak_at_s: float
    peak_layer: str | None
    peak_stage: str | None = None
    duration_s: float
    points: tuple[Point, ...]


class KernelProfile(Frozen):
    """All launches of one GPU kernel, copy or fill; `calls` and `time_s` are of one pass."""

    name: str
    calls: float
    time_s: Seconds
    share: float


class GapProfile(Frozen):
    """What a GPU did between the first and the last kernel of a pass; seconds are means over passes.

    Attributes:
        kernels: launches in one pass.
        busy_s: at least one kernel ran.
        idle_s: none did.
        waiting_for_host_s: the part of `idle_s` in which the next kernel had not been launched yet.
        gaps: moments in one pass at which the GPU fell idle.
        longest_s: the longest of them in all passes.
        launch_s: what the launching calls took on the host.
    """

    kernels: float
    busy_s: float
    idle_s: float
    waiting_for_host_s: float
    gaps: float
    longest_s: float
    launch_s: float


class CellProfile(Frozen):
    """One network, profiled in a process of its own; no figure of it is a latency.

    Attributes:
        device: cpu or cuda; `device_name` where the device has one.
        threads: of torch on the CPU.
        clock: whose time `time_s` and `own_s` are: the host's, or the GPU's by its kernels.
        batch: the first size of the first input.
        weights: random, always: what a pass costs does not depend on them.
        passes_s: seconds of each recorded pass, by `clock`.
        time_s: their mean.
        unprofiled_s: median seconds of a pass in the same process without ranges and profiler, for scale.
        layers: by `own_s`, most first.
        stages: likewise.
        trace, flame: file names beside `profile.json`.
        notes: what a reader must know.
    """

    schema_version: int = PROFILE_SCHEMA
    cell: Cell
    device: Literal["cpu", "cuda"]
    device_name: str | None = None
    threads: int
    torch_version: str
    clock: Literal["host", "device"]
    batch: int
    input_shapes: tuple[tuple[int, ...], ...]
    weights: Literal["random"] = "random"
    warmup: int
    passes_s: tuple[Seconds, ...]
    time_s: Seconds
    unprofiled_s: Seconds
    parameters: int
    macs: int
    layers: tuple[LayerProfile, ...]
    stages: tuple[StageProfile, ...]
    memory: MemoryProfile
    kernels: tuple[KernelProfile, ...] = ()
    gaps: GapProfile | None = None
    trace: str
    flame: str
    notes: tuple[str, ...] = ()


def thin(points: Sequence[Point], most: int) -> Sequence[Point]:
    """At most `most` of the points: of each run of neighbours the highest, so that no peak is lost."""
    if len(points) <= most:
        return points
    size = -(-len(points) // most)
    return [
        max(points[start : start + size], key=lambda point: point[1]) for start in range(0, len(points), size)
    ]
