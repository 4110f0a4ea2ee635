"""What the fresh process of one profile does."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

from benchbench.architectures.inputs import example_inputs
from benchbench.core.contracts import Subject
from benchbench.core.profile import CellProfile
from benchbench.measures.counting import count
from benchbench.measures.fold import find_foldable, fold_parametrizations
from benchbench.profiling.take import Recording, take_profile
from benchbench.runner.jobs import ProfileJob
from benchbench.runner.subjects import build_subject


def execute_profile(job: ProfileJob) -> CellProfile:
    """Build the cell with random weights, as it is timed, count it and profile it.

    Raises:
        BenchbenchError: it cannot be built or counted, its forward pass fails, or nothing can be written.
    """
    cell = job.cell
    subject = build_subject(cell, folders=[Path(each) for each in job.import_folders])
    notes = _fold(subject)
    subject = _place(subject, job)
    counts = count(subject.module, subject.inputs, stages=subject.stages, places=subject.places)
    return take_profile(
        subject,
        cell,
        Path(job.folder),
        Recording(device=job.device, warmup=job.warmup, steps=job.steps),
        counts=counts.layers,
        notes=(*notes, *counts.notes),
    )


def _fold(subject: Subject) -> tuple[str, ...]:
    # As latency does: a deployed network has no spectral norm to compute.
    kinds = Counter(find_foldable(subject.module).values())
    fold_parametrizations(subject.module)
    return tuple(f"{kind} folded into {many} weight{'s' * (many > 1)}" for kind, many in kinds.items())


def _place(subject: Subject, job: ProfileJob) -> Subject:
    specs = subject.specs
    if job.batch is not None:
        own = specs[0].shape[:1]
        specs = tuple(
            each.model_copy(update={"shape": (job.batch, *each.shape[1:])}) if each.shape[:1] == own else each
            for each in specs
        )
    inputs = example_inputs(specs, seed=job.cell.seed, device=job.device)
    return replace(subject, module=subject.module.to(job.device), inputs=inputs, specs=specs)
