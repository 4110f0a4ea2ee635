"""A table as Markdown that GitHub shows; the best of a column is bold."""

from __future__ import annotations

from benchbench.report.export_model import ExportTable, Figure, best_places
from benchbench.report.export_text import print_columns, print_content
from benchbench.report.markdown import escape


def export_markdown(table: ExportTable) -> str:
    """The table under its caption, its remarks below it."""
    columns = print_columns(table)
    best = best_places(table)
    notes: dict[str, int] = {}
    lines = [
        f"**{escape(table.caption)}**",
        "",
        _row([escape(column.heading) for column in columns]),
        f"|{'|'.join('---:' if column.is_number else '---' for column in columns)}|",
    ]
    for number, row in enumerate(table.rows):
        cells = []
        for at, (content, column) in enumerate(zip(row.contents, columns, strict=True)):
            text = escape(print_content(content, column, table.columns[at].form))
            text = f"**{text}**" if (number, at) in best else text
            if isinstance(content, Figure) and content.remarks:
                numbers = ",".join(str(notes.setdefault(each, len(notes) + 1)) for each in content.remarks)
                text += f"<sup>{numbers}</sup>"
            cells.append(text)
        if row.seed is not None:
            cells[0] = f"&nbsp;&nbsp;{cells[0]}"
        if row.reason:
            cells[1:] = [f"*{escape(row.reason)}*", *([""] * (len(columns) - 2))]
        lines.append(_row(cells[: len(columns)]))
    for text, number in notes.items():
        lines += ["", f"<sup>{number}</sup> {escape(text)}"]
    return "\n".join(lines) + "\n"


def _row(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"
