"""Every figure that is neither a count nor a time, against the base's; on equal protocols alone."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from benchbench.core.changes import Change, change_between
from benchbench.core.gating import Status, Verdict
from benchbench.core.measurement import Interval, Measurement
from benchbench.core.units import format_quantity
from benchbench.gate.making import Maker
from benchbench.gate.rules import Rule
from benchbench.gate.statistics import Worse, mean_log_ratio, reject_by_holm
from benchbench.gate.words import percent, signed, span

Pair = tuple[Measurement, Measurement]
# From three seeds on, what seeds differ by is the interval: it knows of training what images do not.
_SEEDS = 3


@dataclass(frozen=True, slots=True)
class QualityFinding:
    """One figure of base and head, a pair per seed; `key` names it."""

    make: Maker
    rule: Rule
    pairs: tuple[Pair, ...]
    worse: Worse | None

    @property
    def key(self) -> tuple[str, str, str]:
        """Cell, measure, setting."""
        return self.make.label, self.pairs[0][0].name, self.pairs[0][0].setting


def compare_quality(make: Maker, rule: Rule, pairs: Sequence[Pair]) -> QualityFinding:
    """One figure of both results."""
    return QualityFinding(make, rule, tuple(pairs), _worse(pairs))


def judge_quality(findings: Sequence[QualityFinding]) -> tuple[Verdict, ...]:
    """Verdicts on all such figures of a gate together."""
    p_values = {
        at: each.worse.p_beyond(each.rule.tolerance or 0.0)
        for at, each in enumerate(findings)
        if each.worse is not None and each.worse.interval is not None
    }
    stands = reject_by_holm(p_values)
    return tuple(_judge(each, at in stands, len(p_values)) for at, each in enumerate(findings))


def _judge(found: QualityFinding, stands: bool, tests: int) -> Verdict:
    status, reason = _decide(found, stands, tests)
    base, head = (_mean([pair[side].value for pair in found.pairs]) for side in (0, 1))
    first = found.pairs[0][0]
    is_ratio = found.worse is not None and base > 0 and head > 0 and first.unit != "dB"
    return found.make.verdict(
        first.name,
        status,
        reason,
        rule=found.rule,
        setting=first.setting,
        unit=first.unit,
        base=base,
        head=head,
        change=head / base if is_ratio else None,
        # Of the change, which for a figure that is better when higher runs the other way.
        interval=_turned(found) if is_ratio else None,
    )


def _decide(found: QualityFinding, stands: bool, tests: int) -> tuple[Status, str]:
    if all(base.value == head.value for base, head in found.pairs):
        return "pass", "equal to the last digit"
    told = _told(found)
    if found.rule.kind == "exact":
        return "fail", f"{told}; the rule is exact"
    tolerance = found.rule.tolerance or 0.0
    worse = found.worse
    if worse is None:
        return "ambiguous", f"{told}: not to be compared by a ratio"
    if worse.interval is None:
        if worse.ratio <= 1 + tolerance:
            return "pass", f"{told}, tolerance {percent(tolerance)}"
        return "ambiguous", f"{told}, tolerance {percent(tolerance)}: no interval says how sure that is"
    told += f", worse by {span(worse.interval)} ({worse.how}), tolerance {percent(tolerance)}"
    if worse.interval.high <= 1 + tolerance:
        return "pass", told
    if worse.interval.low <= 1 + tolerance:
        return "ambiguous", f"{told}: the interval holds the tolerance; more images or seeds would tell"
    if not stands:
        return "ambiguous", f"{told}: clear alone, but not among {tests} figures (Holm)"
    return "fail", f"{told}: {_sure(tests)}"


def _told(found: QualityFinding) -> str:
    base, head = (_mean([pair[side].value for pair in found.pairs]) for side in (0, 1))
    unit = found.pairs[0][0].unit
    seeds = f" over {len(found.pairs)} seeds" if len(found.pairs) > 1 else ""
    change = f" ({signed(head / base - 1)})" if base > 0 and head > 0 and unit != "dB" else ""
    return f"{format_quantity(base, unit, 4)} -> {format_quantity(head, unit, 4)}{change}{seeds}"


def _worse(pairs: Sequence[Pair]) -> Worse | None:
    first = pairs[0][0]
    is_ratio = first.unit != "dB" and all(a.value > 0 and b.value > 0 for a, b in pairs)
    if is_ratio and len(pairs) >= _SEEDS:
        ratios = [b.value / a.value if first.direction == "lower" else a.value / b.value for a, b in pairs]
        value, interval = mean_log_ratio(ratios)
        return Worse(value, interval, f"over {len(pairs)} seeds")
    change = change_between(pairs)
    return None if change is None else _of_change(change, pairs)


def _of_change(change: Change, pairs: Sequence[Pair]) -> Worse | None:
    lower = pairs[0][0].direction == "lower"
    ends = (change.value, change.value) if change.how == "exact" else change.interval
    if change.is_difference:
        scale = max(_scale(base) for base, _ in pairs)
        if scale <= 0:
            return None
        sign = 1 if lower else -1
        values = [1 + sign * each / scale for each in (change.value, *(ends or ()))]
    elif min(change.value, *(ends or (change.value,))) <= 0:
        return None
    else:
        values = [each if lower else 1 / each for each in (change.value, *(ends or ()))]
    if ends is None:
        return Worse(values[0], None, change.how)
    return Worse(values[0], Interval(low=min(values[1:]), high=max(values[1:])), change.how)


def _scale(figure: Measurement) -> float:
    # A kernel distance about 0 has no scale but its own uncertainty.
    ends = () if figure.interval is None else (figure.interval.low, figure.interval.high)
    return float(max(abs(each) for each in (figure.value, *ends)))


def _turned(found: QualityFinding) -> Interval | None:
    worse = found.worse
    if worse is None or worse.interval is None:
        return None
    if found.pairs[0][0].direction == "lower":
        return worse.interval
    if worse.interval.low <= 0:
        return None
    return Interval(low=1 / worse.interval.high, high=1 / worse.interval.low, level=worse.interval.level)


def _mean(values: Sequence[float]) -> float:
    return values[0] if len(values) == 1 else math.fsum(values) / len(values)


def _sure(tests: int) -> str:
    return "sure to 97.5 %" + (f" among {tests} (Holm)" if tests > 1 else "")
