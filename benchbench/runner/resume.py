"""What an earlier run left: whether it may be continued, and which of its cells are to be done again."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from benchbench.core.cell import Cell
from benchbench.core.environment import Environment
from benchbench.core.errors import StoreError
from benchbench.core.measurement import CellResult
from benchbench.core.model import canonical_json
from benchbench.core.store import RunStore, find_run
from benchbench.core.suite import Suite
from benchbench.runner.files import digest_of_files

# What failed for one of these fails again; anything else may be mended and tried anew.
_FINAL_FAILURES = ("diverged", "unsupported", "skipped", "differs")


def resumable(suite: Suite, out: Path) -> RunStore | None:
    """The newest run of `suite` below `out`; None without one, or where it is finished and of another suite.

    Raises:
        StoreError: it is unfinished, and the suite has changed since.
    """
    try:
        folder = find_run(out / suite.name)
    except StoreError:
        return None
    store = RunStore(folder)
    table = store.read_header()
    before, now = (
        canonical_json(each.model_dump(mode="json", by_alias=True)) for each in (table.suite, suite)
    )
    if before != now and table.run.finished is not None:
        return None
    if before != now:
        raise StoreError(
            f"the suite has changed since {folder} was begun ({_first_change(table.suite, suite)})",
            expected="the same suite, overrides and profile as before",
            fix="run without --resume to start anew, or undo the change",
        )
    return store


def check_machine(store: RunStore, now: Environment) -> None:
    """That the run was begun on this machine.

    Raises:
        StoreError: it was not; names what differs.
    """
    before = store.read_header().environment
    for key in ("machine", "cpu_model", "cpus_usable", "gpus"):
        old, new = getattr(before, key), getattr(now, key)
        if key == "gpus":
            old, new = (tuple(gpu.name for gpu in gpus) for gpus in (old, new))
        if old != new:
            raise StoreError(
                f"{store.folder} was begun on another machine ({key}: {old}, here {new})",
                expected="one machine for one run: its latencies are compared with one another",
                fix="resume it there, or run without --resume to start anew",
            )


def reopen(store: RunStore, only: str | None) -> None:
    """Say in the run's file that it goes on, and what is asked of it now beside what was before.

    Args:
        only: a glob over cells; None for all.
    """
    header = store.read_header()
    before = header.run.only
    globs = None if before is None or only is None else tuple(dict.fromkeys((*before, only)))
    record = header.run.model_copy(update={"only": globs, "finished": None})
    store.write_header(header.suite, record, header.environment)


def is_complete(store: RunStore, cells: Sequence[Cell]) -> bool:
    """Whether nothing is left to do for any of `cells`."""
    table = store.read_table()
    known = {
        result.cell.id
        for result in table.results
        if not _to_retry(result) and not has_lost_files(store, result)
    }
    return table.run.finished is not None and all(cell.id in known for cell in cells)


def _first_change(before: Suite, now: Suite) -> str:
    old, new = (each.model_dump(mode="json", by_alias=True) for each in (before, now))
    return next((f"'{key}' differs" for key in new if old.get(key) != new[key]), "it differs")


def _to_retry(result: CellResult) -> bool:
    # A whole cell is skipped for want of a library, which may have been installed since, or of its network.
    skipped = result.failure is not None and result.failure.kind == "skipped"
    return skipped or any(failure.kind not in _FINAL_FAILURES for failure in result.failures)


def is_finished(store: RunStore, cell: Cell) -> bool:
    """Whether `cell` has its result and its files, and nothing that may go better now."""
    known = store.read_cell(cell.id)
    return known is not None and not _to_retry(known) and not has_lost_files(store, known)


def has_lost_files(store: RunStore, result: CellResult) -> bool:
    """Whether the cell's checkpoint is gone, or its deployed files are gone or have changed."""
    record = result.deployment
    if record is not None and record.artefact is not None:
        folder = (store.folder / record.artefact).parent
        files = sorted(each for each in folder.iterdir() if each.is_file()) if folder.is_dir() else []
        if digest_of_files(files) != record.digest:
            return True
    trained = result.cell.train is not None and result.cell.train.recipe is not None
    return trained and result.checkpoint is not None and not (store.folder / result.checkpoint).is_file()
