"""What of the machines and the software may explain a difference between runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from benchbench.core.measurement import Measurement, ResultTable
from benchbench.core.units import format_quantity
from benchbench.report.views.provenance import UNKNOWN, run_view

# Told also where they are equal: that they are is what makes the rest comparable.
_ALWAYS = ("cpu model", "cpus usable", "torch threads", "gpus", "torch")
_LEFT_OUT = ("packages", "load after", "affinity")


@dataclass(frozen=True, slots=True)
class FactRow:
    """One fact, with each run's value; `unknown` where a machine did not say."""

    name: str
    values: tuple[str, ...]

    @property
    def differs(self) -> bool:
        """Whether the runs differ in it."""
        return len(set(self.values)) > 1


def differing_facts(tables: Sequence[ResultTable]) -> tuple[FactRow, ...]:
    """The facts in which the runs differ, and those that are told always."""
    found = [_facts(table) for table in tables]
    names = dict.fromkeys(name for facts in found for name in facts)
    rows = [FactRow(name, tuple(facts.get(name, UNKNOWN) for facts in found)) for name in names]
    kept = [row for row in rows if row.differs or row.name in _ALWAYS]
    return tuple(sorted(kept, key=lambda row: (row.name not in _ALWAYS, not row.differs)))


def noisy_settings(table: ResultTable) -> tuple[str, ...]:
    """Where the duplicate of the baseline was told apart from it."""
    found = _of_the_run(table, "aa_control", "device_aa_control")
    return tuple(dict.fromkeys(each.setting for each in found if each.interval and 1.0 not in each.interval))


def _facts(table: ResultTable) -> dict[str, str]:
    facts = {row.name: row.value for row in run_view(table).facts if row.name not in _LEFT_OUT}
    facts |= dict(sorted(table.environment.packages.items()))
    facts["benchbench"] = table.run.benchbench
    facts["started"] = table.run.started
    for each in _of_the_run(table, "roof_compute", "roof_memory"):
        name = each.name.replace("roof_", "measured roof, ")
        facts[f"{name} ({each.setting})"] = format_quantity(each.value, each.unit)
    return facts


def _of_the_run(table: ResultTable, *names: str) -> list[Measurement]:
    return [each for result in table.results for each in result.measurements if each.name in names]
