"""The roofline as a drawing: a panel per network, its classes of layers under the machine's roof."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter
from matplotlib.transforms import Bbox

from benchbench.core.profile import CellProfile
from benchbench.core.roof import Roof, RoofName
from benchbench.core.roofline import ClassWork, Limits, limits_of, list_classes, whole_network
from benchbench.core.units import format_quantity, significant
from benchbench.report.labels import place_labels
from benchbench.report.style import INK, MUTED, WIDTH_IN, plot_style, variant_colour, variant_marker

MOST_PANELS = 12
NAME = "roofline"
_DPI = 160
_HEIGHT_IN = 3.7
_LARGEST_AREA = 900.0  # points squared, of a class that takes all the time
_MOST_LETTERS = 36
# Where the name of a peak may stand along its line, the best place first.
_ALONG = (1.0, 0.85, 0.7, 0.0, 0.15, 0.3)
_FORMATS: tuple[RoofName, ...] = ("float32", "bfloat16", "int8")
_CLASSES = (
    *("depthwise", "pointwise", "dense convolution", "grouped convolution", "transposed convolution"),
    *("linear", "other", "norm", "activation", "upsampling"),
)


def draw_rooflines(profiles: Sequence[CellProfile], roof: Roof) -> Mapping[str, bytes]:
    """File name -> content of the roofline, as SVG and as PNG; none where there is nothing to draw.

    Args:
        profiles: of this machine; those after the twelfth are not drawn, which the drawing says.
        roof: of it, at the profiles' setting.
    """
    figure = draw_roofline(profiles, roof)
    if figure is None:
        return {}
    files = {}
    with plot_style():
        for kind, metadata in (("svg", {"Date": None, "Creator": None}), ("png", {"Software": None})):
            buffer = io.BytesIO()
            figure.savefig(buffer, format=kind, dpi=_DPI, facecolor="white", metadata=metadata)
            files[f"{NAME}.{kind}"] = buffer.getvalue()
    return files


def draw_roofline(
    profiles: Sequence[CellProfile], roof: Roof, *, beside: Sequence[CellProfile] = ()
) -> Figure | None:
    """A panel per network on common logarithmic axes; None without a whole roof or any MAC.

    Args:
        profiles: of the roof's machine.
        roof: of it, at their setting.
        beside: other networks that have drawings of their own, for which the axes have room too.
    """
    limits = limits_of(roof)
    shown = [each for each in profiles[:MOST_PANELS] if _points(each)]
    if limits is None or not shown:
        return None
    columns = min(len(shown), 2)
    rows = -(-len(shown) // columns)
    with plot_style():
        figure = Figure(figsize=(WIDTH_IN * columns, _HEIGHT_IN * rows + 0.4), layout="constrained")
        FigureCanvasAgg(figure)
        panels = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True)
        _set_axes(panels[0][0], [work for each in (*shown, *beside) for work in _points(each)], roof, limits)
        for axes in panels.flat[len(shown) :]:
            axes.set_axis_off()
        for axes in panels[:, 0]:
            axes.set_ylabel("achieved, GMAC/s")
        for axes in panels[-1, :]:
            axes.set_xlabel("MACs per byte moved")
        figure.suptitle(_title(roof, len(profiles) - len(shown)), fontsize=9.5, color=MUTED)
        filled = list(zip(panels.flat, shown, strict=False))
        for axes, profile in filled:
            _name_network(axes, profile)
        # Where things lie in a panel is known once all around it is placed.
        figure.canvas.draw()
        figure.set_layout_engine("none")
        for axes, profile in filled:
            points = _draw_points(axes, profile)
            _label_points(axes, profile, [*_draw_roof(axes, roof, limits, points), *points])
    return figure


def _points(profile: CellProfile) -> list[ClassWork]:
    # What does no MACs has no place on a logarithmic axis.
    return [each for each in list_classes(profile.layers) if each.macs_per_s is not None and each.intensity]


def _set_axes(axes: Any, works: Sequence[ClassWork], roof: Roof, limits: Limits) -> None:
    intensities = [each.intensity for each in works if each.intensity]
    rates = [each.macs_per_s / 1e9 for each in works if each.macs_per_s]
    peaks = [best / 1e9 for name in _FORMATS if (best := roof.best(name)) is not None]
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlim(min(*intensities, limits.ridge) / 3, max(*intensities, limits.ridge) * 3)
    axes.set_ylim(min(rates) / 3, max(*rates, *peaks) * 2)
    for axis, (low, high) in ((axes.xaxis, axes.get_xlim()), (axes.yaxis, axes.get_ylim())):
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        # Within two decades there may be but one of them.
        shown = "25" if high < 100 * low else ""
        axis.set_minor_formatter(FuncFormatter(partial(_format_minor, shown=shown)))


def _format_minor(value: float, _: object, *, shown: str) -> str:
    return f"{value:g}" if f"{value:e}"[0] in shown else ""


def _draw_roof(axes: Any, roof: Roof, limits: Limits, points: Sequence[Bbox]) -> list[Bbox]:
    """Lines and their names, beside the `points`; what labels must not cover. Boxes are as displayed."""
    left, right = axes.get_xlim()
    peak = limits.peak_macs_per_s / 1e9
    covered: list[Bbox] = []
    slopes: list[tuple[float, str, Any, str]] = [(limits.memory_bytes_per_s, "memory", "-", INK)]
    if limits.cache_bytes_per_s is not None:
        slopes.append((limits.cache_bytes_per_s, "L2 cache", (0, (4, 2)), MUTED))
    for bandwidth, name, style, colour in slopes:
        ridge = limits.peak_macs_per_s / bandwidth
        # One that meets the peak left of the panel is not seen.
        at = np.geomspace(left, max(ridge, left), 24)
        axes.plot(at, at * bandwidth / 1e9, color=colour, linestyle=style, linewidth=1.3)
        covered += _boxes(axes, at, at * bandwidth / 1e9)
        _name_slope(axes, bandwidth, f"{name} {format_quantity(bandwidth, 'B/s')}", colour)
    at = np.geomspace(min(limits.peak_macs_per_s / max(each[0] for each in slopes), right), right, 24)
    axes.plot(at, np.full_like(at, peak), color=INK, linewidth=1.3)
    covered += _boxes(axes, at, np.full_like(at, peak))
    for name in _FORMATS:
        best = roof.best(name)
        if best is None:
            continue
        if name != "float32":
            axes.axhline(best / 1e9, color=MUTED, linewidth=0.8, linestyle=(0, (1, 2)))
        colour = INK if name == "float32" else MUTED
        named = f"{name} {format_quantity(best, 'MAC/s')}"
        covered.append(_name_peak(axes, best / 1e9, named, colour=colour, points=points))
    return covered


def _name_peak(axes: Any, y: float, text: str, *, colour: str, points: Sequence[Bbox]) -> Bbox:
    """Write above the line, at its right end unless a point lies there; the box of the words."""
    left, right = axes.get_xlim()
    renderer = axes.figure.canvas.get_renderer()
    label = axes.annotate(
        text, (right, y), xytext=(0, 2), textcoords="offset points", fontsize=7.5, color=colour
    )

    def place(share: float) -> Bbox:
        # Near the left end the words would leave the panel.
        right_of = share < 0.5
        label.xy = (left * (right / left) ** share, y)
        label.set(ha="left" if right_of else "right", position=(2 if right_of else -2, 2))
        box: Bbox = label.get_window_extent(renderer)
        return box

    best = min(_ALONG, key=lambda share: sum(_shared_area(place(share), point) for point in points))
    return place(best)


def _shared_area(one: Bbox, other: Bbox) -> float:
    both = Bbox.intersection(one, other)
    return 0.0 if both is None else float(both.width * both.height)


def _name_slope(axes: Any, bandwidth: float, text: str, colour: str) -> None:
    left, right = axes.get_xlim()
    low, high = axes.get_ylim()
    # Where the slope enters the panel: at its left edge, or at its floor.
    x = max(left, low * 1e9 / bandwidth) * 1.35
    if x * bandwidth / 1e9 >= high or x >= right:
        return
    ends = axes.transData.transform([(x, x * bandwidth / 1e9), (2 * x, 2 * x * bandwidth / 1e9)])
    across, up = ends[1] - ends[0]
    axes.annotate(
        text,
        (x, x * bandwidth / 1e9),
        xytext=(-3.5, 3.5),
        textcoords="offset points",
        fontsize=7.5,
        color=colour,
        va="bottom",
        rotation=float(np.degrees(np.arctan2(up, across))),
        rotation_mode="anchor",
    )


def _boxes(axes: Any, x: Any, y: Any) -> list[Bbox]:
    corners = axes.transData.transform(np.column_stack([x, y]))
    return [Bbox([np.minimum(a, b) - 1, np.maximum(a, b) + 1]) for a, b in pairwise(corners)]


def _draw_points(axes: Any, profile: CellProfile) -> list[Bbox]:
    """A point per class and one of the whole network; their boxes in display coordinates."""
    covered: list[Bbox] = []
    points_to_pixels = axes.figure.dpi / 72
    for work in _points(profile):
        x, y, index = work.intensity or 0.0, (work.macs_per_s or 0.0) / 1e9, _CLASSES.index(work.name)
        area = max(_LARGEST_AREA * work.share, 12.0)
        axes.scatter(
            x, y, s=area, color=variant_colour(index), marker=variant_marker(index), alpha=0.75, zorder=3
        )
        centre, half = axes.transData.transform((x, y)), area**0.5 / 2 * points_to_pixels
        covered.append(Bbox([centre - half, centre + half]))
    whole = whole_network(profile)
    if whole.intensity and whole.macs_per_s:
        axes.scatter(whole.intensity, whole.macs_per_s / 1e9, s=70, marker="*", color=INK, zorder=4)
        centre = axes.transData.transform((whole.intensity, whole.macs_per_s / 1e9))
        covered.append(Bbox([centre - 6, centre + 6]))
    return covered


def _label_points(axes: Any, profile: CellProfile, covered: Sequence[Bbox]) -> None:
    places = [(work.intensity or 0.0, (work.macs_per_s or 0.0) / 1e9) for work in _points(profile)]
    words = [f"{work.name} {significant(work.share * 100, 2)} %" for work in _points(profile)]
    whole = whole_network(profile)
    if whole.intensity and whole.macs_per_s:
        places.append((whole.intensity, whole.macs_per_s / 1e9))
        words.append("network")
    place_labels(axes, places, words, covered)


def _name_network(axes: Any, profile: CellProfile) -> None:
    without = sum(each.share for each in list_classes(profile.layers) if not each.macs)
    name = _printable(profile.cell.label)
    shown = name if len(name) <= _MOST_LETTERS else f"{name[: _MOST_LETTERS - 1]}…"
    axes.set_title(f"{shown} ({without * 100:.0f} % of its time does no MACs)", fontsize=9.5)


def _title(roof: Roof, left_out: int) -> str:
    machine = _printable(roof.machine.setting)
    more = f"; {left_out} more networks are not drawn" if left_out else ""
    return f"Roofline ({machine}); area: share of the profiled pass{more}"


def _printable(text: str) -> str:
    # XML has no place for control characters.
    return "".join(char if char.isprintable() else "?" for char in text)
