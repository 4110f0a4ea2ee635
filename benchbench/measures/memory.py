"""Peak memory of inference: activations by shape analysis, and measured growth beside it.

One fresh process per network and setting; docs/protocol-memory-energy.md.
"""

from __future__ import annotations

import ctypes
import gc
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Annotated, Literal

import torch
from pydantic import Field

from benchbench.core.contracts import Measure, Measured, Replicate, Subject
from benchbench.core.errors import BenchbenchError, MeasurementError
from benchbench.core.measurement import Failure, Measurement, Protocol
from benchbench.measures.alone import AloneOptions, comparison_alone
from benchbench.measures.counting import count
from benchbench.measures.latency.placing import build_subject_of, call_of, place_subject
from benchbench.measures.memory_figures import FIGURES, refuse_untold, untold
from benchbench.measures.memory_probe import Probe, probe_for
from benchbench.measures.sweep import start_process

_NAME = "memory"
_UNCOUNTED = "activations not counted"  # what a backend keeps, its library alone knows
# glibc maps and unmaps every larger block on its own, so that what is resident follows what is alive.
_MAPPED_BYTES = 64 * 2**10
_DTYPES = {"bf16": torch.bfloat16, "fp16": torch.float16}


class MemoryOptions(AloneOptions):
    """Options of the memory measure; each device and thread count is a setting of its own.

    Attributes:
        calls: inferences that are looked at one by one; the figure is the largest.
        allocator: `mapped`: glibc maps every block of 64 KiB and more on its own, so that freed memory
            is given back at once; `system` leaves that to its heap.
    """

    protocol: Literal["interleaved"] = "interleaved"
    allocator: Literal["mapped", "system"] = "mapped"  # type: ignore[assignment]
    calls: Annotated[int, Field(ge=1, le=1000)] = 3


def take(build: Callable[[], Subject], options: MemoryOptions, seed: int) -> Replicate:
    """Measure one network in this process.

    Raises:
        MeasurementError: torch runs another number of threads than declared, or memory cannot be read.
    """
    start_process(options)
    subject, folded = place_subject(build_subject_of(build), torch.device(options.device[0]), options)
    _give_back()
    taken = take_memory(subject, options, probe=probe_for(options.device[0]))
    if subject.session is not None:
        return taken.model_copy(update={"settings": {**taken.settings, _UNCOUNTED: True}})
    # Counting imports and allocates, and so comes last.
    try:
        counts = count(subject.module, subject.inputs, stages=subject.stages, places=subject.places)
    except BenchbenchError as error:
        notes = {**taken.notes, "activations": ("; ".join(error.reason.split("\n")),)}
        return taken.model_copy(update={"notes": notes})
    notes = {**taken.notes, "": (folded,)} if folded else dict(taken.notes)
    settings = {**taken.settings, "peak_activation": counts.peak_activation_bytes}
    return taken.model_copy(update={"settings": settings, "notes": notes})


def take_memory(subject: Subject, options: MemoryOptions, *, probe: Probe) -> Replicate:
    """Peaks of `calls` inferences of a placed subject; its inputs are copied within what is measured.

    Figures that it does not have are notes with the reason.

    Raises:
        MeasurementError: nothing tells what is in use.
    """
    device = options.device[0]
    left_out = untold(subject, device)
    is_with_inputs = "memory_growth" not in left_out
    peaks: list[int] = []
    further: dict[str, int] = {}
    with torch.inference_mode():
        if probe.how != "difference":
            # A first call leaves kernels and packed weights behind, which no later one needs.
            _call_once(subject, device, is_with_inputs=is_with_inputs)
        probe.reset()
        before = probe.used()
        for _ in range(options.calls):
            probe.reset()
            _call_once(subject, device, is_with_inputs=is_with_inputs)
            peak = probe.peak()
            if before is None or peak is None:
                raise MeasurementError(
                    "neither /proc/self/status nor getrusage tells what this process uses",
                    expected="Linux or macOS for memory on the CPU",
                )
            peaks.append(peak - before)
            further = {name: max(value, further.get(name, 0)) for name, value in probe.further().items()}
    if probe.how == "difference":
        # Later calls cannot be told from the first.
        peaks = [max(peaks)]
    samples = {"memory_growth": tuple(float(max(each, 0)) for each in peaks)}
    samples |= {name: (float(value),) for name, value in further.items()}
    return Replicate(
        samples={name: values for name, values in samples.items() if name not in left_out},
        notes={name: (reason,) for name, reason in left_out.items()},
        settings={"how": probe.how, "torch": torch.__version__, "torch_threads": torch.get_num_threads()},
    )


