from __future__ import annotations

import re
from pathlib import Path
from types import ModuleType

import pytest

from benchbench.core.errors import BenchbenchError, OptionError, SuiteError, UnknownNameError
from benchbench.core.gate_rules import GateRules
from benchbench.core.suite_file import load_suite
from benchbench.gate.rules import DEFAULTS, check_file_rules, load_rules, rule_of, unmet

SUITE = """\
name: toy
architecture: transformer_net
variants: {baseline: {}, v1: {replace: {stages: residual, with: depthwise_separable}}}
measure: [parameters, macs]
gate:
  measures:
    latency: 5 %
    fd[rand-conv-64]: {tolerance: 0.2, on: warn}
  cells:
    "v*": {latency: 15 %, parameters: ignore}
"""


def rules(**declared: object) -> GateRules:
    return GateRules.model_validate(declared)


@pytest.fixture
def write(tmp_path: Path):
    def file(text: str) -> Path:
        path = tmp_path / "gate.yaml"
        path.write_text(text)
        return path

    return file


@pytest.mark.parametrize(
    ("measure", "words"),
    [
        ("parameters", "exact"),
        ("macs", "exact"),
        ("output", "exact"),
        ("latency", "10 %"),
        ("speedup", "10 %"),
        ("fd[rand-conv-64]", "5 %"),
        ("kd[rand-conv-64]", "10 %"),
        ("psnr", "2 %"),
        ("energy", "ignore"),
        ("macs_output_size", "ignore"),
    ],
)
def test_without_rules_the_documented_ones_hold(factory: ModuleType, measure: str, words: str) -> None:
    assert rule_of(rules(), measure, factory.cell("v1")).words == words


def test_the_last_that_matches_counts_and_cells_come_after_measures(factory: ModuleType) -> None:
    declared = rules(
        measures={"*": {"on": "warn"}, "latency": "5 %", "speedup": 0.07, "fd[*": 0.2},
        cells={"v?": {"latency": {"tolerance": "15 %", "on": "fail"}}, "baseline": {"parameters": "ignore"}},
    )
    v1, baseline = factory.cell("v1"), factory.cell("baseline")
    assert rule_of(declared, "latency", v1).words == "15 %"
    assert rule_of(declared, "latency", baseline).words == "5 %, warns"
    assert rule_of(declared, "speedup", baseline).words == "7 %, warns"
    assert rule_of(declared, "device_speedup", baseline).words == "5 %, warns"
    assert rule_of(declared, "fd[rand-conv-64]", v1).words == "20 %, warns"
    assert rule_of(declared, "parameters", v1).words == "exact, warns"
    assert rule_of(declared, "parameters", baseline).kind == "ignore"


def test_brackets_stand_for_themselves(factory: ModuleType) -> None:
    declared = rules(measures={"fd[rand-conv-64]": "ignore"}, cells={"v1 x=[1,2]": {"macs": "ignore"}})
    assert rule_of(declared, "fd[rand-conv-64]", factory.cell("v1")).kind == "ignore"
    assert rule_of(declared, "fd[r]", factory.cell("v1")).kind == "within"
    assert unmet(declared, measured=["macs"], cells=[factory.cell("v1")]) == (
        "the rules of cell 'v1 x=[1,2]' match no cell",
    )


def test_a_glob_without_a_match_is_told(factory: ModuleType) -> None:
    declared = rules(measures={"late*": "5 %", "fd*": "5 %", "parameters": "exact"})
    assert unmet(declared, measured=["speedup"], cells=[factory.cell("v1")]) == (
        "the rule 'fd*' matches no measure",
    )


def test_a_time_is_never_exact(factory: ModuleType) -> None:
    with pytest.raises(OptionError, match="no two times are equal"):
        rule_of(rules(measures={"*": "exact"}), "speedup", factory.cell("v1"))
    with pytest.raises(OptionError, match="no two times are equal"):
        rule_of(rules(measures={"*": "0 %"}), "speedup", factory.cell("v1"))
    assert rule_of(rules(measures={"*": "0 %"}), "macs", factory.cell("v1")).tolerance == 0.0


