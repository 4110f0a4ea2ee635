from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from benchbench.cli.entry import main
from benchbench.core.errors import MeasurementError
from benchbench.core.measurement import Failure
from benchbench.runner import profile as profile_module
from benchbench.runner.jobs import Answer, Job
from benchbench.runner.profile_job import execute_profile

SMALL = ("transformer_net", "--set", "width=4", "--set", "blocks=1", "--input", "1,3,16,16", "--steps", "1")
SUITE = """
name: small
architecture: {name: transformer_net, width: 4, blocks: 1, input: [1, 3, 16, 16]}
variants:
  baseline: {}
  light: {replace: {stages: [residual], with: depthwise_separable}}
measure: [parameters]
"""
REFUSING = """
import torch


class Refusing(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = torch.nn.Conv2d(3, 4, 3)

    def forward(self, x):
        if x.shape[0] > 1:
            raise ValueError("one at a time")
        return self.conv(x)
"""


@pytest.fixture(autouse=True)
def in_this_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a fresh process' place; and a latency lock, a cache and a working directory of its own."""

    def run(job: Job, **_: Any) -> Answer:
        assert job.profile is not None
        if job.profile.cell.variant == "broken":
            return Answer(failure=Failure(of="cell", kind="crashed", reason="ended by SIGSEGV"))
        return Answer(profile=execute_profile(job.profile))

    monkeypatch.setattr(profile_module, "run_isolated", run)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setenv("BENCHBENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)


def test_text_and_json_have_the_same_figures(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["profile", *SMALL, "--device", "cpu", "--json"]) == 0
    (record,) = json.loads(capsys.readouterr().out)
    assert sorted(each.parent.name for each in Path("profiles").glob("*/*.pt.trace.json")) == [record["cell"]]
    assert record["folder"] == f"profiles/{record['cell']}"
    assert main(["profile", *SMALL, "--device", "cpu"]) == 0
    out, err = capsys.readouterr()
    lines = out.splitlines()
    assert lines[0].startswith("transformer_net (cpu, ")
    assert "batch 1, random weights" in lines[0]
    macs = {row["path"]: row["macs"] for row in record["profile"]["layers"]}
    assert macs["residual.0.first.conv"] > 0
    shown = next(line for line in lines if line.startswith("encoder.0.conv "))
    assert shown.split()[1:3] == ["Conv2d", "1"]
    assert "tensorboard --logdir profiles" in err


def test_a_suites_variant_alone(capsys: pytest.CaptureFixture[str]) -> None:
    Path("suite.yaml").write_text(SUITE)
    arguments = ["profile", "suite.yaml", "--variant", "light", "--steps", "1", "--device", "cpu", "--json"]
    assert main(arguments) == 0
    (record,) = json.loads(capsys.readouterr().out)
    assert any(row["path"].endswith(".depthwise") for row in record["profile"]["layers"])


def test_in_brief_the_sentences_stand_alone(capsys: pytest.CaptureFixture[str]) -> None:
    Path("suite.yaml").write_text(SUITE)
    assert main(["profile", "suite.yaml", "--steps", "1", "--device", "cpu", "--brief"]) == 0
    told = [line for line in capsys.readouterr().out.splitlines() if line]
    assert len(told) == 2
    assert told[0].startswith("light does")
    assert told[1].startswith("roof: ")


def test_an_architectures_variant_is_yaml(capsys: pytest.CaptureFixture[str]) -> None:
    variant = "{title: slim, architecture: {width: 2}}"
    assert main(["profile", *SMALL, "--variant", variant, "--device", "cpu"]) == 0
    assert capsys.readouterr().out.startswith("slim (cpu")


def test_of_several_cells_the_one_that_fails_is_told_and_the_others_are_there(
    capsys: pytest.CaptureFixture[str],
) -> None:
    Path("suite.yaml").write_text(SUITE.replace("light:", "broken:"))
    assert main(["profile", "suite.yaml", "--steps", "1", "--device", "cpu"]) == 1
    out, err = capsys.readouterr()
    assert out.startswith("baseline (cpu")
    assert "error: no profile of 'broken': ended by SIGSEGV" in err
    assert main(["profile", "suite.yaml", "--steps", "1", "--device", "cpu", "--json"]) == 1
    records = json.loads(capsys.readouterr().out)
    assert [sorted(each) for each in records] == [
        ["cell", "folder", "profile", "roofline"],
        ["cell", "error", "folder"],
    ]


def test_a_forward_pass_that_fails_is_one_typed_error(capsys: pytest.CaptureFixture[str]) -> None:
    Path("mine.py").write_text(REFUSING)
    given = ["profile", "mine.py:Refusing", "--input", "1,3,8,8", "--batch", "2", "--device", "cpu"]
    assert main(given) == MeasurementError.exit_code
    _, err = capsys.readouterr()
    said = [line for line in err.splitlines() if line.startswith("error: ")]
    assert said == ["error: Refusing does not run on input [2, 3, 8, 8]: ValueError: one at a time"]
    assert not list(Path("profiles").rglob("*.json"))


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (("transformer_nett",), "unknown architecture 'transformer_nett'"),
        (("transformer_net", "--variant", "v1"), "'transformer_net' has no variants of its own"),
        (("transformer_net", "--variant", "{replace: {stages: [x], with: ghost}}"), "x"),
        (("transformer_net", "--only", "v*"), "--only: 'transformer_net' is no suite"),
        (("transformer_net", "--profile", "quick"), "--profile: 'transformer_net' is no suite"),
        (("transformer_net", "--set", "widht=3"), "widht"),
        (("transformer_net", "--steps", "0"), "--steps: got '0'"),
        (("transformer_net", "--batch", "-1"), "--batch: got '-1'"),
        (("transformer_net", "--device", "tpu"), "--device: invalid choice: 'tpu'"),
        (("transformer_net", "--out", "file"), "cannot write file"),
        (("models/mine.py", "--input", "1,3,8,8"), "'models/mine.py' names no callable"),
        (("pkg:build",), "'pkg:build' does not say what it takes"),
        (("none.yaml",), "none.yaml: there is no such file"),
        (("none.yaml", "--input", "1,3"), "--input: a suite declares it"),
        (("suite.yaml", "--variant", "v9"), "unknown variant 'v9'"),
        (("suite.yaml", "--only", "nothing"), "no cell matches 'nothing'"),
    ],
)
def test_a_wrong_request_is_told_in_one_line(
    assert_refused: Callable[..., None], arguments: tuple[str, ...], problem: str
) -> None:
    Path("suite.yaml").write_text(SUITE)
    Path("file").write_text("")
    assert_refused(("profile", *arguments), problem)
