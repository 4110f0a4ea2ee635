"""Verdicts on two results: runs, or a baseline file and a run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from benchbench.core.cell import Cell
from benchbench.core.gate_rules import GateRules
from benchbench.core.gating import GateReport
from benchbench.core.measurement import ResultTable
from benchbench.gate.making import Rerun, no_command
from benchbench.gate.quality import judge_quality
from benchbench.gate.ratios import Finding, judge_speedups, to_confirm
from benchbench.gate.walk import gather


def judge_tables(
    base: ResultTable,
    head: ResultTable,
    rules: GateRules,
    *,
    again: Sequence[ResultTable] = (),
    confirm: Literal["processes", "fresh run"] = "processes",
    names: tuple[str, str] = ("base", "head"),
    only: str | None = None,
    rerun: Rerun = no_command,
) -> GateReport:
    """Judge one result by another.

    Args:
        base, head: what was, and what is.
        rules: see gate/rules.py for what they leave unsaid.
        again: fresh runs of what would fail, as `cells_to_confirm` names it.
        confirm: what a slow-down needs beside its own interval: that a fresh run says so again, or that
            every process of both results does by itself.
        names: what messages call the two.
        only: a glob over labels, variants, groups and ids of the cells to judge; all without one.
        rerun: what `--only` takes -> the command that judges that cell again.

    Raises:
        GateError: another suite, no cell in common, or times without samples.
        ProtocolMismatchError: figures that the rules compare were made otherwise.
        OptionError: a rule that asks a time to be exact.
        UnknownNameError: `only` matches no cell.
    """
    gathered = gather(base, head, rules, rerun, only=only, what="all")
    fresh: dict[tuple[str, str, str], list[Finding]] = {}
    cautions = list(gathered.cautions)
    for table in again:
        walked = gather(base, table, rules, rerun, only=only, what="ratios", mismatches="kept")
        if walked.mismatch is not None:
            # It confirms nothing; what was measured before it has its verdict all the same.
            cautions.append(f"a fresh run cannot be compared: {walked.mismatch.problem}")
        for found in walked.ratios:
            fresh.setdefault(found.key, []).append(found)
    verdicts = [
        *gathered.verdicts,
        *judge_speedups(gathered.ratios, fresh, fresh=confirm == "fresh run"),
        *judge_quality(gathered.quality),
    ]
    places = {label: at for at, label in enumerate(gathered.labels)}
    return GateReport(
        suite=head.suite.name,
        base=names[0],
        head=names[1],
        # One cell's verdicts together; the sort keeps the order of measures.
        verdicts=tuple(sorted(verdicts, key=lambda each: places.get(each.cell, -1))),
        cautions=tuple(cautions),
    )


def cells_to_confirm(
    base: ResultTable, head: ResultTable, rules: GateRules, *, only: str | None = None
) -> tuple[Cell, ...]:
    """The cells whose speed-ups a fresh run must confirm before they fail.

    Raises:
        GateError, ProtocolMismatchError, OptionError: as `judge_tables`.
    """
    return to_confirm(gather(base, head, rules, no_command, only=only, what="ratios").ratios)
