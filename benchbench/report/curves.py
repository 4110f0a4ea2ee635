"""Curves over training, drawn: every seed, and the mean over seeds with its deviation."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullFormatter

from benchbench.report.labels import legend_columns
from benchbench.report.style import new_figure, plot_style, variant_colour, variant_marker
from benchbench.report.text import heading
from benchbench.report.views.training import CurveLine, CurvePanel, MeanCurve
from benchbench.report.views.vocabulary import title

# Of one line, and of all of them: more cannot be told apart, and each is in the HTML file.
_SHOWN_POINTS, _MOST_POINTS, _LEAST_POINTS = 240, 6000, 60
_MARKED_POINTS = 30
_LEGEND_ROW_IN = 0.22


def draw_curves(panel: CurvePanel) -> Figure:
    """One line per variant and seed, or thin ones below their mean and the band of its deviation.

    A noisy curve is drawn faint, with its running mean on top.
    """
    labels = list(dict.fromkeys(curve.label for curve in panel.curves))
    columns = legend_columns(labels)
    with plot_style():
        # The legend of many lines must not take the room of the curves.
        figure = new_figure(3.2 + _LEGEND_ROW_IN * max(0, math.ceil(len(labels) / columns) - 2))
        axes = figure.subplots()
        handles: dict[str, Any] = {}
        averaged = {mean.label for mean in panel.means}
        for curve in panel.curves:
            if curve.label in averaged:
                _draw_seed(axes, curve)
            else:
                line = _draw_alone(axes, curve, labels, is_rate=panel.name == "learning_rate")
                handles.setdefault(curve.label, line)
        for mean in panel.means:
            handles.setdefault(mean.label, _draw_mean(axes, mean))
        _log_if_wide(axes, panel)
        shown = [label for label in labels if label in handles]
        figure.legend(
            handles=[handles[label] for label in shown],
            labels=shown,
            loc="outside upper left",
            ncols=columns,
            frameon=False,
        )
        axes.set_xlabel("step")
        axes.set_ylabel(heading(title(panel.name), "" if panel.unit == "1" else panel.unit))
    return figure


def _draw_alone(axes: Any, curve: CurveLine, labels: list[str], *, is_rate: bool) -> Any:
    colour = variant_colour(curve.colour)
    # Schedules are often equal: wide below narrow shows all of them.
    linewidth = 1.6 + 1.1 * min(len(labels) - 1 - labels.index(curve.label), 5) if is_rate else 1.6
    steps, values = np.asarray(curve.steps, dtype=float), np.asarray(curve.values, dtype=float)
    window = 1 if is_rate or len(values) <= _SHOWN_POINTS / 2 else max(1, len(values) // 40)
    shown = max(_LEAST_POINTS, min(_SHOWN_POINTS, _MOST_POINTS // len(labels)))
    if window > 1:
        thin = slice(None, None, max(1, len(values) // shown))
        axes.plot(steps[thin], values[thin], color=colour, alpha=0.22, linewidth=0.8)
    marker = variant_marker(curve.colour) if len(values) <= _MARKED_POINTS and not is_rate else None
    drawn_steps, drawn = _running_mean(steps, values, window, shown)
    (line,) = axes.plot(drawn_steps, drawn, color=colour, linewidth=linewidth, marker=marker, markersize=4)
    line.set_drawstyle("steps-post" if is_rate else "default")
    return line


def _draw_seed(axes: Any, curve: CurveLine) -> None:
    axes.plot(
        curve.steps,
        curve.values,
        color=variant_colour(curve.colour),
        alpha=0.55,
        linewidth=0.7,
        marker=variant_marker(curve.colour),
        markersize=3,
        markerfacecolor="none",
        markeredgewidth=0.7,
    )


def _draw_mean(axes: Any, mean: MeanCurve) -> Any:
    colour = variant_colour(mean.colour)
    values, deviations = np.asarray(mean.values), np.asarray(mean.deviations)
    axes.fill_between(
        mean.steps, values - deviations, values + deviations, color=colour, alpha=0.18, linewidth=0
    )
    marker = variant_marker(mean.colour) if len(values) <= _MARKED_POINTS else None
    (line,) = axes.plot(
        mean.steps, values, color=colour, linewidth=2.0, marker=marker, markersize=4.5, zorder=3
    )
    return line


def _running_mean(steps: Any, values: Any, window: int, shown: int) -> tuple[Any, Any]:
    if window <= 1:
        return steps, values
    kernel = np.ones(window) / window
    centre = (window - 1) // 2
    smooth = np.convolve(values, kernel, mode="valid")
    x = steps[centre : centre + len(smooth)]
    thin = slice(None, None, max(1, len(smooth) // shown))
    return x[thin], smooth[thin]


def _log_if_wide(axes: Any, panel: CurvePanel) -> None:
    values = [value for curve in panel.curves for value in curve.values if np.isfinite(value)]
    if values and min(values) > 0 and max(values) / min(values) > 30:
        axes.set_yscale("log")
        # The formatter of logarithms writes TeX, which an SVG with live text would show as it stands.
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.yaxis.set_minor_formatter(NullFormatter())
