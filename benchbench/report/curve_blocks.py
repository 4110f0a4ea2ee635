"""Curves over training with their captions, their alternative texts and the data behind them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from benchbench.core.units import significant
from benchbench.report.document import Column, Grid, Item, Plot, Row
from benchbench.report.text import MISSING, file_stem
from benchbench.report.views.training import CurveLine, CurvePanel, MeanCurve
from benchbench.report.views.vocabulary import title

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_SHOWN_STEPS = 20


def curve_plots(panels: Sequence[CurvePanel]) -> tuple[Plot, ...]:
    """One plot per curve name."""
    stems: dict[str, int] = {}
    plots = []
    for panel in panels:
        stem = file_stem("curve", panel.name)
        # `train/loss` and `train_loss` are two curves, and must not be one file.
        stems[stem] = stems.get(stem, 0) + 1
        plots.append(_curve_plot(panel, stem=stem if stems[stem] == 1 else f"{stem}-{stems[stem]}"))
    return tuple(plots)


def _curve_plot(panel: CurvePanel, *, stem: str) -> Plot:
    records = tuple(
        (curve.label, curve.seed, step, value)
        for curve in panel.curves
        for step, value in zip(curve.steps, curve.values, strict=False)
    )
    name = title(panel.name)

    def draw() -> Figure:
        # matplotlib takes half a second to import, and only drawing needs it.
        from benchbench.report.curves import draw_curves

        return draw_curves(panel)

    return Plot(
        name=stem,
        caption=f"{name[0].upper()}{name[1:]} over training steps.{_of_means(panel)}",
        alt=f"{name}: {'; '.join(_ends(panel))}",
        draw=draw,
        table=_data(panel),
        columns=("variant", "seed", "step", panel.name),
        records=records,
    )


def _of_means(panel: CurvePanel) -> str:
    if not panel.means:
        return ""
    counts = {mean.label: len(mean.seeds) for mean in panel.means}
    is_same = len(set(counts.values())) == 1 and len(counts) == len({each.label for each in panel.curves})
    how_many = f"{next(iter(counts.values()))} seeds"
    if not is_same:
        told = ", ".join(f"{label} {count}" for label, count in counts.items())
        how_many = f"the seeds ({told})"
    return (
        f" Thick: the mean of {how_many}, at the steps that all of them have; band: ± one standard deviation "
        "over the seeds (n − 1); thin: each seed."
    )


def _ends(panel: CurvePanel) -> list[str]:
    means = {mean.label: mean for mean in panel.means}
    names = _names(panel)
    told: dict[str, str] = {}
    for name, curve in zip(names, panel.curves, strict=True):
        mean = means.get(curve.label)
        if mean is None:
            told[name] = f"{name} ends at {_end(curve)}"
        else:
            seeds = f"mean of {len(mean.seeds)} seeds, step {mean.steps[-1]:,}"
            told[curve.label] = f"{curve.label} ends at {_mean_at(mean, mean.steps[-1])} ({seeds})"
    return list(told.values())


def _data(panel: CurvePanel) -> Grid:
    """A row per step, thinned; a line's mean stands before its seeds."""
    means = {mean.label: mean for mean in panel.means}
    columns = [Column("step")]
    cells: list[dict[int, Item]] = []
    for name, curve in zip(_names(panel), panel.curves, strict=True):
        mean = means.pop(curve.label, None)
        if mean is not None:
            columns.append(Column(f"{mean.label}, mean ± deviation"))
            means_at = zip(mean.steps, mean.values, strict=True)
            cells.append({step: Item(_mean_at(mean, step), value=value) for step, value in means_at})
        columns.append(Column(name))
        points = zip(curve.steps, curve.values, strict=False)
        cells.append({step: Item(significant(value, 4), value=value) for step, value in points})
    steps = sorted({step for curve in panel.curves for step in curve.steps})
    if len(steps) > _SHOWN_STEPS:
        steps = [steps[round(at * (len(steps) - 1) / (_SHOWN_STEPS - 1))] for at in range(_SHOWN_STEPS)]
    rows = tuple(
        Row((Item(f"{step:,}", value=step), *(column.get(step, Item(MISSING)) for column in cells)))
        for step in steps
    )
    return Grid("Data", tuple(columns), rows)


def _names(panel: CurvePanel) -> list[str]:
    several = len({curve.seed for curve in panel.curves}) > 1
    return [f"{curve.label}, seed {curve.seed}" if several else curve.label for curve in panel.curves]


def _mean_at(mean: MeanCurve, step: int) -> str:
    at = mean.steps.index(step)
    return f"{significant(mean.values[at], 4)} ± {significant(mean.deviations[at], 2)}"


def _end(curve: CurveLine) -> str:
    return significant(curve.values[-1]) if curve.values else "nothing"
