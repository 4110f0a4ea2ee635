"""`pytest --benchbench`: what is collected, what pytest-benchmark is told, and verdicts as results."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ET
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from benchbench.core.cell import Cell
from benchbench.core.environment import Environment
from benchbench.core.errors import StoreError
from benchbench.core.expand import expand
from benchbench.core.gating import GateReport, Verdict
from benchbench.core.measurement import (
    CellResult,
    Failure,
    Interval,
    Measurement,
    OutputRecord,
    Protocol,
    ResultTable,
    RunRecord,
)
from benchbench.core.suite import Suite
from benchbench.core.suite_file import load_suite
from benchbench.pytest_plugin.requested import Requested
from benchbench.pytest_plugin.suite_run import SuiteRun

pytest_plugins = ("pytester",)
RunPlugin = Callable[..., pytest.RunResult]

SUITE = """
name: tiny
architecture: {name: transformer_net, width: 4}
variants:
  baseline: {}
  v1: {replace: {stages: [residual], with: depthwise_separable}}
measure:
  - parameters
  - latency: {threads: 1}
"""
SETTING = "cpu, 1 thread"
SAMPLES = {"baseline": ((0.1, 0.125, 0.1), (0.11, 0.1)), "v1": ((0.05, 0.06, 0.05), (0.05, 0.07))}
SAMPLES["v2"] = SAMPLES["v1"]


def figure(name: str, value: float, **more: Any) -> Measurement:
    given: dict[str, Any] = {"unit": "1", "direction": "lower", "protocol": Protocol(name=name), **more}
    return Measurement(name=name, value=value, **given)


def measured(cell: Cell, baseline: Cell, wanted: Sequence[str]) -> CellResult:
    figures = [figure("parameters", 1000.0, provenance="benchbench.measures.parameters")]
    ratio = "aa_control" if cell is baseline else "speedup"
    interval = Interval(low=1.9, high=2.1)
    figures += [
        figure("latency", 0.1, unit="s", setting=SETTING, samples=SAMPLES[cell.variant]),
        figure(ratio, 2.0, setting=SETTING, interval=interval, baseline=baseline.id),
    ]
    figures += [figure("fd[rand-conv-64]", 3.0, provenance="benchbench.measures.quality")]
    kept = tuple(each for each in figures if _spec(each.name) in wanted)
    output = OutputRecord(shape=(1,), digest="0") if "output" in wanted else None
    return CellResult(cell=cell, measurements=kept, output=output)


def _spec(name: str) -> str:
    return {"aa_control": "latency", "speedup": "latency", "fd[rand-conv-64]": "quality"}.get(name, name)


class FakeRun:
    """Stands in for runner.run.run, and remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[Suite, dict[str, Any]]] = []
        self.failures: tuple[Failure, ...] = ()
        self.error: StoreError | None = None

    def __call__(self, suite: Suite, **options: Any) -> ResultTable:
        self.asked.append((suite, options))
        if self.error is not None:
            raise self.error
        cells = expand(suite, only=options["only"])
        wanted = [spec.name for spec in suite.measure]
        results = [measured(cell, cells[0], wanted) for cell in cells]
        if self.failures:
            results = [CellResult(cell=each.cell, failures=self.failures) for each in results]
        run = RunRecord(id="1", command="", started="", benchbench="0")
        environment = Environment(machine="x86_64", cpu_model="a CPU", packages={"torch": "2"})
        return ResultTable(
            suite=suite, run=run, environment=environment, results=tuple(results), folder="results/tiny/1"
        )


@pytest.fixture
def fake_run(monkeypatch: pytest.MonkeyPatch) -> FakeRun:
    made = FakeRun()
    monkeypatch.setattr("benchbench.runner.run.run", made)
    return made


@pytest.fixture
def suite(pytester: pytest.Pytester) -> Path:
    path = pytester.path / "tiny.yaml"
    path.write_text(SUITE, encoding="utf-8")
    return path


def judged_as(monkeypatch: pytest.MonkeyPatch, *verdicts: Verdict) -> None:
    report = GateReport(suite="tiny", base="base", head="head", verdicts=verdicts, cautions=("beware",))
    monkeypatch.setattr("benchbench.pytest_plugin.verdicts.read_base", lambda *_: SimpleNamespace(results=()))

    def report_of(run: SuiteRun) -> GateReport:
        run._report = report
        return report

    monkeypatch.setattr("benchbench.pytest_plugin.suite_run.SuiteRun.report", report_of)


