"""What the interactive chart of trade-offs shows: every measure of every line, and its words."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from benchbench.core.cell import Setting
from benchbench.core.measurement import Direction
from benchbench.report.quality_words import told_apart
from benchbench.report.style import variant_colour, variant_marker
from benchbench.report.text import choose_scale, heading, short, span
from benchbench.report.views.lines import Estimate, Line, estimate, reference_of
from benchbench.report.views.pictures import PictureGrid
from benchbench.report.views.quality import BASELINE_OUTPUTS
from benchbench.report.views.quality_keys import QualityKey
from benchbench.report.views.report import ReportView
from benchbench.report.views.tradeoff import Axis
from benchbench.report.views.vocabulary import is_quality, title

_MILLION = 1e6
# What is looked for most stands first in the lists of measures.
_FIRST = ("latency", "device_latency", "speedup", "device_speedup", "parameters", "macs")
# From here on a count is told to its last digit.
_EXACT_FROM = 1000


@dataclass(frozen=True, slots=True)
class ExplorerMeasure:
    """A measure that an axis may show; a value divided by `factor` is in `unit`, which `title` names too.

    `is_distance` is whether it says how far from the baseline a line is, not how good.
    """

    key: tuple[str, str]
    name: str
    title: str
    unit: str
    factor: float
    direction: Direction
    is_distance: bool = False


@dataclass(frozen=True, slots=True)
class ExplorerFigure:
    """The value of one line, its interval (or quartiles), and both as text with the unit."""

    value: float
    interval: tuple[float, float] | None
    text: str


@dataclass(frozen=True, slots=True)
class ExplorerPoint:
    """One line.

    Attributes:
        baseline: index of the point it is compared with; None for a baseline and where there is none.
        group: index into `Explorer.groups`; a Pareto front is drawn within one group only.
        about: facts that are no measures, one text each.
        picture: (index of the grid, row, heading) of the sample to show.
        figures: one per measure; None where the line has none.
    """

    label: str
    colour: str
    marker: str
    is_baseline: bool
    baseline: int | None
    group: int
    about: tuple[str, ...]
    picture: tuple[int, str, str] | None
    figures: tuple[ExplorerFigure | None, ...]


@dataclass(frozen=True, slots=True)
class Explorer:
    """The chart. `x`, `y` and `size` are the measures it opens with; `size` is None for equal points."""

    measures: tuple[ExplorerMeasure, ...]
    points: tuple[ExplorerPoint, ...]
    groups: tuple[str, ...]
    x: int
    y: int
    size: int | None


def explore(view: ReportView) -> Explorer | None:
    """The chart of a report; None where there are not two lines and two measures to choose from."""
    found = _measures(view)
    shown = [line for line in view.lines if any(line.label in figures for _, figures in found)]
    if len(found) < 2 or len(shown) < 2:
        return None
    keys = list(dict.fromkeys(line.compared_with for line in shown))
    places = {line.label: at for at, line in enumerate(shown)}
    points = tuple(
        ExplorerPoint(
            label=line.label,
            colour="#" + "".join(f"{round(part * 255):02x}" for part in variant_colour(line.colour)),
            marker=variant_marker(line.marker),
            is_baseline=line.is_baseline,
            baseline=_baseline(line, shown, places),
            group=keys.index(line.compared_with),
            about=_about(line),
            picture=_sample(line.label, view.pictures),
            figures=tuple(_figure(figures.get(line.label), measure) for measure, figures in found),
        )
        for line in shown
    )
    measures = tuple(measure for measure, _ in found)
    x, y = _start(view, measures)
    size = next((at for at, each in enumerate(measures) if each.key == ("parameters", "")), None)
    names = tuple(_group_name(key, view) for key in keys)
    return Explorer(measures, points, names, x, y, size)


def _measures(view: ReportView) -> list[tuple[ExplorerMeasure, Mapping[str, Estimate]]]:
    """Each measure with the figure of each line; figures that were made differently are measures apart."""
    plain = dict.fromkeys(
        (each.name, each.setting)
        for line in view.lines
        for result in line.results
        for each in result.measurements
        if not is_quality(each.name, each.unit)
    )
    found: list[tuple[ExplorerMeasure, Mapping[str, Estimate]]] = []
    for name, setting in sorted(plain, key=_rank):
        figures = {
            line.label: each
            for line in view.lines
            if (each := estimate(line.results, name, setting)) is not None
        }
        found.append((_measure(name, setting, figures), figures))
    for column in view.qualities:
        said = [told_apart(column), column.key.setting]
        parts = _alike(view.lines, column.key)
        for number, part in enumerate(parts, start=1):
            which = [*said, f"part {number} of {len(parts)}" if len(parts) > 1 else ""]
            made = _measure(column.key.name, ", ".join(filter(None, which)), part, key=column.key.setting)
            found.append((made, part))
    return found


def _rank(key: tuple[str, str]) -> int:
    return _FIRST.index(key[0]) if key[0] in _FIRST else len(_FIRST)


def _alike(lines: Sequence[Line], key: QualityKey) -> list[dict[str, Estimate]]:
    # As for the drawings: what was measured in different ways is never in one picture.
    parts: list[dict[str, Estimate]] = []
    for line in lines:
        figure = key.over(line.results)
        if figure is None:
            continue
        alike = (part for part in parts if all(figure.is_comparable(other) for other in part.values()))
        place = next(alike, None)
        if place is None:
            parts.append(place := {})
        place[line.label] = figure
    return parts


def _measure(
    name: str, setting: str, figures: Mapping[str, Estimate], *, key: str | None = None
) -> ExplorerMeasure:
    values = [figure.value for figure in figures.values() if math.isfinite(figure.value)]
    first = next(iter(figures.values()))
    factor, unit = choose_scale(values, first.unit)
    if first.unit == "1" and name.endswith("parameters") and max(map(abs, values), default=0) >= _MILLION:
        factor, unit = _MILLION, "M"
    where = f" ({setting})" if setting else ""
    return ExplorerMeasure(
        key=(name, setting if key is None else key),
        name=f"{title(name)}{where}",
        title=f"{heading(title(name), unit)}{where}",
        unit=unit,
        factor=factor,
        direction=first.direction,
        is_distance=any(
            protocol.settings.get("reference") == BASELINE_OUTPUTS
            for figure in figures.values()
            for _, protocol in figure.by_seed
        ),
    )


def _figure(figure: Estimate | None, measure: ExplorerMeasure) -> ExplorerFigure | None:
    # What is no number has no place on an axis; the tables show it.
    if figure is None or not math.isfinite(figure.value):
        return None
    interval = figure.interval or figure.quartiles
    if interval is not None and not all(map(math.isfinite, interval)):
        interval = None
    is_exact = figure.unit in ("1", "MAC") and figure.value.is_integer() and abs(figure.value) >= _EXACT_FROM
    if is_exact:
        text = f"{figure.value:,.0f}"
    else:
        text = f"{short(figure.value / measure.factor, 4)} {measure.unit}".rstrip()
    if interval is not None:
        text += f" {span(interval, factor=measure.factor)}"
    return ExplorerFigure(figure.value, interval, text)


def _about(line: Line) -> tuple[str, ...]:
    seeds = [str(result.cell.seed) for result in line.results]
    said = [f"architecture {line.results[0].cell.architecture.name or 'imported'}"]
    said.append(f"seed {seeds[0]}" if len(seeds) == 1 else f"mean of seeds {', '.join(seeds)}")
    said += [str(setting) for setting in line.settings]
    if not line.deployment.is_reference:
        said.append(f"run in {line.deployment.label}")
    failed = sum(bool(result.failures) for result in line.results)
    if failed:
        said.append("something failed or was skipped: see below")
    return tuple(said)


def _sample(label: str, grids: Sequence[PictureGrid]) -> tuple[int, str, str] | None:
    """The final output of the first grid that has one on disk."""
    for grid in grids:
        for row in grid.rows:
            made = [each for each in row.pictures if each.heading.startswith(("final", "output"))]
            if row.label == label and made and made[-1].file is not None:
                return grid.index, label, made[-1].heading
    return None


def _baseline(line: Line, shown: Sequence[Line], places: Mapping[str, int]) -> int | None:
    reference = None if line.is_baseline else reference_of(line, shown)
    return None if reference is None else places[reference.label]


def _group_name(key: tuple[int, str | None, tuple[Setting, ...]], view: ReportView) -> str:
    run, group, settings = key
    names = [view.runs[run].id] if len(view.runs) > 1 else []
    names += [group] if group else []
    return ", ".join([*names, *map(str, settings)]) or "all"


def _start(view: ReportView, measures: Sequence[ExplorerMeasure]) -> tuple[int, int]:
    """The axes of the first drawing, or the first two measures."""

    def place(axis: Axis) -> int | None:
        found = (at for at, each in enumerate(measures) if each.key == (axis.name, axis.setting))
        return next(found, None)

    for tradeoff in view.tradeoffs:
        x, y = place(tradeoff.x), place(tradeoff.y)
        if x is not None and y is not None:
            return x, y
    return 0, 1
