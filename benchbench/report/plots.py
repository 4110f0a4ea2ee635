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
from benchbench.report.views.tradeoff import MOST_NAMED, Axis, GainRow, Tradeoff, TradePoint, named_points
from benchbench.report.views.vocabulary import title


def draw_tradeoff(tradeoff: Tradeoff) -> Figure:
    """Points with their intervals, labelled, the baseline ringed, the Pareto front as a step line.

    Of more points than can be read only those of `named_points` are labelled.
    """
    points = tradeoff.points
    x_factor, x_unit = choose_scale([point.x for point in points], tradeoff.x.unit)
    y_factor, y_unit = choose_scale([point.y for point in points], tradeoff.y.unit)
    if tradeoff.x.name == "parameters" and max(point.x for point in points) >= 1e6:
        x_factor, x_unit = 1e6, "M"
    with plot_style():
        figure = new_figure(3.6)
        axes = figure.subplots()
        front = _front(axes, tradeoff, x_factor, y_factor)
        bars = [
            (
                point.x / x_factor,
                point.y / y_factor,
                _error(point.x / x_factor, point.x_interval, x_factor),
                _error(point.y / y_factor, point.y_interval, y_factor),
            )
            for point in points
        ]
        _draw_points(axes, points, bars)
        axes.margins(0.16)
        _from_zero_if_near(axes, points, x_factor)
        axes.set_xlabel(f"{_axis_title(tradeoff.x, x_unit)}  (← better)")
        better = "lower is better" if tradeoff.y.direction == "lower" else "higher is better"
        if tradeoff.is_distance:
            better = "from the baseline"
        axes.set_ylabel(f"{_axis_title(tradeoff.y, y_unit)}  ({better})")
        figure.draw_without_rendering()
        boxes = [box for bar in bars for box in _bar_boxes(axes, *bar)]
        boxes += _segment_boxes(axes, front)
        named = [points.index(point) for point in named_points(tradeoff)]
        if len(named) < len(points):
            boxes += [_marker_box(axes, *bar[:2]) for bar in bars]
        places = [bars[at][:2] for at in named]
        place_labels(axes, places, [_point_label(points[at]) for at in named], boxes)
    return figure


def draw_gains(rows: Sequence[GainRow]) -> Figure:
    """MAC reduction and speed-up at one setting side by side, with what the machine achieved."""
    with plot_style():
        pitch_in = 0.68 if len(rows) <= 24 else 0.4
        figure = new_figure(0.9 + pitch_in * len(rows))
        axes = figure.subplots()
        places = np.arange(len(rows), dtype=float)[::-1]
        colours = [variant_colour(row.colour) for row in rows]
        pale = [(*colour, 0.35) for colour in colours]
        axes.barh(places + 0.19, [row.macs_ratio for row in rows], height=0.34, color=pale)
        axes.barh(places - 0.19, [row.speedup for row in rows], height=0.34, color=colours)
        known = [at for at, row in enumerate(rows) if row.speedup_interval is not None]
        if known:
            errors = np.hstack([_error(rows[at].speedup, rows[at].speedup_interval, 1.0) for at in known])
            middles = [rows[at].speedup for at in known]
            axes.errorbar(
                middles, places[known] - 0.19, xerr=errors, fmt="none", ecolor=INK, elinewidth=1.2, capsize=3
            )
        words = []
        for place, row in zip(places, rows, strict=True):
            end = max(row.speedup, row.speedup_interval[1]) if row.speedup_interval else row.speedup
            macs = "MACs of the baseline" if row.is_baseline else f"{significant(row.macs_ratio)}x fewer MACs"
            words += [(row.macs_ratio, place + 0.19, macs), (end, place - 0.19, _gain_text(row))]
        axes.set_yticks(places, [wrap_name(row.label) for row in rows])
        axes.set_ylim(-0.6, len(rows) - 0.4)
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
        figure = new_figure(1.2 + (0.38 if len(labels) <= MOST_NAMED else 0.24) * len(labels))
        axes = figure.subplots()
        ends = dict.fromkeys(labels, 0.0)
        bars: dict[str, list[tuple[int, float, float]]] = {stage: [] for stage in stages}
        places = {label: len(labels) - 1 - at for at, label in enumerate(labels)}
        for row in rows:
            width = (row.parameters if of == "parameters" else row.macs) / factor
            bars[row.stage].append((places[row.label], width, ends[row.label]))
            ends[row.label] += width
        for stage, made in bars.items():
            place, widths, lefts = zip(*made, strict=True)
            axes.barh(place, widths, left=lefts, height=0.62, color=colours[stage], edgecolor="white")
        handles = [axes.barh([0], [0], color=colours[stage], label=stage) for stage in stages]
        figure.legend(
            handles=handles,
            labels=stages,
            loc="outside upper left",
            ncols=legend_columns(stages),
            frameon=False,
        )
        axes.set_yticks(range(len(labels)), [wrap_name(label) for label in labels[::-1]])
        axes.set_ylim(-0.6, len(labels) - 0.4)
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


def _draw_points(axes: Any, points: Sequence[TradePoint], bars: Sequence[tuple[Any, ...]]) -> None:
    is_crowded = len(points) > MOST_NAMED
    # Points that look alike are drawn at once: of a hundred, one by one, the drawing would be slow.
    alike: dict[tuple[str, bool], list[int]] = {}
    for at, point in enumerate(points):
        alike.setdefault((variant_marker(point.colour), point.is_baseline), []).append(at)
        colour = variant_colour(point.colour)
        x, y, x_error, y_error = bars[at]
        if not is_crowded:
            axes.errorbar(
                x, y, xerr=x_error, yerr=y_error, ecolor=colour, elinewidth=1.4, capsize=3, zorder=3
            )
    if is_crowded:
        colours = [variant_colour(point.colour) for point in points]
        xs, ys = np.array([bar[:2] for bar in bars], dtype=float).T
        for across, errors in ((True, [bar[2] for bar in bars]), (False, [bar[3] for bar in bars])):
            known = [at for at, error in enumerate(errors) if error is not None]
            low, high = np.array([errors[at] for at in known], dtype=float).reshape(-1, 2).T
            centre = (xs if across else ys)[known]
            draw = axes.hlines if across else axes.vlines
            shades = [colours[at] for at in known]
            draw((ys if across else xs)[known], centre - low, centre + high, colors=shades, lw=1.2, zorder=3)
    for (marker, is_baseline), members in alike.items():
        axes.scatter(
            [bars[at][0] for at in members],
            [bars[at][1] for at in members],
            s=25 if is_crowded else 64,
            marker=marker,
            color=[variant_colour(points[at].colour) for at in members],
            edgecolor=INK if is_baseline else "none",
            linewidth=1.2 if is_crowded else 1.8,
            zorder=4,
        )


def _marker_box(axes: Any, x: float, y: float) -> Bbox:
    across, up = axes.transData.transform((x, y))
    return Bbox.from_extents(across - 4, up - 4, across + 4, up + 4)


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
