"""Several runs at once: what is whole of them, and a line for what is not."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from benchbench.core.errors import BenchbenchError, StoreError
from benchbench.core.measurement import ResultTable
from benchbench.core.store import read_run


@dataclass(frozen=True, slots=True)
class RunsRead:
    """What could be read.

    Attributes:
        tables: a result table per run that is there, without its damaged cells; `unread` has a line for
            each file that was left out, and that of the first one for each run.
        refused: what was asked for and is no run that can be read.
    """

    tables: tuple[ResultTable, ...]
    refused: tuple[StoreError, ...]


def read_runs(paths: Iterable[str | Path], *, tell: Callable[[str], None]) -> RunsRead:
    """Every run, or what is whole of it; `tell` is given a line for each thing that is left out.

    Raises:
        StoreError: none of them can be read.
    """
    tables: list[ResultTable] = []
    refused: list[StoreError] = []
    for path in paths:
        errors: list[StoreError] = []
        try:
            table = read_run(path, tell=errors.append)
        except StoreError as error:
            refused.append(error)
            continue
        for each in errors:
            tell(f"left out: {one_line(each)}")
        # Below the run's folder, wherever that lies on this machine.
        unread = tuple(one_line(each).replace(f"{table.folder}/", "") for each in errors)
        tables.append(table.model_copy(update={"unread": unread}))
    if not tables and refused:
        raise refused[0]
    lost = tuple(map(one_line, refused))
    for line in lost:
        tell(f"left out: {line}")
    if lost:
        tables[0] = tables[0].model_copy(update={"unread": (*tables[0].unread, *lost)})
    return RunsRead(tuple(tables), tuple(refused))


def one_line(error: BenchbenchError) -> str:
    """What is wrong and what to do, on one line."""
    said = error.problem if error.where is None else f"{error.where}: {error.problem}"
    said += f" (expected: {error.expected})" if error.expected else ""
    return " ".join(f"{said}; {error.fix}".split() if error.fix else said.split())
