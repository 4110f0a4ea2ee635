"""The tables of a report that say how its figures came about."""

from __future__ import annotations

from collections.abc import Callable

from benchbench.report.answer import describe_failure
from benchbench.report.export_model import (
    ExportColumn,
    ExportRow,
    ExportTable,
    filled,
    measured,
    plain,
    text_columns,
)
from benchbench.report.views.provenance import Verdict
from benchbench.report.views.report import ReportView
from benchbench.report.views.vocabulary import failed_title, title


def _failures(view: ReportView) -> ExportTable:
    rows = [
        ExportRow(
            (
                row.label,
                failed_title(row.failure.of),
                row.failure.kind,
                describe_failure(row.failure),
                row.failure.fix or "",
            )
        )
        for row in view.failures
    ]
    rows += [ExportRow((row.label, row.what, "absent", row.why, row.fix)) for row in view.absent]
    columns = text_columns("variant", "what", "kind", "why", "what to do")
    return filled("failures", "What failed or was skipped", columns, rows)


def _protocols(view: ReportView) -> ExportTable:
    rows = [
        ExportRow((row.name, row.hash, ", ".join(row.measures), "; ".join(row.settings)))
        for row in view.protocols
    ]
    return filled("protocols", "Protocols", text_columns("protocol", "hash", "measures", "settings"), rows)


def _controls(view: ReportView) -> ExportTable:
    columns = (
        *text_columns("variant", "timed"),
        ExportColumn("control", "duplicate against baseline"),
        *text_columns("holds 1"),
    )
    said: dict[Verdict, str] = {
        "quiet": "yes",
        "wide": "yes, but too wide",
        "noisy": "no",
        "unknown": "no interval",
    }
    rows = [
        ExportRow(
            (
                row.label,
                f"{title(row.control.name)}, {row.control.setting}".rstrip(", "),
                measured(row.control, [result for line in view.lines for result in line.results]),
                said[row.meaning],
            )
        )
        for row in view.controls
    ]
    return filled("controls", "A/A control", columns, rows)


def _environment(view: ReportView) -> ExportTable:
    rows = [ExportRow((run.id, fact.name, fact.value)) for run in view.runs for fact in run.facts]
    return filled("environment", "Environment", text_columns("run", "fact", "value"), rows)


def _phases(view: ReportView) -> ExportTable:
    columns = (
        *text_columns("run", "phase"),
        ExportColumn("time", "time"),
        ExportColumn("share", "share", "percent"),
        ExportColumn("inside", "inside"),
    )
    rows = [
        ExportRow((run.id, each.name, plain(each.seconds, "s"), plain(each.share), plain(each.inside_s, "s")))
        for run in view.runs
        for each in run.phases
    ]
    return filled("phases", "Where the time went", columns, rows)


PROVENANCE: dict[str, Callable[[ReportView], ExportTable]] = {
    "failures": _failures,
    "protocols": _protocols,
    "controls": _controls,
    "environment": _environment,
    "phases": _phases,
}
