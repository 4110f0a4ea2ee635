"""Profile one network in this process: warm up, record a few passes, read the trace back."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from torch import nn
from torch.profiler import ProfilerActivity, profile, schedule, tensorboard_trace_handler

from benchbench.core.arguments import assemble
from benchbench.core.cell import Cell
from benchbench.core.contracts import Subject
from benchbench.core.errors import MeasurementError, StoreError
from benchbench.core.imports import told
from benchbench.core.layer_record import LayerCount
from benchbench.core.profile import CellProfile
from benchbench.core.store import cannot_write, write_atomically
from benchbench.profiling import kernels
from benchbench.profiling.events import read_trace
from benchbench.profiling.flame import flame_graph
from benchbench.profiling.layer_classes import class_of_module
from benchbench.profiling.layers import Facts, list_layers, list_stages
from benchbench.profiling.memory import peaks_by_layer, read_memory
from benchbench.profiling.ranges import module_paths, named_ranges
from benchbench.profiling.traffic import follow_traffic
from benchbench.profiling.tree import Clock, pass_times, read_calls

WORKER = "benchbench"
FLAME = "flame.svg"
RECORD = "profile.json"


@dataclass(frozen=True, slots=True)
class Recording:
    """How a profile is taken.

    Attributes:
        device: where; the module and its inputs are there already.
        warmup: passes before, at least 1, under the profiler too, since its own start is slow.
        steps: passes that are recorded.
    """

    device: Literal["cpu", "cuda"]
    warmup: int = 3
    steps: int = 5


def take_profile(
    subject: Subject,
    cell: Cell,
    folder: Path,
    recording: Recording,
    *,
    counts: Sequence[LayerCount],
    notes: Sequence[str] = (),
) -> CellProfile:
    """Profile a subject; `folder` has its trace, flame graph and `profile.json` afterwards.

    An earlier trace of benchbench's in that folder is replaced; nothing else there is touched.

    Args:
        subject: in eval mode, with its inputs, on the device.
        cell: what it was built from.
        folder: is made where it is missing.
        recording: device and passes.
        counts: parameters and MACs by module.
        notes: what a reader must know.

    Raises:
        MeasurementError: the forward pass fails.
        StoreError: the folder cannot be written.
    """
    module = subject.module
    call = _call_of(subject)
    traffic = follow_traffic(module, call)
    with torch.inference_mode():
        unprofiled_s = _time_passes(call, recording)
        trace_file = _record(module, call, folder, recording)
    trace = read_trace(trace_file)
    paths = module_paths(module)
    calls = read_calls(trace, tuple(paths))
    clock: Clock = "device" if trace.kernels else "host"
    passes = len(trace.passes)
    kinds = {path: type(each).__name__ for path, each in paths.items()}
    launched = kernels.launched(trace)
    by_pass = [kernels.of_pass(launched, each) for each in trace.passes]
    in_passes = [each for found in by_pass for each in found]
    kernels.charge(in_passes, calls)
    facts = Facts(
        kinds=kinds,
        counts={each.path: each for each in counts},
        classes={
            path: class_of_module(each) or traffic.classes.get(path, "other") for path, each in paths.items()
        },
        bytes_moved=traffic.bytes_moved,
        peaks=peaks_by_layer(trace.changes, calls, trace.passes[-1], device=recording.device),
        stages=subject.stages,
    )
    layers = list_layers(calls.root, facts, passes=passes, clock=clock)
    held = (*module.parameters(), *module.buffers(), *subject.inputs)
    on_device_s = tuple(sum(each.kernel.duration_s for each in found) for found in by_pass)
    result = CellProfile(
        cell=cell,
        device=recording.device,
        device_name=torch.cuda.get_device_name() if recording.device == "cuda" else None,
        threads=torch.get_num_threads(),
        torch_version=torch.__version__,
        clock=clock,
        batch=subject.inputs[0].shape[0] if subject.inputs[0].ndim else 1,
        input_shapes=tuple(tuple(each.shape) for each in subject.inputs),
        warmup=recording.warmup,
        passes_s=on_device_s if clock == "device" else pass_times(trace),
        time_s=calls.root.time_by(clock) / passes,
        unprofiled_s=unprofiled_s,
        parameters=sum(each.numel() for each in module.parameters()),
        macs=sum(each.macs for each in counts),
        layers=layers,
        stages=list_stages(layers),
        memory=read_memory(
            trace.changes,
            calls,
            trace.passes[-1],
            device=recording.device,
            held_bytes=sum(each.numel() * each.element_size() for each in held),
            stages=subject.stages,
        ),
        kernels=kernels.list_kernels(in_passes, passes=passes),
        gaps=kernels.measure_gaps(by_pass),
        trace=trace_file.name,
        flame=FLAME,
        notes=(*notes, *_clock_notes(clock, recording)),
    )
    title = f"{cell.label} on {recording.device}"
    graph = flame_graph(calls.root, title=title, kinds=kinds, passes=passes, clock=clock)
    write_atomically(folder / FLAME, graph)
    write_atomically(folder / RECORD, result.model_dump_json(by_alias=True, indent=1))
    return result


def _clock_notes(clock: Clock, recording: Recording) -> tuple[str, ...]:
    if recording.device == "cpu" or clock == "device":
        return ()
    return ("the trace holds no GPU kernels: times are the host's, which only launches",)


def _record(module: nn.Module, call: Callable[[], object], folder: Path, recording: Recording) -> Path:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        earlier = set(folder.glob(f"{WORKER}.*.pt.trace.json"))
        activities = [ProfilerActivity.CPU]
        if recording.device == "cuda":
            activities.append(ProfilerActivity.CUDA)
        with (
            named_ranges(module),
            profile(
                activities=activities,
                schedule=schedule(wait=0, warmup=recording.warmup, active=recording.steps, repeat=1),
                on_trace_ready=tensorboard_trace_handler(str(folder), WORKER),
                record_shapes=True,
                profile_memory=True,
                with_stack=False,
            ) as profiler,
        ):
            for _ in range(recording.warmup + recording.steps):
                call()
                _wait(recording)
                profiler.step()
        written = set(folder.glob(f"{WORKER}.*.pt.trace.json")) - earlier
        if len(written) != 1:
            raise StoreError(
                f"the profiler wrote no trace to {folder}",
                expected="a writable folder with free space",
                fix="free some disk space, or choose another folder with --out",
            )
        for each in earlier:
            each.unlink()
    except OSError as error:
        raise cannot_write(folder, error) from error
    return written.pop()


def _time_passes(call: Callable[[], object], recording: Recording) -> float:
    spent: list[float] = []
    for _ in range(recording.warmup + recording.steps):
        started = time.perf_counter()
        call()
        _wait(recording)
        spent.append(time.perf_counter() - started)
    return statistics.median(spent[recording.warmup :])


def _wait(recording: Recording) -> None:
    # Each pass has its kernels to itself, and a pass that fails fails here.
    if recording.device == "cuda":
        torch.cuda.synchronize()


def _call_of(subject: Subject) -> Callable[[], None]:
    module = subject.module
    args, kwargs = assemble(subject.inputs, subject.places)

    def call() -> None:
        try:
            # The output is given back within the pass, so that the next one starts from 0 bytes too.
            module(*args, **kwargs)
        except (torch.OutOfMemoryError, MemoryError):
            raise
        except Exception as error:
            shapes = ", ".join(str(list(each.shape)) for each in subject.inputs)
            raise MeasurementError(
                f"{type(module).__name__} does not run on input {shapes}: {told(error)}",
                expected="inputs that its forward pass accepts",
            ) from error

    return call
