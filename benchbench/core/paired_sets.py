"""What sets of interleaved processes say of head against base: how much slower, and how sure.

The protocol and why it is as it is: docs/protocol-gate.md.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from benchbench.core.gating import PairedSet, SetsEstimate
from benchbench.core.measurement import Interval
from benchbench.core.statistics import MedianEstimate, estimate_median, student_above, student_quantile

LEVEL = 0.95
MOST_SETS = 3
# Of one side: a set that cannot be sure beyond this many is none.
LEAST_CONFIRMED = 2
# Red can be said after the second set and after the third: both looks together err as seldom as one would.
ALPHA = (1 - LEVEL) / 2 / (MOST_SETS - LEAST_CONFIRMED + 1)

# The ratio of two processes of one code, with its interval over rounds.
Control: TypeAlias = tuple[float, Interval]


@dataclass(frozen=True, slots=True)
class _SetParts:
    """One set on the log scale: head against base by rounds, and its processes against one another."""

    ratio: MedianEstimate
    controls: tuple[MedianEstimate, MedianEstimate]
    # Squared deviations of the processes of one side from one another, and how many are free.
    squares: float
    freedom: int
    processes: tuple[int, int]


def estimate(sets: Sequence[PairedSet], *, tolerance: float, seed: int = 0) -> SetsEstimate:
    """Head's time by base's over all sets of one cell.

    A round gives log(mean over head's processes) - log(mean over base's); a set's centre is the median of
    its rounds, and the estimate is the mean of the sets' centres. Two things make it uncertain, and each
    has an interval of its own, of which the wider one counts: how much the rounds of these very processes
    scatter (bootstrap over blocks of successive rounds), and how much processes of the same code differ
    (Student's, from each side's processes against one another; for two of a side that differ by c, the
    variance of one is c^2 / 2). The second holds the rounds' scatter too, so that nothing is left out.

    A set in which two processes of the same code differ by the tolerance, or are not known to that, is set
    aside where there is another: one process in some is a fifth slower for as long as it lives.

    Args:
        sets: at least one, each with two or more processes a side and two or more rounds.
        tolerance: share by which head may be slower.
        seed: of the bootstrap.

    Raises:
        ValueError: no set, one process on a side, rounds that do not align, or a time that is not positive.
    """
    if not sets:
        raise ValueError("no sets")
    parts = [_take_apart(each, seed + index) for index, each in enumerate(sets)]
    limit = math.log1p(tolerance)
    controls = tuple(control for each in parts for control in each.controls)
    told = [(math.exp(each.value), _interval(each.value, each.half_width())) for each in controls]
    quiet = [each for each, is_quiet in zip(parts, _quiet(told, limit), strict=True) if is_quiet]
    parts = quiet or parts
    centre = float(np.mean([each.ratio.value for each in parts]))
    errors = (_error_of_rounds(parts), _error_of_processes(parts))
    half = max(student_quantile((1 + LEVEL) / 2, freedom) * error for error, freedom in errors)
    return SetsEstimate(
        ratio=math.exp(centre),
        interval=_interval(centre, half),
        p_slower=max(_beyond(centre - limit, error, freedom) for error, freedom in errors),
        controls=tuple(told),
        is_quiet=bool(quiet),
        confirmed=sum(each.ratio.value - each.ratio.half_width() > limit for each in parts),
    )


def needs_another(found: SetsEstimate | None, *, tolerance: float, taken: int, timings: int = 1) -> bool:
    """Whether a cell needs a further set of fresh processes.

    Args:
        found: what the sets so far say; None before the first.
        tolerance: share by which head may be slower.
        taken: how many sets there are.
        timings: how many times the gate judges, cells by settings; a slow-down is sure only when it is so
            among all of them.
    """
    if found is None or taken == 0:
        return True
    return taken < MOST_SETS and not (
        excludes_slower(found, tolerance) or is_slower(found, tolerance, alpha=ALPHA / timings)
    )


def count_quiet(found: SetsEstimate, tolerance: float) -> tuple[int, int]:
    """How many sets are quiet enough for the tolerance, of how many."""
    quiet = _quiet(found.controls, math.log1p(tolerance))
    return sum(quiet), len(quiet)


def excludes_slower(found: SetsEstimate, tolerance: float) -> bool:
    """Whether head is surely not slower by more than the tolerance, by quiet sets."""
    return found.is_quiet and found.interval.high <= 1 + tolerance


def is_slower(found: SetsEstimate, tolerance: float, *, alpha: float = ALPHA) -> bool:
    """Whether head is surely slower by more than the tolerance, and more than one set says so by itself."""
    return (
        found.is_quiet
        and found.interval.low > 1 + tolerance
        and found.p_slower < alpha
        and found.confirmed >= LEAST_CONFIRMED
    )


def _take_apart(each: PairedSet, seed: int) -> _SetParts:
    base, head = (_aligned(side) for side in (each.base, each.head))
    if base.shape[1] != head.shape[1]:
        raise ValueError(f"rounds do not align: {base.shape[1]} of base, {head.shape[1]} of head")
    ratio = estimate_median(np.log(head.mean(axis=0)) - np.log(base.mean(axis=0)), seed=seed)
    controls, squares, freedom = [], 0.0, 0
    for side in (base, head):
        logs = np.log(side)
        against_first = [estimate_median(other - logs[0], seed=seed) for other in logs[1:]]
        centres = np.asarray([0.0, *(control.value for control in against_first)])
        squares += float(np.sum((centres - centres.mean()) ** 2))
        freedom += len(centres) - 1
        controls.append(max(against_first, key=lambda control: abs(control.value)))
    return _SetParts(
        ratio, (controls[0], controls[1]), squares, freedom, processes=(base.shape[0], head.shape[0])
    )


def _aligned(processes: Sequence[Sequence[float]]) -> NDArray[np.float64]:
    if len(processes) < 2:
        raise ValueError("a set needs two processes a side: one alone does not tell what processes differ by")
    if len({len(each) for each in processes}) > 1:
        raise ValueError("rounds do not align: the processes of a side have different numbers of them")
    samples = np.asarray(processes, dtype=np.float64)
    if not np.all(samples > 0):
        raise ValueError("a ratio needs positive samples")
    return samples


def _error_of_rounds(parts: Sequence[_SetParts]) -> tuple[float, int]:
    error = math.sqrt(sum(each.ratio.error**2 for each in parts)) / len(parts)
    return error, sum(each.ratio.freedom for each in parts)


def _error_of_processes(parts: Sequence[_SetParts]) -> tuple[float, int]:
    freedom = sum(each.freedom for each in parts)
    of_one = sum(each.squares for each in parts) / freedom
    shares = sum(1 / base + 1 / head for base, head in (each.processes for each in parts))
    return math.sqrt(of_one * shares) / len(parts), freedom


def _quiet(controls: Sequence[Control], limit: float) -> list[bool]:
    """Of each set, which has one control a side."""
    each = [
        abs(math.log(ratio)) < limit and math.log(interval.high / interval.low) / 2 <= limit
        for ratio, interval in controls
    ]
    return [base and head for base, head in zip(each[::2], each[1::2], strict=True)]


def _interval(centre: float, half: float) -> Interval:
    return Interval(low=math.exp(centre - half), high=math.exp(centre + half), level=LEVEL)


def _beyond(excess: float, error: float, freedom: int) -> float:
    if error == 0.0:
        return 0.0 if excess > 0 else 1.0
    return student_above(excess / error, freedom)
