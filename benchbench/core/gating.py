"""What a gate measures and says, as plain records: read and written without torch."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from pydantic import Field

from benchbench.core.cell import Cell
from benchbench.core.measurement import Interval, OutputRecord, Sample
from benchbench.core.model import Frozen, JsonValue

GATE_SCHEMA = 1

Status: TypeAlias = Literal["pass", "fail", "ambiguous", "note"]


class PairedSet(Frozen):
    """One set of fresh processes that held the same cell of base and of head, and took turns.

    Each round lets every process time the cell once, in a random order; entry i of every process is round
    i. There are two or more processes a side, so that the set knows what two processes of the same code
    differ by: its A/A controls.

    Attributes:
        base, head: per process, seconds per call, round by round.
        notes: `warm-up capped`, `only 12 rounds` and the like.
        settings: facts of the processes: threads, versions, load before and after, page faults.
    """

    base: tuple[tuple[Sample, ...], ...]
    head: tuple[tuple[Sample, ...], ...]
    notes: tuple[str, ...] = ()
    settings: dict[str, JsonValue] = {}


class PairedTiming(Frozen):
    """All sets of one cell at one setting; every set has processes of its own.

    Attributes:
        cell: head's label of it.
        measure: `latency`, or the name that a benchmark gave.
        setting: `cpu, 2 threads`.
        sets: in the order they were taken.
        protocol: hash of how they were taken.
    """

    cell: str
    measure: str = "latency"
    setting: str = ""
    sets: tuple[PairedSet, ...] = ()
    protocol: str = ""


class SetsEstimate(Frozen):
    """What the sets of one cell say of head / base.

    Attributes:
        ratio: time of head by time of base; above 1 head is slower.
        interval: of `ratio`, two-sided; it holds what rounds and what processes differ by.
        p_slower: probability of sets like these, or clearer ones, if head were slower by the tolerance
            exactly: small where head is slower by more.
        controls: per set, the ratio of two processes of the same code, base's and head's, with intervals
            over rounds.
        is_quiet: whether there is a set whose controls both say that two processes of the same code
            agree well enough for the tolerance; where there is, the other figures are of such sets alone.
        confirmed: how many sets say by themselves that head is slower by more than the tolerance.
    """

    ratio: float
    interval: Interval
    p_slower: float
    controls: tuple[tuple[float, Interval], ...] = ()
    is_quiet: bool = True
    confirmed: int = 0


class Verdict(Frozen):
    """What the gate says of one measure of one cell.

    Attributes:
        cell: its label, or "" where it is of the whole.
        measure: `latency`, `parameters`, `output`, `fd[rand-conv-64]`, `cell` (it vanished or appeared).
        status: `fail` ends the gate with 1; `ambiguous` and `note` are told and do not.
        reason: one line: by how much, how sure, and why not more.
        base, head: both values, in `unit`; None where there is none.
        change: head / base, where both are positive figures.
        interval: of `change`.
        tolerance: as a share; None of an exact rule.
        is_warning: a `note` that would have failed, had its rule not said `on: warn`.
        rerun: the command that says so again.
    """

    cell: str = ""
    measure: str
    setting: str = ""
    status: Status
    reason: str
    unit: str = "1"
    base: float | None = None
    head: float | None = None
    change: float | None = None
    interval: Interval | None = None
    tolerance: float | None = None
    is_warning: bool = False
    rerun: str = ""


class GateReport(Frozen):
    """Everything that one gate found.

    Attributes:
        suite: its name.
        base, head: what was compared, in words: a run, a baseline file, a revision.
        cautions: a line each.
    """

    schema_version: Annotated[int, Field(ge=1)] = GATE_SCHEMA
    suite: str
    base: str
    head: str
    verdicts: tuple[Verdict, ...] = ()
    timings: tuple[PairedTiming, ...] = ()
    cautions: tuple[str, ...] = ()

    @property
    def exit_code(self) -> int:
        """0, or 1 where a verdict is `fail`."""
        return int(any(each.status == "fail" for each in self.verdicts))


class SideResult(Frozen):
    """What one revision made of one cell: counts and output, or why it could not be built.

    Attributes:
        parameters, macs: by the contract in docs/macs.md.
        macs_by_operator: operator -> MACs.
        problem: one line, where the revision cannot build or run the cell.
    """

    cell: Cell
    parameters: int | None = None
    macs: int | None = None
    macs_by_operator: dict[str, int] = {}
    output: OutputRecord | None = None
    problem: str | None = None
