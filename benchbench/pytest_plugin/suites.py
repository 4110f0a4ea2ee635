"""`pytest --benchbench SUITE`: a file, its cells and measures as tests, and what is said at the end.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from benchbench.core.errors import BenchbenchError
from benchbench.pytest_plugin.items import MeasureItem, RestItem, items_of
from benchbench.pytest_plugin.requested import Requested, one_line
from benchbench.pytest_plugin.suite_run import SuiteRun


class SuitePlugin:
    """The hooks that are there only where a suite was asked for."""

    def __init__(self, config: pytest.Config) -> None:
        self._paths = tuple(Path(given).resolve() for given in config.getoption("benchbench"))
        if len(self._paths) > 1 and config.getoption("benchbench_baseline"):
            raise pytest.UsageError(
                "--benchbench-baseline: a baseline is of one suite; give one --benchbench"
            )
        # Who asks for a suite asks for its tests alone, unless others are named.
        named = config.args if config.args_source == pytest.Config.ArgsSource.ARGS else []
        there = {Path(arg.split("::")[0]).resolve() for arg in named}
        config.args[:] = [*named, *(str(path) for path in self._paths if path not in there)]
        self._runs: list[SuiteRun] = []

    def pytest_collect_file(self, file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
        """The suite files that were asked for, and no other YAML."""
        if file_path.resolve() not in self._paths:
            return None
        made = SuiteFile.from_parent(parent, path=file_path)
        made.runs = self._runs
        return made

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Tell every run what is left after `-k`, `-m` and node ids: nothing else is measured."""
        for item in session.items:
            if isinstance(item, (MeasureItem, RestItem)):
                item.want()

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Where the results are, and every verdict that is not a plain pass."""
        lines = [line for run in self._runs for line in run.summary()]
        if lines:
            terminalreporter.section("benchbench")
            for line in lines:
                terminalreporter.write_line(line)


class SuiteFile(pytest.File):
    """One suite; a mistake in it is told in one line, with its place."""

    runs: list[SuiteRun]

    def collect(self) -> Iterator[pytest.Item]:
        """One test per cell and measure; nothing is built or measured yet.

        Raises:
            CollectError: the suite is wrong.
        """
        try:
            run = SuiteRun.load(self.path, Requested.of(self.config))
            tests = items_of(run)
            if hasattr(self.config, "workerinput") and any(test.is_timed for test in tests):
                raise self.CollectError(
                    f"{self.path.name}: xdist's other workers would be timed too; run with -n 0, or counts "
                    "alone: --benchbench-profile static"
                )
        except BenchbenchError as error:
            raise self.CollectError(one_line(error)) from None
        self.runs.append(run)
        for test in tests:
            yield MeasureItem.of(self, run, test)
        if run.has_baseline:
            yield RestItem.of(self, run)
