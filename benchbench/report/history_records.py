"""A history as plain values."""

from __future__ import annotations

from benchbench.core.model import JsonValue
from benchbench.report.export_data import json_number
from benchbench.report.history_model import History, MeasureHistory


def history_record(history: History) -> dict[str, JsonValue]:
    """The whole history; values in SI units, nothing rounded."""
    return {
        "suite": history.suite,
        "runs": [
            {
                "run": run.name,
                "started": run.started,
                "machine": history.environments[run.environment],
                "changed": list(run.changed),
            }
            for run in history.runs
        ],
        "measures": [_measure(measure, history) for measure in history.measures],
        "left_out": list(history.told),
    }


def _measure(measure: MeasureHistory, history: History) -> JsonValue:
    return {
        "measure": measure.name,
        "setting": measure.setting,
        "declared": measure.declared,
        "unit": measure.unit,
        "better": measure.direction,
        "cells": [
            {
                "cell": series.cell,
                "points": [
                    {
                        "run": history.runs[point.run].name,
                        "value": json_number(point.value),
                        "interval": [json_number(end) for end in point.interval] if point.interval else None,
                        "protocol_hash": point.protocol,
                    }
                    for point in series.points
                ],
                "steps": [
                    {
                        "run": history.runs[marked.run].name,
                        "before": marked.step.before,
                        "after": marked.step.after,
                    }
                    for marked in series.steps
                ],
            }
            for series in measure.series
        ],
    }
