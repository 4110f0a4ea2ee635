"""One suite, measured once for all of its tests, when the first of them needs it.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from pathlib import Path

from benchbench.core.cell import Cell
from benchbench.core.errors import BenchbenchError
from benchbench.core.expand import expand
from benchbench.core.gate_rules import GateRules
from benchbench.core.gating import GateReport, Verdict
from benchbench.core.measurement import CellResult, Measurement, ResultTable
from benchbench.core.registry import MEASURES
from benchbench.core.suite import MeasureSpec, Suite
from benchbench.core.suite_file import load_suite
from benchbench.gate.rules import rule_of
from benchbench.pytest_plugin.making import makes
from benchbench.pytest_plugin.requested import Requested

OUTPUT = "output"


@dataclass(slots=True)
class SuiteRun:
    """A suite and what came of it.

    All cells are measured in one run, in fresh processes and interleaved, as `benchbench run` does it: a
    test that timed its own cell alone would compare the machine at two moments.
    """

    suite: Suite
    path: Path
    requested: Requested
    cells: tuple[Cell, ...]
    wanted: set[str] = field(default_factory=set)
    wanted_cells: set[str] = field(default_factory=set)
    _table: ResultTable | None = None
    _base: ResultTable | None = None
    _report: GateReport | None = None
    _error: BenchbenchError | None = None

    @classmethod
    def load(cls, path: Path, requested: Requested) -> SuiteRun:
        """The suite with its overrides, not measured yet.

        Raises:
            BenchbenchError: it cannot be read, or is wrong.
        """
        suite = load_suite(path, overrides=requested.overrides, profile=requested.profile)
        asked = any(spec.name == OUTPUT for spec in suite.measure)
        if requested.baseline is not None and not asked and OUTPUT in MEASURES:
            # What a seeded network makes is judged without being asked for, as `benchbench gate` does.
            measure = (*suite.measure, MeasureSpec(name=OUTPUT))
            suite = suite.model_copy(update={"measure": measure})
        return cls(suite, path, requested, expand(suite, only=requested.only))

    @property
    def has_baseline(self) -> bool:
        """Whether verdicts were asked for."""
        return self.requested.baseline is not None

    def result(self, cell: Cell) -> CellResult:
        """What the run found for a cell.

        Raises:
            BenchbenchError: the request is wrong; the same for every test of this suite.
        """
        table = self.table()
        return next(
            (each for each in table.results if each.cell.id == cell.id),
            CellResult(cell=cell),
        )

    def table(self) -> ResultTable:
        """Everything that the run found; measures on the first call.

        Raises:
            BenchbenchError: the request is wrong, or the results cannot be written.
        """
        if self._error is not None:
            raise self._error
        if self._table is None:
            from benchbench.pytest_plugin.verdicts import read_base
            from benchbench.runner.gate_run import check_declared
            from benchbench.runner.run import run

            try:
                if self.has_baseline:
                    # Before an hour is measured that it cannot judge.
                    self._base = read_base(self.requested, self.suite.name)
                    check_declared(self._base, self._judged_suite())
                self._table = run(
                    self._wanted_suite(),
                    out=self.requested.out,
                    only=self.requested.only,
                    command=self.requested.command,
                    folders=(self.path.parent,),
                    say=_say,
                )
            except BenchbenchError as error:
                self._error = error
                raise
        return self._table

    def report(self) -> GateReport:
        """What the baseline says of the run; judges on the first call.

        Raises:
            BenchbenchError: as `table`, or the baseline is of another suite or protocol, or damaged.
        """
        table = self.table()
        if self._report is None:
            from benchbench.pytest_plugin.verdicts import judge_run

            assert self._base is not None
            try:
                made = judge_run(
                    self._base,
                    table,
                    file=self.path,
                    requested=self.requested,
                    was_measured=self._was_measured,
                    left_out=self._left_out(table),
                    say=_say,
                )
                # A baseline variant that was measured for a ratio is not judged by itself.
                unasked = self._deselected()
                kept = tuple(each for each in made.verdicts if each.cell not in unasked)
                self._report = made.model_copy(update={"verdicts": kept})
            except BenchbenchError as error:
                self._error = error
                raise
        return self._report

    def verdicts(self) -> tuple[Verdict, ...]:
        """Those of the whole suite; none without a baseline."""
        return self.report().verdicts if self.has_baseline else ()

    def summary(self) -> list[str]:
        """Lines for the end of pytest's output; none where nothing was measured."""
        if self._table is None:
            return []
        lines = [f"{self.suite.name}: results in {self._table.folder}"]
        for verdict in self._report.verdicts if self._report is not None else ():
            if verdict.status in ("fail", "ambiguous") or verdict.is_warning:
                what = ", ".join(part for part in (verdict.cell, verdict.measure, verdict.setting) if part)
                lines.append(f"{verdict.status}: {what}: {verdict.reason}")
        if self._report is not None:
            lines += self._report.cautions
        return lines

    def _was_measured(self, figure: Measurement | None) -> bool:
        if figure is None:
            return OUTPUT in self.wanted
        return any(makes(MEASURES.load(name), name, figure.name, figure.provenance) for name in self.wanted)

    def _judged_suite(self) -> Suite:
        suite, rules = self._wanted_suite(), self.suite.gate or GateRules()
        judged = tuple(
            spec
            for spec in suite.measure
            if any(rule_of(rules, spec.name, cell).kind != "ignore" for cell in self.cells)
        )
        return suite.model_copy(update={"measure": judged})

    def _deselected(self) -> frozenset[str]:
        """Labels of the cells of which no test is left; none where no test of any is."""
        if not self.wanted_cells:
            return frozenset()
        return frozenset(each.label for each in self.cells if each.id not in self.wanted_cells)

    def _left_out(self, table: ResultTable) -> frozenset[str]:
        return self._deselected() - {each.cell.label for each in table.results}

    def _wanted_suite(self) -> Suite:
        # A measure, or a cell, whose every test was deselected is not taken.
        kept = tuple(spec for spec in self.suite.measure if spec.name in self.wanted)
        suite = self.suite.model_copy(update={"measure": kept})
        if not self._deselected():
            return suite
        from benchbench.runner.gate_run import with_only

        return with_only(suite, [each for each in self.cells if each.id in self.wanted_cells])


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")
