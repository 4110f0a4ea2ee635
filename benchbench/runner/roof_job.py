"""What the fresh process that measures a roof does."""

from __future__ import annotations

from datetime import UTC, datetime

import torch

from benchbench.core.host import Cache, read_caches
from benchbench.core.roof import Roof
from benchbench.measures.latency.roof import measure_figures
from benchbench.measures.latency.timers import timer_for, undisturbed
from benchbench.runner.environment import probe_environment
from benchbench.runner.jobs import RoofJob


def execute_roof(job: RoofJob) -> Roof:
    """Measure every figure at the thread count that this process was started with."""
    machine = job.machine
    environment = probe_environment()
    with undisturbed():
        figures = tuple(
            measure_figures(timer_for(machine.device), torch.device(machine.device), _caches(job))
        )
    return Roof(
        machine=machine,
        environment=environment,
        measured_at=datetime.now(UTC).replace(microsecond=0),
        figures=figures,
    )


def _caches(job: RoofJob) -> tuple[Cache, ...]:
    if job.machine.device == "cuda":
        bytes_ = torch.cuda.get_device_properties().L2_cache_size
        return (Cache(2, bytes_, 1),) if bytes_ else ()
    # A cache that no thread runs beside keeps nothing of a copy.
    return tuple(
        Cache(each.level, each.bytes, min(each.count, job.machine.threads)) for each in read_caches()
    )
