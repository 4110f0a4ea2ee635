"""Curves over training, and the mean of those that several seeds give."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from benchbench.report.views.lines import Line

_FIRST = ("train/loss", "validation/loss", "learning_rate")
_SCORE = "score/"
_PART = len(_FIRST) + 2


@dataclass(frozen=True, slots=True)
class CurveLine:
    """One line's course over training, one per seed."""

    label: str
    colour: int
    seed: int
    steps: tuple[int, ...]
    values: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class MeanCurve:
    """The mean of one line's curves over its seeds, at the steps that all of them have.

    Attributes:
        seeds: those that are in it, two at least; one without any value is in none.
        values: the mean at each of `steps`.
        deviations: sample standard deviation (n - 1) at each of `steps`.
    """

    label: str
    colour: int
    seeds: tuple[int, ...]
    steps: tuple[int, ...]
    values: tuple[float, ...]
    deviations: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class CurvePanel:
    """One quantity over training for every line; `means` of scores alone, where a line has several seeds."""

    name: str
    unit: str
    curves: tuple[CurveLine, ...]
    means: tuple[MeanCurve, ...] = ()

    @property
    def is_main(self) -> bool:
        """Whether it is a score, a loss or the learning rate; the others are their parts."""
        return _rank(self.name) < _PART


def curve_panels(lines: Sequence[Line]) -> tuple[CurvePanel, ...]:
    """A panel per curve name: scores, losses, learning rate, then every other one."""
    found: dict[str, list[CurveLine]] = {}
    means: dict[str, list[MeanCurve]] = {}
    units: dict[str, str] = {}
    for line in lines:
        of_line: dict[str, list[CurveLine]] = {}
        for result in line.results:
            for curve in result.curves:
                units.setdefault(curve.name, curve.unit)
                of_line.setdefault(curve.name, []).append(
                    CurveLine(line.label, line.colour, result.cell.seed, curve.steps, curve.values)
                )
        for name, curves in of_line.items():
            found.setdefault(name, []).extend(curves)
            if name.startswith(_SCORE) and (mean := mean_curve(curves)) is not None:
                means.setdefault(name, []).append(mean)
    names = sorted(found, key=lambda name: (_rank(name), name))
    return tuple(
        CurvePanel(name, units[name], tuple(found[name]), tuple(means.get(name, ()))) for name in names
    )


def mean_curve(curves: Sequence[CurveLine]) -> MeanCurve | None:
    """Mean and deviation over the seeds of one line; None of one seed, and where no step is in all of them.

    A value that is no finite number (a training that diverged) counts as one that is not there.
    """
    known = [
        (curve.seed, values)
        for curve in curves
        if (values := {step: value for step, value in _points(curve) if math.isfinite(value)})
    ]
    if len(known) < 2:
        return None
    steps = sorted(set.intersection(*(set(values) for _, values in known)))
    if not steps:
        return None
    at_steps = [[values[step] for _, values in known] for step in steps]
    return MeanCurve(
        label=curves[0].label,
        colour=curves[0].colour,
        seeds=tuple(seed for seed, _ in known),
        steps=tuple(steps),
        values=tuple(statistics.fmean(values) for values in at_steps),
        deviations=tuple(statistics.stdev(values) for values in at_steps),
    )


def _points(curve: CurveLine) -> zip[tuple[int, float]]:
    return zip(curve.steps, curve.values, strict=False)


def _rank(name: str) -> int:
    """Scores first, then the losses, the learning rate, the losses of several optimisers, and parts."""
    if name.startswith(_SCORE):
        return 0
    if name in _FIRST:
        return 1 + _FIRST.index(name)
    return len(_FIRST) + 1 if name.endswith("/loss") else _PART
