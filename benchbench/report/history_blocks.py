"""A history in tables: the runs, the steps, and each measure's first and last figure."""

from __future__ import annotations

from benchbench.core.units import format_quantity, significant
from benchbench.report.document import Column, Grid, Item, Mark, Row, text_columns
from benchbench.report.history_model import History, Marked, MeasureHistory
from benchbench.report.history_steps import AFTER, LEAST_BEFORE, LEAST_CHANGE, MOST_BEFORE, THRESHOLD
from benchbench.report.text import MISSING, exact, signed_percent
from benchbench.report.views.vocabulary import title

RULE = (
    f"A step is marked, as advice, where the median of {AFTER} successive runs differs from the median of "
    f"those before it (since the last step, {LEAST_BEFORE} to {MOST_BEFORE} runs) by more than {THRESHOLD:g} "
    f"times the noise (1.4826 times the median absolute deviation) and more than {100 * LEAST_CHANGE:g} %. "
    "Only runs on one machine and under one protocol are compared; of counts every change is marked. "
    f"A new level shows within {AFTER} runs."
)


def measure_title(measure: MeasureHistory) -> str:
    """What a measure is called: its name, and what tells it apart."""
    told = ", ".join(filter(None, (measure.setting, measure.declared)))
    return f"{title(measure.name)}{f' ({told})' if told else ''}"


def runs_grid(history: History) -> Grid:
    """The runs, oldest first, each with its machine and what changed in its software or its cells."""
    rows = tuple(
        Row(
            (
                Item(run.name),
                Item(run.started),
                Item(history.environments[run.environment]),
                Item("; ".join(run.changed)),
            )
        )
        for run in history.runs
    )
    return Grid("Runs", text_columns("run", "started", "machine", "changed since the run before"), rows)


def steps_grid(history: History) -> Grid:
    """Every step, with what changed there."""
    rows = tuple(
        Row(
            (
                Item(measure_title(measure)),
                Item(series.cell),
                Item(history.runs[marked.run].name),
                Item(_shown(marked.step.before, measure.unit)),
                Item(_shown(marked.step.after, measure.unit)),
                Item(_change(marked), mark=_mark(marked, measure)),
                Item("; ".join(history.runs[marked.run].changed) or "nothing that is known"),
            )
        )
        for measure in history.measures
        for series in measure.series
        for marked in series.steps
    )
    columns = (
        *text_columns("measure", "cell", "first run after it", numbers=("before", "after", "change")),
        Column("changed there", is_number=False),
    )
    return Grid("Steps", columns, rows)


def measure_grid(history: History, measure: MeasureHistory) -> Grid:
    """The first and the last figure of every cell."""
    rows = []
    for series in measure.series:
        first, last = series.points[0], series.points[-1]
        is_alike = (first.protocol, first.environment) == (last.protocol, last.environment)
        change = last.value / first.value - 1 if first.value and is_alike else None
        rows.append(
            Row(
                (
                    Item(series.cell),
                    Item(str(len(series.points))),
                    Item(_shown(first.value, measure.unit), history.runs[first.run].name),
                    Item(_shown(last.value, measure.unit), history.runs[last.run].name),
                    Item(signed_percent(change))
                    if change is not None
                    else Item(MISSING, "not made alike" * (not is_alike)),
                    Item(str(len(series.steps))),
                )
            )
        )
    columns = text_columns("cell", numbers=("runs", "first", "last", "change", "steps"))
    return Grid(measure_title(measure), columns, tuple(rows))


def summary_lines(history: History) -> tuple[str, ...]:
    """What a terminal is told: how many runs, and a line per step."""
    found = [
        (measure, series, marked)
        for measure in history.measures
        for series in measure.series
        for marked in series.steps
    ]
    counts = ((len(history.environments), "machine"), (len(found), "step"))
    machines, steps = (f"{count} {word}{'' if count == 1 else 's'}" for count, word in counts)
    said = [f"{len(history.runs)} complete runs of {history.suite} on {machines}, {steps} (advisory)"]
    for measure, series, marked in found:
        before, after = (_shown(value, measure.unit) for value in (marked.step.before, marked.step.after))
        said.append(
            f"step: {measure_title(measure)}, {series.cell}, from {history.runs[marked.run].name}: "
            f"{before} -> {after} ({_change(marked)})"
        )
    return tuple(said)


def _shown(value: float, unit: str) -> str:
    if unit in ("1", "MAC") and float(value).is_integer():
        return exact(value, unit)
    return format_quantity(value, unit) if unit != "1" else significant(value)


def _change(marked: Marked) -> str:
    change = marked.step.change
    return signed_percent(change) if change is not None else MISSING


def _mark(marked: Marked, measure: MeasureHistory) -> Mark:
    is_up = marked.step.after > marked.step.before
    return "good" if is_up == (measure.direction == "higher") else "bad"
