"""What the fresh process of one cell does."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from benchbench.core.cell import Cell
from benchbench.core.contracts import MeasureContext, Measured, Subject, refuse_deployed
from benchbench.core.examples import Splits
from benchbench.core.measurement import CellResult, Failure, Phase
from benchbench.core.model import parse_options
from benchbench.core.registry import MEASURES
from benchbench.core.suite import MeasureSpec
from benchbench.measures.failures import explain_failure
from benchbench.runner.deploying import deploy_subject, weights_size
from benchbench.runner.jobs import CellJob
from benchbench.runner.subjects import (
    build_discriminator,
    build_subject,
    declared_checkpoint,
)
from benchbench.runner.training import context_of, open_images_of, train_cell


def execute_cell(job: CellJob) -> CellResult:
    """Build the cell, train or load it, and measure it alone.

    A failure of the cell, or of one measure, is in the result; a KeyboardInterrupt passes.

    Raises:
        StoreError: weights or pictures cannot be written.
    """
    cell = job.cell
    result = CellResult(cell=cell)
    phases: list[Phase] = []
    try:
        subject, result = _prepare(job, result, phases)
    except Exception as error:
        failure = explain_failure(error, of="cell")
        return result.model_copy(update={"failures": (failure,), "phases": tuple(phases)})
    context = context_of(job)
    deployed = subject
    counted: dict[int, tuple[Measured, Phase]] = {}
    if not cell.deploy.is_reference:
        # Before deployment folds norms of weights: what is counted is the network as it was trained.
        counted = {
            index: _timed_measure(subject, spec, context)
            for index, spec in enumerate(job.measures)
            if MEASURES.load(spec.name).needs == "structure" and MEASURES.load(spec.name).per_cell is not None
        }
        started = time.perf_counter()
        try:
            found = deploy_subject(subject, Path(job.folder))
        except Exception as error:
            failure = explain_failure(error, of="cell")
            return result.model_copy(update={"failures": (failure,), "phases": tuple(phases)})
        phases.append(_phase("deploy", time.perf_counter() - started))
        result = result.model_copy(update={"measurements": found.figures, "deployment": found.record})
        if found.failure is not None:
            return result.model_copy(update={"failures": (found.failure,), "phases": tuple(phases)})
        deployed = found.subject
    for index, spec in enumerate(job.measures):
        measure = MEASURES.load(spec.name)
        if measure.per_cell is None:
            continue
        refusal = refuse_deployed(cell) if measure.needs == "gradients" else None
        if refusal is not None:
            measured = Measured(failures=(refusal.model_copy(update={"of": spec.name}),))
        elif index in counted:
            measured, phase = counted[index]
            phases.append(phase)
        else:
            measured, phase = _timed_measure(deployed, spec, context)
            phases.append(phase)
        result = result.merged(_as_result(cell, measured))
    if cell.deploy.is_reference and job.is_deployed_elsewhere:
        # Last: it folds the norms of weights.
        result = result.model_copy(update={"measurements": (*result.measurements, weights_size(subject))})
    return result.model_copy(update={"phases": tuple(phases)})


def needs_structure_alone(cell: Cell, measures: Sequence[MeasureSpec]) -> bool:
    """Whether the cell can be measured on the meta device: nothing of it depends on weights.

    Somebody's own model is always built for real: its constructor may look at what it made.
    """
    networks = [each for each in (cell.architecture, cell.discriminator) if each is not None]
    alone = [MEASURES.load(spec.name) for spec in measures]
    return (
        cell.train is None
        and cell.deploy.is_reference
        and all(network.name is not None for network in networks)
        and all(measure.needs == "structure" for measure in alone if measure.per_cell is not None)
    )


def _prepare(job: CellJob, result: CellResult, phases: list[Phase]) -> tuple[Subject, CellResult]:
    cell, folder = job.cell, Path(job.folder)
    folders = [Path(each) for each in job.import_folders]
    started = time.perf_counter()
    device = "meta" if needs_structure_alone(cell, job.measures) else None
    trained = Path(job.checkpoint) if job.checkpoint is not None else declared_checkpoint(cell)
    subject = build_subject(cell, checkpoint=trained, folders=folders, device=device)
    subject.discriminator = build_discriminator(cell, folders=folders, device=device)
    phases.append(_phase("build", time.perf_counter() - started))
    exchanged = subject.replacements
    if subject.discriminator is not None:
        # Paths of both networks in one list would be taken for one network's.
        exchanged += tuple(
            each.model_copy(update={"path": f"discriminator: {each.path}"})
            for each in subject.discriminator.replacements
        )
    result = result.model_copy(update={"replacements": exchanged})
    if cell.train is None or cell.train.recipe is None or not cell.deploy.is_reference:
        return subject, result.model_copy(update={"checkpoint": _as_kept(subject.checkpoint, folder)})
    started = time.perf_counter()
    outcome = train_cell(subject, job)
    inside_s = sum(phase.inside_s for phase in outcome.phases)
    phases.append(Phase(name="train", seconds=time.perf_counter() - started, inside_s=inside_s))
    subject.checkpoint = outcome.checkpoint
    subject.module.eval()
    return subject, result.model_copy(
        update={
            "failures": (*_left_out(open_images_of(cell)), *outcome.failures),
            "curves": outcome.curves,
            "images": outcome.images,
            "measurements": outcome.measurements,
            "checkpoint": str(outcome.checkpoint.relative_to(folder)),
        }
    )


def _as_kept(checkpoint: Path | None, folder: Path) -> str | None:
    """A path below the run's folder without it, so that the run can be moved; any other as it is."""
    if checkpoint is None:
        return None
    here, below = checkpoint.resolve(), folder.resolve()
    return str(here.relative_to(below)) if here.is_relative_to(below) else str(checkpoint)


