"""Every figure of a report as one long table, a row per measurement."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from benchbench.core.expectation import Expectation
from benchbench.core.measurement import CellResult, Measurement, ResultTable
from benchbench.report.csv_text import guard_text

Value = str | float | int | None

COLUMNS = (
    "suite",
    "run",
    "cell",
    "variant",
    "seed",
    "swept",
    "measure",
    "setting",
    "unit",
    "direction",
    "value",
    "interval_low",
    "interval_high",
    "interval_level",
    "quartile_low",
    "quartile_high",
    "samples",
    "baseline",
    "protocol",
    "protocol_hash",
    "flags",
    "generated_count",
    "reference_count",
    "real_against_real",
    "real_against_real_ratio",
    "real_against_real_count",
    "paper",
    "paper_note",
)
DEPLOYED_COLUMNS = ("backend", "precision", "memory_format", "deployment")


def tidy_frame(tables: Sequence[ResultTable]) -> pd.DataFrame:
    """Columns as in COLUMNS; values in SI units, nothing rounded; texts are guarded (`csv_text`).

    Where a network is run in another way than in eager float32, DEPLOYED_COLUMNS follow `swept`.
    """
    is_deployed = any(not result.cell.deploy.is_reference for table in tables for result in table.results)
    rows = [
        tuple(
            guard_text(value) if isinstance(value, str) else value
            for value in (
                *_cell(table, result),
                *(_deployment(result) if is_deployed else ()),
                *_figure(each),
                *_paper(table, result, each),
            )
        )
        for table in tables
        for result in table.results
        for each in result.measurements
    ]
    at = COLUMNS.index("swept") + 1
    columns = [*COLUMNS[:at], *(DEPLOYED_COLUMNS if is_deployed else ()), *COLUMNS[at:]]
    return pd.DataFrame(rows, columns=columns, dtype=object)


def _cell(table: ResultTable, result: CellResult) -> tuple[Value, ...]:
    cell = result.cell
    swept = "; ".join(str(setting) for setting in cell.swept)
    return table.suite.name, table.run.id, cell.id, cell.variant, cell.seed, swept


def _deployment(result: CellResult) -> tuple[Value, ...]:
    deploy = result.cell.deploy
    return deploy.backend, deploy.precision, deploy.memory_format, deploy.label


def _figure(each: Measurement) -> tuple[Value, ...]:
    samples = np.array([sample for chunk in each.samples for sample in chunk], dtype=float)
    low, high = np.percentile(samples, [25, 75]) if samples.size >= 4 else (None, None)
    interval = each.interval
    return (
        each.name,
        each.setting,
        each.unit,
        each.direction,
        each.value,
        interval.low if interval else None,
        interval.high if interval else None,
        interval.level if interval else None,
        None if low is None else float(low),
        None if high is None else float(high),
        int(samples.size),
        each.baseline,
        each.protocol.name,
        each.protocol.hash,
        "; ".join(each.flags),
        *_counts(each),
    )


def _counts(each: Measurement) -> tuple[Value, ...]:
    counts = (each.protocol.settings.get(f"{side}_count") for side in ("generated", "reference"))
    stick = each.yardstick
    return (
        *(count if isinstance(count, int) else None for count in counts),
        *((stick.value, stick.ratio, stick.count) if stick else (None, None, None)),
    )


def _paper(table: ResultTable, result: CellResult, each: Measurement) -> tuple[Value, Value]:
    expected: Expectation | None = table.suite.expect.get(result.cell.variant, {}).get(each.name)
    return (expected.value, expected.note) if expected else (None, None)
