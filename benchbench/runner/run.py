"""Run a suite: every cell in a process of its own, then the comparisons, everything saved as it ends."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import benchbench
from benchbench.backends.prepare import check_packages
from benchbench.core.cell import Cell
from benchbench.core.damaged import damaged_files, put_aside
from benchbench.core.errors import DependencyError
from benchbench.core.expand import expand
from benchbench.core.host import read_load
from benchbench.core.measurement import Failure, Phase, ResultTable, RunRecord
from benchbench.core.store import RunStore, new_run_id
from benchbench.core.suite import Suite
from benchbench.runner.baselines import baselines_of, with_networks
from benchbench.runner.cell_job import failed_cell
from benchbench.runner.comparisons import Progress, run_comparisons
from benchbench.runner.environment import probe_environment
from benchbench.runner.files import checkpoint_of
from benchbench.runner.isolate import run_isolated
from benchbench.runner.jobs import CellJob, CheckJob, Job
from benchbench.runner.lock import exclusive_run
from benchbench.runner.resume import (
    check_machine,
    has_lost_files,
    is_complete,
    is_finished,
    reopen,
    resumable,
)
from benchbench.runner.static_cells import finish_static_cells
from benchbench.runner.subjects import check_cells

_CHECK_LIMIT_S = 300.0


def _say_nothing(line: str) -> None:
    """Progress for nobody."""


def run(
    suite: Suite,
    *,
    out: str | Path = "results",
    mode: Literal["new", "resume"] = "new",
    only: str | None = None,
    command: str = "",
    folders: Sequence[str | Path] = (),
    say: Callable[[str], None] = _say_nothing,
) -> ResultTable:
    """Train or load, and measure, every cell of a suite.

    Args:
        suite: what to do (`load_suite`).
        out: results land in `<out>/<suite>/<run>/`.
        mode: `resume` continues the newest run of the suite and repeats nothing that finished;
            where there is none, or the newest is complete and of another suite, a new one starts.
        only: a glob over cell ids, labels and variants.
        command: how the run was asked for; kept with the results.
        folders: where `import: module:callable` is looked for first; the working directory is next.
        say: shows one line of progress.

    Returns:
        Everything in the run's folder; cells that failed carry their reason.

    Raises:
        BenchbenchError: the request is wrong; nothing was trained.
        StoreError: results cannot be written; those that were finished are intact.
        LockedError: another process works on the same run, or measures latency for too long.
        KeyboardInterrupt: everything finished is kept; `resume` continues.
    """
    started = time.perf_counter()
    cells = with_networks(expand(suite, only=only))
    out = Path(out)
    store = resumable(suite, out) if mode == "resume" else None
    damaged = () if store is None else damaged_files(store)
    if store is not None and not damaged and is_complete(store, cells):
        say(f"nothing left to do: {store.folder} is complete; run without --resume to measure anew")
        return store.read_table()
    import_folders = tuple(dict.fromkeys(str(Path(each).resolve()) for each in (*folders, Path.cwd())))
    _check(cells, import_folders, limit_s=suite.timeout_s or _CHECK_LIMIT_S, say=say)
    environment = probe_environment().model_copy(update={"load_before": read_load()})
    if store is None:
        record = RunRecord(
            id=_free_id(out / suite.name),
            command=command,
            started=_now(),
            only=None if only is None else (only,),
            benchbench=benchbench.__version__,
        )
        store = RunStore.create(out, suite, record, environment)
    else:
        check_machine(store, environment)
        reopen(store, only)
    record = store.read_header().run
    progress = Progress(say=say)
    progress.add("prepare", time.perf_counter() - started, inside_s=0.0)
    with exclusive_run(store.folder):
        for path in damaged:
            say(
                f"warning: {path} is damaged: it is kept as {put_aside(path).name}, "
                "and what is missing is measured anew"
            )
        say(f"{len(cells)} {'cell' if len(cells) == 1 else 'cells'}, results in {store.folder}")
        open_cells = [cell for cell in cells if not is_finished(store, cell)]
        counted = finish_static_cells(store, suite, open_cells, import_folders, progress)
        baselines = baselines_of(suite)
        # A baseline first: what it makes may be what the others are compared with. A network before the ways
        # to run it: they have its weights.
        ordered = sorted(
            cells, key=lambda cell: (baselines[cell.id] != cell.id, not cell.deploy.is_reference)
        )
        for number, cell in enumerate(ordered, start=1):
            if cell.id not in counted:
                place = f"[{number}/{len(cells)}]"
                _finish_cell(store, suite, cell, baselines[cell.id], import_folders, progress, place)
        # All cells: one that `only` leaves out may have been finished before.
        run_comparisons(store, suite, expand(suite), import_folders, progress)
        record = _closing_record(record, progress, started)
        final = environment.model_copy(update={"load_after": read_load()})
        store.write_header(suite, record, final)
    return store.read_table()


def _check(
    cells: Sequence[Cell], folders: tuple[str, ...], *, limit_s: float, say: Callable[[str], None]
) -> None:
    foreign = tuple(cell for cell in cells if _is_foreign(cell))
    check_cells([cell for cell in cells if cell not in foreign], folders=[Path(each) for each in folders])
    if not foreign:
        return
    # Somebody's model may hang, print or end its process; not this one. Which of them does is then
    # told cell by cell, so that the others are measured all the same.
    answer = run_isolated(Job(check=CheckJob(cells=foreign, import_folders=folders)), limit_s=limit_s)
    if answer.failure is not None:
        say(f"checking the models: {answer.failure.kind}: {answer.failure.reason}")


def _is_foreign(cell: Cell) -> bool:
    networks = (cell.architecture, cell.discriminator)
    return any(each is not None and each.import_path is not None for each in networks)


def _free_id(folder: Path) -> str:
    name = new_run_id()
    suffix = 1
    while (folder / name).exists():
        suffix += 1
        name = f"{new_run_id()}-{suffix}"
    return name


def _finish_cell(
    store: RunStore,
    suite: Suite,
    cell: Cell,
    baseline: str | None,
    folders: tuple[str, ...],
    progress: Progress,
    place: str,
) -> None:
    if is_finished(store, cell):
        progress.say(f"{place} {cell.label}: finished before")
        return
    known = store.read_cell(cell.id)
    lost = known is not None and has_lost_files(store, known)
    gone = "its checkpoint is gone, so it is trained again"
    if not cell.deploy.is_reference:
        gone = "its files are gone or have changed, so it is deployed again"
    progress.say(f"{place} {cell.label}" + (f": {gone}" if lost else ""))
    obstacle = None if cell.deploy.is_reference else _obstacle(store, cell)
    if obstacle is not None:
        store.write_cell(failed_cell(cell, obstacle))
        progress.say(f"{place} {cell.label}: {obstacle.kind}: {obstacle.reason}")
        return
    started = time.perf_counter()
    job = CellJob(
        cell=cell,
        measures=suite.measure,
        folder=str(store.folder),
        import_folders=folders,
        baseline=baseline,
        checkpoint=None if cell.deploy.is_reference else checkpoint_of(store, cell.network.id),
        is_deployed_elsewhere=bool(suite.deploy),
    )
    answer = run_isolated(Job(cell=job), limit_s=suite.timeout_s)
    if answer.result is not None:
        result = answer.result
    else:
        assert answer.failure is not None
        result = failed_cell(cell, answer.failure)
    took_s = time.perf_counter() - started
    store.write_cell(result)
    for phase in result.phases:
        progress.add(phase.name, phase.seconds, inside_s=phase.inside_s)
    progress.add("start processes", took_s - sum(phase.seconds for phase in result.phases), inside_s=0.0)
    for failure in result.failures:
        progress.say(f"{place} {cell.label}: {failure.of} {failure.kind}: {failure.reason}")


def _obstacle(store: RunStore, cell: Cell) -> Failure | None:
    """Why a deployed cell cannot be made: its library, or its network, is not there."""
    try:
        check_packages(cell.deploy)
    except DependencyError as error:
        return Failure(of="cell", kind="skipped", reason=error.problem, fix=error.fix)
    network = store.read_cell(cell.network.id)
    if network is not None and network.failure is None:
        return None
    reason = f"its network, '{cell.network.label}', has no result"
    return Failure(of="cell", kind="skipped", reason=reason, fix="see what that one says")


def _closing_record(record: RunRecord, progress: Progress, started: float) -> RunRecord:
    accounted = sum(phase.seconds for phase in progress.phases())
    progress.add("save and plan", max(time.perf_counter() - started - accounted, 0.0), inside_s=0.0)
    merged = {phase.name: phase for phase in record.phases}
    for phase in progress.phases():
        before = merged.get(phase.name, Phase(name=phase.name, seconds=0.0))
        merged[phase.name] = Phase(
            name=phase.name,
            seconds=before.seconds + phase.seconds,
            inside_s=before.inside_s + phase.inside_s,
        )
    return record.model_copy(update={"finished": _now(), "phases": tuple(merged.values())})


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
