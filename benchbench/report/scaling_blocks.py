"""Memory, energy, throughput and scaling: one table, and a plot per sweep; only what was measured."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from benchbench.core.units import significant
from benchbench.report.document import Block, Column, Grid, Item, Notes, Paragraph, Plot, Plots, Row
from benchbench.report.text import MISSING, choose_scale, exact, file_stem, heading, span
from benchbench.report.views.lines import Estimate, Line, estimate, settings_of
from benchbench.report.views.sweeps import SweepPanel, sweep_panels
from benchbench.report.views.vocabulary import explain_flag, title

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_FIGURES = (
    "peak_activation",
    "memory_growth",
    "memory_resident",
    "memory_allocated",
    "memory_reserved",
    "energy",
    "load_power",
    "idle_power",
    "knee_batch",
)
_OVER = {"batch": "batch size", "size": "resolution", "threads": "threads"}
_SAID = {
    "batch": " Ringed: the knee, the smallest batch with at least 95 % of the best.",
    "size": "",
    "threads": "",
}


def scaling_blocks(lines: Sequence[Line], notes: Notes) -> tuple[Block, ...]:
    """The table of figures and the plots of sweeps; nothing where neither was measured."""
    blocks: list[Block] = []
    grid = resource_grid(lines, notes)
    if grid is not None:
        blocks.append(grid)
    # Deployments of one variant have its colour; theirs are in the table, and swept ones in table.csv.
    panels = sweep_panels([line for line in lines if line.deployment.is_reference])
    if panels:
        blocks.append(Paragraph("Points are medians, bars quartiles of the raw samples."))
        blocks.append(Plots(sweep_plots(panels)))
    return tuple(blocks)


def resource_grid(lines: Sequence[Line], notes: Notes) -> Grid | None:
    """A row per line, a column per figure and setting; None where there is no such figure."""
    # Without a setting it is that of the counted structure, which the main table has.
    keys = [(name, setting) for name in _FIGURES for setting in settings_of(lines, name) if setting]
    if not keys:
        return None
    columns, items = [Column("variant", is_number=False)], []
    for name, setting in keys:
        found = [estimate(line.results, name, setting) for line in lines]
        unit = next(each.unit for each in found if each is not None)
        factor, shown = choose_scale([each.value if each else None for each in found], unit)
        columns.append(Column(heading(title(name), shown), detail=setting))
        items.append(
            [
                Item(MISSING)
                if each is None
                else Item(
                    _shown(each, factor),
                    f"± {significant(each.sd / factor, 2)}" if each.sd else "",
                    notes.number(*map(explain_flag, each.flags)),
                    value=each.value,
                )
                for each in found
            ]
        )
    rows = tuple(
        Row(
            (Item(line.label), *(column[at] for column in items)),
            level="baseline" if line.is_baseline else "line",
        )
        for at, line in enumerate(lines)
        if any(column[at].value is not None for column in items)
    )
    return Grid("Memory, energy and throughput", tuple(columns), rows, notes.used_in(rows, tuple(columns)))


def _shown(figure: Estimate, factor: float) -> str:
    if figure.unit == "1" and figure.value.is_integer():
        return exact(figure.value, "1")
    return significant(figure.value / factor)


def sweep_plots(panels: Sequence[SweepPanel]) -> tuple[Plot, ...]:
    """One plot per panel."""
    stems: dict[str, int] = {}
    plots = []
    for panel in panels:
        stem = file_stem(panel.name, "against", panel.over, panel.setting)
        # Settings that differ in punctuation alone must not be one file.
        stems[stem] = stems.get(stem, 0) + 1
        plots.append(_sweep_plot(panel, stem if stems[stem] == 1 else f"{stem}-{stems[stem]}"))
    return tuple(plots)


def _sweep_plot(panel: SweepPanel, stem: str) -> Plot:
    def draw() -> Figure:
        # matplotlib takes half a second to import, and only drawing needs it.
        from benchbench.report.scaling_plots import draw_sweep

        return draw_sweep(panel)

    name = title(panel.name)
    where = f" ({panel.setting})" if panel.setting else ""
    said = f"{name[0].upper()}{name[1:]} against {_OVER[panel.over]}{where}"
    factor, unit = choose_scale(
        [point.value for series in panel.series for point in series.points], panel.unit
    )
    columns = (
        Column("variant", is_number=False),
        Column(_OVER[panel.over]),
        Column(heading(f"{name} [quartiles]", unit)),
        *((Column("knee", is_number=False),) if panel.over == "batch" else ()),
    )
    rows = tuple(
        Row(
            (
                Item(series.label),
                Item(f"{point.x:,}", value=point.x),
                Item(
                    significant(point.value / factor),
                    span(point.quartiles, factor=factor) if point.quartiles else "",
                    value=point.value,
                ),
                *((Item("knee" if point.is_knee else ""),) if panel.over == "batch" else ()),
            )
        )
        for series in panel.series
        for point in series.points
    )
    records = tuple(
        (series.label, point.x, point.value, *(point.quartiles or (None, None)), point.is_knee)
        for series in panel.series
        for point in series.points
    )
    told = [
        f"{series.label} {significant(point.value / factor)}{f' {unit}' if unit else ''} at {point.x}"
        for series in panel.series
        for point in series.points
        if point.is_knee or (panel.over != "batch" and point in (series.points[0], series.points[-1]))
    ]
    return Plot(
        name=stem,
        caption=f"{said}.{_SAID[panel.over]}",
        alt=f"{said}: {'; '.join(told)}" if told else said,
        draw=draw,
        table=Grid("Data", columns, rows),
        columns=("variant", panel.over, panel.name, f"{panel.name}_q25", f"{panel.name}_q75", "is_knee"),
        records=records,
    )
