"""What is exact on every machine: counts, MACs per operator, and what a seeded network makes."""

from __future__ import annotations

import math
from collections.abc import Mapping

from benchbench.core.gating import Status, Verdict
from benchbench.core.measurement import OutputRecord
from benchbench.gate.making import Maker
from benchbench.gate.rules import Rule
from benchbench.gate.words import exactly, listed, percent, signed

# Outputs of one network on two machines, or two builds of torch, differ by less.
ELSEWHERE = 1e-3


def count_verdict(
    make: Maker,
    measure: str,
    base: float,
    head: float,
    rule: Rule,
    *,
    unit: str,
    by_operator: tuple[Mapping[str, int], Mapping[str, int]] | None = None,
) -> Verdict:
    """A count against the base's; under an exact rule less is a change too.

    Args:
        make: of the cell.
        measure: its name.
        base, head: the counts.
        rule: `exact`, or a tolerance for growth.
        unit: of the counts.
        by_operator: MACs per operator of both, where they are known: they must agree one by one.
    """
    moved = _moved(*by_operator) if by_operator is not None and rule.kind == "exact" else ""
    told = f"{exactly(base, unit)} -> {exactly(head, unit)}"
    if base == head and not moved:
        status: Status = "pass"
        reason = "equal"
    elif base == head:
        status, reason = "fail", f"{exactly(base, unit)} in all, shared out otherwise: {moved}"
    elif rule.kind == "exact":
        change = f" ({signed(head / base - 1)})" if base > 0 else ""
        status, reason = "fail", f"{told}{change}; the rule is exact{f': {moved}' if moved else ''}"
    else:
        worse = head / base - 1 if base > 0 else math.inf
        status = "fail" if worse > (rule.tolerance or 0.0) else "pass"
        reason = f"{told} ({signed(worse)}), tolerance {percent(rule.tolerance or 0.0)}"
    return make.verdict(measure, status, reason, rule=rule, unit=unit, base=base, head=head)


def _moved(base: Mapping[str, int], head: Mapping[str, int]) -> str:
    changed = [
        f"{name} {base.get(name, 0):,} -> {head.get(name, 0):,}"
        for name in sorted({*base, *head})
        if base.get(name, 0) != head.get(name, 0)
    ]
    return listed(changed)


def output_verdict(make: Maker, base: OutputRecord, head: OutputRecord, rule: Rule) -> Verdict:
    """What seeded weights make of seeded inputs, against the base's.

    Where both were made alike (torch, CPU, threads) every bit counts; elsewhere the probed values may
    differ by a thousandth of their scale. A rule with a tolerance lets them differ by that share. Of
    weights that were trained anew the shape alone counts.
    """
    status, reason = _output(base, head, rule)
    return make.verdict("output", status, reason, rule=rule)


def _output(base: OutputRecord, head: OutputRecord, rule: Rule) -> tuple[Status, str]:
    if base.shape != head.shape:
        return "fail", f"its shape was {_shape(base)} and is {_shape(head)}"
    if base.digest == head.digest:
        return "pass", f"equal to the last bit ({head.digest})"
    apart = probe_difference(base.probe, head.probe)
    if "trained" in (base.made_with.get("weights"), head.made_with.get("weights")):
        return "note", "another digest, as its weights were trained anew; their quality is judged on its own"
    elsewhere = _differing(base, head)
    if apart is None:
        return "ambiguous", "another digest, and no probe of both to say by how much"
    told = "by no finite amount" if math.isinf(apart) else f"by up to {apart:.2g} of its scale"
    if rule.tolerance is not None:
        status: Status = "pass" if apart <= rule.tolerance else "fail"
        return status, f"the probed values differ {told}, tolerance {percent(rule.tolerance)}"
    if not elsewhere:
        return "fail", (
            f"other output from the same weights and inputs, made alike: the probed values differ {told}"
        )
    if apart <= ELSEWHERE:
        return "note", f"the probed values differ {told}, and it was made elsewhere ({elsewhere})"
    return "fail", (
        f"the probed values differ {told}, beyond the {ELSEWHERE:g} that another machine explains "
        f"({elsewhere})"
    )


def probe_difference(base: tuple[float, ...], head: tuple[float, ...]) -> float | None:
    """The largest difference of two probes by the largest value of the base's; None where there is none.

    Values that are no numbers in both are equal; in one alone they are infinitely far.
    """
    if not base or len(base) != len(head):
        return None
    if any(_is_odd(a) != _is_odd(b) or (_is_odd(a) and repr(a) != repr(b)) for a, b in _zip(base, head)):
        return math.inf
    pairs = [(a, b) for a, b in _zip(base, head) if not _is_odd(a)]
    largest = max((abs(a - b) for a, b in pairs), default=0.0)
    scale = max((abs(a) for a, _ in pairs), default=0.0)
    if largest == 0:
        return 0.0
    return largest / scale if scale > 0 else math.inf


def _zip(base: tuple[float, ...], head: tuple[float, ...]) -> list[tuple[float, float]]:
    return list(zip(base, head, strict=True))


def _is_odd(value: float) -> bool:
    return not math.isfinite(value)


def _shape(output: OutputRecord) -> str:
    return "x".join(map(str, output.shape)) or "a single number"


def _differing(base: OutputRecord, head: OutputRecord) -> str:
    keys = sorted({*base.made_with, *head.made_with})
    told = [
        f"{key} {base.made_with.get(key)} and {head.made_with.get(key)}"
        for key in keys
        if base.made_with.get(key) != head.made_with.get(key)
    ]
    return listed(told)