def test_one_test_per_cell_and_measure(suite: Path, fake_run: FakeRun, run_plugin: RunPlugin) -> None:
    result = run_plugin("--benchbench", "tiny.yaml", "--collect-only", "-q")
    assert [line for line in result.outlines if "::" in line] == [
        f"tiny.yaml::{name}"
        for variant in ("baseline", "v1")
        for name in (f"parameters[{variant}]", f"latency[{variant}, {SETTING}]")
    ]
    assert fake_run.asked == []


def test_pytest_benchmark_is_told_the_samples_as_they_are(
    suite: Path, fake_run: FakeRun, run_plugin: RunPlugin, pytester: pytest.Pytester
) -> None:
    words = ("--benchbench", "tiny.yaml", "--benchmark-json", "out.json", "--benchmark-autosave")
    result = run_plugin(*words, "--benchmark-save-data", "-W", "error")
    result.assert_outcomes(passed=4)
    result.stdout.fnmatch_lines(
        ["*benchmark 'latency, cpu, 1 thread': 2 tests*", "latency?v1, cpu, 1 thread?*"]
    )
    found = {
        each["param"]: each for each in json.loads((pytester.path / "out.json").read_text())["benchmarks"]
    }
    assert found["v1"]["stats"]["data"] == [each for process in SAMPLES["v1"] for each in process]
    assert (found["v1"]["stats"]["rounds"], found["v1"]["stats"]["median"]) == (5, 0.05)
    assert found["v1"]["options"]["timer"] == "benchbench_recorded"
    told = found["v1"]["extra_info"]
    assert (told["parameters"], told["macs"]) == (1000, None)
    assert (told["speedup"]["value"], told["speedup"]["low"], told["speedup"]["high"]) == (2.0, 1.9, 2.1)
    assert told["aa_control"]["value"] == 2.0
    assert told["environment"]["cpu_model"] == "a CPU"
    assert told["protocol"] == Protocol(name="latency").hash
    assert told["rounds_per_process"] == [3, 2]
    # One run for all of them; a later one is compared with it as any benchmark is.
    assert len(fake_run.asked) == 1
    again = run_plugin("--benchbench", "tiny.yaml", "--benchmark-compare", "--benchmark-compare-fail=mean:1%")
    again.assert_outcomes(passed=4)
    again.stdout.fnmatch_lines(["latency?v1, cpu, 1 thread? (0001_*", "latency?v1, cpu, 1 thread? (NOW)*"])


def test_only_what_is_left_is_measured(suite: Path, fake_run: FakeRun, run_plugin: RunPlugin) -> None:
    run_plugin("--benchbench", "tiny.yaml", "-k", "parameters").assert_outcomes(passed=2, deselected=2)
    run_plugin("--benchbench", "tiny.yaml", "--benchmark-disable").assert_outcomes(passed=2, skipped=2)
    assert [[spec.name for spec in suite.measure] for suite, _ in fake_run.asked] == [["parameters"]] * 2


def test_cells_that_are_left_out_are_not_measured_but_for_the_baseline(
    suite: Path, fake_run: FakeRun, run_plugin: RunPlugin
) -> None:
    suite.write_text(
        SUITE.replace("measure:", "  v2: {architecture: {width: 8}}\nmeasure:"), encoding="utf-8"
    )
    run_plugin("--benchbench", "tiny.yaml", "-k", "v2").assert_outcomes(passed=2, deselected=4)
    assert list(fake_run.asked[0][0].variants) == ["baseline", "v2"]
    run_plugin("--benchbench", "tiny.yaml", "tiny.yaml::parameters[baseline]").assert_outcomes(passed=1)
    assert list(fake_run.asked[1][0].variants) == ["baseline"]


def test_what_is_left_out_is_neither_judged_nor_missed(suite: Path) -> None:
    run = SuiteRun.load(suite, Requested(None, (), None, Path("b.json"), Path("results"), True, "pytest"))
    assert (run._deselected(), list(run._wanted_suite().variants)) == (frozenset(), ["baseline", "v1"])
    run.wanted_cells.add(run.cells[0].id)
    assert run._deselected() == {"v1"}
    table = FakeRun()(run._wanted_suite(), only=None)
    assert run._left_out(table) == {"v1"}
    run.wanted_cells = {run.cells[1].id}
    table = FakeRun()(run._wanted_suite(), only=None)
    assert (run._deselected(), run._left_out(table)) == ({"baseline"}, frozenset())


