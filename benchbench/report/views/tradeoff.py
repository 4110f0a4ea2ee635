"""Cost against quality, the Pareto front, and MACs against the speed-up they bring."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from benchbench.core.measurement import Direction
from benchbench.report.views.lines import Estimate, Line, estimate
from benchbench.report.views.quality import BASELINE_OUTPUTS
from benchbench.report.views.quality_keys import QualityKey
from benchbench.report.views.summary import SummaryRow, TimeKey
from benchbench.report.views.vocabulary import is_quality

# More names than these hide one another and the points that they name.
MOST_NAMED = 30


@dataclass(frozen=True, slots=True)
class TradePoint:
    """One line in the plane of a cost and a quality; intervals where they were estimated."""

    label: str
    colour: int
    is_baseline: bool
    x: float
    x_interval: tuple[float, float] | None
    y: float
    y_interval: tuple[float, float] | None
    on_front: bool = False


_Point = TypeVar("_Point", bound=TradePoint)


@dataclass(frozen=True, slots=True)
class Axis:
    """What an axis shows."""

    name: str
    setting: str
    unit: str
    direction: Direction


@dataclass(frozen=True, slots=True)
class Tradeoff:
    """One plot: a cost on x (lower is better) against y.

    Attributes:
        part: 1, 2, ... where figures were made in several ways, and each way has a plot; else 0.
        is_distance: whether y is a distance from the baseline, which so has no point.
    """

    x: Axis
    y: Axis
    points: tuple[TradePoint, ...]
    part: int = 0
    is_distance: bool = False


@dataclass(frozen=True, slots=True)
class GainRow:
    """How much of a MAC reduction arrives as speed."""

    label: str
    colour: int
    is_baseline: bool
    setting: str
    macs_ratio: float
    speedup: float
    speedup_interval: tuple[float, float] | None
    achieved: float | None
    roof_share: float | None


def tradeoffs(
    lines: Sequence[Line], times: Sequence[TimeKey], qualities: Sequence[QualityKey]
) -> tuple[Tradeoff, ...]:
    """Latency, MACs and parameters against the first quality; without one, latency against MACs.

    Lines whose quality was measured in different ways are never in one plot.
    """
    costs = [("latency", times[0].setting)] if times and times[0].name == "latency" else []
    costs += [("macs", ""), ("parameters", "")]
    if qualities:
        pairs = [(cost, qualities[0]) for cost in costs]
    else:
        pairs = [(costs[1], QualityKey(*costs[0]))] if len(costs) == 3 else []
    return tuple(each for x, y in pairs for each in _tradeoffs(lines, x, y))


def named_points(tradeoff: Tradeoff) -> tuple[TradePoint, ...]:
    """The points whose names are drawn: all, or of more than `MOST_NAMED` the baseline and the front.

    Of a longer front every second, third, ... point from both ends of it.
    """
    points = tradeoff.points
    if len(points) <= MOST_NAMED:
        return points
    front = sorted((point for point in points if point.on_front), key=lambda point: point.x)
    step = -(-len(front) // MOST_NAMED)
    chosen = {id(point) for point in (*front[::step], *front[-1:])}
    return tuple(point for point in points if point.is_baseline or id(point) in chosen)


def gain_rows(rows: Sequence[SummaryRow]) -> tuple[GainRow, ...]:
    """A row per line and end-to-end setting that has both a MAC ratio and a speed-up.

    The baseline stands first with 1 and 1, for the MACs per second that it achieves.
    """
    gains = []
    for row in rows:
        for time in row.times:
            if row.level == "seed" or time.latency is None or time.key.name != "latency":
                continue
            macs_ratio = 1.0 if row.is_baseline else row.macs_ratio
            speedup = 1.0 if row.is_baseline else time.speedup.value if time.speedup else None
            if macs_ratio is not None and speedup is not None:
                gains.append(
                    GainRow(
                        label=row.label,
                        colour=row.line.colour,
                        is_baseline=row.is_baseline,
                        setting=time.key.setting,
                        macs_ratio=macs_ratio,
                        speedup=speedup,
                        speedup_interval=time.speedup.interval if time.speedup else None,
                        achieved=time.achieved,
                        roof_share=time.roof_share,
                    )
                )
    gains.sort(key=lambda gain: not gain.is_baseline)
    return tuple(gains) if any(not gain.is_baseline for gain in gains) else ()


def pareto_front(points: Sequence[_Point], *, y_direction: Direction) -> tuple[_Point, ...]:
    """The points that no other one beats in cost and in y, marked; all points, in their order."""
    sign = 1.0 if y_direction == "lower" else -1.0

    def beaten(point: _Point) -> bool:
        return any(
            other.x <= point.x
            and sign * other.y <= sign * point.y
            and (other.x < point.x or sign * other.y < sign * point.y)
            for other in points
        )

    return tuple(replace(point, on_front=not beaten(point)) for point in points)


def _tradeoffs(lines: Sequence[Line], x: tuple[str, str], y: QualityKey) -> tuple[Tradeoff, ...]:
    parts: list[list[tuple[Line, Estimate, Estimate]]] = []
    for line in lines:
        cost = estimate(line.results, x[0], x[1] or None)
        quality = y.over(line.results)
        if cost is None or quality is None:
            continue
        # Latency has a protocol of its own; only figures of quality are refused one another here.
        alike = (
            part
            for part in parts
            if not is_quality(quality.name, quality.unit)
            or all(quality.is_comparable(other) for _, _, other in part)
        )
        place = next(alike, None)
        if place is None:
            parts.append(place := [])
        place.append((line, cost, quality))
    # A point that may not be compared with any other shows nothing.
    shown = [part for part in parts if len(part) > 1] if len(parts) > 1 else parts
    return tuple(
        _tradeoff(part, part=number if len(shown) > 1 else 0) for number, part in enumerate(shown, start=1)
    )


def _tradeoff(found: Sequence[tuple[Line, Estimate, Estimate]], *, part: int) -> Tradeoff:
    points = [
        TradePoint(
            label=line.label,
            colour=line.colour,
            is_baseline=line.is_baseline,
            x=cost.value,
            x_interval=cost.interval or cost.quartiles,
            y=quality.value,
            y_interval=quality.interval,
        )
        for line, cost, quality in found
    ]
    _, cost, quality = found[0]
    return Tradeoff(
        _axis(cost),
        _axis(quality),
        pareto_front(points, y_direction=quality.direction),
        part=part,
        is_distance=any(
            protocol.settings.get("reference") == BASELINE_OUTPUTS for _, protocol in quality.by_seed
        ),
    )


def _axis(figure: Estimate) -> Axis:
    return Axis(figure.name, figure.setting, figure.unit, figure.direction)
