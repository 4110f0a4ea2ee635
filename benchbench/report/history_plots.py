"""A measure over the runs, drawn as one small plot per cell."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from benchbench.core.units import significant
from benchbench.report.history_model import History, MeasureHistory, Point, Series
from benchbench.report.labels import legend_columns
from benchbench.report.style import INK, MUTED, plot_style, variant_colour, variant_marker
from benchbench.report.text import choose_scale, signed_percent

_ACROSS = 3
_WIDTH_IN, _PANEL_IN = 9.6, 1.75
# Noise alone must not fill a panel: its height is at least this share of its level.
_LEAST_SPAN = 0.06


def draw_history(history: History, measure: MeasureHistory, series: Sequence[Series]) -> Figure:
    """The series of some cells; one marker and colour per machine, a dashed line at each step."""
    rows = math.ceil(len(series) / _ACROSS)
    values = [point.value for each in series for point in each.points if math.isfinite(point.value)]
    factor, _ = choose_scale(values, measure.unit)
    labels = tick_labels([run.started for run in history.runs], names=[run.name for run in history.runs])
    machines = sorted({point.environment for each in series for point in each.points})
    with plot_style():
        figure = Figure(figsize=(_WIDTH_IN, 0.5 + _PANEL_IN * rows), layout="constrained")
        FigureCanvasAgg(figure)
        panels = figure.subplots(rows, _ACROSS, sharex=True, squeeze=False)
        handles: dict[int, Any] = {}
        for at, axes in enumerate(panels.flat):
            if at >= len(series):
                axes.set_visible(False)
                continue
            _draw(axes, series[at], factor, handles)
            axes.set_xlim(-0.6, len(history.runs) - 0.4)
            axes.xaxis.set_major_locator(MaxNLocator(4, integer=True))
            axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: _label(labels, x)))
            axes.tick_params(axis="x", labelsize=7.5, labelbottom=at + _ACROSS >= len(series))
        if len(history.environments) > 1:
            names = [history.environments[machine] for machine in machines]
            figure.legend(
                handles=[handles[machine] for machine in machines if machine in handles],
                labels=[name for machine, name in zip(machines, names, strict=True) if machine in handles],
                loc="outside upper left",
                ncols=legend_columns(names),
                frameon=False,
            )
    return figure


def _draw(axes: Any, series: Series, factor: float, handles: dict[int, Any]) -> None:
    for (machine, _), points in _apart(series.points).items():
        colour = variant_colour(machine)
        x = [point.run for point in points]
        y = [point.value / factor for point in points]
        (line,) = axes.plot(
            x, y, color=colour, linewidth=1.1, marker=variant_marker(machine), markersize=3.5, zorder=3
        )
        handles.setdefault(machine, line)
        for point in points:
            if point.interval is not None:
                ends = [end / factor for end in point.interval]
                axes.plot([point.run, point.run], ends, color=colour, linewidth=0.8, alpha=0.6, zorder=2)
    _span(axes, [point.value / factor for point in series.points])
    for marked in series.steps:
        axes.axvline(marked.run - 0.5, color=INK, linewidth=1.0, linestyle=(0, (3, 2)))
        change = marked.step.change
        said = signed_percent(change) if change is not None else significant(marked.step.after)
        # Beside a step up the lower right is free, beside one down the upper right.
        is_up = marked.step.after > marked.step.before
        axes.annotate(
            said,
            (marked.run - 0.5, 0 if is_up else 1),
            xycoords=("data", "axes fraction"),
            xytext=(4, 3 if is_up else -3),
            textcoords="offset points",
            fontsize=7.5,
            va="bottom" if is_up else "top",
        )
    axes.set_title(_shortened(series.cell), fontsize=8.5, color=INK, loc="left")
    axes.tick_params(axis="y", labelsize=7.5)
    axes.yaxis.set_major_locator(MaxNLocator(4))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.spines["bottom"].set_color(MUTED)


def _apart(points: Sequence[Point]) -> dict[tuple[int, str], list[Point]]:
    found: dict[tuple[int, str], list[Point]] = {}
    for point in points:
        found.setdefault((point.environment, point.protocol), []).append(point)
    return found


def _span(axes: Any, values: Sequence[float]) -> None:
    finite = [value for value in values if math.isfinite(value)]
    if not finite:
        return
    low, high = axes.get_ylim()
    middle = (low + high) / 2
    least = _LEAST_SPAN * max(map(abs, finite))
    if least and high - low < least:
        axes.set_ylim(middle - least / 2, middle + least / 2)


def tick_labels(started: Sequence[str], *, names: Sequence[str]) -> tuple[str, ...]:
    """A label for each run that no other has: its date, with the time where that is needed, else its name.

    Args:
        started: ISO 8601, one per run.
        names: of the runs, no two alike.
    """
    for digits in (10, 16, 19):
        labels = [text[:digits].replace("T", " ") for text in started]
        if len(set(labels)) == len(labels):
            is_one_year = len({label[:5] for label in labels}) == 1
            return tuple(label[5:] if digits > 10 and is_one_year else label for label in labels)
    return tuple(map(_shortened, names))


def _label(labels: Sequence[str], place: float) -> str:
    at = round(place)
    return labels[at] if 0 <= at < len(labels) and at == place else ""


def _shortened(name: str) -> str:
    return name if len(name) <= 40 else f"{name[:39]}…"
