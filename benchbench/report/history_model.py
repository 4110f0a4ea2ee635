"""What a suite's history is made of."""

from __future__ import annotations

from dataclasses import dataclass

from benchbench.core.measurement import Direction
from benchbench.report.history_steps import Step


@dataclass(frozen=True, slots=True)
class Point:
    """One run's figure; `environment` and `protocol` tell apart what is not compared."""

    run: int
    value: float
    interval: tuple[float, float] | None
    environment: int
    protocol: str


@dataclass(frozen=True, slots=True)
class Marked:
    """A step, told apart by the environment it was seen in; `run` is the first on the new level."""

    run: int
    environment: int
    step: Step


@dataclass(frozen=True, slots=True)
class Series:
    """One measure of one cell over the runs."""

    cell: str
    points: tuple[Point, ...]
    steps: tuple[Marked, ...]

    @property
    def is_constant(self) -> bool:
        """Whether every run has the same figure."""
        return len({point.value for point in self.points}) < 2


@dataclass(frozen=True, slots=True)
class MeasureHistory:
    """One measure over the runs, a series per cell; `declared` tells apart figures of one name."""

    name: str
    setting: str
    declared: str
    unit: str
    direction: Direction
    series: tuple[Series, ...]


@dataclass(frozen=True, slots=True)
class RunPoint:
    """One run on the axis of time; `changed`: what is otherwise than in the run before."""

    name: str
    started: str
    environment: int
    changed: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class History:
    """A suite over time. `environments` are the machines, `told` a line for each thing left out."""

    suite: str
    title: str
    runs: tuple[RunPoint, ...]
    environments: tuple[str, ...]
    measures: tuple[MeasureHistory, ...]
    told: tuple[str, ...]
