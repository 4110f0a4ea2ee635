"""Measures that need several cells side by side: which cells, which processes, what came of it."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from typing import Any

from benchbench.core.cell import Cell
from benchbench.core.contracts import Comparison, Replicate
from benchbench.core.measurement import CellResult, Failure, Phase
from benchbench.core.model import parse_options
from benchbench.core.registry import MEASURES
from benchbench.core.store import RunStore
from benchbench.core.suite import MeasureSpec, Suite
from benchbench.measures.latency.opening import failures_of
from benchbench.runner.comparison_plan import PlannedComparison, digests_of
from benchbench.runner.files import artefact_of, checkpoint_of
from benchbench.runner.isolate import run_isolated
from benchbench.runner.jobs import Job, ReplicateJob
from benchbench.runner.lock import exclusive_latency


@dataclass(slots=True)
class Progress:
    """Where the time went, and a line to show."""

    say: Callable[[str], None]
    _phases: dict[str, Phase] = field(default_factory=dict)

    def add(self, name: str, seconds: float, *, inside_s: float) -> None:
        """Add to a phase."""
        before = self._phases.get(name, Phase(name=name, seconds=0.0))
        self._phases[name] = Phase(
            name=name, seconds=before.seconds + seconds, inside_s=before.inside_s + inside_s
        )

    def phases(self) -> tuple[Phase, ...]:
        """All phases so far."""
        return tuple(self._phases.values())


def run_comparisons(
    store: RunStore, suite: Suite, cells: Sequence[Cell], folders: tuple[str, ...], progress: Progress
) -> None:
    """Make every comparison that is not finished, replicate by replicate."""
    for spec in suite.measure:
        measure = MEASURES.load(spec.name)
        if measure.comparison is None:
            continue
        options = parse_options("measure", spec.name, measure.options, spec.options)
        for part in measure.comparison.split(options):
            for group in dict.fromkeys(cell.group for cell in cells):
                members = [cell for cell in cells if cell.group == group]
                is_alone = measure.comparison.members == "alone"
                for side in [[cell] for cell in members] if is_alone else [members]:
                    _compare(store, suite, spec, measure.comparison, part, side, folders, progress)


def _compare(
    store: RunStore,
    suite: Suite,
    spec: MeasureSpec,
    comparison: Comparison,
    options: Any,
    members: Sequence[Cell],
    folders: tuple[str, ...],
    progress: Progress,
) -> None:
    ready = [cell for cell in members if _is_ready(store, cell)]
    failure = comparison.unavailable(options)
    # Where this machine cannot make it at all, that is what there is to say of every cell.
    asked = ready if failure is None else []
    refused = {
        cell.id: refusal for cell in asked if (refusal := comparison.refuses(cell, options)) is not None
    }
    refusals = [
        CellResult(cell=cell, failures=(refused[cell.id].model_copy(update={"of": spec.name}),))
        for cell in ready
        if cell.id in refused
    ]
    ready = [cell for cell in ready if cell.id not in refused]
    if not ready:
        if refusals:
            plan = PlannedComparison(
                spec.name, comparison, options, tuple(r.cell for r in refusals), members[0].group
            )
            store.write_comparison(plan.id, refusals)
        return
    declared = comparison.baseline(options)
    of_this_group = any(cell.variant == declared for cell in members)
    wanted = declared if declared and of_this_group else suite.baseline_of(members[0].variant)
    is_alone = comparison.members == "alone"
    if is_alone:
        wanted = members[0].variant
    ready.sort(key=lambda cell: (cell.variant != wanted, not cell.deploy.is_reference))
    plan = PlannedComparison(
        spec.name, comparison, options, tuple(ready), members[0].group, digests_of(store, ready)
    )
    if _is_finished(store, plan, refused):
        if not _is_of_former_files(store, plan):
            progress.say(f"{plan.label}: finished before")
            return
        # Else a run that is stopped now would keep the figures of files that are gone.
        store.comparison_file(plan.id).unlink()
    has_baseline = ready[0].variant == wanted and (is_alone or ready[0].deploy.is_reference)
    if failure is None and not has_baseline:
        reason = f"the baseline '{wanted}' has no result to compare with"
        failure = Failure(of=spec.name, kind="skipped", reason=reason, fix="mend or include the baseline")
    replicates: list[Replicate] = []
    if failure is None:
        replicates, failure = _take_all(store, suite, plan, folders, progress)
    if failure is not None:
        progress.say(f"{plan.label}: {failure.kind}: {failure.reason}")
        failed = [CellResult(cell=cell, failures=(failure,)) for cell in ready]
        store.write_comparison(plan.id, [*failed, *refusals])
        return
    found = comparison.summarise(replicates, ready[0].id, options)
    store.write_comparison(
        plan.id,
        [
            CellResult(cell=cell, measurements=found[cell.id].measurements, failures=found[cell.id].failures)
            for cell in ready
        ]
        + refusals,
    )


def _is_ready(store: RunStore, cell: Cell) -> bool:
    result = store.read_cell(cell.id)
    return result is not None and result.failure is None


def _is_finished(store: RunStore, plan: PlannedComparison, refused: Collection[str]) -> bool:
    addenda = store.read_comparison(plan.id)
    there = {cell.id for cell in plan.cells} | set(refused)
    if addenda is None or {result.cell.id for result in addenda} != there:
        return False
    # What could not be measured the last time is tried again, unless this machine cannot do it.
    return all(failure.kind == "skipped" for result in addenda for failure in result.failures)


def _is_of_former_files(store: RunStore, plan: PlannedComparison) -> bool:
    """Whether cells were deployed again since, as other files, of which there are no samples."""
    known = store.read_comparison(plan.id) or ()
    has_figures = any(result.measurements for result in known)
    return bool(plan.digests) and has_figures and not store.replicate_file(plan.samples_id, 0).is_file()


def _is_whole(replicate: Replicate) -> bool:
    # As there: what did not open may do so now.
    return all(failure.kind == "skipped" for failure in failures_of(replicate).values())


def _take_all(
    store: RunStore, suite: Suite, plan: PlannedComparison, folders: tuple[str, ...], progress: Progress
) -> tuple[list[Replicate], Failure | None]:
    replicates: list[Replicate] = []
    least, most = plan.comparison.processes(plan.options)
    for index in range(most):
        if index >= least and plan.comparison.converged(replicates, plan.cells[0].id, plan.options):
            break
        known = store.read_replicate(plan.samples_id, index)
        if known is not None and _is_whole(known):
            replicates.append(known)
            continue
        progress.say(
            f"{plan.label}: process {index + 1}{_how_many(index, least, most)}, "
            + ("the network alone" if len(plan.cells) == 1 else f"{len(plan.cells)} networks side by side")
        )
        with exclusive_latency(f"{suite.name}: {plan.label}", say=progress.say):
            started = time.perf_counter()
            answer = run_isolated(
                Job(replicate=_job(store, plan, folders, index)),
                environment=plan.comparison.environment(plan.options),
                limit_s=plan.comparison.limit_s(plan.options, len(plan.cells)),
            )
            seconds = time.perf_counter() - started
        if answer.replicate is None:
            return replicates, answer.failure
        store.write_replicate(plan.samples_id, index, answer.replicate)
        inside_s = float(answer.replicate.settings.get("inside_s") or 0.0)
        progress.add(plan.measure, seconds, inside_s=inside_s)
        replicates.append(answer.replicate)
    return replicates, None


def _how_many(index: int, least: int, most: int) -> str:
    return f" of {least}" if index < least else f", as the ratios are not known well enough (at most {most})"


def _job(store: RunStore, plan: PlannedComparison, folders: tuple[str, ...], index: int) -> ReplicateJob:
    ids = [cell.id for cell in plan.cells]
    checkpoints = {each: path for each in ids if (path := checkpoint_of(store, each)) is not None}
    artefacts = {each: path for each in ids if (path := artefact_of(store, each)) is not None}
    return ReplicateJob(
        cells=plan.cells,
        checkpoints=checkpoints,
        artefacts=artefacts,
        measure=plan.measure,
        options=plan.options.model_dump(mode="json"),
        folder=str(store.folder),
        seed=plan.cells[0].seed,
        index=index,
        import_folders=folders,
    )
