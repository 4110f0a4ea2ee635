"""The latency measure as the registry knows it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch

from benchbench.core.contracts import Comparison, Measure
from benchbench.core.host import KEEP_MEMORY, usable_cpus
from benchbench.core.measurement import Failure
from benchbench.measures.deployed import refuse_other_devices
from benchbench.measures.latency.options import LatencyOptions
from benchbench.measures.latency.process import take
from benchbench.measures.latency.summary import has_converged, summarise_replicates


def split_here(options: LatencyOptions) -> Sequence[LatencyOptions]:
    """One set of options per comparison; `auto` is what this machine grants."""
    return options.split(usable_cpus())


def environment_of(options: LatencyOptions) -> Mapping[str, str]:
    """Variables of the fresh process: threads, and whether it keeps freed memory."""
    threads = str(options.threads[0])
    memory = KEEP_MEMORY if options.allocator == "keep" else {}
    return {**memory, "OMP_NUM_THREADS": threads, "MKL_NUM_THREADS": threads}


def _limit_s(options: LatencyOptions, subjects: int) -> float:
    # Four times what it should take at most, and a minute to start; the control is one more subject.
    each_s = options.warmup_limit_s + 10.0
    return 60.0 + 4 * (options.budget_s + each_s * (subjects + 1))


def unavailable_here(options: LatencyOptions) -> Failure | None:
    """Why this machine cannot make it: no such device, or too few CPUs."""
    if options.device[0] == "cuda" and not torch.cuda.is_available():
        built = "this torch has no CUDA" if torch.version.cuda is None else "no NVIDIA GPU is visible"
        return Failure(
            of="latency",
            kind="skipped",
            reason=f"{options.setting}: {built}",
            fix="run the suite on a machine with an NVIDIA GPU; `benchbench doctor` says what is seen",
        )
    count = options.threads[0]
    usable = usable_cpus()
    if options.device[0] == "cpu" and isinstance(count, int) and count > usable:
        return Failure(
            of="latency",
            kind="skipped",
            reason=f"{options.setting}: only {usable} CPUs are usable here",
            fix=f"declare threads up to {usable}, or raise the affinity or CPU quota",
        )
    return None


_CLOCKS = ("latency", "speedup", "aa_control", "latency_p90", "latency_p95", "latency_p99")

measure = Measure(
    options=LatencyOptions,
    names=(
        *_CLOCKS,
        *(f"device_{name}" for name in _CLOCKS),
        *("cold_start", "build", "load", "first_call", "roof_compute", "roof_memory"),
    ),
    comparison=Comparison(
        split=split_here,
        processes=lambda options: (options.processes, options.most_processes),
        converged=has_converged,
        environment=environment_of,
        limit_s=_limit_s,
        baseline=lambda options: options.baseline,
        setting=lambda options: str(options.setting),
        take=take,
        summarise=summarise_replicates,
        unavailable=unavailable_here,
        refuses=refuse_other_devices,
    ),
)
