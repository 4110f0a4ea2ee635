"""The chart of all deployments with its caption, its alternative text and the data behind it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchbench.core.units import significant
from benchbench.report.document import Column, Grid, Item, Plot, Row
from benchbench.report.text import choose_scale, file_stem, heading, span
from benchbench.report.views.deployment_model import DeploymentChart, DeploymentGroup
from benchbench.report.views.vocabulary import title

if TYPE_CHECKING:
    from matplotlib.figure import Figure
# Variants or deployments: of more, colours and markers repeat, and have no key.
MOST_KEYED = 8


def deployment_plot(group: DeploymentGroup, *, number: int) -> Plot | None:
    """The chart of one group, `number` of those of its report; None where there is nothing to draw."""
    chart = group.chart
    if chart is None:
        return None

    def draw() -> Figure:
        # matplotlib takes half a second to import, and only drawing needs it.
        from benchbench.report.deployment_drawing import draw_deployments

        return draw_deployments(chart)

    x, y = chart.x, chart.y
    where = ", ".join(filter(None, (x.setting, group.name)))
    said = f"{title(x.name)}{f' ({where})' if where else ''} against {title(y.name)}, every deployment"
    front = [point.label for point in chart.points if point.on_front]
    return Plot(
        name=file_stem("deployments", y.name, *([str(number)] if number else [])),
        caption=_caption(chart, said),
        alt=f"{said}: {len(chart.points)} points; on the Pareto front: {', '.join(front)}",
        draw=draw,
        table=_table(chart),
        columns=(
            "variant",
            "deployment",
            *(f"{axis.name}{end}" for axis in (x, y) for end in ("", "_low", "_high")),
            "on_front",
        ),
        records=tuple(
            (
                point.variant,
                point.way,
                point.x,
                *(point.x_interval or (None, None)),
                point.y,
                *(point.y_interval or (None, None)),
                point.on_front,
            )
            for point in chart.points
        ),
    )


def _caption(chart: DeploymentChart, said: str) -> str:
    corner = "lower left" if chart.y.direction == "lower" else "upper left"
    text = f"{said[0].upper()}{said[1:]}: {corner} is better. Colours are variants, markers deployments."
    if len(chart.variants) > MOST_KEYED or len(chart.ways) > MOST_KEYED:
        text += f" Beyond {MOST_KEYED} they repeat: the figures below name each point."
    if chart.y.name == "output_psnr":
        text += (
            " The PSNR is to the same variant in eager float32, and says nothing of how good the variant is."
        )
    if chart.left_out:
        named = ", ".join(chart.left_out[:6])
        more = f" and {len(chart.left_out) - 6} more" if len(chart.left_out) > 6 else ""
        text += f" Without a point, for want of such a figure: {named}{more}."
    return text


def _table(chart: DeploymentChart) -> Grid:
    x_factor, x_unit = choose_scale([point.x for point in chart.points], chart.x.unit)
    y_factor, y_unit = choose_scale([point.y for point in chart.points], chart.y.unit)
    columns = (
        Column("variant", is_number=False),
        Column("deployment", is_number=False),
        Column(heading(title(chart.x.name), x_unit)),
        Column(heading(title(chart.y.name), y_unit)),
        Column("on the front", is_number=False),
    )
    rows = tuple(
        Row(
            (
                Item(point.variant),
                Item(point.way),
                _item(point.x, point.x_interval, x_factor),
                _item(point.y, point.y_interval, y_factor),
                Item("yes" if point.on_front else "no"),
            ),
            level="baseline" if point.is_baseline else "line",
        )
        for point in chart.points
    )
    return Grid("Data", columns, rows)


def _item(value: float, interval: tuple[float, float] | None, factor: float) -> Item:
    detail = span(interval, factor=factor) if interval else ""
    return Item(significant(value / factor, 4), detail, value=value)
