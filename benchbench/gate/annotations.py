"""A gate's failures and warnings as GitHub's workflow commands: lines that it shows beside the change."""

from __future__ import annotations

from benchbench.core.gating import GateReport
from benchbench.gate.lines import by_weight, status_word, told_line

# GitHub shows ten of a kind per step.
_MOST = 10


def write_annotations(report: GateReport, *, file: str = "") -> tuple[str, ...]:
    """`::error` per failure and `::warning` per ambiguous or warning verdict; ten of each, then a count.

    Args:
        report: what the gate found.
        file: the suite's file, where the annotations are shown; "" leaves that out.
    """
    lines: list[str] = []
    place = f"file={_property(file)},line=1," if file else ""
    ordered = by_weight(report.verdicts)
    for kind, chosen in (
        ("error", [each for each in ordered if each.status == "fail"]),
        ("warning", [each for each in ordered if each.status == "ambiguous" or each.is_warning]),
    ):
        for each in chosen[: _MOST if len(chosen) <= _MOST else _MOST - 1]:
            title = _property(f"gate {report.suite}: {status_word(each)}")
            told = f"{told_line(each)}\nagain: {each.rerun}" if each.rerun else told_line(each)
            lines.append(f"::{kind} {place}title={title}::{_message(told)}")
        if len(chosen) > _MOST:
            more = len(chosen) - _MOST + 1
            lines.append(f"::{kind} {place}title={_property(f'gate {report.suite}')}::and {more} more")
    return tuple(lines)


def _message(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _message(text).replace(":", "%3A").replace(",", "%2C")
