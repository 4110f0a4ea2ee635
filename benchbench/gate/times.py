"""Verdicts on times of two revisions, from sets of processes that took turns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from benchbench.core.gating import PairedTiming, SetsEstimate, Status, Verdict
from benchbench.core.paired_sets import estimate
from benchbench.gate.making import Maker
from benchbench.gate.rules import Rule
from benchbench.gate.timing import decide


@dataclass(frozen=True, slots=True)
class TimedCell:
    """One cell at one setting, with its rule."""

    pair: PairedTiming
    make: Maker
    rule: Rule


def judge_times(cells: Sequence[TimedCell]) -> tuple[Verdict, ...]:
    """Verdicts on all times of a gate together, Holm-corrected over the cells."""
    tolerances = {at: each.rule.tolerance or 0.0 for at, each in enumerate(cells)}
    found = {
        at: estimate(each.pair.sets, tolerance=tolerances[at])
        for at, each in enumerate(cells)
        if each.pair.sets
    }
    decided = decide(found, tolerances)
    return tuple(
        _verdict(each, found[at], decided[at]) if at in found else _untaken(each)
        for at, each in enumerate(cells)
    )


def _untaken(timed: TimedCell) -> Verdict:
    pair, reason = timed.pair, "no set of it was taken whole"
    return timed.make.verdict(pair.measure, "ambiguous", reason, rule=timed.rule, setting=pair.setting)


def _verdict(timed: TimedCell, found: SetsEstimate, decided: tuple[Status, str]) -> Verdict:
    pair = timed.pair
    status, reason = decided
    notes = tuple(dict.fromkeys(note for each in pair.sets for note in each.notes))
    if notes and status == "ambiguous":
        reason += f" ({', '.join(notes)})"
    base, head = (
        median(sample for each in pair.sets for process in getattr(each, side) for sample in process)
        for side in ("base", "head")
    )
    return timed.make.verdict(
        pair.measure,
        status,
        reason,
        rule=timed.rule,
        setting=pair.setting,
        unit="s",
        base=base,
        head=head,
        change=found.ratio,
        interval=found.interval,
    )
