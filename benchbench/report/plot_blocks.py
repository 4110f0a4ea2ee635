"""Each drawing with its caption, its alternative text and the data behind it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from benchbench.core.units import significant
from benchbench.report.document import Column, Grid, Item, Plot, Row
from benchbench.report.text import MISSING, choose_scale, exact, file_stem, heading, percent, span
from benchbench.report.views.structure import StageCost
from benchbench.report.views.tradeoff import GainRow, Tradeoff, named_points
from benchbench.report.views.vocabulary import title

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def tradeoff_plots(tradeoffs: Sequence[Tradeoff]) -> tuple[Plot, ...]:
    """One plot per trade-off."""
    return tuple(_tradeoff_plot(each) for each in tradeoffs)


def gain_plots(rows: Sequence[GainRow], *, why: str) -> tuple[Plot, ...]:
    """Times fewer MACs beside times faster: one plot per setting; `why` says where that is explained."""
    settings = dict.fromkeys(row.setting for row in rows)
    return tuple(_gain_plot([row for row in rows if row.setting == setting], why=why) for setting in settings)


def _gain_plot(rows: Sequence[GainRow], *, why: str) -> Plot:
    items = tuple(
        Row(
            (
                Item(row.label),
                Item(row.setting),
                Item(f"{significant(row.macs_ratio)}x", value=row.macs_ratio),
                Item(
                    f"{significant(row.speedup)}x",
                    span(row.speedup_interval) if row.speedup_interval else "",
                    value=row.speedup,
                ),
                Item(_rate(row.achieved), value=row.achieved),
                Item(
                    percent(row.roof_share) if row.roof_share is not None else MISSING, value=row.roof_share
                ),
            )
        )
        for row in rows
    )
    titles = ("variant", "setting", "fewer MACs", "speed-up [95 %]", "achieved", "of the roof")
    columns = tuple(Column(name, is_number=at > 1) for at, name in enumerate(titles))
    records = tuple(
        (
            row.label,
            row.setting,
            row.macs_ratio,
            row.speedup,
            *(row.speedup_interval or (None, None)),
            row.achieved,
            row.roof_share,
        )
        for row in rows
    )
    setting = rows[0].setting
    where = f" ({setting})" if setting else ""
    said = (
        f"MACs against latency{where}. Pale: times fewer MACs; full: times faster. Where the full bar is the "
        f"shorter one, the variant achieves fewer MACs per second than the baseline; {why}."
    )
    alt = "; ".join(
        f"{row.label} {significant(row.macs_ratio)}x fewer MACs, {significant(row.speedup)}x faster"
        for row in rows
    )
    names = (
        "variant",
        "setting",
        "macs_ratio",
        "speedup",
        "speedup_low",
        "speedup_high",
        "macs_per_s",
        "roof_share",
    )
    return Plot(
        file_stem("macs-against-latency", setting),
        said,
        alt,
        _drawing("draw_gains", rows),
        Grid("Data", columns, items),
        names,
        records,
    )


def stage_plots(rows: Sequence[StageCost]) -> tuple[Plot, ...]:
    """Parameters and MACs per stage."""
    items = tuple(
        Row(
            (
                Item(row.label),
                Item(row.stage),
                Item(f"{row.parameters:,}", value=row.parameters),
                Item(percent(row.parameters_share), value=row.parameters_share),
                Item(f"{row.macs:,}", value=row.macs),
                Item(percent(row.macs_share), value=row.macs_share),
            )
        )
        for row in rows
    )
    titles = ("variant", "stage", "parameters", "share", "MACs", "share")
    columns = tuple(Column(name, is_number=at > 1) for at, name in enumerate(titles))
    grid = Grid("Data", columns, items)
    names = ("variant", "stage", "parameters", "parameters_share", "macs", "macs_share")
    records = tuple(
        (row.label, row.stage, row.parameters, row.parameters_share, row.macs, row.macs_share) for row in rows
    )
    plots = []
    for of in ("parameters", "macs"):
        shares = [(row, row.parameters_share if of == "parameters" else row.macs_share) for row in rows]
        alt = "; ".join(f"{row.label}, {row.stage}: {percent(share)}" for row, share in shares)
        said = f"{title(of)[0].upper()}{title(of)[1:]} of each stage"
        plots.append(
            Plot(f"{of}-per-stage", said, alt, _drawing("draw_stages", rows, of), grid, names, records)
        )
    return tuple(plots)


def _tradeoff_plot(tradeoff: Tradeoff) -> Plot:
    x, y = tradeoff.x, tradeoff.y
    x_factor, x_unit = choose_scale([point.x for point in tradeoff.points], x.unit)
    y_factor, y_unit = choose_scale([point.y for point in tradeoff.points], y.unit)
    rows = tuple(
        Row(
            (
                Item(point.label),
                Item(
                    exact(point.x, "1") if x.unit == "1" else significant(point.x / x_factor, 4),
                    span(point.x_interval, factor=x_factor) if point.x_interval else "",
                    value=point.x,
                ),
                Item(
                    significant(point.y / y_factor, 4),
                    span(point.y_interval, factor=y_factor) if point.y_interval else "",
                    value=point.y,
                ),
                Item("yes" if point.on_front else "no"),
            ),
            level="baseline" if point.is_baseline else "line",
        )
        for point in tradeoff.points
    )
    columns = (
        Column("variant", is_number=False),
        Column(heading(title(x.name), x_unit)),
        Column(heading(title(y.name), y_unit)),
        Column("on the front", is_number=False),
    )
    records = tuple(
        (
            point.label,
            point.x,
            *(point.x_interval or (None, None)),
            point.y,
            *(point.y_interval or (None, None)),
            point.on_front,
        )
        for point in tradeoff.points
    )
    names = (
        "variant",
        x.name,
        f"{x.name}_low",
        f"{x.name}_high",
        y.name,
        f"{y.name}_low",
        f"{y.name}_high",
        "on_front",
    )
    where = f" ({x.setting})" if x.setting else ""
    front = ", ".join(point.label for point in tradeoff.points if point.on_front)
    corner = "lower left" if y.direction == "lower" else "upper left"
    said = f"{title(x.name)}{where} against {title(y.name)}"
    caption = f"{said[0].upper()}{said[1:]}: {corner} is better."
    if tradeoff.is_distance:
        caption = (
            f"{said[0].upper()}{said[1:]}: to the left is cheaper, further down closer to the baseline's "
            "outputs; the baseline itself has no point."
        )
    named = named_points(tradeoff)
    if len(named) < len(tradeoff.points):
        caption += f" Named are {len(named)} of {len(tradeoff.points)}: on the front, and the baseline."
    if tradeoff.part:
        caption += " Only variants whose quality was measured alike are in one plot."
    return Plot(
        name=file_stem(x.name, "against", y.name, *([str(tradeoff.part)] if tradeoff.part else [])),
        caption=caption,
        alt=f"{said} of {len(tradeoff.points)} variants; on the Pareto front: {front}",
        draw=_drawing("draw_tradeoff", tradeoff),
        table=Grid("Data", columns, rows),
        columns=names,
        records=records,
        is_explored=True,
    )


def _rate(achieved: float | None) -> str:
    if achieved is None:
        return MISSING
    factor, unit = choose_scale([achieved], "MAC/s")
    return f"{significant(achieved / factor)} {unit}"


def _drawing(name: str, view: object, of: str | None = None) -> Callable[[], Figure]:
    def draw() -> Figure:
        # matplotlib takes half a second to import, and only drawing needs it.
        from benchbench.report import plots

        function = getattr(plots, name)
        figure: Figure = function(view) if of is None else function(view, of=of)
        return figure

    return draw
