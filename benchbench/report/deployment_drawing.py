"""The drawing of latency against quality over all deployments."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator, NullLocator
from matplotlib.transforms import Bbox

from benchbench.report.deployment_plots import MOST_KEYED
from benchbench.report.labels import legend_columns, place_labels
from benchbench.report.style import INK, MUTED, new_figure, plot_style, variant_colour, variant_marker
from benchbench.report.text import choose_scale, heading
from benchbench.report.views.deployment_model import DeployedPoint, DeploymentChart
from benchbench.report.views.tradeoff import Axis
from benchbench.report.views.vocabulary import title

# Beyond it the slow ones leave the fast ones no room on a linear axis.
_FARTHEST = 6.0
MOST_NAMED = 12


def named_deployments(chart: DeploymentChart) -> tuple[DeployedPoint, ...]:
    """The points whose names are drawn: the baseline and the front, of a long one every second, third, ..."""
    front = sorted((each for each in chart.points if each.on_front), key=lambda point: point.x)
    step = -(-len(front) // MOST_NAMED) or 1
    chosen = {id(each) for each in (*front[::step], *front[-1:])}
    return tuple(each for each in chart.points if each.is_baseline or id(each) in chosen)


def draw_deployments(chart: DeploymentChart) -> Figure:
    """Points in the colour of their variant with the marker of their deployment, the front as a step line."""
    points = chart.points
    x_factor, x_unit = choose_scale([point.x for point in points], chart.x.unit)
    y_factor, y_unit = choose_scale([point.y for point in points], chart.y.unit)
    with plot_style():
        handles = [*_variants(chart), *_ways(chart)]
        columns = legend_columns([str(each.get_label()) for each in handles])
        figure = new_figure(3.7 + 0.19 * -(-len(handles) // columns))
        axes = figure.subplots()
        front = sorted((each.x / x_factor, each.y / y_factor) for each in points if each.on_front)
        if len(front) > 1:
            xs, ys = zip(*front, strict=True)
            axes.plot(xs, ys, drawstyle="steps-post", color=MUTED, linestyle="--", linewidth=1.2, zorder=2)
        for point in points:
            _draw_point(axes, point, x_factor, y_factor)
        if max(point.x for point in points) > _FARTHEST * min(point.x for point in points) > 0:
            axes.set_xscale("log")
            axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
            axes.xaxis.set_major_formatter("{x:g}")
            axes.xaxis.set_minor_locator(NullLocator())
        axes.margins(0.14)
        axes.set_xlabel(f"{_name(chart.x, x_unit)}  (← better)")
        better = "lower is better" if chart.y.direction == "lower" else "higher is better"
        axes.set_ylabel(f"{_name(chart.y, y_unit)}  ({better})")
        if handles:
            figure.legend(
                handles=handles, loc="outside upper left", ncols=columns, frameon=False, handletextpad=0.3
            )
        figure.draw_without_rendering()
        named = named_deployments(chart)
        places = [(each.x / x_factor, each.y / y_factor) for each in named]
        boxes = [_box(axes, each.x / x_factor, each.y / y_factor) for each in points]
        boxes += [_between(axes, one, other) for one, other in pairwise(front)]
        place_labels(axes, places, [each.label for each in named], boxes)
    return figure


def _draw_point(axes: Any, point: DeployedPoint, x_factor: float, y_factor: float) -> None:
    colour = variant_colour(point.colour)
    x, y = point.x / x_factor, point.y / y_factor
    axes.errorbar(
        x,
        y,
        xerr=_error(x, point.x_interval, x_factor),
        yerr=_error(y, point.y_interval, y_factor),
        ecolor=(*colour, 0.45),
        elinewidth=1.1,
        zorder=3,
    )
    axes.scatter(
        x,
        y,
        s=52,
        marker=variant_marker(point.marker),
        color=colour,
        edgecolor=INK if point.is_baseline else "none",
        linewidth=1.8,
        zorder=4,
    )


def _error(value: float, interval: tuple[float, float] | None, factor: float) -> Any:
    if interval is None:
        return None
    return [[max(value - interval[0] / factor, 0.0)], [max(interval[1] / factor - value, 0.0)]]


def _variants(chart: DeploymentChart) -> list[Line2D]:
    return [
        Line2D([], [], color=variant_colour(at), linewidth=5, solid_capstyle="butt", label=name)
        for name, at in (chart.variants if len(chart.variants) <= MOST_KEYED else ())
    ]


def _ways(chart: DeploymentChart) -> list[Line2D]:
    return [
        Line2D([], [], linestyle="", marker=variant_marker(at), color=MUTED, label=name)
        for name, at in (chart.ways if len(chart.ways) <= MOST_KEYED else ())
    ]


def _box(axes: Any, x: float, y: float) -> Bbox:
    across, up = axes.transData.transform((x, y))
    return Bbox.from_extents(across - 5, up - 5, across + 5, up + 5)


def _between(axes: Any, one: tuple[float, float], other: tuple[float, float]) -> Bbox:
    (x0, y0), (x1, _) = axes.transData.transform([one, other])
    return Bbox.from_extents(min(x0, x1), y0 - 1.5, max(x0, x1), y0 + 1.5)


def _name(axis: Axis, unit: str) -> str:
    name = heading(title(axis.name), unit)
    return f"{name} ({axis.setting})" if axis.setting else name
