"""One walk over the cells of two results: what is exact is judged at once, the rest is gathered."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from benchbench.core.changes import EXACT, LATENCIES
from benchbench.core.comparable import mismatch
from benchbench.core.declared import declared_otherwise
from benchbench.core.errors import ProtocolMismatchError
from benchbench.core.gate_rules import GateRules
from benchbench.core.gating import Verdict
from benchbench.core.measurement import CellResult, Measurement, ResultTable
from benchbench.core.units import format_quantity
from benchbench.gate.exact import count_verdict, output_verdict
from benchbench.gate.making import Maker, Rerun
from benchbench.gate.pairing import (
    Paired,
    choose_cells,
    is_of_other_pictures,
    macs_by_kind,
    pair_cells,
    pair_figures,
    without_seed,
)
from benchbench.gate.quality import QualityFinding, compare_quality
from benchbench.gate.ratios import CONTROLS, Finding, compare_speedups
from benchbench.gate.rules import Rule, rule_of, unmet
from benchbench.gate.words import listed, signed

_RATES = frozenset({"s", "B/s", "MAC/s", "J", "W", "image/s"})
_COUNTS = EXACT | {"peak_activation"}


@dataclass(slots=True)
class Gathered:
    """What one walk found; verdicts on ratios and quality are made of all of them together."""

    verdicts: list[Verdict] = field(default_factory=list)
    ratios: list[Finding] = field(default_factory=list)
    quality: list[QualityFinding] = field(default_factory=list)
    cautions: list[str] = field(default_factory=list)
    labels: list[str] = field(default_factory=list)
    mismatches: list[ProtocolMismatchError] = field(default_factory=list)

    @property
    def mismatch(self) -> ProtocolMismatchError | None:
        """All of them as one."""
        if not self.mismatches:
            return None
        first, *more = self.mismatches
        told = f" (and {len(more)} more figure{'s' if len(more) > 1 else ''})" if more else ""
        return ProtocolMismatchError(f"{first.problem}{told}", expected=first.expected, fix=first.fix)


def gather(
    base: ResultTable,
    head: ResultTable,
    rules: GateRules,
    rerun: Rerun,
    *,
    only: str | None,
    what: Literal["all", "ratios"],
    mismatches: Literal["raised", "kept"] = "raised",
) -> Gathered:
    """Walk over the cells of both results once.

    Args:
        mismatches: of protocols; `kept`, they are told by `Gathered.mismatch` alone.

    Raises:
        GateError, ProtocolMismatchError, OptionError: as `judge_tables`.
    """
    found = Gathered()
    _Walk(base, head, rules, rerun, found, what=what).all_cells(only)
    if mismatches == "raised" and found.mismatch is not None:
        raise found.mismatch
    return found


class _Walk:
    """One walk over the cells of both results."""

    def __init__(
        self,
        base: ResultTable,
        head: ResultTable,
        rules: GateRules,
        rerun: Rerun,
        into: Gathered,
        *,
        what: Literal["all", "ratios"],
    ) -> None:
        self._tables = base, head
        self._rules, self._rerun, self._into, self._what = rules, rerun, into, what
        self._lost: dict[str, list[str]] = {}
        self._new: dict[str, list[str]] = {}
        self._pairs: dict[tuple[str, ...], list[tuple[Maker, Rule, Measurement, Measurement]]] = {}
        self._in_head = {each.name for result in head.results for each in result.measurements}

    def all_cells(self, only: str | None) -> None:
        """Every cell that `only` matches."""
        base, head = self._tables
        cells = choose_cells(pair_cells(base, head), only)
        for pair in cells:
            self._cell(pair)
        for key, found in self._pairs.items():
            make, rule = found[0][0], found[0][1]
            if len(found) > 1:
                label = " ".join(filter(None, (key[1], key[2])))
                make = Maker(label, make.only, make.rerun)
            pairs = [(one, other) for _, _, one, other in found]
            self._into.quality.append(compare_quality(make, rule, pairs))
        measured = [
            each.name for table in self._tables for result in table.results for each in result.measurements
        ]
        self._into.cautions += [
            f"not judged, as the {side} has none of it: {name} of {listed(labels)}"
            for side, lacking in (("head", self._lost), ("base", self._new))
            for name, labels in lacking.items()
        ]
        self._into.cautions += unmet(
            self._rules, measured=(*measured, "output"), cells=[pair.cell for pair in cells]
        )

    def _cell(self, pair: Paired) -> None:
        make = Maker.of(pair.cell, self._rerun, label=pair.label)
        self._into.labels.append(pair.label)
        base, head = pair.base, pair.head
        if base is None or base.failure is not None:
            if base is not None and head is not None and head.failure is not None:
                why = " ".join(head.failure.reason.split())
                self._add(make.verdict("cell", "ambiguous", f"it failed in both: {why}"))
            elif head is not None and head.failure is None:
                self._add(
                    make.presence("cell", self._rules.appeared, "it appeared: the base has no result of it")
                )
            return
        if head is None or head.failure is not None:
            reason = "it vanished: the head has no such cell"
            if head is not None and head.failure is not None:
                reason = (
                    f"it failed in the head: {head.failure.kind}: {' '.join(head.failure.reason.split())}"
                )
            found = make if head is not None else make.without_only()
            self._add(found.presence("cell", self._rules.vanished, reason))
            return
        if told := declared_otherwise(base.cell, head.cell):
            self._into.cautions.append(f"{pair.label} is declared otherwise: {listed(list(told))}")
        keys = dict.fromkeys((each.name, each.setting) for each in (*base.measurements, *head.measurements))
        for name, setting in keys:
            rule = rule_of(self._rules, name, pair.cell)
            if rule.kind == "ignore" or name in CONTROLS.values():
                continue
            ours, theirs = (_named(each, name, setting) for each in (base, head))
            for at, (one, other) in enumerate(pair_figures(ours, theirs)):
                self._figure(make, rule, (base, head), (one, other), at)
        self._output(make, base, head)

    def _figure(
        self,
        make: Maker,
        rule: Rule,
        results: tuple[CellResult, CellResult],
        figures: tuple[Measurement | None, Measurement | None],
        at: int,
    ) -> None:
        base, head = figures
        if base is None:
            assert head is not None
            self._new.setdefault(head.name, []).append(make.label)
            return
        if head is None:
            self._missing(make, rule, results[1], base)
            return
        is_ratio = base.name in CONTROLS
        if base.protocol.hash != head.protocol.hash and is_of_other_pictures(base, head):
            reason = (
                "the reference is what the baseline variant makes, and that has changed: nothing to compare"
            )
            self._add(make.verdict(base.name, "ambiguous", reason, rule=rule, setting=base.setting))
            return
        if base.protocol.hash != head.protocol.hash:
            self._into.mismatches.append(mismatch(make.label, base.name, base.protocol, head.protocol))
            return
        if is_ratio:
            self._into.ratios.append(compare_speedups(make, rule, (base, head), self._tables, results))
        elif base.unit in _RATES:
            self._add(_annotate(make, rule, base, head))
        elif base.name in _COUNTS:
            kinds = tuple(macs_by_kind(each.layers) for each in results) if base.name == "macs" else ()
            by_kind = (kinds[0], kinds[1]) if len(kinds) == 2 and all(kinds) else None
            self._add(
                count_verdict(
                    make, base.name, base.value, head.value, rule, unit=base.unit, by_operator=by_kind
                )
            )
        else:
            # The seeds of one line together; several figures of one name differ by their protocols.
            cell = results[1].cell
            shared = " ".join(map(str, without_seed(cell.settings)))
            line = (cell.variant_group or "", cell.variant, shared)
            key = (*line, base.name, base.setting, str(rule), str(at))
            self._pairs.setdefault(key, []).append((make, rule, base, head))

    def _missing(self, make: Maker, rule: Rule, head: CellResult, base: Measurement) -> None:
        failed = next((each for each in head.failures if _is_of(each.of, base.name)), None)
        if failed is None and rule.kind == "within" and base.name not in self._in_head:
            self._lost.setdefault(base.name, []).append(make.label)
            return
        why = f": {failed.kind}: {' '.join(failed.reason.split())}" if failed is not None else ""
        reason = f"the base has it, the head has not{why}"
        self._add(make.presence(base.name, self._rules.vanished, reason, setting=base.setting))

    def _output(self, make: Maker, base: CellResult, head: CellResult) -> None:
        rule = rule_of(self._rules, "output", head.cell)
        if rule.kind == "ignore":
            return
        if base.output is None:
            if head.output is not None:
                self._new.setdefault("output", []).append(make.label)
            return
        if head.output is None:
            failed = next((each for each in head.failures if each.of == "output"), None)
            why = f": {failed.kind}: {' '.join(failed.reason.split())}" if failed is not None else ""
            self._add(
                make.presence("output", self._rules.vanished, f"the base has it, the head has not{why}")
            )
            return
        self._add(output_verdict(make, base.output, head.output, rule))

    def _add(self, verdict: Verdict | None) -> None:
        if verdict is not None and self._what == "all":
            self._into.verdicts.append(verdict)


def _named(result: CellResult, name: str, setting: str) -> list[Measurement]:
    return [each for each in result.measurements if each.name == name and each.setting == setting]


def _is_of(failed: str, name: str) -> bool:
    if failed == name or failed.endswith(f": {name}"):
        return True
    return failed == "latency" and name in (*LATENCIES, *LATENCIES.values())


def _annotate(make: Maker, rule: Rule, base: Measurement, head: Measurement) -> Verdict:
    told = f"{format_quantity(base.value, base.unit)} -> {format_quantity(head.value, head.unit)}"
    change = f" ({signed(head.value / base.value - 1)})" if base.value > 0 else ""
    return make.verdict(
        base.name,
        "note",
        f"{told}{change}: an absolute figure of another run, which annotates alone",
        rule=rule,
        setting=base.setting,
        unit=base.unit,
        base=base.value,
        head=head.value,
    )
