"""Which rule holds for a measure of a cell: the defaults, then the suite's or the file's own."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from benchbench.core.cell import Cell
from benchbench.core.changes import LATENCIES
from benchbench.core.gate_rules import (
    KNOWN_NAMES,
    TIMES,
    GateRule,
    GateRules,
    check_rules,
    matches,
    never_exact,
)
from benchbench.core.source_map import SourceMap
from benchbench.core.suite_file import read_document
from benchbench.core.validation import validated

# Measure -> rule, the last that matches counts; docs/gate.md says why each is what it is.
DEFAULTS: dict[str, GateRule] = {
    "*": GateRule(rule="ignore"),
    **dict.fromkeys(
        (
            *("parameters", "macs", "output"),
            *("discriminator_parameters", "discriminator_macs", "total_parameters"),
        ),
        GateRule(rule="exact"),
    ),
    **dict.fromkeys(TIMES, GateRule(tolerance=0.10)),
    **dict.fromkeys(("perceptual_loss", "fid", "clean_fid", "fd", "fd[*"), GateRule(tolerance=0.05)),
    **dict.fromkeys(
        ("kid", "clean_kid", "kd", "kd[*", "kd_subsets", "kd_subsets[*"), GateRule(tolerance=0.10)
    ),
    **dict.fromkeys(
        ("lpips", "lpips[*", "lpips_diversity", "lpips_diversity[*", "l1", "inception_score"),
        GateRule(tolerance=0.05),
    ),
    **dict.fromkeys(("precision*", "recall*", "density*", "coverage*"), GateRule(tolerance=0.05)),
    **dict.fromkeys(("psnr", "ssim", "miou"), GateRule(tolerance=0.02)),
}


@dataclass(frozen=True, slots=True)
class Rule:
    """What holds for one measure of one cell; `tolerance` is a share, None unless it is `within`."""

    kind: Literal["exact", "ignore", "within"]
    tolerance: float | None
    on: Literal["fail", "warn"]

    @property
    def words(self) -> str:
        """For people: `exact`, `5 %`, `5 %, warns`."""
        told = self.kind if self.tolerance is None else f"{100 * self.tolerance:g} %"
        return f"{told}, warns" if self.on == "warn" else told


def rule_of(rules: GateRules, measure: str, cell: Cell) -> Rule:
    """The rule for a measure of a cell.

    `latency` is the rule of every ratio of times, unless one names `speedup` or its like itself.

    Raises:
        OptionError: it asks a time to be exact.
    """
    names = _names(measure)
    found = Rule("ignore", None, "fail")
    own = (cell.label, cell.variant, cell.id)
    layers = [DEFAULTS, rules.measures]
    layers += [declared for glob, declared in rules.cells.items() if matches(glob, own)]
    for layer in layers:
        for glob, rule in layer.items():
            if matches(glob, names):
                found = _changed(found, rule)
    if (found.kind == "exact" or found.tolerance == 0) and measure in TIMES:
        raise never_exact(measure)
    return found


def load_rules(path: str | Path) -> tuple[GateRules, SourceMap]:
    """The rules in a `gate.yaml`, and the line of each.

    Raises:
        SuiteError: the file cannot be read, is not YAML, or declares what is no rule.
    """
    document = read_document(Path(path), what="rules of a gate", start="docs/gate.md")
    return validated(GateRules, document.raw, document.sources, ()), document.sources


def check_file_rules(rules: GateRules, sources: SourceMap, *, measured: Iterable[str]) -> None:
    """Check the names in rules of a file, once it is known what was measured.

    Raises:
        UnknownNameError, OptionError: as core/gate_rules.py, with the line.
    """
    check_rules(rules, (*KNOWN_NAMES, *measured), sources, ())


def unmet(rules: GateRules, *, measured: Iterable[str], cells: Iterable[Cell]) -> tuple[str, ...]:
    """A line for each glob in the rules that matches nothing, so that a misspelt one does not pass."""
    names = [name for each in dict.fromkeys(measured) for name in _names(each)]
    own = [name for cell in cells for name in (cell.label, cell.variant, cell.id)]
    globs = [*rules.measures, *(name for declared in rules.cells.values() for name in declared)]
    lines = [
        f"the rule '{glob}' matches no measure"
        for glob in dict.fromkeys(globs)
        if ("*" in glob or "?" in glob) and not matches(glob, names)
    ]
    lines += [f"the rules of cell '{glob}' match no cell" for glob in rules.cells if not matches(glob, own)]
    return tuple(lines)


def _names(measure: str) -> tuple[str, ...]:
    if measure in ("speedup", "device_latency", "device_speedup"):
        partner = {ratio: time for time, ratio in LATENCIES.items()}.get(measure)
        return tuple(dict.fromkeys(("latency", *([partner] if partner else []), measure)))
    base = measure.partition("[")[0]
    return (measure,) if base == measure else (base, measure)


def _changed(found: Rule, by: GateRule) -> Rule:
    if by.tolerance is not None:
        found = Rule("within", by.tolerance, found.on)
    elif by.rule in ("exact", "ignore"):
        found = Rule(by.rule, None, found.on)
    return found if by.on is None else replace(found, on=by.on)
