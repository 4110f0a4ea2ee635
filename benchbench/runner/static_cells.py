"""Cells of which only the structure is measured: counted together, in one fresh process."""

from __future__ import annotations

import time
from collections.abc import Sequence

from benchbench.core.cell import Cell
from benchbench.core.store import RunStore
from benchbench.core.suite import Suite
from benchbench.runner.cell_job import needs_structure_alone
from benchbench.runner.comparisons import Progress
from benchbench.runner.isolate import run_isolated
from benchbench.runner.jobs import CellJob, Job


def finish_static_cells(
    store: RunStore, suite: Suite, cells: Sequence[Cell], folders: tuple[str, ...], progress: Progress
) -> frozenset[str]:
    """Measure those of `cells` that need neither weights nor a process of their own, and save them.

    Starting a process for each would take longer than counting all of them. Should the one process
    not come back, nothing is saved, and every cell is left to a process of its own.

    Returns:
        The ids of the cells that were measured.
    """
    chosen = [cell for cell in cells if needs_structure_alone(cell, suite.measure)]
    if len(chosen) < 2:
        return frozenset()
    progress.say(f"counting {len(chosen)} cells of which only the structure is measured here")
    jobs = tuple(
        CellJob(
            cell=cell,
            measures=suite.measure,
            folder=str(store.folder),
            import_folders=folders,
            is_deployed_elsewhere=bool(suite.deploy),
        )
        for cell in chosen
    )
    started = time.perf_counter()
    limit_s = None if suite.timeout_s is None else suite.timeout_s * len(chosen)
    answer = run_isolated(Job(static=jobs), limit_s=limit_s)
    took_s = time.perf_counter() - started
    for result in answer.results:
        store.write_cell(result)
        for phase in result.phases:
            progress.add(phase.name, phase.seconds, inside_s=phase.inside_s)
        for failure in result.failures:
            progress.say(f"{result.cell.label}: {failure.of} {failure.kind}: {failure.reason}")
    measured_s = sum(phase.seconds for result in answer.results for phase in result.phases)
    progress.add("start processes", took_s - measured_s, inside_s=0.0)
    if answer.failure is not None:
        progress.say(f"{answer.failure.reason}; each cell gets a process of its own")
    return frozenset(result.cell.id for result in answer.results)