def test_a_suite_brings_its_rules(tmp_path: Path) -> None:
    path = tmp_path / "toy.yaml"
    path.write_text(SUITE)
    declared = load_suite(path).gate
    assert declared is not None
    assert declared.measures["latency"].tolerance == pytest.approx(0.05)
    assert GateRules.model_validate(declared.model_dump(mode="json")) == declared


FAULTS = {
    "a misspelt rule": ("latency: 5 %", "latency: exat", "'exat' is no rule", 7),
    "a percentage without its sign": ("latency: 5 %", "latency: 5", "a tolerance of 5 is 500 %", 7),
    "more than all": (
        "latency: 5 %",
        "latency: 300 %",
        "a tolerance of 300 % lets nearly everything pass",
        7,
    ),
    "more than all of a cell": ("latency: 15 %", "latency: {tolerance: 100 %}", "expected below 100 %", 10),
    "no tolerance at all for a time": ("latency: 5 %", "latency: 0 %", "'latency' is a time", 7),
    "none for a cell's": ("latency: 15 %", "speedup: 0.0", "'speedup' is a time", 10),
    "a negative one": ("latency: 5 %", "latency: -0.1", "got -0.1", 7),
    "a misspelt measure": (
        "latency: 5 %",
        "latencie: 5 %",
        "unknown measure in a gate's rules 'latencie'",
        7,
    ),
    "an exact time": ("latency: 5 %", "latency: exact", "'latency' is a time", 7),
    "an unknown key": ("on: warn", "om: warn", "unknown key 'om'", 8),
    "a wrong word": ("on: warn", "on: scream", 'got "scream"', 8),
    "a misspelt section": ("  cells:", "  cell:", "unknown key 'cell'", 9),
    "of a cell": ("parameters: ignore", "paramters: ignore", "unknown measure in a gate's rules", 10),
}


@pytest.mark.parametrize(("old", "new", "problem", "line"), FAULTS.values(), ids=FAULTS.keys())
def test_a_fault_in_a_suite_is_told_with_its_line(
    tmp_path: Path, old: str, new: str, problem: str, line: int
) -> None:
    path = tmp_path / "toy.yaml"
    path.write_text(SUITE.replace(old, new))
    with pytest.raises(BenchbenchError) as caught:
        load_suite(path)
    assert problem in caught.value.problem
    assert caught.value.where is not None
    assert caught.value.where.line == line


def test_a_file_of_rules_is_read_and_its_faults_are_told(write) -> None:
    declared, sources = load_rules(write("vanished: warn\nmeasures: {macs: 1 %, own: ignore}\n"))
    assert declared.vanished == "warn"
    check_file_rules(declared, sources, measured=["own"])
    with pytest.raises(UnknownNameError) as caught:
        check_file_rules(declared, sources, measured=["macs"])
    assert str(caught.value.where).endswith("gate.yaml:2: measures.own")
    with pytest.raises(SuiteError, match="the file is empty") as empty:
        load_rules(write(""))
    assert empty.value.expected == "rules of a gate"
    with pytest.raises(SuiteError, match="unknown key 'measure'") as misspelt:
        load_rules(write("measure: {macs: exact}\n"))
    assert misspelt.value.fix == "did you mean 'measures'?"


def test_the_defaults_are_those_of_the_docs(factory: ModuleType) -> None:
    page = (Path(__file__).parents[2] / "docs/gate.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (`.*?) \| (exact|\d+ %) \|", page, flags=re.MULTILINE)
    told = {name: words for names, words in rows for name in re.findall(r"`(\w+)`", names)}
    assert len(told) > 15
    for name, words in told.items():
        assert rule_of(rules(), name, factory.cell("v1")).words == words, name
    judged = {name for name in DEFAULTS if "*" not in name and "[" not in name}
    documented = {*told, "discriminator_parameters", "discriminator_macs", "total_parameters"}
    assert judged - documented == {"lpips_diversity", "kd_subsets"}
