"""The figures of an exported table as a reader wants them: one unit per column, few digits."""

from __future__ import annotations

from dataclasses import dataclass

from benchbench.core.units import format_quantity, significant
from benchbench.report.export_model import Content, ExportTable, Figure, best_places
from benchbench.report.text import (
    MISSING,
    choose_scale,
    exact,
    heading,
    percent,
    short,
    signed_percent,
    span,
)


@dataclass(frozen=True, slots=True)
class PrintedColumn:
    """How one column is printed: its heading with the unit, and what its figures are divided by."""

    heading: str
    factor: float
    is_number: bool
    is_mixed: bool
    is_change: bool


def print_columns(table: ExportTable) -> tuple[PrintedColumn, ...]:
    """The heading and the scale of every column."""
    return tuple(_column(table, at) for at in range(len(table.columns)))


@dataclass(frozen=True, slots=True)
class PrintedCell:
    """One place of a table: its text, whether it is the best of its column, the numbers of its remarks."""

    text: str
    is_best: bool
    remarks: tuple[int, ...]


def print_rows(
    table: ExportTable, columns: tuple[PrintedColumn, ...], notes: dict[str, int]
) -> tuple[tuple[PrintedCell, ...], ...]:
    """Every place of the table; `notes` gets a number for each remark, in order of first use."""
    best = best_places(table)

    def printed(number: int, at: int, content: Content) -> PrintedCell:
        remarks = content.remarks if isinstance(content, Figure) else ()
        return PrintedCell(
            print_content(content, columns[at], table.columns[at].form),
            (number, at) in best,
            tuple(notes.setdefault(remark, len(notes) + 1) for remark in remarks),
        )

    return tuple(
        tuple(printed(number, at, content) for at, content in enumerate(row.contents))
        for number, row in enumerate(table.rows)
    )


def print_content(content: Content, column: PrintedColumn, form: str) -> str:
    """One place of the table; `±` a deviation over seeds, `[low, high]` an interval."""
    if content is None:
        return MISSING
    if isinstance(content, str):
        return content
    if form == "percent":
        return signed_percent(content.value) if column.is_change else percent(content.value)
    if form == "times":
        return f"{significant(content.value)}x{_interval(content, 1.0)}"
    if column.is_mixed and content.unit == "MAC":
        return format_quantity(content.value, "MAC", 4)
    if column.is_mixed:
        return f"{exact(content.value, content.unit)}{_interval(content, 1.0) if content.unit == '1' else ''}"
    if _is_count(content):
        return f"{int(content.value):,}"
    deviation = f" ± {significant(content.sd / column.factor, 2)}" if content.sd else ""
    digits = 4 if content.unit == "MAC" else 3
    return f"{short(content.value / column.factor, digits)}{deviation}{_interval(content, column.factor)}"


def _column(table: ExportTable, at: int) -> PrintedColumn:
    column = table.columns[at]
    found = [row.contents[at] for row in table.rows if at < len(row.contents)]
    figures = [each for each in found if isinstance(each, Figure)]
    units = {figure.unit for figure in figures}
    if column.form == "percent":
        is_change = "change" in column.key or "difference" in column.key
        return PrintedColumn(column.title, 1.0, is_number=True, is_mixed=False, is_change=is_change)
    if len(units) != 1 or column.form == "times":
        is_mixed = len(units) > 1
        return PrintedColumn(column.title, 1.0, is_number=bool(figures), is_mixed=is_mixed, is_change=False)
    factor, unit = choose_scale([figure.value for figure in figures], units.pop())
    title = heading(column.title, unit)
    return PrintedColumn(title, factor, is_number=True, is_mixed=False, is_change=False)


def _is_count(figure: Figure) -> bool:
    return (
        figure.unit == "1" and not figure.sd and figure.interval is None and float(figure.value).is_integer()
    )


def _interval(figure: Figure, factor: float) -> str:
    return f" {span(figure.interval, factor=factor)}" if figure.interval else ""
