"""One table of a report as a text of its own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, get_args

from benchbench.core.errors import StoreError
from benchbench.core.measurement import ResultTable
from benchbench.report.export_data import write_csv, write_json
from benchbench.report.export_latex import write_latex
from benchbench.report.export_markdown import export_markdown
from benchbench.report.export_model import ExportTable
from benchbench.report.export_tables import TABLES, Seeds, export_table
from benchbench.report.views.report import view_report

Format = Literal["latex", "csv", "json", "markdown"]
FORMATS: tuple[Format, ...] = get_args(Format)


def export(tables: Sequence[ResultTable], name: str, *, form: Format, seeds: Seeds = "mean") -> str:
    """A table of the report on `tables`.

    Args:
        name: one of `benchbench.report.export_tables.TABLES`.
        form: how it is written; `latex` and `markdown` for people, `csv` and `json` with nothing rounded.
        seeds: `each` adds a row per seed below its line.

    Raises:
        UnknownNameError: there is no table of that name.
        StoreError: no run was given, or it has nothing to put into that table.
    """
    view = view_report(tables)
    made = export_table(view, name, seeds=seeds)
    # That nothing failed is a finding too.
    if is_empty(made) and name != "failures":
        full = [each for each in TABLES if not is_empty(export_table(view, each))]
        raise StoreError(
            f"nothing of what was measured goes into the table '{name}'",
            expected=f"one that has rows here: {', '.join(full)}",
        )
    match form:
        case "latex":
            suite = tables[0].suite
            return write_latex(made, title=suite.title or suite.name)
        case "csv":
            return write_csv(made, tables)
        case "json":
            return write_json(made, tables)
        case "markdown":
            return export_markdown(made)


def is_empty(table: ExportTable) -> bool:
    """Whether it has no row, or nothing beside the names of its rows."""
    return not table.rows or len(table.columns) < 2
