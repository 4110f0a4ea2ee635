"""The baseline file: what a run measured, small enough to commit, with the reason of each change of it."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

from pydantic import Field

from benchbench.core.errors import GateError, StoreError
from benchbench.core.gating import GATE_SCHEMA
from benchbench.core.layer_record import LayerCount
from benchbench.core.measurement import CellResult, Measurement, ResultTable
from benchbench.core.model import Frozen
from benchbench.core.store import read_run, write_atomically
from benchbench.gate.pairing import macs_by_kind
from benchbench.gate.plain_file import dump_readable, parse_file

# Raw samples are kept of what is judged by its samples; anything else keeps its value and interval.
_SAMPLED = ("latency", "device_latency")
_PLAIN_UNITS = ("1", "dB")
_FIX = "`benchbench gate SUITE --baseline FILE --update --reason '...'` writes one"


class Reason(Frozen):
    """Why the baseline became what it is.

    Attributes:
        when: date and time, UTC.
        reason: in the words of whoever updated it.
        revision: the commit that was measured; with `+changes` where the working tree had some.
        benchbench: the version that measured.
    """

    when: str
    reason: str
    revision: str | None = None
    benchbench: str = ""


class Baseline(Frozen):
    """What later runs are judged by.

    Attributes:
        reasons: the oldest first.
        table: the run, without layers, pictures, curves and phases; MACs are kept per kind of layer.
    """

    schema_version: Annotated[int, Field(ge=1)] = GATE_SCHEMA
    reasons: tuple[Reason, ...] = ()
    table: ResultTable


def read_baseline(path: str | Path) -> Baseline:
    """The baseline in a file.

    Raises:
        StoreError: it is missing, damaged, of a newer version, or no baseline.
    """
    return parse_file(Path(path), Baseline, what="baseline", mark="reasons", fix=_FIX)


def read_side(path: str | Path) -> ResultTable:
    """A run's folder, or a baseline file: either side of `gate BASE HEAD`.

    Raises:
        StoreError: it is neither, or damaged.
    """
    file = Path(path)
    if file.is_file() and file.name != "run.json":
        return read_baseline(file).table
    return read_run(file)


def check_reason(reason: str | None) -> str:
    """The reason of an update, on one line.

    Raises:
        GateError: there is none.
    """
    told = " ".join((reason or "").split())
    if not told:
        raise GateError(
            "a baseline is not updated without a reason",
            expected="words that whoever reads the file a year from now understands",
            fix="--reason 'v3 has a wider decoder, see #41'",
        )
    return told


def updated(
    previous: Baseline | None, table: ResultTable, *, reason: str, now: datetime | None = None
) -> Baseline:
    """The baseline that a run makes of the previous one.

    Raises:
        GateError: no reason, a run that has not finished, holds a failure or no cell, or is of another
            suite than the previous baseline.
    """
    told = check_reason(reason)
    if previous is not None and previous.table.suite.name != table.suite.name:
        raise GateError(
            f"the baseline is of the suite '{previous.table.suite.name}', the run of '{table.suite.name}'",
            expected="a run of the baseline's suite",
            fix="give another file with --baseline",
        )
    failed = [
        f"{result.cell.label}: {failure.of} {failure.kind}"
        for result in table.results
        for failure in result.failures
        if failure.kind != "skipped"
    ]
    if failed or not table.results or table.run.finished is None:
        what = failed[0] if failed else "it has no cell" if not table.results else "it has not finished"
        raise GateError(
            f"this run makes no baseline: {' '.join(what.split())}",
            expected="a finished run in which nothing failed",
            fix="mend that, and run again",
        )
    environment = table.environment
    revision = environment.git_revision
    if revision is not None and environment.git_dirty:
        revision += "+changes"
    entry = Reason(
        when=(now or datetime.now(UTC)).isoformat(timespec="seconds"),
        reason=told,
        revision=revision,
        benchbench=table.run.benchbench,
    )
    before = previous.reasons if previous is not None else ()
    kept = tuple(_small(result) for result in table.results)
    run = table.run.model_copy(update={"phases": ()})
    small = table.model_copy(update={"results": kept, "run": run})
    return Baseline(reasons=(*before, entry), table=small)


def write_baseline(path: str | Path, baseline: Baseline) -> None:
    """Write it whole, or not at all.

    Raises:
        StoreError: the file cannot be written; an older one is intact.
    """
    file = Path(path)
    if file.is_dir():
        raise StoreError(f"{file} is a folder", expected="a file", fix=f"--baseline {file / 'baseline.json'}")
    write_atomically(file, dump_readable(baseline))


def _small(result: CellResult) -> CellResult:
    layers = tuple(
        LayerCount(path="*", kind=kind, macs=macs) for kind, macs in macs_by_kind(result.layers).items()
    )
    return CellResult(
        cell=result.cell,
        measurements=tuple(_kept(each) for each in result.measurements),
        failures=result.failures,
        layers=layers,
        output=result.output,
    )


def _kept(figure: Measurement) -> Measurement:
    needs_samples = figure.name in _SAMPLED or figure.unit in _PLAIN_UNITS
    return figure if needs_samples else figure.model_copy(update={"samples": ()})
