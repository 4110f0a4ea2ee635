"""The drawing of a memory timeline: steps over one pass, its peak marked with its layer."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.figure import Figure

from benchbench.core.profile import MemoryProfile, Point
from benchbench.core.units import format_quantity
from benchbench.report.style import INK, MUTED, new_figure, plot_style, variant_colour
from benchbench.report.text import choose_scale, heading

_MOST_LETTERS = 34


def draw_memory(memory: MemoryProfile, points: Sequence[Point]) -> Figure:
    """Bytes given out over time; `points` are those of `memory`, thinned."""
    time_factor, time_unit = choose_scale([memory.duration_s, *(at for at, _ in points)], "s")
    factor, unit = choose_scale([memory.peak_bytes, *(level for _, level in points)], "B")
    x = [at / time_factor for at, _ in points]
    y = [level / factor for _, level in points]
    with plot_style():
        figure = new_figure(2.6)
        axes = figure.subplots()
        # One path for area and edge: it is most of the drawing's bytes.
        colour = variant_colour(0)
        axes.fill_between(x, y, step="post", facecolor=(*colour, 0.25), edgecolor=colour, linewidth=1.1)
        at, peak = memory.peak_at_s / time_factor, memory.peak_bytes / factor
        axes.plot([at], [peak], marker="o", markersize=5, color=INK)
        right = max([*x, memory.duration_s / time_factor])
        is_late = right > 0 and at > right / 2
        axes.annotate(
            f"{_where(memory)}{format_quantity(memory.peak_bytes, 'B')}",
            (at, peak),
            xytext=(-7 if is_late else 7, 5),
            textcoords="offset points",
            ha="right" if is_late else "left",
            fontsize=8.5,
            color=INK,
        )
        axes.set_xlim(left=0)
        low = min(*y, 0.0)
        axes.set_ylim(low, max(*y, peak, 1e-9) * 1.18)
        axes.set_xlabel(heading("time in the profiled pass", time_unit))
        axes.set_ylabel(heading("given out", unit))
        axes.axhline(0, color=MUTED, linewidth=0.7)
    return figure


def _where(memory: MemoryProfile) -> str:
    if memory.peak_layer is None:
        return ""
    # XML has no place for control characters.
    name = "".join(char if char.isprintable() else "?" for char in memory.peak_layer or "(network)")
    # The end of a path tells layers apart.
    return f"{name if len(name) <= _MOST_LETTERS else f'…{name[1 - _MOST_LETTERS :]}'}, "
