"""The drawings. Each takes views and returns a figure that no global state knows."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.transforms import Bbox

from benchbench.core.units import significant
from benchbench.report.labels import legend_columns, place_labels, wrap_name, write_at_ends
from benchbench.report.style import (
    INK,
    MUTED,
    new_figure,
    plot_style,
    stage_colours,
    variant_colour,
    variant_marker,
)
from benchbench.report.text import choose_scale, heading, percent
from benchbench.report.views.structure import StageCost
from benchbench.report.views.tradeoff import Axis, GainRow, Tradeoff, TradePoint
from benchbench.report.views.vocabulary import title


def draw_tradeoff(tradeoff: Tradeoff) -> Figure:
    """Points with their intervals, labelled, the baseline ringed, the Pareto front as a step line."""
    points = tradeoff.points
    x_factor, x_unit = choose_scale([point.x for point in points], tradeoff.x.unit)
    y_factor, y_unit = choose_scale([point.y for point in points], tradeoff.y.unit)
    if tradeoff.x.name == "parameters" and max(point.x for point in points) >= 1e6:
        x_factor, x_unit = 1e6, "M"
    with plot_style():
        figure = new_figure(3.6)
        axes = figure.subplots()
        front = _front(axes, tradeoff, x_factor, y_factor)
        bars = []
        for point in points:
            x, y = point.x / x_factor, point.y / y_factor
            colour = variant_colour(point.colour)
            x_error, y_error = (
                _error(x, point.x_interval, x_factor),
                _error(y, point.y_interval, y_factor),
            )
            axes.errorbar(
                x, y, xerr=x_error, yerr=y_error, ecolor=colour, elinewidth=1.4, capsize=3, zorder=3
            )
            ring = INK if point.is_baseline else "none"
            axes.scatter(
                x,
                y,
                s=64,
                marker=variant_marker(point.colour),
                color=colour,
                edgecolor=ring,
                linewidth=1.8,
                zorder=4,
            )
            bars.append((x, y, x_error, y_error))
        axes.margins(0.16)
        _from_zero_if_near(axes, points, x_factor)
        axes.set_xlabel(f"{_axis_title(tradeoff.x, x_unit)}  (← better)")
        better = "lower is better" if tradeoff.y.direction == "lower" else "higher is better"
        if tradeoff.is_distance:
            better = "from the baseline"
        axes.set_ylabel(f"{_axis_title(tradeoff.y, y_unit)}  ({better})")
        texts = [_point_label(point) for point in points]
        figure.canvas.draw()
        boxes = [box for bar in bars for box in _bar_boxes(axes, *bar)]
        boxes += _segment_boxes(axes, front)
        place_labels(axes, [(bar[0], bar[1]) for bar in bars], texts, boxes)
    return figure


def draw_gains(rows: Sequence[GainRow]) -> Figure:
    """MAC reduction and speed-up at one setting side by side, with what the machine achieved."""
    with plot_style():
        figure = new_figure(0.9 + 0.68 * len(rows))
        axes = figure.subplots()
        places = np.arange(len(rows), dtype=float)[::-1]
        words = []
        for place, row in zip(places, rows, strict=True):
            colour = variant_colour(row.colour)
            axes.barh(place + 0.19, row.macs_ratio, height=0.34, color=colour, alpha=0.35)
            axes.barh(place - 0.19, row.speedup, height=0.34, color=colour)
            end = row.speedup
            if row.speedup_interval is not None:
                error = _error(row.speedup, row.speedup_interval, 1.0)
                axes.errorbar(row.speedup, place - 0.19, xerr=error, ecolor=INK, elinewidth=1.2, capsize=3)
                end = max(end, row.speedup_interval[1])
            macs = "MACs of the baseline" if row.is_baseline else f"{significant(row.macs_ratio)}x fewer MACs"
            words += [(row.macs_ratio, place + 0.19, macs), (end, place - 0.19, _gain_text(row))]
        axes.set_yticks(places, [wrap_name(row.label) for row in rows])
        axes.axvline(1.0, color=INK, linewidth=1.0)
        axes.set_xlabel("times the baseline (1 = no gain)")
        axes.grid(axis="y", visible=False)
        write_at_ends(axes, words)
    return figure


def draw_stages(rows: Sequence[StageCost], *, of: str) -> Figure:
    """Stacked bars per line of `parameters` or `macs`, one shade per stage."""
    labels = list(dict.fromkeys(row.label for row in rows))
    stages = list(dict.fromkeys(row.stage for row in rows))
    colours = stage_colours(stages)
    factor, unit = _stage_scale(rows, of)
    with plot_style():
        figure = new_figure(1.2 + 0.38 * len(labels))
        axes = figure.subplots()
        ends = dict.fromkeys(labels, 0.0)
        for row in rows:
            width = (row.parameters if of == "parameters" else row.macs) / factor
            place = len(labels) - 1 - labels.index(row.label)
            axes.barh(
                place, width, left=ends[row.label], height=0.62, color=colours[row.stage], edgecolor="white"
            )
            ends[row.label] += width
        handles = [axes.barh([0], [0], color=colours[stage], label=stage) for stage in stages]
        figure.legend(
            handles=handles,
            labels=stages,
            loc="outside upper left",
            ncols=legend_columns(stages),
            frameon=False,
        )
        axes.set_yticks(range(len(labels)), [wrap_name(label) for label in labels[::-1]])
        axes.set_xlabel(heading(title(of), unit))
        axes.grid(axis="y", visible=False)
        ordered = enumerate(ends[label] for label in labels[::-1])
        write_at_ends(axes, [(end, float(place), significant(end)) for place, end in ordered])
    return figure


def _point_label(point: TradePoint) -> str:
    is_said = not point.is_baseline or "baseline" in point.label
    return point.label if is_said else f"{point.label} (baseline)"


def _front(axes: Any, tradeoff: Tradeoff, x_factor: float, y_factor: float) -> list[tuple[float, float]]:
    front = sorted((point.x / x_factor, point.y / y_factor) for point in tradeoff.points if point.on_front)
    if len(front) > 1:
        x, y = zip(*front, strict=True)
        axes.step(x, y, where="post", color=MUTED, linewidth=1.2, linestyle=(0, (4, 3)), zorder=2)
    return front


def _segment_boxes(axes: Any, front: Sequence[tuple[float, float]]) -> list[Bbox]:
    boxes = []
    for (x0, y0), (x1, y1) in pairwise(front):
        for start, end in (((x0, y0), (x1, y0)), ((x1, y0), (x1, y1))):
            low, high = axes.transData.transform([start, end])
            corners = np.array([low, high])
            boxes.append(Bbox([corners.min(axis=0) - 1.5, corners.max(axis=0) + 1.5]))
    return boxes


def _from_zero_if_near(axes: Any, points: Sequence[TradePoint], factor: float) -> None:
    low = min(point.x for point in points) / factor
    left, right = axes.get_xlim()
    if left < 0 or low < 0.35 * right:
        axes.set_xlim(0, right)


def _error(value: float, interval: tuple[float, float] | None, factor: float) -> Any:
    if interval is None:
        return None
    return [[max(value - interval[0] / factor, 0.0)], [max(interval[1] / factor - value, 0.0)]]


def _bar_boxes(axes: Any, x: float, y: float, x_error: Any, y_error: Any) -> list[Bbox]:
    boxes = []
    for error, across in ((x_error, True), (y_error, False)):
        if error is not None:
            ends = (error[0][0], error[1][0])
            low = (x - ends[0], y) if across else (x, y - ends[0])
            high = (x + ends[1], y) if across else (x, y + ends[1])
            (x0, y0), (x1, y1) = axes.transData.transform([low, high])
            boxes.append(Bbox.from_extents(x0 - 2, y0 - 2, x1 + 2, y1 + 2))
    return boxes


def _axis_title(axis: Axis, unit: str) -> str:
    name = heading(title(axis.name), unit)
    return f"{name} ({axis.setting})" if axis.setting else name


def _gain_text(row: GainRow) -> str:
    word = "faster" if row.speedup >= 1 else "slower"
    text = "baseline" if row.is_baseline else f"{significant(max(row.speedup, 1 / row.speedup))}x {word}"
    if row.achieved is None:
        return text
    factor, unit = choose_scale([row.achieved], "MAC/s")
    text += f", {significant(row.achieved / factor)} {unit}"
    return text if row.roof_share is None else f"{text}, {percent(row.roof_share)} of roof"


def _stage_scale(rows: Sequence[StageCost], of: str) -> tuple[float, str]:
    totals: dict[str, int] = {}
    for row in rows:
        totals[row.label] = totals.get(row.label, 0) + (row.parameters if of == "parameters" else row.macs)
    largest = max(totals.values(), default=0)
    if of == "macs":
        return choose_scale([largest], "MAC")
    return (1e6, "M") if largest >= 1e6 else (1e3, "k") if largest >= 1e4 else (1.0, "")
