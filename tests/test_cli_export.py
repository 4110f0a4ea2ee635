"""`benchbench export`: what it prints, and its exit codes."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, get_args

import pytest

from benchbench.cli import main
from benchbench.cli.entry import interruption_message
from benchbench.cli.export import FORMATS, PRECISIONS
from benchbench.core.deployment import Precision
from benchbench.core.environment import Environment
from benchbench.core.errors import OutputsDifferError
from benchbench.runner import export as export_module
from benchbench.runner.export_facts import Format
from benchbench.runner.jobs import Answer, Job
from benchbench.runner.worker import answer_job

SUITE = """\
name: toy
architecture: {name: transformer_net, width: 4, blocks: 1, input: [1, 3, 16, 16]}
variants: {baseline: {}, v1: {replace: {stages: residual, with: depthwise_separable}}}
measure: [parameters]
"""
COMMAND = ["export", "toy.yaml", "--only", "v1", "--to", "pt2", "--out", "out"]

Refused = Callable[[Sequence[str], str], None]


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "toy.yaml").write_text(SUITE)
    monkeypatch.setattr(export_module, "probe_environment", Environment)
    monkeypatch.setattr(
        export_module,
        "run_isolated",
        lambda job, **_: Answer.model_validate_json(answer_job(job.model_dump_json(by_alias=True))),
    )


def test_the_choices_are_those_of_the_code() -> None:
    assert get_args(Format) == FORMATS
    assert get_args(Precision) == PRECISIONS


def test_it_says_what_it_did(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(COMMAND) == 0
    out, err = capsys.readouterr()
    (folder,) = Path("out").iterdir()
    lines = out.splitlines()
    assert lines[0].startswith("v1: model.pt2, ")
    assert lines[1].startswith("loaded again, its outputs are eager float32's, bit by bit")
    assert "the weights are random: nothing was trained or loaded" in lines
    assert lines[-2:] == [f"model: {folder}/model.pt2", f"card:  {folder}/model_card.md"]
    assert len([line for line in lines if line.startswith("not measured: ")]) == 2
    assert err.splitlines()[0] == "v1 to pt2, random weights"


def test_json_is_the_card(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*COMMAND, "--json", "--dynamic"]) == 0
    card = json.loads(capsys.readouterr().out)
    (folder,) = Path("out").iterdir()
    assert card == json.loads((folder / "model_card.json").read_text())
    assert card["shapes"] == "dynamic"


def test_wrong_requests_end_with_2(assert_refused: Refused, capsys: pytest.CaptureFixture[str]) -> None:
    assert_refused([*COMMAND[:3], "v*", *COMMAND[4:], "--set", "matrix.seed=[0,1]"], "matches 2 cells")
    assert_refused([*COMMAND, "--precision", "int8"], "--to pt2 has no int8")
    assert_refused(COMMAND[:-2], "required: --out")
    train = ["--set", "train={recipe: perceptual, steps: 3}", "--set", "data={source: photos, size: 16}"]
    assert_refused([*COMMAND, *train], "no trained weights of 'v1'")
    assert main([*COMMAND, *train]) == 2
    assert "benchbench run toy.yaml --only v1 --set 'train={recipe" in capsys.readouterr().err
    assert not Path("out").exists()


def test_an_error_of_a_variant_has_its_line(assert_refused: Refused) -> None:
    Path("toy.yaml").write_text(SUITE.replace("residual", "nothing"))
    assert_refused(COMMAND, "toy.yaml:3")


def test_a_check_that_says_no_ends_with_1(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def differ(job: Job, **_: Any) -> Answer:
        raise OutputsDifferError("model.pt2, loaded again: its outputs differ", fix="another tolerance")

    monkeypatch.setattr(export_module, "run_isolated", differ)
    assert main(COMMAND) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert "error: model.pt2, loaded again: its outputs differ\n  to do: another tolerance" in err
    assert not Path("out").exists()


def test_an_interruption_says_that_nothing_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(job: Job, **_: Any) -> Answer:
        raise KeyboardInterrupt

    monkeypatch.setattr(export_module, "run_isolated", interrupt)
    assert main(COMMAND) == 130
    assert interruption_message(COMMAND) == "interrupted; nothing was written"
    assert not Path("out").exists()