def test_without_pytest_benchmark_it_is_measured_all_the_same(
    suite: Path, fake_run: FakeRun, run_plugin: RunPlugin
) -> None:
    run_plugin("--benchbench", "tiny.yaml", "-p", "no:benchmark", "--strict-markers").assert_outcomes(
        passed=4
    )


def test_overrides_a_profile_and_a_glob_reach_the_run(
    suite: Path, fake_run: FakeRun, run_plugin: RunPlugin
) -> None:
    words = (
        "--benchbench-set",
        "architecture.width=8",
        "--benchbench-only",
        "b*",
        "--benchbench-out",
        "there",
    )
    run_plugin("--benchbench", "tiny.yaml", "--benchbench-profile", "latency", *words).assert_outcomes(
        passed=2
    )
    ((asked, options),) = fake_run.asked
    assert asked.architecture.options == {"width": 8}
    assert (options["only"], options["out"], options["folders"]) == ("b*", Path("there"), (suite.parent,))
    assert options["command"].startswith("pytest ")


def test_other_tests_run_only_where_they_are_named(
    suite: Path, fake_run: FakeRun, run_plugin: RunPlugin, pytester: pytest.Pytester
) -> None:
    pytester.makepyfile(test_own="def test_own(): pass")
    run_plugin("--benchbench", "tiny.yaml").assert_outcomes(passed=4)
    run_plugin("--benchbench", "tiny.yaml", "test_own.py").assert_outcomes(passed=5)
    run_plugin("--benchbench", "tiny.yaml", "tiny.yaml::parameters[v1]").assert_outcomes(passed=1)
    run_plugin().assert_outcomes(passed=1)


@pytest.mark.parametrize(
    ("given", "words", "said"),
    [
        ("latency: {thread: 1}", (), r"tiny\.yaml:9: .*thread.*to do: did you mean 'threads'\?"),
        ("latency: {threads: [1", (), r"tiny\.yaml:10: .*"),
        (
            "latency: {threads: 1}",
            ("--benchbench-profile", "quik"),
            r"--benchbench-profile quik; .*'quick'\?",
        ),
        ("latency: {threads: 1}", ("--benchbench-only", "x9"), r"--only x9: no cell matches 'x9'; .*"),
    ],
)
def test_a_wrong_suite_is_one_line(
    suite: Path, run_plugin: RunPlugin, given: str, words: tuple[str, ...], said: str
) -> None:
    suite.write_text(SUITE.replace("latency: {threads: 1}", given), encoding="utf-8")
    result = run_plugin("--benchbench", "tiny.yaml", *words)
    result.assert_outcomes(errors=1)
    lines = result.outlines
    at = next(index for index, line in enumerate(lines) if "ERROR collecting" in line)
    assert re.search(said, lines[at + 1]), lines[at + 1]
    assert "short test summary" in lines[at + 2]


def test_a_run_that_cannot_be_is_one_line_for_each(
    suite: Path, fake_run: FakeRun, run_plugin: RunPlugin
) -> None:
    fake_run.error = StoreError("cannot write results", fix="free some disk space")
    result = run_plugin("--benchbench", "tiny.yaml")
    result.assert_outcomes(failed=4)
    result.stdout.fnmatch_lines(["cannot write results; to do: free some disk space"])
    assert len(fake_run.asked) == 1
    assert "Traceback" not in result.stdout.str()


def test_what_could_not_be_measured_fails_and_what_is_not_here_is_skipped(
    suite: Path, fake_run: FakeRun, run_plugin: RunPlugin
) -> None:
    fake_run.failures = (
        Failure(of="parameters", kind="crashed", reason="it fell", fix="mend it"),
        Failure(of="latency", kind="skipped", reason="no such device"),
    )
    result = run_plugin("--benchbench", "tiny.yaml", "-rs")
    result.assert_outcomes(failed=2, skipped=2)
    result.stdout.fnmatch_lines(
        ["parameters crashed: it fell", "  to do: mend it", "*latency skipped: no such*"]
    )


