"""A real baseline and a real judgement; what a run finds, and finds again, is made up."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchbench.core.cell import Cell
from benchbench.core.environment import Environment
from benchbench.core.errors import GateError, StoreError
from benchbench.core.expand import expand
from benchbench.core.gating import Verdict
from benchbench.core.measurement import (
    CellResult,
    Interval,
    Measurement,
    OutputRecord,
    Protocol,
    ResultTable,
    RunRecord,
)
from benchbench.core.plain_yaml import read_plain
from benchbench.core.suite import Suite
from benchbench.gate.baseline import updated, write_baseline
from benchbench.pytest_plugin import verdicts
from benchbench.pytest_plugin.requested import Requested
from benchbench.pytest_plugin.verdicts import judge_run, read_base

SUITE = """
name: tiny
architecture: {name: transformer_net, width: 4}
variants:
  baseline: {}
  v1: {replace: {stages: [residual], with: depthwise_separable}}
measure: [parameters, latency]
"""
SETTING = "cpu, 1 thread"


def table(*, times: dict[str, float], parameters: int = 100, name: str = "tiny") -> ResultTable:
    """A run in which v1 takes `times` of the baseline, per process 30 rounds."""
    suite = Suite.model_validate(read_plain(SUITE.replace("name: tiny", f"name: {name}", 1)))
    cells = expand(suite)
    results = tuple(_result(cell, cells[0], times[cell.variant], parameters) for cell in cells)
    run = RunRecord(id="1", command="", started="", finished="2026", benchbench="0")
    return ResultTable(suite=suite, run=run, environment=Environment(), results=results, folder="nowhere")


def _result(cell: Cell, baseline: Cell, seconds: float, parameters: int) -> CellResult:
    random = np.random.default_rng(0)
    protocol = Protocol(name="latency/interleaved")

    def figure(name: str, value: float, **more: Any) -> Measurement:
        given: dict[str, Any] = {"unit": "1", "direction": "higher", "protocol": protocol, **more}
        return Measurement(name=name, setting=SETTING, value=value, **given)

    ratio = 1.0 / seconds
    name = "aa_control" if cell is baseline else "speedup"
    span = Interval(low=0.995 * ratio, high=1.005 * ratio)
    samples = tuple(tuple((seconds * np.exp(random.normal(0, 0.01, 30))).tolist()) for _ in range(3))
    counted = Measurement(
        name="parameters", unit="1", direction="lower", value=parameters, protocol=Protocol(name="parameters")
    )
    return CellResult(
        cell=cell,
        measurements=(
            counted,
            figure("latency", seconds, unit="s", samples=samples),
            figure(name, ratio, interval=span, baseline=baseline.id),
        ),
        output=OutputRecord(shape=(1, 3, 8, 8), digest="0" * 16),
    )


def requested(baseline: Path) -> Requested:
    return Requested(
        profile=None,
        overrides=("train.steps=1",),
        only=None,
        baseline=baseline,
        out=Path("results"),
        may_time=True,
        command="pytest",
    )


def judged(
    base: ResultTable, head: ResultTable, *, measured: Sequence[str] = ("parameters", "speedup")
) -> dict[str, Verdict]:
    report = judge_run(
        base,
        head,
        file=Path("tiny.yaml"),
        requested=requested(Path("baseline.json")),
        was_measured=lambda figure: (
            figure is not None and figure.name in (*measured, "latency", "aa_control")
        ),
        say=print,
    )
    return {f"{each.cell} {each.measure}": each for each in report.verdicts}


SAME = {"baseline": 1.0, "v1": 0.5}


def test_equal_results_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verdicts, "measure_again", lambda *_, **__: pytest.fail("nothing is to be confirmed"))
    found = judged(table(times=SAME), table(times=SAME))
    assert {each.status for each in found.values()} <= {"pass", "note"}
    assert found["v1 speedup"].status == "pass"


def test_a_count_that_changed_fails_with_the_command_to_say_so_again() -> None:
    found = judged(table(times=SAME), table(times=SAME, parameters=101))["v1 parameters"]
    assert found.status == "fail"
    assert found.rerun.startswith(
        "benchbench gate tiny.yaml --baseline baseline.json --set train.steps=1 --only "
    )


@pytest.mark.parametrize(("again", "status"), [(0.7, "fail"), (0.5, "ambiguous")])
def test_a_slow_down_fails_only_where_fresh_processes_say_so_again(
    monkeypatch: pytest.MonkeyPatch, again: float, status: str
) -> None:
    asked: list[str] = []

    def measure_again(_: ResultTable, cells: Sequence[Cell], **__: Any) -> ResultTable:
        asked.extend(cell.variant for cell in cells)
        return table(times={"baseline": 1.0, "v1": again})

    monkeypatch.setattr(verdicts, "measure_again", measure_again)
    found = judged(table(times=SAME), table(times={"baseline": 1.0, "v1": 0.7}))
    assert asked == ["v1"]
    assert found["v1 speedup"].status == status


def test_what_was_deselected_has_not_vanished() -> None:
    head = table(times=SAME)
    few = tuple(
        each.model_copy(update={"measurements": each.measurements[:1], "output": None})
        for each in head.results
    )
    found = judge_run(
        table(times=SAME),
        head.model_copy(update={"results": few}),
        file=Path("tiny.yaml"),
        requested=requested(Path("baseline.json")),
        was_measured=lambda figure: figure is not None and figure.name == "parameters",
        say=print,
    )
    assert {each.measure for each in found.verdicts} == {"parameters"}
    assert found.exit_code == 0


def test_a_cell_that_vanished_fails_with_a_command_without_only_and_one_left_out_does_not() -> None:
    base, head = table(times=SAME), table(times=SAME)
    head = head.model_copy(update={"results": head.results[:1]})
    found = judged(base, head)["v1 cell"]
    assert found.status == "fail"
    assert found.rerun == "benchbench gate tiny.yaml --baseline baseline.json --set train.steps=1"
    report = judge_run(
        base,
        head,
        file=Path("tiny.yaml"),
        requested=requested(Path("baseline.json")),
        was_measured=lambda figure: figure is not None and figure.name == "parameters",
        left_out={"v1"},
        say=print,
    )
    assert {each.cell for each in report.verdicts} == {"baseline"}


def test_a_baseline_is_read_before_anything_is_measured(tmp_path: Path) -> None:
    path = tmp_path / "baseline.json"
    with pytest.raises(StoreError):
        read_base(requested(path), "tiny")
    write_baseline(path, updated(None, table(times=SAME), reason="the first"))
    assert read_base(requested(path), "tiny").suite.name == "tiny"
    with pytest.raises(GateError, match=r"suite 'tiny', the head of 'other'"):
        read_base(requested(path), "other")
