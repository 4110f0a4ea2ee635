from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch

from benchbench.cli.entry import main
from benchbench.cli.roofline import lines_of
from benchbench.core.measurement import Failure
from benchbench.runner import profile as profile_module
from benchbench.runner import roof as roof_module
from benchbench.runner.jobs import Answer, Job
from benchbench.runner.profile_job import execute_profile

SUITE = """
name: small
architecture: {name: transformer_net, width: 4, blocks: 1, input: [1, 3, 16, 16]}
variants:
  baseline: {}
  light: {replace: {stages: [residual], with: depthwise_separable}}
measure: [parameters]
"""


@pytest.fixture
def made(load_module: Callable[[str], ModuleType]) -> ModuleType:
    return load_module("profile_factory.py")


@pytest.fixture(autouse=True)
def in_this_process(made: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a fresh process' place; a latency lock, a cache and a working directory of its own."""

    def run(job: Job, **_: Any) -> Answer:
        if job.roof is not None:
            return Answer(roof=made.make_roof(job.roof.machine, int8=None, bfloat16=200.0))
        assert job.profile is not None
        return Answer(profile=execute_profile(job.profile))

    monkeypatch.setattr(roof_module, "run_isolated", run)
    monkeypatch.setattr(profile_module, "run_isolated", run)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setenv("BENCHBENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)


def test_the_roof_is_told_with_spread_and_reason(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["roofline", "--device", "cpu", "--threads", "1"]) == 0
    out, err = capsys.readouterr()
    lines = out.splitlines()
    assert lines[0].startswith("roof of cpu, 1 thread")
    float32 = next(line for line in lines if line.startswith("float32"))
    assert float32.split()[1:7] == ["100", "GMAC/s", "10.0", "%", "3", "by"]
    assert next(line for line in lines if line.startswith("int8")).endswith(
        "not measured: RuntimeError: not here"
    )
    assert lines[-1].startswith("In float32, what does fewer than 10.0 MACs per byte")
    assert "measured 2026-11-21 12:00 UTC: cache/roofs/" in err
    assert main(["roofline", "--device", "cpu", "--threads", "1", "--json"]) == 0
    out, err = capsys.readouterr()
    record = json.loads(out)
    assert (record["origin"], err) == ("kept", "")
    assert {each["name"]: each["reason"] for each in record["roof"]["figures"]}["int8"]
    assert Path(record["file"]).is_file()


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (("--threads", "0"), "--threads: got '0', expected 1 or more"),
        (("--threads", "many"), "--threads: got 'many'"),
        (("--threads", "100000"), "--threads 100000: "),
        (("--device", "tpu"), "--device: invalid choice: 'tpu'"),
        (("--cache", "file", "--device", "cpu"), "file is a file"),
        (("--refrsh",), "unknown argument '--refrsh'"),
        pytest.param(
            ("--device", "cuda"),
            "device 'cuda': there is no usable GPU here",
            marks=[] if not torch.cuda.is_available() else [pytest.mark.slow],
        ),
    ],
)
def test_a_wrong_request_is_told_in_one_line(
    assert_refused: Callable[..., None], arguments: tuple[str, ...], problem: str
) -> None:
    Path("file").write_text("")
    assert_refused(("roofline", *arguments), problem)


def test_a_process_that_fails_is_one_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    failure = Failure(of="cell", kind="timed_out", reason="no answer after 600 s")
    monkeypatch.setattr(roof_module, "run_isolated", lambda *_, **__: Answer(failure=failure))
    assert main(["roofline", "--device", "cpu", "--threads", "1"]) != 0
    assert "error: no roof of cpu, 1 thread: no answer after 600 s" in capsys.readouterr().err


def test_a_profile_says_what_measures_the_roof_and_with_it_places_every_class(
    capsys: pytest.CaptureFixture[str],
) -> None:
    Path("suite.yaml").write_text(SUITE)
    profile = ["profile", "suite.yaml", "--steps", "1", "--device", "cpu"]
    threads = str(torch.get_num_threads())
    assert main(profile) == 0
    out, _ = capsys.readouterr()
    assert f"to place these layers under it: benchbench roofline --device cpu --threads {threads}" in out
    assert "of the roof" not in out
    assert "light does " in out
    assert not list(Path("profiles").glob("roofline.*"))

    assert main(["roofline", "--device", "cpu", "--threads", threads]) == 0
    assert main(profile) == 0
    out = capsys.readouterr().out
    header = next(line for line in out.splitlines() if "of the roof" in line)
    assert header.split()[:3] == ["class", "modules", "own"]
    assert "benchbench roofline" not in out
    svg = Path("profiles/roofline.svg").read_text(encoding="utf-8")
    assert "</svg>" in svg
    assert Path("profiles/roofline.png").read_bytes().startswith(b"\x89PNG")
    page = Path("profiles/profile.md").read_text(encoding="utf-8")
    assert "](roofline.svg)" in page

    assert main([*profile, "--json"]) == 0
    first, second = json.loads(capsys.readouterr().out)
    assert first["roofline"]["sentence"] is None
    assert (
        " than baseline " in second["roofline"]["sentence"]
        or " as baseline " in second["roofline"]["sentence"]
    )
    classes = {each["name"]: each for each in second["roofline"]["classes"]}
    assert classes["depthwise"]["placed"]["bound"] in ("memory", "cache")
    assert classes["all"]["macs"] == second["profile"]["macs"]

    # Another folder of caches has none: the drawing of before is of a roof that is not there.
    assert main([*profile, "--cache", "elsewhere"]) == 0
    assert not list(Path("profiles").glob("roofline.*"))


def test_a_name_that_would_move_the_cursor_does_not(made: ModuleType) -> None:
    profiles = [
        made.make_profile("base", ("norm", 1, 1, 1)),
        made.make_profile("\x1b[2Jv", ("norm", 1, 1, 1)),
    ]
    assert lines_of(profiles, None).startswith("\n?[2Jv does as many MACs")
    assert lines_of(profiles[:1], None) == ""