def _call_once(subject: Subject, device: str, *, is_with_inputs: bool) -> None:
    """One inference, with a copy of its inputs where they are to be in the figure."""
    # A session has its own since it was opened; for those of one that torch runs the copy stands.
    dtype = None if subject.session is None else _DTYPES.get(subject.deployment.precision)
    copied = subject.inputs if is_with_inputs else ()
    copies = tuple(each.to(device, dtype if each.is_floating_point() else None, copy=True) for each in copied)
    call_of(replace(subject, inputs=copies) if is_with_inputs else subject)()
    if device == "cuda":
        torch.cuda.synchronize()


def _give_back() -> None:
    gc.collect()
    try:
        ctypes.CDLL(None).malloc_trim(0)
    except (AttributeError, OSError):
        return  # not glibc: what is free already counts as resident


def summarise(replicates: Sequence[Replicate], options: MemoryOptions) -> Measured:
    """Peaks over all processes, and activations by shape analysis beside them."""
    how = str(replicates[0].settings.get("how"))
    notes = sorted({note for each in replicates for note in each.notes.get("", ())})
    found: list[Measurement] = []
    failures: list[Failure] = []
    for name, figure in FIGURES.items():
        samples = tuple(each.samples[name] for each in replicates if name in each.samples)
        if samples:
            value = max(max(each) for each in samples)
            protocol = _protocol(options, figure.how.get(how, how), figure.of, dtype=figure.dtype)
            flags = [*notes, figure.flag] if how == "difference" else notes
            found.append(_figure(name, value, options, protocol, samples=samples, flags=flags))
        elif name in replicates[0].notes:
            (reason,) = replicates[0].notes[name]
            instead = "memory_resident" if options.device[0] == "cpu" else "memory_reserved"
            failures.append(
                Failure(
                    of=f"{_NAME}: {name}",
                    kind="skipped",
                    reason=f"{options.setting}: {reason}",
                    fix=f"see {instead}",
                )
            )
    counted = replicates[0].settings.get("peak_activation")
    if isinstance(counted, int):
        protocol = _protocol(options, "shape analysis", "docs/macs.md")
        found.append(_figure("peak_activation", counted, options, protocol))
    elif _UNCOUNTED not in replicates[0].settings:
        (reason,) = replicates[0].notes.get("activations", ("not counted",))
        failures.append(Failure(of=f"{_NAME}: peak_activation", kind="unsupported", reason=reason))
    return Measured(measurements=tuple(found), failures=tuple(failures))


def _figure(
    name: str,
    value: float,
    options: MemoryOptions,
    protocol: Protocol,
    *,
    samples: tuple[tuple[float, ...], ...] = (),
    flags: Sequence[str] = (),
) -> Measurement:
    return Measurement(
        name=name,
        setting=str(options.setting),
        unit="B",
        direction="lower",
        value=value,
        samples=samples,
        protocol=protocol,
        provenance="benchbench.measures.memory",
        flags=tuple(flags),
    )


def _protocol(options: MemoryOptions, how: str, what: str, *, dtype: str = "float32") -> Protocol:
    return Protocol(
        name=_NAME,
        settings={
            "device": options.device[0],
            "threads": options.threads[0] if options.device[0] == "cpu" else None,
            "calls": options.calls,
            "processes": options.processes,
            "memory_format": options.memory_format,
            "fold": options.fold,
            "allocator": options.allocator if options.device[0] == "cpu" else "torch's own for CUDA",
            "dtype": dtype,
            "batch": "as the input",
            "how": how,
            "of": what,
            "statistic": "maximum over calls and processes",
        },
    )


def _environment(options: MemoryOptions) -> Mapping[str, str]:
    threads = str(options.threads[0])
    mapped = {"MALLOC_MMAP_THRESHOLD_": str(_MAPPED_BYTES), "MALLOC_TRIM_THRESHOLD_": str(_MAPPED_BYTES)}
    chosen = mapped if options.allocator == "mapped" else {}
    return {**chosen, "OMP_NUM_THREADS": threads, "MKL_NUM_THREADS": threads}


measure = Measure(
    options=MemoryOptions,
    names=(*FIGURES, "peak_activation"),
    comparison=comparison_alone(
        _NAME,
        take=take,
        summarise=summarise,
        limit_s=lambda options: 120.0 + 60.0 * options.calls,
        environment=_environment,
        refuses=refuse_untold,
    ),
)
