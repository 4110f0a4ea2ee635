"""A report's verdicts as rows and lines of plain text, for every place that shows them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from benchbench.core.gating import GateReport, Status, Verdict
from benchbench.gate.words import exactly, signed, span

ORDER: tuple[Status, ...] = ("fail", "ambiguous", "note", "pass")
HEADER = ("verdict", "cell", "measure", "base", "head", "change", "tolerance")
_COUNTED = {
    "fail": ("fails", "fail"),
    "ambiguous": ("is ambiguous", "are ambiguous"),
    "note": ("is noted", "are noted"),
    "pass": ("passes", "pass"),
}


def by_weight(verdicts: Iterable[Verdict]) -> list[Verdict]:
    """The verdicts, failures first; warnings come before other notes."""
    return sorted(verdicts, key=lambda each: (ORDER.index(each.status), not each.is_warning))


def status_word(verdict: Verdict) -> str:
    """`fail`, `ambiguous`, `note`, `pass`, or `warning`."""
    return "warning" if verdict.is_warning else verdict.status


def measure_words(verdict: Verdict) -> str:
    """`latency (cpu, 2 threads)`."""
    return f"{verdict.measure} ({verdict.setting})" if verdict.setting else verdict.measure


def table_row(verdict: Verdict) -> tuple[str, ...]:
    """One verdict under HEADER."""
    base, head = (
        "" if each is None else exactly(each, verdict.unit) for each in (verdict.base, verdict.head)
    )
    change = "" if verdict.change is None else signed(verdict.change - 1)
    if verdict.interval is not None:
        change = f"{change} {span(verdict.interval)}".strip()
    allowed = "" if verdict.tolerance is None else f"{100 * verdict.tolerance:g} %"
    return (status_word(verdict), verdict.cell, measure_words(verdict), base, head, change, allowed)


def told_line(verdict: Verdict) -> str:
    """`v1 latency (cpu, 2 threads): 19 % slower ...`, on one line."""
    place = " ".join(part for part in (verdict.cell, measure_words(verdict)) if part)
    return " ".join(f"{place}: {verdict.reason}".split())


def conclusion(report: GateReport) -> str:
    """`red: 1 fails, 2 are ambiguous, 12 pass`."""
    counts = Counter(each.status for each in report.verdicts)
    parts = [f"{counts[each]} {_COUNTED[each][counts[each] > 1]}" for each in ORDER if counts[each]]
    colour = "red" if report.exit_code else "green"
    if not report.exit_code and (counts["ambiguous"] or any(each.is_warning for each in report.verdicts)):
        colour = "green with warnings"
    return f"{colour}: {', '.join(parts) or 'nothing was judged'}"
