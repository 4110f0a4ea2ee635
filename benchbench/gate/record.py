"""What a gate measured, kept so that other rules may judge it again without measuring."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Self

from pydantic import Field, model_validator

from benchbench.core.gate_rules import GateRules
from benchbench.core.gating import GATE_SCHEMA, GateReport, PairedTiming, SideResult
from benchbench.core.measurement import ResultTable
from benchbench.core.model import Frozen
from benchbench.core.store import write_atomically
from benchbench.gate.making import Rerun, no_command
from benchbench.gate.plain_file import dump_readable, parse_file
from benchbench.gate.revisions import judge_revisions
from benchbench.gate.tables import judge_tables


class MeasuredRevisions(Frozen):
    """What two revisions made of one suite, as runner/gate_sets.py measures it."""

    sides: tuple[tuple[SideResult, SideResult], ...] = ()
    pairs: tuple[PairedTiming, ...] = ()
    vanished: tuple[str, ...] = ()
    appeared: tuple[str, ...] = ()
    cautions: tuple[str, ...] = ()


class MeasuredTables(Frozen):
    """Two results; `again` are fresh runs of what would have failed, None where none were to be made."""

    base: ResultTable
    head: ResultTable
    again: tuple[ResultTable, ...] | None = None


class GateRecord(Frozen):
    """One gate's samples, with the rules it was judged by; one of `revisions` and `tables` is there.

    Attributes:
        names: what base and head are called.
        command: what was asked for.
        only: the glob over cells, where not all of two results are judged.
    """

    schema_version: Annotated[int, Field(ge=1)] = GATE_SCHEMA
    suite: str
    names: tuple[str, str]
    command: str = ""
    only: str | None = None
    rules: GateRules = GateRules()
    revisions: MeasuredRevisions | None = None
    tables: MeasuredTables | None = None

    @model_validator(mode="after")
    def _one_of_two(self) -> Self:
        if (self.revisions is None) == (self.tables is None):
            raise ValueError("give either 'revisions' or 'tables'")
        return self


def judge(record: GateRecord, rules: GateRules, *, rerun: Rerun = no_command) -> GateReport:
    """Judge what was measured.

    Raises:
        GateError, ProtocolMismatchError, OptionError: as `judge_tables` and `judge_revisions`.
    """
    if record.revisions is not None:
        measured = record.revisions
        return judge_revisions(
            measured.sides,
            measured.pairs,
            rules,
            suite=record.suite,
            names=record.names,
            vanished=measured.vanished,
            appeared=measured.appeared,
            cautions=measured.cautions,
            rerun=rerun,
        )
    assert record.tables is not None
    tables = record.tables
    return judge_tables(
        tables.base,
        tables.head,
        rules,
        again=tables.again or (),
        confirm="processes" if tables.again is None else "fresh run",
        names=record.names,
        only=record.only,
        rerun=rerun,
    )


def write_record(path: str | Path, record: GateRecord) -> None:
    """Keep what was measured.

    Raises:
        StoreError: the file cannot be written.
    """
    write_atomically(Path(path), dump_readable(record))


def read_record(path: str | Path) -> GateRecord:
    """What a gate measured.

    Raises:
        StoreError: it is missing, damaged, of a newer version, or no such file.
    """
    fix = "`benchbench gate SUITE ... --out DIR` writes one"
    return parse_file(Path(path), GateRecord, what="record of a gate", mark="names", fix=fix)
