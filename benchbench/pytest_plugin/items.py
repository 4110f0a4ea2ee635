"""One test per cell and measure: what it asks of the run, and how it says what came of it.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from benchbench.core.cell import Cell
from benchbench.core.contracts import Measure
from benchbench.core.errors import BenchbenchError
from benchbench.core.gating import Verdict
from benchbench.core.measurement import CellResult, Measurement
from benchbench.core.model import parse_options
from benchbench.core.registry import MEASURES
from benchbench.gate.lines import measure_words
from benchbench.pytest_plugin import AmbiguousVerdict
from benchbench.pytest_plugin.facts import facts_of
from benchbench.pytest_plugin.making import makes
from benchbench.pytest_plugin.recorded import BenchmarkFixture, RecordedClock, fail_within
from benchbench.pytest_plugin.requested import one_line
from benchbench.pytest_plugin.suite_run import SuiteRun

HEADLINE = "latency"


class VerdictError(AssertionError):
    """A verdict that is `fail`, or a measure that could not be taken."""


@dataclass(frozen=True, slots=True)
class PlannedTest:
    """One measure of one cell, at one setting where it is timed side by side."""

    cell: Cell
    spec: str
    measure: Measure
    setting: str = ""

    @property
    def is_timed(self) -> bool:
        """Whether processes of its own measure it."""
        return self.measure.comparison is not None

    @property
    def name(self) -> str:
        """`latency[v1, cpu, 2 threads]`; `--benchmark-group-by=func` takes what stands before the bracket."""
        where = ", ".join(part for part in (self.cell.label, self.setting) if part)
        return f"{self.spec}[{where}]"

    def figures_of(self, result: CellResult) -> tuple[Measurement, ...]:
        """Of a cell's figures those that this measure made, at this setting."""
        return tuple(
            each
            for each in result.measurements
            if each.setting in ("", self.setting or each.setting)
            and makes(self.measure, self.spec, each.name, each.provenance)
        )

    def owns(self, verdict: Verdict, figures: Iterable[Measurement]) -> bool:
        """Whether this test tells that verdict; `figures` are its own."""
        names = {each.name for each in figures}
        same = verdict.cell in (self.cell.label, self.cell.id)
        where = not (self.setting and verdict.setting) or verdict.setting == self.setting
        return (
            same and where and (verdict.measure in names or makes(self.measure, self.spec, verdict.measure))
        )


def items_of(run: SuiteRun) -> tuple[PlannedTest, ...]:
    """Every test of the suite, cell by cell."""
    tests: list[PlannedTest] = []
    for cell in run.cells:
        for spec in run.suite.measure:
            measure = MEASURES.load(spec.name)
            if measure.comparison is None:
                tests.append(PlannedTest(cell, spec.name, measure))
                continue
            options = parse_options("measure", spec.name, measure.options, spec.options)
            settings = [measure.comparison.setting(part) for part in measure.comparison.split(options)]
            tests += [PlannedTest(cell, spec.name, measure, each) for each in dict.fromkeys(settings)]
    return tuple(tests)


class _Told(pytest.Function):
    """Errors in one line; the place of a test is its suite."""

    run_of_suite: SuiteRun

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], *args: Any, **more: Any) -> Any:
        """One line for what is meant to be read; a traceback for what is not."""
        if isinstance(excinfo.value, BenchbenchError):
            return one_line(excinfo.value)
        if isinstance(excinfo.value, VerdictError):
            return str(excinfo.value)
        return super().repr_failure(excinfo, *args, **more)

    def reportinfo(self) -> tuple[Path, int, str]:
        """The suite's file."""
        return self.path, 0, self.name

    def place_of(self, verdict: Verdict) -> str:
        """What a verdict is of, beside the test's own name."""
        return measure_words(verdict)

    def tell(self, verdicts: Iterable[Verdict]) -> None:
        """Turn verdicts into a failure, a warning or nothing; junit gets them as properties.

        Raises:
            VerdictError: one of them is `fail`.
        """
        found = tuple(verdicts)
        for each in found:
            where = self.place_of(each)
            self.user_properties.append((f"verdict {where}", f"{each.status}: {each.reason}"))
            if each.status == "ambiguous" or each.is_warning:
                self.warn(AmbiguousVerdict(f"{self.name}: {where}: {each.reason}"))
        wrong = [each for each in found if each.status == "fail"]
        if wrong:
            lines = [f"{self.place_of(each)}: {each.reason}" for each in wrong]
            lines += [f"  again: {each.rerun}" for each in wrong if each.rerun]
            raise VerdictError("\n".join(lines))


