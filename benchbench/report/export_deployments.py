"""Deployments as tables: every figure of each, and every pair of those that were timed side by side."""

from __future__ import annotations

from benchbench.report.answer import describe_failure
from benchbench.report.export_model import (
    Content,
    ExportColumn,
    ExportRow,
    ExportTable,
    Figure,
    filled,
    measured,
    text_columns,
)
from benchbench.report.quality_words import column_name
from benchbench.report.views.deployment_gains import every_pair
from benchbench.report.views.deployment_model import DeployedCell, DeploymentGroup
from benchbench.report.views.latency_pairs import PairedRatio
from benchbench.report.views.lines import Estimate
from benchbench.report.views.quality_keys import QualityKey
from benchbench.report.views.report import ReportView
from benchbench.report.views.vocabulary import explain_flag, title

_LEVEL = 0.95
_FIGURES = (
    "file_size",
    "output_psnr",
    "output_max_abs",
    "output_mean_abs",
    "export_time",
    "compile_time",
    "first_call",
    "cold_start",
    "memory_resident",
)
_PLACE = text_columns("group", "timed")


def deployments_table(view: ReportView) -> ExportTable:
    """A row per variant, deployment and way of timing; eager float32 among them."""
    qualities: dict[QualityKey, str] = {
        judged.column.key: column_name(judged.column)
        for group in view.deployments
        for cell in group.cells
        for judged in cell.qualities
    }
    columns = (
        ExportColumn("variant", "variant", "text"),
        *text_columns("deployment", "backend", "precision", "memory format"),
        *_PLACE,
        ExportColumn("latency", "latency", direction="lower"),
        ExportColumn("over_eager", "over its eager float32", "times"),
        ExportColumn("over_baseline", "over the baseline in the same deployment", "times"),
        ExportColumn("over_reference", "over the baseline in eager float32", "times"),
        *(ExportColumn(name, title(name)) for name in _FIGURES),
        *(ExportColumn(f"quality {at}", name) for at, name in enumerate(qualities.values(), start=1)),
        *text_columns("operators", "facts", "digest"),
    )
    rows = [_row(group, cell, list(qualities)) for group in view.deployments for cell in group.cells]
    return filled("deployments", "Every deployment", columns, rows)


def pairs_table(view: ReportView) -> ExportTable:
    """A row per two lines of one group that were timed: how many times as fast the first is."""
    columns = (
        *text_columns("this", "against"),
        *_PLACE,
        ExportColumn("ratio", "times as fast", "times"),
        ExportColumn("latency", "latency"),
        ExportColumn("latency_against", "latency, against"),
    )
    rows = []
    for group in view.deployments:
        timed = [each for each in group.cells if each.latency is not None]
        for pair in every_pair(timed, group.latency_pairs) if group.latency_pairs else ():
            contents: tuple[Content, ...] = (
                pair.one.line.label,
                pair.other.line.label,
                *_placed(group),
                _ratio(pair.ratio, pair.one.latency),
                _measured(pair.one, pair.one.latency),
                _measured(pair.other, pair.other.latency),
            )
            rows.append(ExportRow(contents))
    return filled("pairs", "Every pair of deployments", columns, rows)


def _row(group: DeploymentGroup, cell: DeployedCell, keys: list[QualityKey]) -> ExportRow:
    deploy, record = cell.line.deployment, cell.record
    judged = {each.column.key: each.figure for each in cell.qualities}
    notes = () if record is None else record.operators or ()
    facts = {} if record is None else record.facts
    contents: tuple[Content, ...] = (
        cell.line.label,
        cell.way,
        deploy.backend,
        deploy.precision,
        deploy.memory_format,
        *_placed(group),
        _measured(cell, cell.latency),
        _ratio(cell.over_eager, cell.latency),
        _ratio(cell.over_baseline, cell.latency),
        _ratio(cell.over_reference, cell.latency),
        *(_measured(cell, cell.figures.get(name)) for name in _FIGURES),
        *(_measured(cell, judged.get(key)) for key in keys),
        "; ".join(f"{each.what} {each.operator} {each.count} {each.detail}".strip() for each in notes),
        "; ".join(f"{name} {value}" for name, value in facts.items()),
        (record.digest or "") if record is not None else "",
    )
    failure = cell.line.failure
    return ExportRow(contents, cell.line, reason=describe_failure(failure) if failure else "")


def _placed(group: DeploymentGroup) -> tuple[str, str]:
    if group.key is None:
        return group.name, ""
    clock = "device time, " if group.key.name == "device_latency" else ""
    return group.name, f"{clock}{group.key.setting}"


def _measured(cell: DeployedCell, estimate: Estimate | None) -> Figure | None:
    return measured(estimate, cell.line.results)


def _ratio(ratio: PairedRatio | None, source: Estimate | None) -> Figure | None:
    if ratio is None:
        return None
    return Figure(
        ratio.value,
        interval=ratio.interval,
        level=_LEVEL if ratio.interval else None,
        source=source,
        flags=tuple(map(explain_flag, ratio.flags)),
    )
