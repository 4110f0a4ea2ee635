r"""A table as LaTeX with booktabs; nothing that a suite or a user named is markup in it."""

from __future__ import annotations

from benchbench.report.export_model import ExportRow, ExportTable
from benchbench.report.export_text import PrintedCell, print_columns, print_rows
from benchbench.report.text import file_stem

_ESCAPES = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "$": r"\$",
    "&": r"\&",
    "#": r"\#",
    "%": r"\%",
    "_": r"\_",
    "^": r"\textasciicircum{}",
    "~": r"\textasciitilde{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"\symbol{34}",
    "`": r"\symbol{96}",
    # At the start of a row both would be an option of the line break before it.
    "[": "{[}",
    "]": "{]}",
    "*": "{*}",
    # Two of these in a row would be joined to another character.
    "-": "-{}",
    "'": "'{}",
    ",": ",{}",
    "?": "?{}",
    "!": "!{}",
    "\u00a0": "~",
    "–": r"\textendash{}",
    "—": r"\textemdash{}",
    "…": r"\ldots{}",
    "−": "$-$",
    "±": r"$\pm$",
    "×": r"$\times$",
    "·": r"$\cdot$",
    "µ": r"$\mu$",
    "μ": r"$\mu$",
    "²": r"\textsuperscript{2}",
    "³": r"\textsuperscript{3}",
    "°": r"\textdegree{}",
    "≤": r"$\leq$",
    "≥": r"$\geq$",
    "≠": r"$\neq$",
    "≈": r"$\approx$",
    "↑": r"$\uparrow$",
    "↓": r"$\downarrow$",
    "→": r"$\rightarrow$",
    "←": r"$\leftarrow$",
}
_DIGRAPHS = "-',?!"


def write_latex(table: ExportTable, *, title: str = "") -> str:
    r"""The table in a `table` environment.

    It needs `\usepackage{booktabs}` and any engine since 2018. A character that pdfLaTeX has no glyph
    for stands as its code point, `(U+4E2D)`. The best of a column (`best_places`) is bold.

    Args:
        title: said in the caption before the table's own.
    """
    columns = print_columns(table)
    notes: dict[str, int] = {}
    printed = print_rows(table, columns, notes)
    body = [_row(row, cells, len(columns)) for row, cells in zip(table.rows, printed, strict=True)]
    layout = "".join("r" if column.is_number else "l" for column in columns)
    caption = ": ".join(filter(None, (title, table.caption)))
    lines = [
        r"\begin{table}",
        r"  \centering",
        rf"  \caption{{{escape(caption)}}}",
        rf"  \label{{tab:{file_stem(table.name)}}}",
        rf"  \begin{{tabular}}{{{layout}}}",
        r"    \toprule",
        f"    {' & '.join(escape(column.heading) for column in columns)} \\\\",
        r"    \midrule",
        *body,
        r"    \bottomrule",
        r"  \end{tabular}",
        *(
            rf"  \par{{\footnotesize\textsuperscript{{{number}}} {escape(text)}}}"
            for text, number in notes.items()
        ),
        r"\end{table}",
    ]
    return "\n".join(lines) + "\n"


def escape(text: str) -> str:
    """Text on one line in which nothing is markup."""
    flat = " ".join(text.split(" "))
    flat = "".join(
        character if character.isprintable() or character == "\u00a0" else " " for character in flat
    )
    made = []
    for at, character in enumerate(flat):
        if character in _DIGRAPHS:
            follows = flat[at + 1 : at + 2]
            made.append(_ESCAPES[character] if follows in ("-", "'", ",", "`") and follows else character)
        elif character in _ESCAPES:
            made.append(_ESCAPES[character])
        elif character.isascii() or "À" <= character <= "ž":
            made.append(character)
        else:
            made.append(f"(U+{ord(character):04X})")
    return "".join(made)


def _row(row: ExportRow, printed: tuple[PrintedCell, ...], columns: int) -> str:
    indent = r"\quad " if row.seed is not None else ""
    if row.reason:
        first = escape(printed[0].text)
        said = rf"\multicolumn{{{max(columns - 1, 1)}}}{{l}}{{\emph{{{escape(row.reason)}}}}}"
        return f"    {indent}{first} & {said} \\\\" if columns > 1 else f"    {first} \\\\"
    return f"    {indent}{' & '.join(map(_cell, printed))} \\\\"


def _cell(cell: PrintedCell) -> str:
    text = rf"\textbf{{{escape(cell.text)}}}" if cell.is_best else escape(cell.text)
    numbers = ",".join(map(str, cell.remarks))
    return rf"{text}\textsuperscript{{{numbers}}}" if numbers else text
