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
        tables: a result table per run that is there, without its damaged cells.
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
        try:
            tables.append(read_run(path, tell=lambda error: tell(f"left out: {one_line(error)}")))
        except StoreError as error:
            refused.append(error)
    if not tables and refused:
        raise refused[0]
    for each in refused:
        tell(f"left out: {one_line(each)}")
    return RunsRead(tuple(tables), tuple(refused))


def one_line(error: BenchbenchError) -> str:
    """What is wrong and what to do, on one line."""
    said = error.problem if error.where is None else f"{error.where}: {error.problem}"
    said += f" (expected: {error.expected})" if error.expected else ""
    return " ".join(f"{said}; {error.fix}".split() if error.fix else said.split())
