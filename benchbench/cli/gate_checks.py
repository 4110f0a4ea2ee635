"""What a gate can refuse before anything is measured."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from benchbench.core.gate_rules import GateRules
    from benchbench.core.measurement import ResultTable
    from benchbench.core.source_map import SourceMap
    from benchbench.core.suite import Suite


def check_early(
    rules: GateRules, sources: SourceMap | None, suite: Suite, tables: tuple[ResultTable, ...]
) -> None:
    """Check the names in rules of a file by what the suite is going to measure.

    Raises:
        UnknownNameError, OptionError: with the line.
    """
    from benchbench.core.registry import MEASURES

    names = [MEASURES.load(spec.name).names or ("*",) for spec in suite.measure]
    if sources is None or ("*",) in names:
        return  # the suite's own rules were checked with it; a measure without names may make any
    check_names(rules, sources, *tables, more=[name for several in names for name in several])


def check_names(
    rules: GateRules, sources: SourceMap | None, *tables: ResultTable, more: list[str] | None = None
) -> None:
    """Check the names in rules of a file by what was measured.

    Raises:
        UnknownNameError, OptionError: with the line.
    """
    from benchbench.gate.rules import check_file_rules

    if sources is not None:
        measured = [each.name for table in tables for result in table.results for each in result.measurements]
        check_file_rules(rules, sources, measured=(*measured, *(more or ())))