class MeasureItem(_Told):
    """One measure of one cell."""

    test: PlannedTest

    @classmethod
    def of(cls, parent: pytest.Collector, run: SuiteRun, test: PlannedTest) -> MeasureItem:
        """The test; a latency runs through pytest-benchmark where that is there."""
        clock = RecordedClock()
        plugins = parent.config.pluginmanager
        through = test.spec == HEADLINE and plugins.hasplugin("benchmark")

        def timed(benchmark: BenchmarkFixture) -> None:
            made.check(benchmark, clock)

        def plain() -> None:
            made.check(None, clock)

        function: Callable[..., None] = timed if through else plain
        made: MeasureItem = cls.from_parent(parent, name=test.name, callobj=function)
        made.test, made.run_of_suite = test, run
        if through:
            group = ", ".join(part for part in (test.spec, test.setting, test.cell.group) if part)
            made.add_marker(pytest.mark.benchmark(timer=clock, group=group))
        if test.is_timed and not run.requested.may_time:
            reason = "--benchmark-disable or --benchmark-skip: nothing is timed; --benchmark-enable overrides"
            made.add_marker(pytest.mark.skip(reason=reason))
        return made

    def want(self) -> None:
        """This test will run."""
        if not any(mark.name == "skip" for mark in self.iter_markers()):
            self.run_of_suite.wanted.add(self.test.spec)
            self.run_of_suite.wanted_cells.add(self.test.cell.id)

    def check(self, benchmark: BenchmarkFixture | None, clock: RecordedClock) -> None:
        """Measure the suite unless another test has, tell pytest-benchmark, then the verdicts.

        Raises:
            VerdictError: the measure failed, or a verdict is `fail`.
            BenchbenchError: the request is wrong.
        """
        test, run = self.test, self.run_of_suite
        try:
            result, figures = self._measured()
            verdicts = [each for each in run.verdicts() if test.owns(each, figures)]
        except Exception as error:
            if benchmark is not None:
                fail_within(benchmark, error)
            raise
        self.user_properties += [(_named(each), each.value) for each in figures if not each.samples]
        timed = next((each for each in figures if each.name == HEADLINE and each.samples), None)
        if benchmark is not None and timed is not None:
            benchmark.param = test.cell.label
            benchmark.params = {"cell": test.cell.label, "variant": test.cell.variant}
            benchmark.extra_info.update(facts_of(run.table(), result, timed, verdicts))
            clock.hand_over([seconds for each in timed.samples for seconds in each], benchmark)
        self.tell(verdicts)

    def _measured(self) -> tuple[CellResult, tuple[Measurement, ...]]:
        test = self.test
        result = self.run_of_suite.result(test.cell)
        figures = test.figures_of(result)
        for failure in result.failures:
            if failure.of == "cell" or (failure.of == test.spec and not figures):
                told = f"{failure.of} {failure.kind}: {failure.reason}"
                if failure.kind == "skipped":
                    # The run has it so: this machine lacks what the measure needs (a GPU), which no change
                    # of the code can mend. The reason stands in the summary and in JUnit.
                    pytest.skip(f"{told}; {failure.fix}" if failure.fix else told)
                raise VerdictError(f"{told}\n  to do: {failure.fix}" if failure.fix else told)
        if not figures and result.output is None:
            raise VerdictError(f"{test.spec} left no figure of '{test.cell.label}'")
        return result, figures


class RestItem(_Told):
    """Verdicts that belong to no other test: a cell that vanished or appeared, an output that changed."""

    @classmethod
    def of(cls, parent: pytest.Collector, run: SuiteRun) -> RestItem:
        """The test; the last of its suite."""

        def rest() -> None:
            made.check()

        made: RestItem = cls.from_parent(parent, name="baseline[everything else]", callobj=rest)
        made.run_of_suite = run
        return made

    def want(self) -> None:
        """It needs nothing that the others do not."""

    def place_of(self, verdict: Verdict) -> str:
        """With the cell, which this test's name does not tell."""
        return " ".join(part for part in (verdict.cell, measure_words(verdict)) if part)

    def check(self) -> None:
        """Tell what no other test tells.

        Raises:
            VerdictError: one of them is `fail`.
            BenchbenchError: the request is wrong.
        """
        run = self.run_of_suite
        tests = [each for each in items_of(run) if each.spec in run.wanted]
        theirs = [(test, test.figures_of(run.result(test.cell))) for test in tests]
        self.tell(
            each for each in run.verdicts() if not any(test.owns(each, figures) for test, figures in theirs)
        )


def _named(figure: Measurement) -> str:
    return f"{figure.name} ({figure.setting})" if figure.setting else figure.name
