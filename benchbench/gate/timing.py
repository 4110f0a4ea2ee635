"""What the gate says of times: red only where fresh processes agree, on a quiet machine, among all cells."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TypeVar

from benchbench.core.gating import SetsEstimate, Status
from benchbench.core.paired_sets import ALPHA, LEAST_CONFIRMED, count_quiet, excludes_slower, is_slower
from benchbench.gate.statistics import reject_by_holm
from benchbench.gate.words import percent, signed, span

CellT = TypeVar("CellT")


def decide(
    estimates: Mapping[CellT, SetsEstimate], tolerances: Mapping[CellT, float]
) -> Mapping[CellT, tuple[Status, str]]:
    """`pass`, `fail` or `ambiguous` for each cell, with a reason in one line.

    Args:
        estimates: of all cells (and settings) of one gate: the more there are, the surer each must be.
        tolerances: share by which each may be slower.

    Raises:
        KeyError: a cell without a tolerance.

    Source: Holm 1979; docs/protocol-gate.md says why each condition is there.
    """
    clear = reject_by_holm({cell: found.p_slower for cell, found in estimates.items()}, level=ALPHA)
    return {
        cell: _decide_one(found, tolerances[cell], is_clear=cell in clear, tests=len(estimates))
        for cell, found in estimates.items()
    }


def _decide_one(found: SetsEstimate, tolerance: float, *, is_clear: bool, tests: int) -> tuple[Status, str]:
    told = f"head takes {signed(found.ratio - 1)} time, 95 % {span(found.interval)}"
    quiet, sets = count_quiet(found, tolerance)
    fresh = f"{sets} set{'' if sets == 1 else 's'} of fresh processes"
    if quiet < sets:
        fresh += f", of which {sets - quiet} too noisy and set aside"
    if excludes_slower(found, tolerance):
        return "pass", f"{told}: not over {percent(tolerance)}, {fresh}"
    if is_slower(found, tolerance) and is_clear:
        among = f" among {tests} timings (Holm)" if tests > 1 else ""
        return (
            "fail",
            f"{told}: over {percent(tolerance)}, {fresh}, p = {_probability(found.p_slower)}{among}",
        )
    return "ambiguous", f"{told}: {_why_not(found, tolerance, sets=sets, tests=tests)}"


def _why_not(found: SetsEstimate, tolerance: float, *, sets: int, tests: int) -> str:
    if not found.is_quiet:
        ratio, interval = max(found.controls, key=lambda control: _loudness(control[0], control[1].high))
        return (
            f"too noisy to tell for {percent(tolerance)}: two processes of the same code differed by "
            f"{signed(ratio - 1)} {span(interval)}"
        )
    if found.interval.low <= 1 + tolerance:
        return f"neither within nor beyond {percent(tolerance)} after {sets} set{'' if sets == 1 else 's'}"
    if found.confirmed < LEAST_CONFIRMED:
        return f"over {percent(tolerance)}, but {found.confirmed} of {sets} sets says so by itself, not two"
    return f"over {percent(tolerance)} alone, but not among {tests} timings (Holm)"


def _loudness(ratio: float, high: float) -> float:
    return max(abs(math.log(ratio)), math.log(high) - math.log(ratio))


def _probability(p: float) -> str:
    return "under 1e-6" if p < 1e-6 else f"{p:.1g}"
