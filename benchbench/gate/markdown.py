"""A gate's report as short Markdown, for `$GITHUB_STEP_SUMMARY` or a comment."""

from __future__ import annotations

import re
from collections.abc import Sequence

from benchbench.core.gating import GateReport, Verdict
from benchbench.core.markdown_text import escape
from benchbench.gate.lines import HEADER, by_weight, conclusion, status_word, table_row, told_line

_MOST_LINES, _MOST_ROWS, _LONGEST = 50, 200, 600
_MARKS = {"fail": "🔴", "warning": "🟡", "ambiguous": "🟡", "note": "⚪", "pass": "🟢"}


def write_markdown(report: GateReport) -> str:
    """What fails or is undecided first, each with its reason and command; then every verdict, folded.

    Fifty reasons, two hundred rows and six hundred characters of one text at most, which is far below what
    GitHub takes; what is left out is counted.
    """
    ordered = by_weight(report.verdicts)
    lines = [
        f"## Gate of {_text(report.suite)}: {_text(conclusion(report))}",
        "",
        f"{_text(report.head)} against {_text(report.base)}",
        "",
    ]
    told = [each for each in ordered if each.status in ("fail", "ambiguous") or each.is_warning]
    for each in told[:_MOST_LINES]:
        word = status_word(each)
        lines.append(f"- {_MARKS[word]} **{word}** {_text(told_line(each))}")
        if each.rerun:
            lines.append(f"  <br>again: {_code(each.rerun)}")
    if len(told) > _MOST_LINES:
        lines.append(f"- and {len(told) - _MOST_LINES} more")
    lines += [""] if told else []
    lines += [f"- Mind: {_text(each)}" for each in report.cautions[:_MOST_LINES]]
    lines += [""] if report.cautions else []
    lines += ["<details><summary>Every verdict</summary>", "", *_table(ordered), "", "</details>", ""]
    return "\n".join(lines)


def _table(verdicts: Sequence[Verdict]) -> list[str]:
    lines = [f"| {' | '.join(HEADER)} | reason |", f"|{'---|' * (len(HEADER) + 1)}"]
    for each in verdicts[:_MOST_ROWS]:
        mark, *cells = table_row(each)
        reason = " ".join(each.reason.split())
        row = [f"{_MARKS[mark]} {mark}", *(_text(cell) for cell in cells), _text(reason)]
        lines.append(f"| {' | '.join(row)} |")
    if len(verdicts) > _MOST_ROWS:
        lines += ["", f"{len(verdicts) - _MOST_ROWS} more rows are left out."]
    return lines


def _text(text: str) -> str:
    shown = "".join(character if character.isprintable() else " " for character in text)
    return escape(shown if len(shown) <= _LONGEST else f"{shown[: _LONGEST - 1]}…")


def _code(text: str) -> str:
    flat = " ".join(text.split())
    flat = "".join(character if character.isprintable() else "?" for character in flat)
    fence = "`" * (1 + max((len(run) for run in re.findall(r"`+", flat)), default=0))
    return f"{fence} {flat} {fence}" if "`" in flat else f"`{flat}`"
