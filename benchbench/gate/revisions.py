"""Verdicts on two revisions of one suite, which were counted, run and timed side by side."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from benchbench.core.errors import GateError
from benchbench.core.gate_rules import GateRules
from benchbench.core.gating import GateReport, PairedTiming, SideResult, Verdict
from benchbench.gate.exact import count_verdict, output_verdict
from benchbench.gate.making import Maker, Rerun, no_command
from benchbench.gate.rules import rule_of, unmet
from benchbench.gate.times import TimedCell, judge_times


def judge_revisions(
    sides: Sequence[tuple[SideResult, SideResult]],
    pairs: Sequence[PairedTiming],
    rules: GateRules,
    *,
    suite: str,
    names: tuple[str, str] = ("base", "head"),
    vanished: Sequence[str] = (),
    appeared: Sequence[str] = (),
    cautions: Sequence[str] = (),
    rerun: Rerun = no_command,
) -> GateReport:
    """Judge what runner/gate_sets.py measured.

    Args:
        sides: (base's, head's) counts and output of each cell that both have.
        pairs: the sets in which cells were timed in turns.
        rules: see gate/rules.py for what they leave unsaid.
        suite: its name.
        names: the revisions, in words.
        vanished, appeared: labels of cells that one revision alone has.
        cautions: from measuring.
        rerun: what `--only` takes -> the command that judges that cell again.

    Raises:
        GateError: there is no cell to judge.
        OptionError: a rule that asks a time to be exact.
    """
    if not sides and not vanished and not appeared:
        raise GateError("there is no cell to judge", fix="look at --only, or at the suite's variants")
    verdicts = [
        *_presence(vanished, appeared, rules, rerun),
        *(verdict for base, head in sides for verdict in _cell(base, head, rules, rerun)),
        *_times(sides, pairs, rules, rerun),
    ]
    places = {head.cell.label: at for at, (_, head) in enumerate(sides)}
    cells = [head.cell for _, head in sides]
    measured = ("parameters", "macs", "output", *(pair.measure for pair in pairs))
    return GateReport(
        suite=suite,
        base=names[0],
        head=names[1],
        verdicts=tuple(sorted(verdicts, key=lambda each: places.get(each.cell, -1))),
        timings=tuple(pairs),
        cautions=(*cautions, *unmet(rules, measured=measured, cells=cells)),
    )


def _presence(
    vanished: Sequence[str], appeared: Sequence[str], rules: GateRules, rerun: Rerun
) -> Iterator[Verdict]:
    for labels, on, reason in (
        (vanished, rules.vanished, "it vanished: the head has no such cell"),
        (appeared, rules.appeared, "it appeared: the base has no such cell"),
    ):
        for label in labels:
            only = label if labels is appeared else ""
            verdict = Maker(label, only, rerun).presence("cell", on, reason)
            if verdict is not None:
                yield verdict


def _cell(base: SideResult, head: SideResult, rules: GateRules, rerun: Rerun) -> Iterator[Verdict]:
    make = Maker.of(head.cell, rerun)
    if base.problem is not None or head.problem is not None:
        verdict = _unbuilt(make, base.problem, head.problem, rules)
        if verdict is not None:
            yield verdict
        return
    for measure, unit, before, after in (
        ("parameters", "1", base.parameters, head.parameters),
        ("macs", "MAC", base.macs, head.macs),
    ):
        rule = rule_of(rules, measure, head.cell)
        if rule.kind == "ignore" or before is None:
            continue
        if after is None:
            lost = make.presence(measure, rules.vanished, "the base has it, the head has not")
            if lost is not None:
                yield lost
            continue
        by_operator = (base.macs_by_operator, head.macs_by_operator) if measure == "macs" else None
        yield count_verdict(make, measure, before, after, rule, unit=unit, by_operator=by_operator)
    rule = rule_of(rules, "output", head.cell)
    if rule.kind != "ignore" and base.output is not None:
        if head.output is not None:
            yield output_verdict(make, base.output, head.output, rule)
        elif (
            lost := make.presence("output", rules.vanished, "the base has it, the head has not")
        ) is not None:
            yield lost


def _unbuilt(make: Maker, base: str | None, head: str | None, rules: GateRules) -> Verdict | None:
    told = {side: " ".join((problem or "").split()) for side, problem in (("base", base), ("head", head))}
    if base is not None and head is not None:
        return make.verdict("cell", "ambiguous", f"neither revision builds it: {told['head']}")
    if head is not None:
        return make.presence("cell", rules.vanished, f"it no longer builds: {told['head']}")
    return make.presence("cell", rules.appeared, f"it builds now; the base did not: {told['base']}")


def _times(
    sides: Sequence[tuple[SideResult, SideResult]],
    pairs: Sequence[PairedTiming],
    rules: GateRules,
    rerun: Rerun,
) -> Iterator[Verdict]:
    cells = {head.cell.label: head.cell for _, head in sides}
    judged = [
        TimedCell(pair, Maker.of(cells[pair.cell], rerun), rule)
        for pair in pairs
        if pair.cell in cells and (rule := rule_of(rules, pair.measure, cells[pair.cell])).kind != "ignore"
    ]
    yield from judge_times(judged)
    timed = {each.pair.cell for each in judged}
    for base, head in sides:
        label = head.cell.label
        is_due = pairs and label not in timed and base.problem is None and head.problem is None
        rule = rule_of(rules, "latency", head.cell)
        if is_due and rule.kind != "ignore":
            yield Maker.of(head.cell, rerun).verdict("latency", "ambiguous", "it was not timed", rule=rule)
