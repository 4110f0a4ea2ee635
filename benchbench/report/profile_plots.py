"""The drawings of profiles: each network under the roof, and its memory over a pass."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchbench.core.profile import CellProfile, thin
from benchbench.core.roof import Roof
from benchbench.core.roofline import Limits, list_classes, place
from benchbench.core.units import format_quantity, significant
from benchbench.report.document import Plot
from benchbench.report.profile_grids import CLASS_RECORD, class_grid, class_records, peak_grid
from benchbench.report.text import percent
from benchbench.report.views.profiles import ProfiledNetwork, ProfileGroup

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_POINTS = 400
_SAID = {"memory": "under memory", "cache": "under a cache", "arithmetic": "under arithmetic"}


def roofline_plot(each: ProfiledNetwork, group: ProfileGroup, roof: Roof, *, stem: str) -> Plot | None:
    """One network under the roof, on axes common to its group; None where nothing of it does MACs."""
    limits = group.limits
    beside = [other.profile for other in group.networks]
    if limits is None or not any(layer.macs and layer.bytes_moved for layer in each.profile.layers):
        return None

    def draw() -> Figure:
        # matplotlib takes a second to import, and only drawing needs it.
        from benchbench.report.roofline_plot import draw_roofline

        figure = draw_roofline([each.profile], roof, beside=beside)
        assert figure is not None
        return figure

    return Plot(
        name=stem,
        caption=f"{each.label}: classes of layers under the roof. Area: share of the profiled pass; what "
        "does no MACs has no place here, but a row in the figures.",
        alt=f"{each.label} under the roof: {_placed_words(each.profile, limits)}",
        draw=draw,
        table=class_grid(each.profile, limits),
        columns=CLASS_RECORD,
        records=class_records(each.label, each.profile, limits),
    )


def memory_plot(each: ProfiledNetwork, *, stem: str) -> Plot | None:
    """What was given out over one pass; None where nothing was seen."""
    memory = each.profile.memory
    points = thin(memory.points, _POINTS)
    if len(points) < 2:
        return None

    def draw() -> Figure:
        # matplotlib takes a second to import, and only drawing needs it.
        from benchbench.report.memory_plot import draw_memory

        return draw_memory(memory, points)

    return Plot(
        name=stem,
        caption=f"{each.label}: {memory_words(each.profile)}",
        alt=f"Memory of {each.label} over one pass: {memory_words(each.profile)}",
        draw=draw,
        table=peak_grid(each.profile),
        columns=("seconds", "bytes"),
        records=tuple(memory.points),
    )


def memory_words(profile: CellProfile) -> str:
    """The peak, where it is, and what comes on top."""
    memory = profile.memory
    where = "" if memory.peak_layer is None else f" at {(memory.peak_layer or '(network)')[:120]}"
    return (
        f"at most {format_quantity(memory.peak_bytes, 'B')} given out by torch's allocator{where}, beside "
        f"{format_quantity(memory.held_bytes, 'B')} of weights and inputs."
    )


def _placed_words(profile: CellProfile, limits: Limits) -> str:
    words = []
    for work in list_classes(profile.layers):
        placed = place(work, limits)
        if placed is None or work.macs_per_s is None:
            continue
        rate = f"{significant(work.macs_per_s / 1e9)} GMAC/s"
        reached = f"{percent(placed.share)} of the roof, {_SAID[placed.bound]}"
        words.append(f"{work.name} {percent(work.share)} of the time, {rate}, {reached}")
    return "; ".join(words)