VERDICTS = (
    Verdict(cell="baseline", measure="parameters", status="pass", reason="equal"),
    Verdict(cell="v1", measure="parameters", status="fail", reason="1 -> 2", rerun="benchbench gate x"),
    Verdict(cell="v1", measure="speedup", setting=SETTING, status="ambiguous", reason="the machine is noisy"),
    Verdict(cell="v2", measure="cell", status="fail", reason="it vanished"),
    Verdict(cell="v1", measure="latency", setting=SETTING, status="note", reason="an absolute time"),
)


def test_verdicts_become_results(
    suite: Path,
    fake_run: FakeRun,
    run_plugin: RunPlugin,
    monkeypatch: pytest.MonkeyPatch,
    pytester: pytest.Pytester,
) -> None:
    judged_as(monkeypatch, *VERDICTS)
    words = ("--benchbench-baseline", "base.json", "--junitxml", "out.xml", "--benchmark-json", "out.json")
    pytester.makeini("[pytest]\nfilterwarnings = error\n")
    result = run_plugin("--benchbench", "tiny.yaml", *words)
    told = result.parseoutcomes()
    assert (told["failed"], told["warnings"], told.get("errors")) == (2, 1, None)
    result.stdout.fnmatch_lines(
        [
            "parameters: 1 -> 2",
            "  again: benchbench gate x",
            "v2 cell: it vanished",
            "*AmbiguousVerdict: latency?v1, cpu, 1 thread?: speedup (cpu, 1 thread): the machine is noisy*",
            "tiny: results in results/tiny/1",
            "fail: v1, parameters: 1 -> 2",
            "ambiguous: v1, speedup, cpu, 1 thread: the machine is noisy",
            "fail: v2, cell: it vanished",
            "beware",
        ]
    )
    cases = {each.get("name"): each for each in ET.parse(pytester.path / "out.xml").iter("testcase")}
    assert cases["parameters[v1]"].find("failure") is not None
    assert cases["baseline[everything else]"].find("failure") is not None
    properties = {
        each.get("name"): each.get("value") for each in cases[f"latency[v1, {SETTING}]"].iter("property")
    }
    assert properties["verdict speedup (cpu, 1 thread)"] == "ambiguous: the machine is noisy"
    found = {
        each["param"]: each for each in json.loads((pytester.path / "out.json").read_text())["benchmarks"]
    }
    assert [each["status"] for each in found["v1"]["extra_info"]["verdict"]] == ["ambiguous", "note"]


def test_a_baseline_of_another_protocol_is_told_before_anything_is_measured(
    suite: Path, fake_run: FakeRun, run_plugin: RunPlugin, monkeypatch: pytest.MonkeyPatch
) -> None:
    protocol = Protocol(name="latency/interleaved", settings={"processes": 2})
    timed = figure("latency", 0.1, unit="s", setting=SETTING, protocol=protocol)
    base = CellResult(cell=expand(load_suite(suite))[0], measurements=(timed,))
    monkeypatch.setattr(
        "benchbench.pytest_plugin.verdicts.read_base", lambda *_: SimpleNamespace(results=(base,))
    )
    result = run_plugin("--benchbench", "tiny.yaml", "--benchbench-baseline", "base.json")
    assert "failed" in result.parseoutcomes()
    result.stdout.fnmatch_lines(["latency of baseline: processes 2 in the base and 3 in the head; *"])
    assert fake_run.asked == []


def test_each_verdict_is_told_once(
    suite: Path, fake_run: FakeRun, run_plugin: RunPlugin, monkeypatch: pytest.MonkeyPatch
) -> None:
    quality = "  - quality: {metrics: [fd], reference: baseline}\n"
    suite.write_text(SUITE + quality, encoding="utf-8")
    judged_as(monkeypatch, Verdict(cell="v1", measure="fd[rand-conv-64]", status="fail", reason="worse"))
    result = run_plugin("--benchbench", "tiny.yaml", "--benchbench-baseline", "base.json")
    assert result.parseoutcomes()["failed"] == 1
    result.stdout.fnmatch_lines(["FAILED tiny.yaml::quality?v1? - fd?rand-conv-64?: worse*"])


def test_a_baseline_is_of_one_suite(suite: Path, run_plugin: RunPlugin) -> None:
    result = run_plugin("--benchbench", "tiny.yaml", "--benchbench", "b.yaml", "--benchbench-baseline", "x")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["ERROR: *a baseline is of one suite*"])
