"""`benchbench run` on a file that lists several suites."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from benchbench.cli import main
from benchbench.core.environment import Environment
from benchbench.core.errors import DataError
from benchbench.core.expand import expand
from benchbench.core.measurement import CellResult, Failure, ResultTable, RunRecord
from benchbench.core.suite import Suite
from benchbench.runner import run as run_module

ONE = """
name: {name}
architecture: transformer_net
variants: {{baseline: {{}}, {light}: {{replace: {{stages: residual, with: depthwise_separable}}}}}}
measure: [parameters]
"""


class FakeRun:
    """Stands for the runner; the suite named `broken` cannot be run."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str | None, Path]] = []
        self.failures: tuple[Failure, ...] = ()

    def __call__(self, suite: Suite, **asked: Any) -> ResultTable:
        self.asked.append((suite.name, asked["only"], *asked["folders"]))
        if suite.name == "broken":
            raise DataError("no folder /nowhere")
        results = tuple(CellResult(cell=cell, failures=self.failures) for cell in expand(suite))
        record = RunRecord(id="r", command="c", started="now", benchbench="0")
        return ResultTable(
            suite=suite,
            run=record,
            environment=Environment(),
            results=results,
            folder=f"results/{suite.name}/r",
        )


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> FakeRun:
    made = FakeRun()
    monkeypatch.setattr(run_module, "run", made)
    return made


@pytest.fixture
def listed(tmp_path: Path) -> Path:
    (tmp_path / "first.yaml").write_text(ONE.format(name="first", light="v1"))
    (tmp_path / "broken.yaml").write_text(ONE.format(name="broken", light="v2"))
    (tmp_path / "last.yaml").write_text(ONE.format(name="last", light="v2"))
    path = tmp_path / "all.yaml"
    path.write_text("name: all\ninclude: [first.yaml, broken.yaml, last.yaml]\n")
    return path


def test_one_that_cannot_be_run_is_told_and_the_others_go_on(
    listed: Path, fake: FakeRun, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["run", str(listed)]) == 2
    assert [name for name, _, _ in fake.asked] == ["first", "broken", "last"]
    assert {folder for _, _, folder in fake.asked} == {listed.parent}
    captured = capsys.readouterr()
    assert "error: no folder /nowhere" in captured.err
    assert "benchbench report results/last/r" in captured.out


def test_only_chooses_a_suite_or_the_cells_of_those_that_have_them(listed: Path, fake: FakeRun) -> None:
    assert main(["run", str(listed), "--only", "fir*"]) == 0
    assert main(["run", str(listed), "--only", "v2", "--set", "timeout_s=60.0"]) == 2
    assert [(name, only) for name, only, _ in fake.asked] == [
        ("first", None),
        ("broken", "v2"),
        ("last", "v2"),
    ]


def test_nothing_that_matches_is_an_error(
    listed: Path, fake: FakeRun, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["run", str(listed), "--only", "v9"]) == 2
    assert fake.asked == []
    assert "no suite and no cell matches 'v9'" in capsys.readouterr().err


def test_a_failed_cell_in_any_of_them_is_told_by_the_exit_code(
    listed: Path, fake: FakeRun, capsys: pytest.CaptureFixture[str]
) -> None:
    fake.failures = (Failure(of="cell", kind="crashed", reason="r"),)
    assert main(["run", str(listed), "--only", "fir*"]) == 1
    assert "crashed" in capsys.readouterr().out


def test_json_is_one_list(listed: Path, fake: FakeRun, capsys: pytest.CaptureFixture[str]) -> None:
    main(["run", str(listed), "--json"])
    told = json.loads(capsys.readouterr().out)
    assert [each["suite"] for each in told] == ["first", "broken", "last"]
    assert told[1]["error"] == "no folder /nowhere"
    assert len(told[2]["cells"]) == 2


@pytest.mark.parametrize(
    ("variant", "told"),
    [
        (
            "v1: {replace: {stages: residual, with: {name: width, multiplier: 0.5}}}",
            "suite.yaml:5: variants.v1: variant 'v1': 'width' changes the whole network",
        ),
        (
            "v1: {architecture: {name: resnet_generator, input: [1, 3, 30, 30]}}",
            "suite.yaml:5: variants.v1: variant 'v1': 'resnet_generator' was given the input [1, 3, 30, 30]",
        ),
    ],
)
def test_what_shows_when_a_network_is_built_is_told_with_its_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], variant: str, told: str
) -> None:
    path = tmp_path / "suite.yaml"
    path.write_text(
        f"name: s\narchitecture: transformer_net\nvariants:\n  base: {{}}\n  {variant}\nmeasure: [macs]\n"
    )
    assert main(["run", str(path), "--out", str(tmp_path)]) == 2
    assert told in capsys.readouterr().err
