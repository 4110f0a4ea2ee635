"""The lines of a report: results grouped over seeds, and one estimate per measure of a group."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from benchbench.core.cell import Setting
from benchbench.core.deployment import Deployment, deployment_label
from benchbench.core.errors import StoreError
from benchbench.core.measurement import (
    CellResult,
    Direction,
    Failure,
    Measurement,
    Protocol,
    ResultTable,
    Yardstick,
)
from benchbench.core.model import JsonValue
from benchbench.core.statistics import classify_outliers
from benchbench.core.visible import on_one_line

_EAGER = Deployment()


@dataclass(frozen=True, slots=True)
class Line:
    """A variant at one value of everything swept but the seed, run in one way.

    Attributes:
        label: what a reader sees; with the run's id where a report covers several runs.
        run: index of the run it comes from; only lines of one run are compared.
        group: the group of its variant; only lines of one group are compared.
        settings: what was swept, without the seed; only lines of equal settings are compared.
        deployment: how it is run; lines that differ in it alone are compared.
        colour: index into the palette, equal for one variant in every plot.
        marker: index of its marker; the deployment's where there are several, else the colour's.
        results: one per seed.
    """

    label: str
    variant: str
    run: int
    group: str | None
    settings: tuple[Setting, ...]
    colour: int
    is_baseline: bool
    results: tuple[CellResult, ...]
    deployment: Deployment = _EAGER
    marker: int = 0

    @property
    def compared_with(self) -> tuple[int, str | None, tuple[Setting, ...]]:
        """What must be equal for two lines to be compared: run, group, and everything swept."""
        return self.run, self.group, self.settings

    @property
    def failure(self) -> Failure | None:
        """The failure of the line as a whole: every one of its cells failed."""
        failures = [result.failure for result in self.results]
        return failures[0] if all(failure is not None for failure in failures) else None


@dataclass(frozen=True, slots=True)
class Estimate:
    """One measure of one line, over its seeds.

    Attributes:
        value: the value, or the mean over seeds.
        sd: standard deviation over seeds; None with one seed.
        interval: (low, high); over several seeds the hull of their intervals, which is never too narrow.
        quartiles: (25 %, 75 %) of all raw samples, where there are at least four.
        samples: how many raw samples; `outliers` of them lie beyond Tukey's fences, and count all the same.
        by_seed: (seed, protocol) of each figure behind it.
        yardstick: the mean over seeds; None unless every figure has one, and its ratio likewise.
    """

    name: str
    setting: str
    unit: str
    direction: Direction
    value: float
    sd: float | None
    interval: tuple[float, float] | None
    quartiles: tuple[float, float] | None
    minimum: float | None
    samples: int
    outliers: int
    flags: tuple[str, ...]
    by_seed: tuple[tuple[int, Protocol], ...]
    yardstick: Yardstick | None
    seeds: int

    @property
    def protocols(self) -> frozenset[str]:
        """Hashes of the protocols behind it."""
        return frozenset(protocol.hash for _, protocol in self.by_seed)

    def is_comparable(self, other: Estimate) -> bool:
        """Whether both were measured alike, seed by seed.

        A protocol may hold what a seed decides (the reference, where it is what a baseline of that seed
        made), so that the seeds of one line differ; two lines must agree at every seed that both have.
        """
        ours, theirs = dict(self.by_seed), dict(other.by_seed)
        shared = ours.keys() & theirs.keys()
        if not shared:
            return self.protocols == other.protocols and len(self.protocols) == 1
        return all(ours[seed].hash == theirs[seed].hash for seed in shared)


def group_lines(tables: Sequence[ResultTable]) -> tuple[Line, ...]:
    """The results of each run grouped over seeds, in the order of the plan.

    Raises:
        StoreError: no table was given.
    """
    if not tables:
        raise StoreError("there is no run to report on", expected="at least one result table")
    grouped: dict[tuple[int, str, str, str], list[CellResult]] = {}
    for run, table in enumerate(tables):
        for result in table.results:
            swept = " ".join(str(setting) for setting in _without_seed(result.cell.swept))
            way = deployment_label(result.cell.deploy.named)
            grouped.setdefault((run, result.cell.variant, swept, way), []).append(result)
    colours: dict[tuple[str, str], int] = {}
    ways = {way: at for at, way in enumerate(dict.fromkeys(("", *(way for _, _, _, way in grouped))))}
    lines = []
    for (run, variant, swept, way), results in grouped.items():
        label = on_one_line(" ".join(filter(None, (variant, swept, way))))
        colour = colours.setdefault((variant, swept), len(colours))
        lines.append(
            Line(
                label=label if len(tables) == 1 else on_one_line(f"{label} ({tables[run].run.id})"),
                variant=variant,
                run=run,
                group=results[0].cell.variant_group,
                settings=_without_seed(results[0].cell.swept),
                colour=colour,
                is_baseline=not way and variant == tables[run].suite.baseline_of(variant),
                results=tuple(sorted(results, key=lambda result: result.cell.seed)),
                deployment=results[0].cell.deploy,
                marker=colour if len(ways) == 1 else ways[way],
            )
        )
    return tuple(lines)


def reference_of(line: Line, lines: Iterable[Line]) -> Line | None:
    """The baseline that `line` is compared with: same run, same group, same settings."""
    for other in lines:
        if other.is_baseline and other.compared_with == line.compared_with:
            return other
    return None


def estimate(
    results: Sequence[CellResult],
    name: str,
    setting: str | None = None,
    *,
    declared: Mapping[str, JsonValue] | None = None,
) -> Estimate | None:
    """What `results` (one per seed) say of a measure; None where none of them has it.

    `declared` are settings of the protocol, which tell apart several figures of one name.
    """
    measured = [
        (result.cell.seed, find_figure(result, name, setting, declared=declared or {})) for result in results
    ]
    by_seed = [(seed, each) for seed, each in measured if each is not None]
    found = [each for _, each in by_seed]
    if not found:
        return None
    first = found[0]
    samples = np.array([sample for each in found for chunk in each.samples for sample in chunk], dtype=float)
    low, high = np.percentile(samples, [25, 75]) if samples.size >= 4 else (None, None)
    values = [each.value for each in found]
    return Estimate(
        name=name,
        setting=first.setting,
        unit=first.unit,
        direction=first.direction,
        value=statistics.fmean(values) if len(values) > 1 else first.value,
        sd=statistics.stdev(values) if len(values) > 1 else None,
        interval=_hull(found),
        quartiles=None if low is None or high is None else (float(low), float(high)),
        minimum=float(samples.min()) if samples.size else None,
        samples=int(samples.size),
        outliers=classify_outliers(samples).total if samples.size >= 4 else 0,
        flags=tuple(dict.fromkeys(flag for each in found for flag in each.flags)),
        by_seed=tuple((seed, each.protocol) for seed, each in by_seed),
        yardstick=_mean_yardstick(found),
        seeds=len(found),
    )


def find_figure(
    result: CellResult, name: str, setting: str | None, *, declared: Mapping[str, JsonValue]
) -> Measurement | None:
    """The first figure of that name, at that setting and with those settings of its protocol."""
    for each in result.measurements:
        if each.name == name and setting in (None, each.setting):
            given = each.protocol.settings
            if all(given.get(key) == value for key, value in declared.items()):
                return each
    return None


def settings_of(lines: Iterable[Line], name: str) -> tuple[str, ...]:
    """Every setting at which a measure of that name was made, in order of appearance."""
    return tuple(
        dict.fromkeys(
            each.setting
            for line in lines
            for result in line.results
            for each in result.measurements
            if each.name == name
        )
    )


def _without_seed(settings: Sequence[Setting]) -> tuple[Setting, ...]:
    return tuple(setting for setting in settings if setting.key.rsplit(".", 1)[-1] != "seed")


def _hull(found: Sequence[Measurement]) -> tuple[float, float] | None:
    intervals = [each.interval for each in found if each.interval is not None]
    if len(intervals) < len(found):
        return None
    return min(each.low for each in intervals), max(each.high for each in intervals)


def _mean_yardstick(found: Sequence[Measurement]) -> Yardstick | None:
    sticks = [each.yardstick for each in found if each.yardstick is not None]
    if len(sticks) < len(found):
        return None
    ratios = [each.ratio for each in sticks if each.ratio is not None]
    return Yardstick(
        value=statistics.fmean(each.value for each in sticks),
        ratio=statistics.fmean(ratios) if len(ratios) == len(sticks) else None,
        count=min(each.count for each in sticks),
    )
