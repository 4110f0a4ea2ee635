"""A comparison of runs as plain values."""

from __future__ import annotations

from benchbench.core.model import JsonValue
from benchbench.report.compare_model import ComparedRow, Comparison, Side
from benchbench.report.export_data import json_number


def comparison_record(comparison: Comparison) -> JsonValue:
    """The whole comparison; values in SI units, nothing rounded."""
    runs = comparison.runs
    return {
        "runs": list(runs),
        "rows": [_row(row, runs) for row in comparison.rows],
        "not_compared": [
            {
                "run": runs[each.run],
                "reason": each.reason,
                "measures": list(each.measures),
                "cells": list(each.cells),
            }
            for each in comparison.refusals
        ],
        "missing": [{"cell": cell, "runs": list(lacking)} for cell, lacking in comparison.missing],
        "cautions": list(comparison.cautions),
        "environment": [
            {"fact": fact.name, "values": list(fact.values), "differs": fact.differs}
            for fact in comparison.facts
        ],
    }


def _row(row: ComparedRow, runs: tuple[str, ...]) -> JsonValue:
    return {
        "cell": row.cell,
        "measure": row.name,
        "setting": row.setting,
        "unit": row.unit,
        "better": row.direction,
        "protocol_hash": row.protocol,
        "figures": [
            None if side is None else _side(side, row, run) for run, side in zip(runs, row.sides, strict=True)
        ],
    }


def _side(side: Side, row: ComparedRow, run: str) -> JsonValue:
    figure, change = side.figure, side.change
    made: dict[str, JsonValue] = {
        "run": run,
        "value": json_number(figure.value),
        "setting": side.setting,
        "sd": figure.sd,
        "seeds": figure.seeds,
        "interval": [json_number(end) for end in figure.interval] if figure.interval else None,
        "flags": list(figure.flags),
    }
    if change is not None:
        made["change"] = {
            "kind": "difference" if change.is_difference else "ratio",
            "value": json_number(change.value),
            "interval": list(change.interval) if change.interval else None,
            "from": change.how,
            "verdict": change.verdict(direction=row.direction),
        }
    return made
