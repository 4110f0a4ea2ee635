"""The drawing of a sweep: one line per variant over batches, sizes or threads, the knee ringed."""

from __future__ import annotations

from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullFormatter, NullLocator

from benchbench.report.labels import legend_columns
from benchbench.report.style import INK, new_figure, plot_style, variant_colour, variant_marker
from benchbench.report.text import choose_scale, heading
from benchbench.report.views.sweeps import SweepPanel
from benchbench.report.views.vocabulary import title

AXES = {"batch": "batch", "size": "height and width, pixels", "threads": "threads"}


def draw_sweep(panel: SweepPanel) -> Figure:
    """Medians with their quartiles on a logarithmic axis, every swept value labelled."""
    values = [point.value for series in panel.series for point in series.points]
    factor, unit = choose_scale(values, panel.unit)
    with plot_style():
        figure = new_figure(3.2)
        axes = figure.subplots()
        for series in panel.series:
            colour = variant_colour(series.colour)
            x = [point.x for point in series.points]
            y = [point.value / factor for point in series.points]
            spread = [point.quartiles or (point.value, point.value) for point in series.points]
            # A mean over seeds may lie outside of the pooled quartiles.
            bars = [
                [max(at - low / factor, 0.0) for at, (low, _) in zip(y, spread, strict=True)],
                [max(high / factor - at, 0.0) for at, (_, high) in zip(y, spread, strict=True)],
            ]
            axes.errorbar(
                x,
                y,
                yerr=bars,
                color=colour,
                marker=variant_marker(series.colour),
                markersize=5,
                linewidth=1.6,
                elinewidth=0.9,
                capsize=2,
                label=series.label,
            )
            knees = [point for point in series.points if point.is_knee]
            axes.plot(
                [point.x for point in knees],
                [point.value / factor for point in knees],
                linestyle="none",
                marker="o",
                markersize=12,
                markerfacecolor="none",
                markeredgecolor=INK,
                markeredgewidth=1.0,
            )
        axes.set_xscale("log", base=2)
        axes.set_xticks(sorted({point.x for series in panel.series for point in series.points}))
        # The formatter of logarithms writes TeX, which an SVG with live text would show as it stands.
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.xaxis.set_minor_locator(NullLocator())
        axes.set_ylim(bottom=0)
        axes.set_xlabel(AXES[panel.over])
        axes.set_ylabel(heading(title(panel.name), unit))
        labels = [series.label for series in panel.series]
        handles = axes.get_legend_handles_labels()[0]
        figure.legend(
            handles=handles,
            labels=labels,
            loc="outside upper left",
            ncols=legend_columns(labels),
            frameon=False,
        )
    return figure
