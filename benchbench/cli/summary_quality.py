"""Quality in the table that `benchbench run` ends with: what stands there, and what must be said of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from benchbench.core.measurement import CellResult, ResultTable
from benchbench.core.units import format_quantity
from benchbench.report.quality_words import column_name, column_notes, odd_note, ratio_text
from benchbench.report.text import short
from benchbench.report.views.lines import Line, group_lines
from benchbench.report.views.quality import QualityColumn, is_reference, quality_columns
from benchbench.report.views.quality_keys import main_keys


@dataclass(frozen=True, slots=True)
class Quality:
    """The figures of the quality measure in one table.

    Attributes:
        shown: the columns of the table, as the report has them.
        left_out: those that only the report has, where they would make the table too wide.
        lines: the line of each cell, by its id.
    """

    shown: tuple[QualityColumn, ...]
    left_out: tuple[QualityColumn, ...]
    lines: dict[str, Line]

    @property
    def names(self) -> frozenset[str]:
        """Names of all figures."""
        return frozenset(column.key.name for column in (*self.shown, *self.left_out))

    def header(self) -> list[str]:
        """Titles of the columns."""
        return [column_name(column) for column in self.shown]

    def cells(self, result: CellResult) -> list[str]:
        """The figures of one cell; `reference` where the others are compared with it."""
        return [self._cell(result, column) for column in self.shown]

    def notes(self, results: Sequence[CellResult]) -> list[str]:
        """A line for what several columns share, and one for figures that were measured otherwise."""
        told: dict[str, list[str]] = {}
        odd: dict[str, list[str]] = {}
        for column in self.shown:
            for text in column_notes(column):
                told.setdefault(text, []).append(column_name(column))
            for result in results:
                if text := self._odd(result, column):
                    odd.setdefault(text, []).append(f"{result.cell.label} {column_name(column)}")
        lines = [f"{', '.join(names)}: {text}" for text, names in told.items()]
        lines += [f"≠ {', '.join(places)}: {text}" for text, places in odd.items()]
        if self.left_out:
            lines.append(f"in the report: {'; '.join(map(column_name, self.left_out))}")
        return lines

    def _cell(self, result: CellResult, column: QualityColumn) -> str:
        figure = column.key.of(result)
        if figure is None:
            return "reference" if is_reference(self.lines[result.cell.id], column) else ""
        text = short(figure.value) if figure.unit == "1" else format_quantity(figure.value, figure.unit)
        if figure.yardstick is not None and figure.yardstick.ratio is not None:
            text += f" ({ratio_text(figure.yardstick, figure.protocol)})"
        return text + ("≠" if self._odd(result, column) else "")

    def _odd(self, result: CellResult, column: QualityColumn) -> str:
        line = self.lines[result.cell.id]
        found = column.odd.get((line.compared_with, result.cell.seed, line.label))
        return odd_note(found) if found else ""


def view_quality(table: ResultTable) -> Quality:
    """What the quality measure found in one run."""
    lines = group_lines([table])
    columns = quality_columns(lines)
    main = main_keys([column.key for column in columns])
    declared = [column for column in columns if column.is_declared]
    return Quality(
        shown=tuple(column for column in declared if column.key in main),
        left_out=tuple(column for column in declared if column.key not in main),
        lines={result.cell.id: line for line in lines for result in line.results},
    )
