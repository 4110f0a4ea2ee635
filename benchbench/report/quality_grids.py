"""Quality in tables: columns whose titles say what was measured, and every figure in detail."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from benchbench.core.units import significant
from benchbench.report.document import Column, Grid, Item, Notes, Row
from benchbench.report.quality_words import (
    column_notes,
    column_title,
    counts_text,
    odd_note,
    own_flags,
    ratio_text,
    smallest_count,
    told_apart,
)
from benchbench.report.text import MISSING, short, span
from benchbench.report.views.lines import Estimate
from benchbench.report.views.quality import QualityColumn, is_reference
from benchbench.report.views.quality_keys import main_keys
from benchbench.report.views.report import ReportView
from benchbench.report.views.summary import SummaryRow
from benchbench.report.views.vocabulary import explain_flag, title

Make = Callable[[SummaryRow], Item]
REFERENCE = Item("reference", mark="quiet")


def main_quality(view: ReportView, notes: Notes) -> list[tuple[Column, Make]]:
    """The columns of quality that stand in the main table."""
    chosen = main_keys([column.key for column in view.qualities])
    return [_column(view, at, notes) for at, each in enumerate(view.qualities) if each.key in chosen]


def further_quality(view: ReportView, notes: Notes) -> Grid | None:
    """The other columns of quality in a table of their own; None where all of them are in the main table."""
    chosen = main_keys([column.key for column in view.qualities])
    made = [_column(view, at, notes) for at, each in enumerate(view.qualities) if each.key not in chosen]
    if not made:
        return None
    rows = tuple(
        Row(
            (Item(row.label), *(make(row) for _, make in made)),
            level="seed" if row.level == "seed" else "baseline" if row.is_baseline else "line",
        )
        for row in view.summary
        if row.failure is None
    )
    columns = (Column("variant", is_number=False), *(column for column, _ in made))
    return Grid("Further quality figures", columns, rows, notes.used_in(rows, columns))


def quality_detail(view: ReportView, notes: Notes) -> Grid | None:
    """A row per line and figure of the quality measure, with what no column has room for."""
    found = [
        (row, column, figure)
        for at, column in enumerate(view.qualities)
        for row in view.summary
        if (figure := row.qualities[at]) is not None and column.is_declared
    ]
    if not found:
        return None
    rows = tuple(
        Row(
            (
                Item(row.label),
                Item(title(figure.name), told_apart(column) or figure.setting),
                Item(
                    short(figure.value, 4),
                    span(figure.interval) if figure.interval else "no interval",
                    value=figure.value,
                ),
                Item(
                    _distinct(counts_text(protocol) for _, protocol in figure.by_seed),
                    value=smallest_count(protocol for _, protocol in figure.by_seed),
                ),
                *_stick(figure),
                Item(_remarks(row, figure, column)),
            ),
            level="seed" if row.level == "seed" else "baseline" if row.is_baseline else "line",
        )
        for row, column, figure in found
    )
    columns = (
        Column("variant", is_number=False),
        Column("measure", is_number=False),
        Column("figure [95 %]"),
        Column("N", detail="generated against reference"),
        Column("real against real", detail="halves of the reference"),
        Column("ratio", detail="at that N"),
        Column("remarks", is_number=False),
    )
    return Grid("Quality in detail", columns, rows, notes.used_in(rows, columns))


def _column(view: ReportView, position: int, notes: Notes) -> tuple[Column, Make]:
    column = view.qualities[position]
    made = Column(
        column_title(column),
        detail=", ".join(filter(None, (told_apart(column), column.key.setting))),
        notes=notes.number(*column_notes(column)),
    )
    return made, lambda row: _figure(row, row.qualities[position], column, notes)


def _figure(row: SummaryRow, figure: Estimate | None, column: QualityColumn, notes: Notes) -> Item:
    if figure is None:
        return REFERENCE if is_reference(row.line, column) else Item(MISSING)
    text = short(figure.value)
    if figure.sd:
        text += f" ± {significant(figure.sd, 2)}"
    flags = () if column.is_declared else tuple(map(explain_flag, figure.flags))
    odd = _odd(row, figure, column)
    stick = ratio_text(figure.yardstick, figure.by_seed[0][1]) if figure.yardstick else ""
    said = tuple(filter(None, (stick, "not compared" if odd else "")))
    return Item(
        text,
        span(figure.interval) if figure.interval else "",
        notes.number(*flags, *odd),
        mark="quiet" if odd else "",
        more=said,
        value=figure.value,
    )


def _odd(row: SummaryRow, figure: Estimate, column: QualityColumn) -> list[str]:
    found = (column.odd.get((row.line.compared_with, seed, row.line.label)) for seed, _ in figure.by_seed)
    return list(dict.fromkeys(odd_note(each) for each in found if each))


def _stick(figure: Estimate) -> Sequence[Item]:
    stick = figure.yardstick
    if stick is None:
        return Item(MISSING), Item(MISSING)
    ratio = (
        Item(f"{short(stick.ratio)}x", value=stick.ratio)
        if stick.ratio is not None
        else Item("none", "not above 0")
    )
    return Item(short(stick.value), f"N = {stick.count:,} each", value=stick.value), ratio


def _remarks(row: SummaryRow, figure: Estimate, column: QualityColumn) -> str:
    if row.level == "line" and figure.seeds > 1:
        return f"mean of {figure.seeds} seeds"
    return "; ".join(map(explain_flag, own_flags(figure.flags, column)))


def _distinct(texts: Iterable[str]) -> str:
    return " or ".join(dict.fromkeys(texts))
