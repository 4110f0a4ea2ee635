"""A table as Markdown that GitHub shows; the best of a column is bold."""

from __future__ import annotations

from benchbench.core.markdown_text import escape
from benchbench.report.export_model import ExportTable
from benchbench.report.export_text import PrintedCell, print_columns, print_rows


def export_markdown(table: ExportTable) -> str:
    """The table under its caption, its remarks below it."""
    columns = print_columns(table)
    notes: dict[str, int] = {}
    lines = [
        f"**{escape(table.caption)}**",
        "",
        _row([escape(column.heading) for column in columns]),
        f"|{'|'.join('---:' if column.is_number else '---' for column in columns)}|",
    ]
    for row, printed in zip(table.rows, print_rows(table, columns, notes), strict=True):
        cells = [_cell(each) for each in printed]
        if row.seed is not None:
            cells[0] = f"&nbsp;&nbsp;{cells[0]}"
        if row.reason:
            cells[1:] = [f"*{escape(row.reason)}*", *([""] * (len(columns) - 2))]
        lines.append(_row(cells[: len(columns)]))
    for text, number in notes.items():
        lines += ["", f"<sup>{number}</sup> {escape(text)}"]
    return "\n".join(lines) + "\n"


def _cell(cell: PrintedCell) -> str:
    text = f"**{escape(cell.text)}**" if cell.is_best else escape(cell.text)
    numbers = ",".join(map(str, cell.remarks))
    return f"{text}<sup>{numbers}</sup>" if numbers else text


def _row(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"
