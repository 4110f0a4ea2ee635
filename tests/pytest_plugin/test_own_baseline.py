"""The quickstart's networks are what results/baseline says: counted here, in this process, by the plugin."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from benchbench.core.environment import Environment
from benchbench.core.expand import expand
from benchbench.core.measurement import ResultTable, RunRecord
from benchbench.core.suite import Suite
from benchbench.runner.cell_job import execute_cell
from benchbench.runner.jobs import CellJob

pytest_plugins = ("pytester",)
RunPlugin = Callable[..., pytest.RunResult]
ROOT = Path(__file__).parents[2]
BASELINE = ROOT / "results/baseline/quickstart_static.json"


@pytest.fixture
def counted_here(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """runner.run.run without its fresh processes: `tox -e gate` has those."""

    def run(suite: Suite, *, only: str | None, **_: Any) -> ResultTable:
        job = {"measures": suite.measure, "folder": str(tmp_path)}
        results = tuple(execute_cell(CellJob(cell=cell, **job)) for cell in expand(suite, only=only))
        record = RunRecord(id="here", command="", started="", benchbench="")
        return ResultTable(suite=suite, run=record, environment=Environment(), results=results)

    monkeypatch.setattr("benchbench.runner.run.run", run)


def gate(run_plugin: RunPlugin, *words: str) -> pytest.RunResult:
    suite = str(ROOT / "suites/quickstart.yaml")
    # Counts alone: an output of 256 x 256 pixels takes a second and a half, and `tox -e gate` holds those.
    given = ("--benchbench-profile", "static", "--benchbench-baseline", str(BASELINE), "-k", "not output")
    return run_plugin("--benchbench", suite, *given, *words)


@pytest.mark.usefixtures("counted_here")
def test_parameters_and_macs_are_those_of_the_baseline(run_plugin: RunPlugin) -> None:
    found = gate(run_plugin, "-W", "error").parseoutcomes()
    assert (found["passed"], found.keys() & {"failed", "errors", "warnings"}) == (9, set())


@pytest.mark.usefixtures("counted_here")
def test_another_network_is_red(run_plugin: RunPlugin) -> None:
    result = gate(run_plugin, "--benchbench-set", "architecture.width=31", "--benchbench-only", "v3")
    assert result.parseoutcomes()["failed"] == 2
    result.stdout.fnmatch_lines(["parameters: 207,865 -> 19*; the rule is exact"])
