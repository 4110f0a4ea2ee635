"""The tables of a report that have rows of their own: paper, training, curves, stages, layers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from benchbench.core.measurement import CellResult
from benchbench.report.export_deployments import deployments_table, pairs_table
from benchbench.report.export_model import (
    Content,
    ExportColumn,
    ExportRow,
    ExportTable,
    Figure,
    filled,
    measured,
    plain,
    text_columns,
)
from benchbench.report.export_provenance import PROVENANCE
from benchbench.report.views.costs import LevelCost
from benchbench.report.views.report import ReportView
from benchbench.report.views.vocabulary import title


def _paper(view: ReportView) -> ExportTable:
    columns = (
        *text_columns("variant", "measure", "setting"),
        ExportColumn("ours", "ours"),
        ExportColumn("paper", "paper"),
        *text_columns("printed"),
        ExportColumn("difference", "ours against paper", "percent"),
        *text_columns("verdict", "note"),
    )
    rows = [
        ExportRow(
            (
                row.label,
                title(row.measure),
                row.ours.setting if row.ours else "",
                measured(
                    row.ours,
                    [result for line in view.lines for result in line.results if line.label == row.label],
                ),
                Figure(row.paper, row.unit),
                row.printed or "",
                plain(row.difference),
                row.verdict,
                row.note or "",
            )
        )
        for row in view.paper
    ]
    return filled("paper", "The paper's figures beside ours", columns, rows)


def _training(view: ReportView) -> ExportTable:
    levels = [level.level for level in view.costs[0].levels] if view.costs else []
    columns = [
        *text_columns("variant"),
        ExportColumn("steps", "steps"),
        ExportColumn("batch", "batch"),
        ExportColumn("training_time", "training", direction="lower"),
        ExportColumn("training_10k_steps", "10,000 steps", direction="lower"),
        ExportColumn("ratio", "times the baseline's", "times", "lower"),
        ExportColumn("paper_ratio", "paper: times the baseline's", "times"),
        ExportColumn("parameters", "parameters, generator and discriminator", direction="lower"),
        ExportColumn("peak_memory", "peak memory", direction="lower"),
    ]
    for level in levels:
        columns += [
            ExportColumn(f"steps_to {level}", f"steps to {title(level)}", direction="lower"),
            ExportColumn(f"time_to {level}", f"time to {title(level)}", direction="lower"),
        ]
    rows = []
    for row in view.costs:
        results = row.line.results
        contents: list[Content] = [
            row.line.label,
            plain(row.steps),
            plain(row.batch),
            measured(row.time_s, results),
            measured(row.per_10k_s, results),
            plain(row.ratio, source=row.per_10k_s),
            plain(row.paper_ratio),
            plain(row.parameters),
            measured(row.peak_bytes, results),
        ]
        for level_cost in row.levels:
            contents += _level(level_cost, results)
        rows.append(ExportRow(tuple(contents), line=row.line))
    return filled("training", "What training cost", columns, rows)


def _level(cost: LevelCost, results: Sequence[CellResult]) -> list[Content]:
    """Steps and time to a level, with how many seeds met it where not all did."""
    steps, time_s = measured(cost.steps, results), measured(cost.time_s, results)
    if steps is None or not cost.missed:
        return ["not reached" if cost.missed else steps, time_s]
    said = (f"{steps.seeds} of {steps.seeds + cost.missed} seeds met it: the mean is over these",)
    return [each and replace(each, flags=(*each.flags, *said)) for each in (steps, time_s)]


def _tradeoffs(view: ReportView) -> ExportTable:
    columns = (
        *text_columns("cost", "against", "variant"),
        ExportColumn("x", "cost's figure"),
        ExportColumn("y", "against's figure"),
        *text_columns("on the front"),
    )
    rows = [
        ExportRow(
            (
                f"{title(each.x.name)}{f' ({each.x.setting})' if each.x.setting else ''}",
                f"{title(each.y.name)}{f' ({each.y.setting})' if each.y.setting else ''}",
                point.label,
                Figure(point.x, each.x.unit, point.x_interval, 0.95 if point.x_interval else None),
                Figure(point.y, each.y.unit, point.y_interval, 0.95 if point.y_interval else None),
                "yes" if point.on_front else "no",
            )
        )
        for each in view.tradeoffs
        for point in each.points
    ]
    return filled("trade-offs", "Trade-offs", columns, rows)


def _gains(view: ReportView) -> ExportTable:
    columns = (
        *text_columns("variant", "setting"),
        ExportColumn("macs_ratio", "fewer MACs", "times"),
        ExportColumn("speedup", "speed-up", "times"),
        ExportColumn("achieved", "achieved"),
        ExportColumn("roof_share", "of the roof", "percent"),
    )
    rows = [
        ExportRow(
            (
                row.label,
                row.setting,
                plain(row.macs_ratio),
                Figure(row.speedup, "1", row.speedup_interval, 0.95 if row.speedup_interval else None),
                plain(row.achieved, "MAC/s"),
                plain(row.roof_share),
            )
        )
        for row in view.gains
    ]
    return filled("gains", "MACs against latency", columns, rows)


def _curves(view: ReportView) -> ExportTable:
    columns = (
        *text_columns("curve", "variant", "seed"),
        ExportColumn("step", "step"),
        ExportColumn("value", "value"),
    )
    rows = [
        ExportRow((panel.name, curve.label, str(curve.seed), Figure(step), Figure(value, panel.unit)))
        for panel in view.curves
        for curve in panel.curves
        for step, value in zip(curve.steps, curve.values, strict=True)
    ]
    return filled("curves", "Curves over training", columns, rows)


def _stages(view: ReportView) -> ExportTable:
    columns = (
        *text_columns("variant", "stage"),
        ExportColumn("parameters", "parameters"),
        ExportColumn("parameters_share", "share", "percent"),
        ExportColumn("macs", "MACs"),
        ExportColumn("macs_share", "share of MACs", "percent"),
    )
    rows = [
        ExportRow(
            (
                row.label,
                row.stage,
                plain(row.parameters),
                plain(row.parameters_share),
                plain(row.macs, "MAC"),
                plain(row.macs_share),
            )
        )
        for row in view.stages
    ]
    return filled("stages", "Where the cost sits", columns, rows)


def _replaced(view: ReportView) -> ExportTable:
    columns = (
        *text_columns("variant", "layer", "stage", "before", "after", "declined"),
        ExportColumn("parameters_before", "parameters before"),
        ExportColumn("parameters_after", "parameters after"),
    )
    rows = [
        ExportRow(
            (
                each.label,
                layer.path,
                layer.stage,
                layer.before,
                layer.after or "",
                (layer.reason or "no reason given") if layer.after is None else "",
                plain(layer.parameters_before),
                plain(layer.parameters_after),
            )
        )
        for each in view.replaced
        for layer in (*each.done, *each.declined)
    ]
    return filled("replaced", "What was replaced", columns, rows)


STRUCTURE: dict[str, Callable[[ReportView], ExportTable]] = {
    "paper": _paper,
    "training": _training,
    "trade-offs": _tradeoffs,
    "gains": _gains,
    "curves": _curves,
    "stages": _stages,
    "replaced": _replaced,
    "deployments": deployments_table,
    "pairs": pairs_table,
    **PROVENANCE,
}
