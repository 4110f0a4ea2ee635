"""Speed-ups of two results: each was taken side by side, so that those of two runs may be compared."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from benchbench.core.cell import Cell
from benchbench.core.changes import LATENCIES, join_intervals
from benchbench.core.errors import GateError
from benchbench.core.gating import Status, Verdict
from benchbench.core.measurement import CellResult, Interval, Measurement, ResultTable
from benchbench.core.statistics import count_blocks, paired_ratio, student_quantile
from benchbench.gate.making import Maker
from benchbench.gate.rules import Rule
from benchbench.gate.statistics import Worse, reject_by_holm
from benchbench.gate.words import percent, signed, span

CONTROLS = {"speedup": "aa_control", "device_speedup": "device_aa_control"}


@dataclass(frozen=True, slots=True)
class Finding:
    """One speed-up of base and head.

    Attributes:
        noisy: why an A/A control is not quiet; "" where both are.
        by_process: whether every process of both runs says by itself that head is slower by more than the
            tolerance; None where a run has fewer than two.
    """

    cell: Cell
    make: Maker
    rule: Rule
    base: Measurement
    head: Measurement
    worse: Worse
    noisy: str
    by_process: bool | None

    @property
    def key(self) -> tuple[str, str, str]:
        """What names it: cell, measure, setting."""
        return self.make.label, self.head.name, self.head.setting

    @property
    def is_beyond(self) -> bool:
        """Whether the whole interval is beyond the tolerance."""
        assert self.worse.interval is not None
        return self.worse.interval.low > 1 + (self.rule.tolerance or 0.0)


def compare_speedups(
    make: Maker,
    rule: Rule,
    pair: tuple[Measurement, Measurement],
    tables: tuple[ResultTable, ResultTable],
    results: tuple[CellResult, CellResult],
) -> Finding:
    """One speed-up of both results.

    Raises:
        GateError: the base keeps no samples, or no interval, of it.
    """
    base, head = pair
    name = base.name
    for side, figure, result in zip(("base", "head"), pair, results, strict=True):
        if figure.interval is None or not _samples(result, figure):
            raise GateError(
                f"the {side} has no samples of {name} of {make.label} ({figure.setting})",
                expected="raw samples and an interval, without which nothing says how sure a change is",
                fix="measure anew with `benchbench run`, or let the rules ignore it",
            )
    assert base.interval is not None
    assert head.interval is not None
    logs = [(math.log(each.low), math.log(each.high)) for each in (base.interval, head.interval)]
    low, high = join_intervals(math.log(base.value), logs[0], math.log(head.value), logs[1])
    interval = Interval(low=math.exp(low), high=math.exp(high), level=base.interval.level)
    return Finding(
        cell=results[1].cell,
        make=make,
        rule=rule,
        base=base,
        head=head,
        # Of times, which a speed-up is the inverse of: how much slower the head is.
        worse=Worse(
            base.value / head.value,
            interval,
            "both runs' intervals",
            freedom=_joint_freedom(pair, results),
        ),
        noisy=_noise(tables, pair, rule.tolerance or 0.0),
        by_process=_by_process(tables, pair, results, 1 + (rule.tolerance or 0.0)),
    )


def judge_speedups(
    findings: Sequence[Finding], again: Mapping[tuple[str, str, str], Sequence[Finding]], *, fresh: bool
) -> tuple[Verdict, ...]:
    """Verdicts on all speed-ups of a gate together.

    Args:
        findings: one per cell and setting.
        again: the same against fresh runs, by `Finding.key`.
        fresh: whether a fresh run is what confirms; without it the single processes of both runs do.
    """
    p_values = {each.key: each.worse.p_beyond(each.rule.tolerance or 0.0) for each in findings}
    stands = reject_by_holm(p_values)
    return tuple(
        _judge(each, each.key in stands, again.get(each.key, ()), len(findings), fresh) for each in findings
    )


def to_confirm(findings: Sequence[Finding]) -> tuple[Cell, ...]:
    """The cells whose speed-ups would fail, if a fresh run said so again."""
    p_values = {each.key: each.worse.p_beyond(each.rule.tolerance or 0.0) for each in findings}
    stands = reject_by_holm(p_values)
    red = [each for each in findings if each.is_beyond and not each.noisy and each.key in stands]
    return tuple({each.cell.id: each.cell for each in red}.values())


def _judge(found: Finding, stands: bool, again: Sequence[Finding], tests: int, fresh: bool) -> Verdict:
    status, why = _decide(found, stands, again, tests, fresh)
    assert found.worse.interval is not None
    tolerance = found.rule.tolerance or 0.0
    pace = "slower" if found.worse.ratio >= 1 else "faster"
    told = (
        f"{signed(abs(found.worse.ratio - 1)).lstrip('+')} {pace} against its baseline, change "
        f"{span(found.worse.interval)}, tolerance {percent(tolerance)}"
    )
    return found.make.verdict(
        found.head.name,
        status,
        f"{told}: {why}" if why else told,
        rule=found.rule,
        setting=found.head.setting,
        base=found.base.value,
        head=found.head.value,
        change=found.worse.ratio,
        interval=found.worse.interval,
    )


def _decide(
    found: Finding, stands: bool, again: Sequence[Finding], tests: int, fresh: bool
) -> tuple[Status, str]:
    assert found.worse.interval is not None
    tolerance = found.rule.tolerance or 0.0
    if found.noisy:
        return "ambiguous", found.noisy
    if found.worse.interval.high <= 1 + tolerance:
        return "pass", ""
    if not found.is_beyond:
        return "ambiguous", "the interval holds the tolerance; more processes or a quieter machine would tell"
    if not stands:
        return "ambiguous", f"clear alone, but not among {tests} ratios (Holm)"
    if fresh:
        if not again:
            return "ambiguous", "no fresh run has said so again"
        unsure = [each for each in again if not each.is_beyond or each.noisy]
        if unsure:
            worse = unsure[0].worse
            assert worse.interval is not None
            told = unsure[0].noisy or f"there the change is {span(worse.interval)}"
            return "ambiguous", f"a fresh run does not say so again: {told}"
        return "fail", f"{_sure(tests)}, A/A quiet, and a fresh run says so again"
    if found.by_process is None:
        return "ambiguous", "one process says so; two or more in each run, or --against, would tell"
    if not found.by_process:
        return "ambiguous", "not every process says so by itself; `gate SUITE --against REV` would tell"
    return "fail", f"{_sure(tests)}, A/A quiet, and every process says so by itself"


def control_noise(ratio: float, interval: Interval | None, tolerance: float) -> str:
    """Why an A/A control is not quiet enough for a tolerance; "" where it is."""
    most = math.log1p(tolerance)
    if interval is None:
        return "has no interval"
    if abs(math.log(ratio)) > most:
        return f"tells two equal networks apart by {signed(ratio - 1)}, more than the tolerance"
    if (math.log(interval.high) - math.log(interval.low)) / 2 > most:
        return f"is no surer than {span(interval)}"
    return ""


def _noise(
    tables: tuple[ResultTable, ResultTable], pair: tuple[Measurement, Measurement], tolerance: float
) -> str:
    for side, table, figure in zip(("base", "head"), tables, pair, strict=True):
        found = _of_baseline(table, figure)
        control = found and found.measurement(CONTROLS[figure.name], figure.setting)
        if not control:
            return f"the {side} has no A/A control"
        if told := control_noise(control.value, control.interval, tolerance):
            return f"the A/A control of the {side} {told}"
    return ""


def _of_baseline(table: ResultTable, figure: Measurement) -> CellResult | None:
    return next((each for each in table.results if each.cell.id == figure.baseline), None)


def _time(result: CellResult | None, ratio: Measurement) -> Measurement | None:
    name = next(time for time, each in LATENCIES.items() if each == ratio.name)
    return None if result is None else result.measurement(name, ratio.setting)


def _samples(result: CellResult, ratio: Measurement) -> tuple[tuple[float, ...], ...]:
    time = _time(result, ratio)
    return () if time is None else tuple(chunk for chunk in time.samples if len(chunk) > 1)


def _joint_freedom(pair: tuple[Measurement, Measurement], results: tuple[CellResult, CellResult]) -> int:
    """Degrees of freedom of both runs' intervals joined.

    Source: Welch 1947 (of a difference of two means, on the log scale).
    """
    variances, weighed = 0.0, 0.0
    for figure, result in zip(pair, results, strict=True):
        assert figure.interval is not None
        freedom = _freedom(result, figure)
        half = math.log(figure.interval.high / figure.interval.low) / 2
        variance = (half / student_quantile(0.5 + figure.interval.level / 2, freedom)) ** 2
        variances += variance
        weighed += variance**2 / freedom
    return int(variances**2 / weighed + 1e-9) if weighed > 0 else 1


def _freedom(result: CellResult, ratio: Measurement) -> int:
    # Of Student's interval over the processes, or over one process's blocks of rounds (core/statistics.py):
    # whichever was the wider, no interval has fewer than the processes give it.
    chunks = _samples(result, ratio)
    return len(chunks) - 1 if len(chunks) > 1 else max(count_blocks(len(chunks[0])) - 1, 1)


def _by_process(
    tables: tuple[ResultTable, ResultTable],
    pair: tuple[Measurement, Measurement],
    results: tuple[CellResult, CellResult],
    limit: float,
) -> bool | None:
    sides = [
        list(_process_speedups(table, figure, result))
        for table, figure, result in zip(tables, pair, results, strict=True)
    ]
    base, head = sides
    if len(base) < 2 or len(head) < 2:
        return None
    return all(
        join_intervals(math.log(b), of_b, math.log(h), of_h)[0] > math.log(limit)
        for b, of_b in base
        for h, of_h in head
    )


def _process_speedups(
    table: ResultTable, figure: Measurement, result: CellResult
) -> Iterator[tuple[float, tuple[float, float]]]:
    reference = _of_baseline(table, figure)
    ours, theirs = _samples(result, figure), () if reference is None else _samples(reference, figure)
    if len(ours) != len(theirs):
        return
    for mine, its in zip(ours, theirs, strict=True):
        if len(mine) != len(its) or min(mine) <= 0 or min(its) <= 0:
            return
        made = paired_ratio([its], [mine])
        yield made.value, (math.log(made.interval.low), math.log(made.interval.high))


def _sure(tests: int) -> str:
    return "sure to 97.5 %" + (f" among {tests} (Holm)" if tests > 1 else "")
