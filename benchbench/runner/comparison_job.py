"""What the fresh process of one replicate does."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from benchbench.core.cell import Cell
from benchbench.core.contracts import Replicate, Subject
from benchbench.core.errors import MeasurementError
from benchbench.core.host import read_cpu_times, read_load, steal_share
from benchbench.core.registry import MEASURES
from benchbench.runner.jobs import ReplicateJob
from benchbench.runner.subjects import build_subject


def execute_replicate(job: ReplicateJob) -> Replicate:
    """Take one replicate of a comparison, with the machine's load before and after.

    Raises:
        BenchbenchError: a subject cannot be built, or the measure cannot be made.
    """
    comparison = MEASURES.load(job.measure).comparison
    if comparison is None:
        raise MeasurementError(f"measure '{job.measure}' compares nothing")
    options = MEASURES.load(job.measure).options.model_validate_json(json.dumps(job.options))
    folders = [Path(each) for each in job.import_folders]

    def builder(cell: Cell) -> Callable[[], Subject]:
        stored = job.checkpoints.get(cell.id)
        checkpoint = Path(stored) if stored else None
        written = job.artefacts.get(cell.id)
        artefact = Path(written) if written else None
        return lambda: build_subject(cell, checkpoint=checkpoint, artefact=artefact, folders=folders)

    # Without an interval: the stolen time that matters is that of the whole replicate.
    before, times_before = read_load(interval_s=0.0), read_cpu_times()
    replicate = comparison.take({cell.id: builder(cell) for cell in job.cells}, options, job.seed, job.index)
    after, times_after = read_load(interval_s=0.0), read_cpu_times()
    steal = steal_share(times_before, times_after)
    loads = {
        f"{name}_{moment}": value
        for moment, load in (("before", before), ("after", after))
        for name, value in load.model_dump(exclude={"steal_share"}).items()
    }
    return replicate.model_copy(update={"settings": {**replicate.settings, **loads, "steal_share": steal}})
