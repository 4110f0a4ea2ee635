"""The tables of a report by name, with their figures whole."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

from benchbench.core.errors import unknown_name
from benchbench.core.measurement import CellResult
from benchbench.report.answer import describe_failure
from benchbench.report.export_model import (
    Content,
    ExportColumn,
    ExportRow,
    ExportTable,
    filled,
    measured,
    plain,
)
from benchbench.report.export_structure import STRUCTURE
from benchbench.report.quality_words import column_name
from benchbench.report.views.lines import Line
from benchbench.report.views.quality_keys import main_keys
from benchbench.report.views.report import ReportView
from benchbench.report.views.summary import SummaryRow, TimeFigures
from benchbench.report.views.vocabulary import title

Seeds = Literal["mean", "each"]
Make = Callable[[SummaryRow], Content]
VARIANT = ExportColumn("variant", "variant", "text")


def export_table(view: ReportView, name: str, *, seeds: Seeds = "mean") -> ExportTable:
    """One table of the report.

    Args:
        view: of one or several runs.
        name: one of `TABLES`.
        seeds: `each` adds a row per seed below its line, in the tables that have a row per line.

    Raises:
        UnknownNameError: there is no table of that name.
    """
    if name in _PER_LINE:
        rows = [row for row in view.summary if row.level == "line" or seeds == "each"]
        return _PER_LINE[name](view, rows)
    if name in STRUCTURE:
        return STRUCTURE[name](view)
    raise unknown_name("table", name, TABLES)


def _summary(view: ReportView, rows: Sequence[SummaryRow]) -> ExportTable:
    columns: list[tuple[ExportColumn, Make]] = [
        (ExportColumn("parameters", "parameters", direction="lower"), lambda row: _of(row, "parameters")),
        (
            ExportColumn("parameters_change", "change", "percent", "lower"),
            lambda row: plain(row.parameters_change, source=row.parameters),
        ),
        (ExportColumn("macs", "MACs", direction="lower"), lambda row: _of(row, "macs")),
        (
            ExportColumn("macs_ratio", "fewer MACs", "times", "higher"),
            lambda row: plain(row.macs_ratio, source=row.macs),
        ),
        (
            ExportColumn("discriminator_parameters", "discriminator parameters", direction="lower"),
            lambda row: _of(row, "discriminator_parameters"),
        ),
        (
            ExportColumn("total_parameters", "parameters of both", direction="lower"),
            lambda row: _of(row, "total_parameters"),
        ),
        (
            ExportColumn("peak_activation", "activations", direction="lower"),
            lambda row: _of(row, "peak_activation"),
        ),
    ]
    for at in range(len(view.times)):
        columns += _times(view, at)
    chosen = main_keys([column.key for column in view.qualities])
    columns += [_quality(view, at) for at, column in enumerate(view.qualities) if column.key in chosen]
    columns.append(
        (
            ExportColumn("training_time", "training", direction="lower"),
            lambda row: _of(row, "training_time"),
        )
    )
    return _per_line("summary", "Cost, time and quality", columns, rows)


def _further(view: ReportView, rows: Sequence[SummaryRow]) -> ExportTable:
    columns = [_quality(view, at) for at in range(len(view.qualities))]
    for at, column in enumerate(view.qualities):
        columns += [
            (
                ExportColumn(f"{_quality_key(view, at)}_real", f"{column_name(column)}, real against real"),
                lambda row, at=at: _stick(row, at, of="value"),  # type: ignore[misc]
            ),
            (
                ExportColumn(f"{_quality_key(view, at)}_ratio", f"{column_name(column)}, ratio", "times"),
                lambda row, at=at: _stick(row, at, of="ratio"),  # type: ignore[misc]
            ),
        ]
    return _per_line("quality", "Quality", columns, rows)


def _latency(view: ReportView, rows: Sequence[SummaryRow]) -> ExportTable:
    columns: list[tuple[ExportColumn, Make]] = []
    for at, key in enumerate(view.times):
        columns += _times(view, at)
        where = f"[{key.setting}]" if key.setting else ""
        suffix = f" ({key.setting})" if key.setting else ""
        columns += [
            (
                ExportColumn(f"{key.name}_{name}{where}", f"{said}{suffix}"),
                lambda row, at=at, name=name: _sampled(row.times[at], name),  # type: ignore[misc]
            )
            for name, said in (
                ("quartile_low", "lower quartile"),
                ("quartile_high", "upper quartile"),
                ("fastest", "fastest"),
                ("samples", "samples"),
                ("outliers", "beyond Tukey's fences"),
                ("roof_share", "share of the roof"),
                ("cold_start", "cold start"),
            )
        ]
    return _per_line("latency", "Latency in detail", columns, rows)


def _per_line(
    name: str, caption: str, columns: Sequence[tuple[ExportColumn, Make]], rows: Sequence[SummaryRow]
) -> ExportTable:
    made = [
        ExportRow(
            (row.label, *(make(row) for _, make in columns)),
            line=row.line,
            seed=_seed(row),
            reason=f"not measured: {describe_failure(row.failure)}" if row.failure else "",
        )
        for row in rows
    ]
    return filled(name, caption, (VARIANT, *(column for column, _ in columns)), made)


def _times(view: ReportView, at: int) -> list[tuple[ExportColumn, Make]]:
    key = view.times[at]
    where = f"[{key.setting}]" if key.setting else ""
    suffix = f" ({key.setting})" if key.setting else ""
    speedup = key.name.replace("latency", "speedup")
    return [
        (
            ExportColumn(f"{key.name}{where}", f"{title(key.name)}{suffix}", direction="lower"),
            lambda row: measured(row.times[at].latency, _results(row)),
        ),
        (
            ExportColumn(f"{speedup}{where}", f"{title(speedup)}{suffix}", "times", "higher"),
            lambda row: measured(row.times[at].speedup, _results(row)),
        ),
        (
            ExportColumn(f"{key.name}_achieved{where}", f"achieved{suffix}", direction="higher"),
            lambda row: plain(row.times[at].achieved, "MAC/s", source=row.times[at].latency),
        ),
    ]


def _sampled(time: TimeFigures, name: str) -> Content:
    latency = time.latency
    if name == "cold_start":
        return plain(time.cold_start_s, "s")
    if name == "roof_share":
        return plain(time.roof_share)
    if latency is None or not latency.samples:
        return None
    low, high = latency.quartiles or (None, None)
    values: dict[str, tuple[float | None, str]] = {
        "quartile_low": (low, latency.unit),
        "quartile_high": (high, latency.unit),
        "fastest": (latency.minimum, latency.unit),
        "samples": (latency.samples, "1"),
        "outliers": (latency.outliers, "1"),
    }
    value, unit = values[name]
    return plain(value, unit, source=latency)


def _quality(view: ReportView, at: int) -> tuple[ExportColumn, Make]:
    column = view.qualities[at]
    where = f" ({column.key.setting})" if column.key.setting else ""
    made = ExportColumn(_quality_key(view, at), f"{column_name(column)}{where}", direction=column.direction)
    return made, lambda row: measured(row.qualities[at], _results(row))


def _quality_key(view: ReportView, at: int) -> str:
    key = view.qualities[at].key
    told = ", ".join(
        [*([key.setting] if key.setting else []), *(f"{name}={value}" for name, value in key.declared)]
    )
    return f"{key.name}{f' ({told})' if told else ''}"


def _stick(row: SummaryRow, at: int, *, of: Literal["value", "ratio"]) -> Content:
    figure = row.qualities[at]
    if figure is None or figure.yardstick is None:
        return None
    if of == "ratio":
        return plain(figure.yardstick.ratio, source=figure)
    return plain(figure.yardstick.value, figure.unit, source=figure)


def _of(row: SummaryRow, name: str) -> Content:
    return measured(getattr(row, name), _results(row))


def _seed(row: SummaryRow) -> int | None:
    return None if row.level == "line" else int(row.label.removeprefix("seed "))


def _results(row: SummaryRow) -> tuple[CellResult, ...]:
    line: Line = row.line
    seed = _seed(row)
    return line.results if seed is None else tuple(each for each in line.results if each.cell.seed == seed)


_PER_LINE: dict[str, Callable[[ReportView, Sequence[SummaryRow]], ExportTable]] = {
    "summary": _summary,
    "latency": _latency,
    "quality": _further,
}
TABLES = (*_PER_LINE, *STRUCTURE)
