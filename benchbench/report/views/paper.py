"""The paper's figures beside ours."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from benchbench.core.changes import EXACT
from benchbench.core.expectation import Expectation
from benchbench.core.measurement import ResultTable
from benchbench.report.views.lines import Estimate, Line, estimate

Verdict = Literal[
    "equal",
    "as printed",
    "differs",
    "explained",
    "other machine",
    "within interval",
    "outside interval",
    "own run",
    "missing",
]


@dataclass(frozen=True, slots=True)
class PaperRow:
    """One figure as printed in the paper, and ours.

    Attributes:
        printed: the figure as the paper prints it, where it is rounded.
        difference: ours / paper - 1; None where ours is missing or the paper's is 0.
        verdict: counts are equal, would be printed so, or differ, as the suite says that they must
            or not; times are of another machine; quality is compared with our interval where there is one.
        note: what the suite says must be said beside the paper's figure.
    """

    label: str
    measure: str
    unit: str
    ours: Estimate | None
    paper: float
    printed: str | None
    difference: float | None
    verdict: Verdict
    note: str | None


def paper_rows(tables: Sequence[ResultTable], lines: Sequence[Line]) -> tuple[PaperRow, ...]:
    """A row per expected figure and line, in the order of the suite; a figure we lack is a row too."""
    rows = []
    for run, table in enumerate(tables):
        for variant, expectations in table.suite.expect.items():
            chosen = [line for line in lines if line.run == run and line.variant == variant]
            for measure, expectation in expectations.items():
                for line in chosen:
                    ours = estimate(line.results, measure)
                    rows.append(_row(line.label, measure, ours, expectation))
                if not chosen:
                    rows.append(_row(variant, measure, None, expectation))
    return tuple(rows)


def _row(label: str, measure: str, ours: Estimate | None, expectation: Expectation) -> PaperRow:
    paper = expectation.value
    return PaperRow(
        label=label,
        measure=measure,
        unit=ours.unit if ours else _unit(measure),
        ours=ours,
        paper=paper,
        printed=expectation.printed,
        difference=ours.value / paper - 1 if ours and paper else None,
        verdict=_verdict(measure, ours, expectation),
        note=expectation.note,
    )


def _unit(measure: str) -> str:
    if measure.startswith("macs"):
        return "MAC"
    if measure.startswith("peak_"):
        return "B"
    return "s" if measure.endswith(("latency", "_time", "_10k_steps")) else "1"


def _verdict(measure: str, ours: Estimate | None, expectation: Expectation) -> Verdict:
    paper = expectation.value
    if ours is None:
        return "missing"
    if measure in EXACT:
        if ours.value == paper:
            return "equal"
        if expectation.agrees(ours.value):
            return "as printed"
        return "differs" if expectation.reproducible else "explained"
    if ours.unit in ("s", "B", "MAC/s", "B/s", "J", "W", "image/s"):
        return "other machine"
    if ours.interval is None:
        return "own run"
    return "within interval" if ours.interval[0] <= paper <= ours.interval[1] else "outside interval"
