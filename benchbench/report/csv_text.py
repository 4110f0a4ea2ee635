"""CSV that a spreadsheet opens without running what a suite or a result file calls something."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence

from benchbench.core.visible import on_one_line

# What a formula begins with, and what a spreadsheet skips before one.
_FORMULA = ("=", "+", "-", "@", "＝", "＋", "－", "＠", "\t", "\r", "\n")
# A number is none of a suite's words, and a guard would make a text of it.
_NUMBERS = frozenset({"-Infinity"})


def write_rows(rows: Iterable[Sequence[object]]) -> str:
    """The rows as CSV, their texts guarded; numbers stay as they are, None is empty."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    for row in rows:
        writer.writerow([guard_text(cell) if isinstance(cell, str) else cell for cell in row])
    return stream.getvalue()


def guard_text(text: str) -> str:
    """The text on one line, with an apostrophe before it where a spreadsheet would take it for a formula.

    Source: OWASP, CSV Injection (owasp.org/www-community/attacks/CSV_Injection).
    """
    guarded = text.startswith(_FORMULA) and text not in _NUMBERS
    return f"'{on_one_line(text)}" if guarded else on_one_line(text)
