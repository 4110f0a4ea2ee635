"""The main tables: views put into columns, with units in the headings."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from benchbench.core.units import significant
from benchbench.report.answer import describe_failure
from benchbench.report.document import Column, Grid, Item, Notes, Row
from benchbench.report.quality_grids import main_quality
from benchbench.report.text import (
    MISSING,
    choose_scale,
    duration,
    exact,
    heading,
    percent,
    signed_percent,
    span,
)
from benchbench.report.views.lines import Estimate
from benchbench.report.views.paper import PaperRow
from benchbench.report.views.report import ReportView
from benchbench.report.views.summary import SummaryRow, TimeFigures, TimeKey
from benchbench.report.views.vocabulary import NOISY, explain_flag, failed_title, title

Make = Callable[[SummaryRow], Item]
# More ways of timing than this stand in the latency table only; a wider table is not read.
SHOWN_TIMES = 2
_NONE = Item(MISSING)


def summary_grid(view: ReportView, notes: Notes) -> Grid:
    """The headline table: cost, time and quality of every line, seeds below their mean.

    What no line has is no column, unless the paper gives a figure of it.
    """
    papers = {(row.label, row.measure): row for row in view.paper}
    expected = {row.measure for row in view.paper}
    columns: list[tuple[Column, Make]] = []
    if "parameters" in expected or any(row.parameters for row in view.summary):
        columns.append(
            (Column("parameters"), lambda row: _count(row, row.parameters, papers, notes, factor=1.0))
        )
    if any(row.parameters_change is not None for row in view.summary):
        columns.append((Column("change"), _change))
    if "macs" in expected or any(row.macs for row in view.summary):
        macs = [row.macs.value for row in view.summary if row.macs]
        factor, unit = choose_scale(macs, "MAC")
        columns.append(
            (
                Column(heading("MACs", unit if macs else "")),
                lambda row: _count(row, row.macs, papers, notes, factor=factor),
            )
        )
    if any(row.macs_ratio is not None for row in view.summary):
        columns.append((Column("fewer MACs"), _ratio))
    if any(row.total_parameters for row in view.summary):
        columns += [
            (
                Column("discriminator", detail="parameters"),
                lambda row: _count(row, row.discriminator_parameters, papers, notes, factor=1.0),
            ),
            (
                Column("both", detail="parameters"),
                lambda row: _count(row, row.total_parameters, papers, notes, factor=1.0),
            ),
        ]
    if any(row.peak_activation for row in view.summary):
        peaks = [row.peak_activation.value if row.peak_activation else None for row in view.summary]
        bytes_factor, bytes_unit = choose_scale(peaks, "B")
        columns.append(
            (
                Column(heading("activations", bytes_unit), detail="peak"),
                lambda row: _count(row, row.peak_activation, papers, notes, factor=bytes_factor),
            )
        )
    for position, key in enumerate(view.times[:SHOWN_TIMES]):
        columns += _time_columns(view, position, key, notes)
    columns += main_quality(view, notes)
    if any(row.training_time for row in view.summary):
        columns.append((Column("training"), _training))
    rows = tuple(_summary_row(row, columns, notes) for row in view.summary)
    titles = (Column("variant", is_number=False), *(column for column, _ in columns))
    return Grid("Cost, time and quality", titles, rows, notes.used_in(rows, titles))


def timing_grid(view: ReportView, notes: Notes) -> Grid:
    """Latency in detail: a row per line and way of timing."""
    pairs = [
        (row, time) for row in view.summary for time in row.times if row.level == "line" and time.latency
    ]
    factor, unit = choose_scale([time.latency.value for _, time in pairs if time.latency], "s")
    roof_factor, roof_unit = choose_scale([time.achieved for _, time in pairs], "MAC/s")
    rows = tuple(
        Row(
            (
                Item(row.label),
                Item(title(time.key.name), time.key.setting),
                _median(time, factor, notes),
                _fastest(time.latency, factor),
                _samples(time.latency),
                _speedup(row, time, notes),
                Item(significant(time.achieved / roof_factor), value=time.achieved)
                if time.achieved
                else _NONE,
                Item(percent(time.roof_share), value=time.roof_share)
                if time.roof_share is not None
                else _NONE,
                Item(duration(time.cold_start_s), value=time.cold_start_s)
                if time.cold_start_s is not None
                else _NONE,
            ),
            level="baseline" if row.is_baseline else "line",
        )
        for row, time in pairs
    )
    columns = (
        Column("variant", is_number=False),
        Column("timed", is_number=False),
        Column(f"median [quartiles], {unit}"),
        Column(f"fastest, {unit}"),
        Column("samples", detail="beyond Tukey's fences"),
        Column("speed-up [95 %]"),
        Column(heading("achieved", roof_unit)),
        Column("of the roof"),
        Column("cold start"),
    )
    return Grid("Latency in detail", columns, rows, notes.used_in(rows))


def _samples(latency: Estimate | None) -> Item:
    return Item(f"{latency.samples:,}", f"{latency.outliers:,}", value=latency.samples) if latency else _NONE


def _summary_row(row: SummaryRow, columns: Sequence[tuple[Column, Make]], notes: Notes) -> Row:
    reason = f"not measured: {describe_failure(row.failure)}" if row.failure else ""
    partly = [
        f"{row.label if each.of == 'cell' else failed_title(each.of)}: {describe_failure(each)}"
        for result in row.line.results
        for each in result.failures
        # What this machine cannot measure is told once, under failures and skips.
        if each.kind != "skipped"
        if row.level == "line" and not reason
    ]
    is_named = row.level == "line" and row.is_baseline and (row.label != "baseline" or row.line.group)
    what = f"baseline of {row.line.group}" if row.line.group else "baseline"
    label = Item(row.label, what if is_named else "", notes.number(*partly))
    level = "seed" if row.level == "seed" else "baseline" if row.is_baseline else "line"
    return Row((label, *(make(row) for _, make in columns)), level=level, reason=reason)  # type: ignore[arg-type]


def _time_columns(view: ReportView, position: int, key: TimeKey, notes: Notes) -> list[tuple[Column, Make]]:
    figures = [row.times[position] for row in view.summary]
    factor, unit = choose_scale([time.latency.value if time.latency else None for time in figures], "s")
    roof_factor, roof_unit = choose_scale([time.achieved for time in figures], "MAC/s")
    prefix = "device " if key.name == "device_latency" else ""

    def column(title: str) -> Column:
        return Column(f"{prefix}{title}", detail=key.setting)

    columns: list[tuple[Column, Make]] = [
        (column(heading("latency", unit)), lambda row: _median(row.times[position], factor, notes))
    ]
    # A noisy control is told in the baseline's place of this column.
    if any(time.speedup or time.is_noisy for time in figures):
        columns.append((column("speed-up"), lambda row: _speedup(row, row.times[position], notes)))
    if any(time.achieved is not None for time in figures):
        columns.append((column(roof_unit), lambda row: _achieved(row.times[position], roof_factor)))
    return columns


def _count(
    row: SummaryRow,
    figure: Estimate | None,
    papers: dict[tuple[str, str], PaperRow],
    notes: Notes,
    *,
    factor: float,
) -> Item:
    if figure is None:
        return _NONE
    text = exact(figure.value, figure.unit) if factor == 1.0 else significant(figure.value / factor, 4)
    flags = notes.number(*map(explain_flag, figure.flags))
    paper = papers.get((row.label, figure.name)) if row.level == "line" else None
    if paper is None or paper.verdict not in ("equal", "as printed", "differs", "explained"):
        return Item(text, notes=flags, value=figure.value)
    if paper.verdict == "equal":
        return Item(text, "✓ paper", flags, "good", value=figure.value)
    printed = paper.printed or exact(paper.paper, paper.unit)
    if paper.verdict == "as printed":
        return Item(text, f"✓ paper {printed}", flags, "good", value=figure.value)
    noted = (*flags, *(notes.number(paper.note) if paper.note else ()))
    if paper.verdict == "explained":
        return Item(text, f"≠ paper {printed}", noted, value=figure.value)
    return Item(text, f"✗ paper {printed}", noted, "bad", value=figure.value)


def _change(row: SummaryRow) -> Item:
    change = row.parameters_change
    return Item(signed_percent(change), value=change) if change is not None else _NONE


def _ratio(row: SummaryRow) -> Item:
    ratio = row.macs_ratio
    return Item(f"{significant(ratio)}x", value=ratio) if ratio is not None else _NONE


def _median(time: TimeFigures, factor: float, notes: Notes) -> Item:
    figure = time.latency
    if figure is None:
        return _NONE
    text = significant(figure.value / factor)
    if figure.sd:
        text += f" ± {significant(figure.sd / factor, 2)}"
    detail = span(figure.quartiles, factor=factor) if figure.quartiles else ""
    return Item(text, detail, notes.number(*map(explain_flag, figure.flags)), value=figure.value)


def _fastest(latency: Estimate | None, factor: float) -> Item:
    if latency is None or latency.minimum is None:
        return _NONE
    return Item(significant(latency.minimum / factor), value=latency.minimum)


def _speedup(row: SummaryRow, time: TimeFigures, notes: Notes) -> Item:
    figure = time.speedup
    if figure is None:
        return Item("1", notes=notes.number(NOISY), value=1.0) if row.is_baseline and time.is_noisy else _NONE
    flags = [explain_flag(flag) for flag in figure.flags]
    if time.is_noisy:
        flags.append(NOISY)
    detail = span(figure.interval) if figure.interval else "no interval"
    return Item(f"{significant(figure.value)}x", detail, notes.number(*flags), value=figure.value)


def _achieved(time: TimeFigures, factor: float) -> Item:
    if time.achieved is None:
        return _NONE
    share = f"{percent(time.roof_share)} of roof" if time.roof_share is not None else ""
    return Item(significant(time.achieved / factor), share, value=time.achieved)


def _training(row: SummaryRow) -> Item:
    time = row.training_time
    return Item(duration(time.value), value=time.value) if time else _NONE
