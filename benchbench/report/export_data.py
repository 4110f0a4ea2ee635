"""A table as CSV and as JSON: nothing rounded, every figure with its unit, interval and protocol."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence

from benchbench.core.measurement import ResultTable
from benchbench.core.model import JsonValue
from benchbench.report.csv_text import write_rows
from benchbench.report.export_model import Content, ExportColumn, ExportRow, ExportTable, Figure

# Up to here every whole number is a float of its own, and loses nothing as an integer.
_EXACT = 2.0**53
_PARTS = ("unit", "low", "high", "level", "sd", "seeds", "protocol", "flags")


def write_csv(table: ExportTable, tables: Sequence[ResultTable]) -> str:
    """A header and a row per row; a figure `x` fills `x` and `x_unit`, `x_low`, ... `x_flags`.

    Texts that a spreadsheet would take for formulas are guarded (`csv_text`).

    A table that has a row per line begins with the columns run, seed and baseline.
    """
    has_lines = any(row.line is not None for row in table.rows)
    header = ["run", "seed", "baseline"] if has_lines else []
    numeric = [_is_numeric(table, at) for at in range(len(table.columns))]
    for column, is_number in zip(table.columns, numeric, strict=True):
        header += [column.key, *(f"{column.key}_{part}" for part in _PARTS if is_number)]
    header.append("reason")
    rows: list[list[object]] = [[*header]]
    for row in table.rows:
        cells: list[object] = []
        if has_lines:
            cells += [_run(row, tables), "" if row.seed is None else row.seed, _yes(row.is_baseline)]
        for at, is_number in enumerate(numeric):
            content = row.contents[at] if at < len(row.contents) else None
            cells += _flat(content) if is_number else [content or ""]
        rows.append([*cells, row.reason])
    return write_rows(rows)


def write_json(table: ExportTable, tables: Sequence[ResultTable]) -> str:
    """The table as one JSON object; a number that JSON has none for is the text `NaN` or `Infinity`."""
    document: JsonValue = {
        "table": table.name,
        "caption": table.caption,
        "runs": [{"suite": each.suite.name, "run": each.run.id} for each in tables],
        "columns": [_column(column) for column in table.columns],
        "rows": [_row(row, table, tables) for row in table.rows],
    }
    return json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def _row(row: ExportRow, table: ExportTable, tables: Sequence[ResultTable]) -> JsonValue:
    of_line: dict[str, JsonValue] = {}
    if row.line is not None:
        of_line = {"run": _run(row, tables), "seed": row.seed, "is_baseline": row.is_baseline}
    values: dict[str, JsonValue] = {
        column.key: _value(content) for column, content in zip(table.columns, row.contents, strict=False)
    }
    return {**of_line, "values": values, "reason": row.reason or None}


def _column(column: ExportColumn) -> JsonValue:
    return {"key": column.key, "title": column.title, "form": column.form, "better": column.direction}


def _value(content: Content) -> JsonValue:
    if not isinstance(content, Figure):
        return content
    interval: JsonValue = None
    if content.interval is not None:
        low, high = content.interval
        interval = {"low": json_number(low), "high": json_number(high), "level": content.level}
    return {
        "value": json_number(content.value),
        "unit": content.unit,
        "interval": interval,
        "sd": None if content.sd is None else json_number(content.sd),
        "seeds": content.seeds,
        "protocol": content.protocol or None,
        "flags": list(content.flags),
    }


def _flat(content: Content) -> list[object]:
    if not isinstance(content, Figure):
        return [content or "", *([""] * len(_PARTS))]
    low, high = map(json_number, content.interval) if content.interval else ("", "")
    sd = None if content.sd is None else json_number(content.sd)
    flags = "; ".join(content.flags)
    parts: list[object] = [
        json_number(content.value),
        content.unit,
        low,
        high,
        content.level,
        sd,
        content.seeds,
    ]
    return ["" if part is None else part for part in (*parts, content.protocol, flags)]


def _is_numeric(table: ExportTable, at: int) -> bool:
    return any(at < len(row.contents) and isinstance(row.contents[at], Figure) for row in table.rows)


def json_number(value: float) -> int | float | str:
    """The number, whole where it is; the text `NaN` or `Infinity` where JSON has no number for it."""
    if math.isfinite(value):
        return int(value) if float(value).is_integer() and abs(value) < _EXACT else value
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


def _run(row: ExportRow, tables: Sequence[ResultTable]) -> str:
    return "" if row.line is None else tables[row.line.run].run.id


def _yes(flag: bool) -> str:
    return "yes" if flag else "no"
