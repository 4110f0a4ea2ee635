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
from benchbench.gate.statistics import UNKNOWN_FREEDOM, Worse, mean_log_ratio, reject_by_holm
from benchbench.gate.words import percent, signed

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
        # Of a difference the interval is by the figure's scale, and none of head / base.
        interval=found.worse.interval if is_ratio and found.worse and not found.worse.is_difference else None,
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
        if worse.share <= tolerance:
            return "pass", f"{told}, tolerance {percent(tolerance)}"
        return "ambiguous", f"{told}, tolerance {percent(tolerance)}: no interval says how sure that is"
    low, high = worse.shares
    told += f", worse by [{signed(low)}, {signed(high)}] ({worse.how}), tolerance {percent(tolerance)}"
    if high <= tolerance:
        return "pass", told
    if low <= tolerance:
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
        value, interval = mean_log_ratio([b.value / a.value for a, b in pairs])
        how = f"over {len(pairs)} seeds"
        return Worse(value, interval, how, direction=first.direction, freedom=len(pairs) - 1)
    change = change_between(pairs)
    return None if change is None else _of_change(change, pairs)


def _of_change(change: Change, pairs: Sequence[Pair]) -> Worse | None:
    ends = (change.value, change.value) if change.how == "exact" else change.interval
    values = [change.value, *(ends or ())]
    if change.is_difference:
        scale = max(_scale(base) for base, _ in pairs)
        if scale <= 0:
            return None
        values = [1 + each / scale for each in values]
    elif min(values) <= 0:
        return None
    return Worse(
        values[0],
        None if ends is None else Interval(low=values[1], high=values[2]),
        change.how,
        direction=pairs[0][0].direction,
        freedom=_freedom(change, pairs),
        is_difference=change.is_difference,
    )


def _freedom(change: Change, pairs: Sequence[Pair]) -> int:
    if change.how != "image by image":
        return UNKNOWN_FREEDOM
    return min(sum(map(len, base.samples)) for base, _ in pairs) - 1


def _scale(figure: Measurement) -> float:
    # A kernel distance about 0 has no scale but its own uncertainty.
    ends = () if figure.interval is None else (figure.interval.low, figure.interval.high)
    return float(max(abs(each) for each in (figure.value, *ends)))


def _mean(values: Sequence[float]) -> float:
    return values[0] if len(values) == 1 else math.fsum(values) / len(values)


def _sure(tests: int) -> str:
    return "sure to 97.5 %" + (f" among {tests} (Holm)" if tests > 1 else "")