def _left_out(images: Splits) -> tuple[Failure, ...]:
    if not images.left_out:
        return ()
    reason = f"passed over, as asked ({len(images.left_out)} in all): {'; '.join(images.left_out[:20])}"
    return (Failure(of="data", kind="skipped", reason=reason),)


def _timed_measure(subject: Subject, spec: MeasureSpec, context: MeasureContext) -> tuple[Measured, Phase]:
    started = time.perf_counter()
    measured = _measure(subject, spec, context)
    return measured, _phase(f"measure {spec.name}", time.perf_counter() - started)


def _measure(subject: Subject, spec: MeasureSpec, context: MeasureContext) -> Measured:
    measure = MEASURES.load(spec.name)
    assert measure.per_cell is not None
    try:
        options = parse_options("measure", spec.name, measure.options, spec.options)
        measured = measure.per_cell(subject, options, context)
    except Exception as error:
        return Measured(failures=(explain_failure(error, of=spec.name),))
    return _without_non_finite(measured, spec)


def _without_non_finite(measured: Measured, spec: MeasureSpec) -> Measured:
    wrong = [each for each in measured.measurements if not math.isfinite(each.value)]
    if not wrong:
        return measured
    reason = ", ".join(f"{each.name} is {each.value}" for each in wrong)
    failure = Failure(of=spec.name, kind="diverged", reason=reason, fix="look at the outputs of this network")
    kept = tuple(each for each in measured.measurements if each not in wrong)
    return replace(measured, measurements=kept, failures=(*measured.failures, failure))


def _as_result(cell: Cell, measured: Measured) -> CellResult:
    return CellResult(
        cell=cell,
        measurements=measured.measurements,
        failures=measured.failures,
        layers=measured.layers,
        images=measured.images,
        output=measured.output,
    )


def _phase(name: str, seconds: float) -> Phase:
    # All of it is spent in the network or in the library that counts it.
    return Phase(name=name, seconds=seconds, inside_s=seconds)


def failed_cell(cell: Cell, failure: Failure) -> CellResult:
    """The result of a cell whose process did not answer."""
    return CellResult(cell=cell, failures=(failure,))
