"""What was measured at several batches, sizes or thread counts, as series that a plot shows."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from benchbench.core.measurement import Measurement
from benchbench.report.views.lines import Line, estimate

Over = Literal["batch", "size", "threads"]
_ORDER: tuple[Over, ...] = ("batch", "size", "threads")


@dataclass(frozen=True, slots=True)
class SweepPoint:
    """One point: `x` is a batch, pixels of a side or a thread count; quartiles of all raw samples."""

    x: int
    value: float
    quartiles: tuple[float, float] | None
    is_knee: bool = False


@dataclass(frozen=True, slots=True)
class SweepSeries:
    """One line of the report, its points ascending."""

    label: str
    colour: int
    points: tuple[SweepPoint, ...]


@dataclass(frozen=True, slots=True)
class SweepPanel:
    """One measure at one setting, over one thing that was swept."""

    name: str
    over: Over
    setting: str
    unit: str
    series: tuple[SweepSeries, ...]


def sweep_panels(lines: Sequence[Line]) -> tuple[SweepPanel, ...]:
    """A panel per measure, swept thing and setting; sizes and threads where there are two of them."""
    places: dict[tuple[str, Over, str], dict[str, dict[int, SweepPoint]]] = {}
    units: dict[str, str] = {}
    for line in lines:
        for made in {
            (each.name, each.setting): each for result in line.results for each in result.measurements
        }.values():
            for over, where, x in _coordinates(made):
                point = _point(line, made, over, where, x)
                places.setdefault((made.name, over, where), {}).setdefault(line.label, {})[x] = point
                units.setdefault(made.name, made.unit)
    colours = {line.label: line.colour for line in lines}
    return tuple(
        SweepPanel(
            name,
            over,
            where,
            units[name],
            tuple(
                SweepSeries(label, colours[label], tuple(points[x] for x in sorted(points)))
                for label, points in series.items()
            ),
        )
        for (name, over, where), series in sorted(places.items(), key=lambda item: _ORDER.index(item[0][1]))
        if over == "batch" or any(len(points) > 1 for points in series.values())
    )


def _coordinates(made: Measurement) -> list[tuple[Over, str, int]]:
    """(swept thing, setting without it, where on its axis); nothing where the record does not say."""
    given = made.protocol.settings
    if made.name == "throughput":
        batch = _count(given.get("batch"))
        ending = f", batch {batch}"
        return [("batch", made.setting.removesuffix(ending), batch)] if made.setting.endswith(ending) else []
    if made.name != "swept_latency":
        return []
    found: list[tuple[Over, str, int]] = []
    height, width, threads = (_count(given.get(key)) for key in ("height", "width", "threads"))
    if height and height == width and made.setting.endswith(ending := f", {height}x{width}"):
        found.append(("size", made.setting.removesuffix(ending), height))
    if threads and re.match(rf"cpu, {threads} threads?(, |$)", made.setting):
        rest = re.sub(rf"^cpu, {threads} threads?", "cpu", made.setting)
        found.append(("threads", rest, threads))
    return found


def _point(line: Line, made: Measurement, over: Over, where: str, x: int) -> SweepPoint:
    figure = estimate(line.results, made.name, made.setting)
    assert figure is not None
    knee = estimate(line.results, "knee_batch", where) if over == "batch" else None
    is_knee = knee is not None and knee.value == x
    return SweepPoint(x, figure.value, figure.quartiles, is_knee)


def _count(value: object) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else 0
