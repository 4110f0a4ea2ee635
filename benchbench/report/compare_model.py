"""What a comparison of several runs is made of."""

from __future__ import annotations

from dataclasses import dataclass

from benchbench.core.changes import Change
from benchbench.core.measurement import Direction
from benchbench.report.compare_facts import FactRow
from benchbench.report.views.lines import Estimate


@dataclass(frozen=True, slots=True)
class Side:
    """One run's figure in a row; `change` is against the first run's, None for the first."""

    figure: Estimate
    setting: str
    change: Change | None = None


@dataclass(frozen=True, slots=True)
class ComparedRow:
    """One measure of one cell; `sides` in the order of the runs, None where it is not comparable."""

    cell: str
    name: str
    setting: str
    unit: str
    direction: Direction
    protocol: str
    sides: tuple[Side | None, ...]


@dataclass(frozen=True, slots=True)
class Refusal:
    """Figures that are not compared with the first run's, and why."""

    run: int
    reason: str
    measures: tuple[str, ...]
    cells: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Comparison:
    """All that is to be said of several runs.

    Attributes:
        runs: what each is called; the first is what the others are compared with.
        missing: (cell, the runs that lack it).
        cautions: a line each.
    """

    runs: tuple[str, ...]
    rows: tuple[ComparedRow, ...]
    refusals: tuple[Refusal, ...]
    missing: tuple[tuple[str, tuple[str, ...]], ...]
    cautions: tuple[str, ...]
    facts: tuple[FactRow, ...]
