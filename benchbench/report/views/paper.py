"""The paper's figures beside ours."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from benchbench.core.measurement import ResultTable
from benchbench.core.suite import Expectation
from benchbench.report.views.lines import Estimate, Line, estimate
from benchbench.report.views.vocabulary import EXACT

Verdict = Literal[
    "equal", "differs", "other machine", "within interval", "outside interval", "own run", "missing"
]


@dataclass(frozen=True, slots=True)
class PaperRow:
    """One figure as printed in the paper, and ours.

    Attributes:
        difference: ours / paper - 1; None where ours is missing or the paper's is 0.
        verdict: counts are equal or differ; times are of another machine; quality is compared with
            our interval where there is one.
        note: what the suite says must be said beside the paper's figure.
    """

    label: str
    measure: str
    unit: str
    ours: Estimate | None
    paper: float
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
        difference=ours.value / paper - 1 if ours and paper else None,
        verdict=_verdict(measure, ours, paper),
        note=expectation.note,
    )


def _unit(measure: str) -> str:
    if measure.startswith("macs"):
        return "MAC"
    return "s" if measure.endswith(("latency", "_time")) else "1"


def _verdict(measure: str, ours: Estimate | None, paper: float) -> Verdict:
    if ours is None:
        return "missing"
    if measure in EXACT:
        return "equal" if ours.value == paper else "differs"
    if ours.unit in ("s", "B", "MAC/s", "B/s"):
        return "other machine"
    if ours.interval is None:
        return "own run"
    return "within interval" if ours.interval[0] <= paper <= ours.interval[1] else "outside interval"
