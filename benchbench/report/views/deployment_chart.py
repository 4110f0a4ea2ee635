"""Latency against quality over all deployments that may be compared, with their Pareto front."""

from __future__ import annotations

import math
from collections.abc import Sequence

from benchbench.report.views.deployment_model import DeployedCell, DeployedPoint, DeploymentChart
from benchbench.report.views.lines import Estimate
from benchbench.report.views.quality import QualityColumn
from benchbench.report.views.tradeoff import Axis, pareto_front

_FEWEST = 2
_INSTEAD = ("output_psnr", "file_size")


def chart_of(cells: Sequence[DeployedCell], columns: Sequence[QualityColumn]) -> DeploymentChart | None:
    """Of timed cells of one group: against the suite's first quality, else the PSNR to eager, else file size.

    None where fewer than two cells have both figures, measured alike.
    """
    for choice in (_by_quality(cells, columns), *(_by_figure(cells, name) for name in _INSTEAD)):
        if len(choice) >= _FEWEST:
            return _chart(cells, choice)
    return None


def _by_quality(
    cells: Sequence[DeployedCell], columns: Sequence[QualityColumn]
) -> list[tuple[DeployedCell, Estimate]]:
    if not columns:
        return []
    found = [
        (cell, judged.figure)
        for cell in cells
        for judged in cell.qualities
        if judged.column.key == columns[0].key and math.isfinite(judged.figure.value)
    ]
    # The front would otherwise join what was measured in different ways.
    sets: list[list[tuple[DeployedCell, Estimate]]] = []
    for each in found:
        mine = next((part for part in sets if part[0][1].is_comparable(each[1])), None)
        if mine is None:
            sets.append([each])
        else:
            mine.append(each)
    return max(sets, key=len, default=[])


def _by_figure(cells: Sequence[DeployedCell], name: str) -> list[tuple[DeployedCell, Estimate]]:
    return [(cell, cell.figures[name]) for cell in cells if name in cell.figures]


def _chart(
    cells: Sequence[DeployedCell], choice: Sequence[tuple[DeployedCell, Estimate]]
) -> DeploymentChart | None:
    variants = {name: at for at, name in enumerate(dict.fromkeys(each.variant for each in cells))}
    ways = {name: at for at, name in enumerate(dict.fromkeys(each.way for each in cells))}
    points = []
    for cell, y in choice:
        x = cell.latency
        assert x is not None
        points.append(
            DeployedPoint(
                label=cell.line.label,
                colour=variants[cell.variant],
                is_baseline=cell.line.is_baseline,
                x=x.value,
                x_interval=x.interval or x.quartiles,
                y=y.value,
                y_interval=y.interval,
                variant=cell.variant,
                way=cell.way,
                marker=ways[cell.way],
            )
        )
    first_x, first_y = choice[0][0].latency, choice[0][1]
    assert first_x is not None
    there = {each.label for each in points}
    return DeploymentChart(
        x=Axis(first_x.name, first_x.setting, first_x.unit, first_x.direction),
        y=Axis(first_y.name, first_y.setting, first_y.unit, first_y.direction),
        points=pareto_front(points, y_direction=first_y.direction),
        variants=tuple((name, at) for name, at in variants.items() if any(p.variant == name for p in points)),
        ways=tuple((name, at) for name, at in ways.items() if any(p.way == name for p in points)),
        left_out=tuple(each.line.label for each in cells if each.line.label not in there),
    )
