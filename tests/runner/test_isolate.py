"""With a shell in the worker's place: what becomes of each way a process can end."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from benchbench.core.cell import Cell
from benchbench.core.errors import StoreError
from benchbench.core.measurement import CellResult
from benchbench.core.suite import ArchitectureSpec, MeasureSpec
from benchbench.runner.isolate import run_isolated
from benchbench.runner.jobs import Answer, CellJob, Job, Obstacle, ReplicateJob

CELL = Cell(variant="baseline", architecture=ArchitectureSpec(name="transformer_net"))
JOB = Job(cell=CellJob(cell=CELL, measures=(), folder="."))
COMPARISON = Job(
    replicate=ReplicateJob(cells=(CELL,), measure="latency", options={}, folder=".", seed=0, index=0)
)

Stub = Callable[[str], None]


@pytest.fixture
def stub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Stub:
    """A script in Python's place: it is called with `-m benchbench.runner.worker FD`."""

    def install(script: str) -> None:
        path = tmp_path / "python"
        path.write_text(f"#!/bin/bash\n{script}\n")
        path.chmod(0o755)
        monkeypatch.setattr(sys, "executable", str(path))

    return install


def answering(answer: Answer, tmp_path: Path) -> str:
    path = tmp_path / "answer.json"
    path.write_text(answer.model_dump_json(by_alias=True))
    return f"read job; cat {path} >&$3"


def test_an_answer_comes_back(stub: Stub, tmp_path: Path) -> None:
    stub(answering(Answer(result=CellResult(cell=CELL)), tmp_path))
    answer = run_isolated(JOB)
    assert answer.result == CellResult(cell=CELL)
    assert answer.started_s > 0


def test_the_job_and_its_environment_reach_the_process(stub: Stub, tmp_path: Path) -> None:
    stub(f'read job; echo "$job" > {tmp_path}/job; echo -n "$OMP_NUM_THREADS" > {tmp_path}/threads')
    run_isolated(JOB, environment={"OMP_NUM_THREADS": "3"})
    assert Job.model_validate_json((tmp_path / "job").read_text()) == JOB
    assert (tmp_path / "threads").read_text() == "3"


def test_what_the_process_prints_is_no_part_of_our_output(
    stub: Stub, capfd: pytest.CaptureFixture[str]
) -> None:
    stub("read job; echo hello from a constructor")
    run_isolated(JOB)
    out, err = capfd.readouterr()
    assert (out, "hello from a constructor" in err) == ("", True)


@pytest.mark.parametrize(
    ("script", "kind", "reason"),
    [
        ("read job; exit 3", "crashed", "status 3, without an answer"),
        ("read job; exit 0", "crashed", "status 0, without an answer"),
        ("read job; echo half >&$3; exit 4", "crashed", "status 4"),
        ("exit 5", "crashed", "status 5"),
        ("read job; kill -SEGV $$", "crashed", "SIGSEGV"),
        ("read job; kill -ABRT $$", "crashed", "SIGABRT"),
        ("read job; kill -KILL $$", "out_of_memory", "SIGKILL"),
    ],
)
def test_a_process_that_dies_is_a_failure_with_its_reason(
    stub: Stub, script: str, kind: str, reason: str
) -> None:
    stub(script)
    failure = run_isolated(JOB).failure
    assert failure is not None
    assert (failure.of, failure.kind) == ("cell", kind)
    assert reason in failure.reason


def test_a_process_that_never_reads_its_job_is_a_failure(stub: Stub) -> None:
    long = Job(cell=CellJob(cell=CELL, measures=(MeasureSpec(name="m" * 300_000),), folder="."))
    stub("exit 5")
    failure = run_isolated(long).failure
    assert failure is not None
    assert (failure.kind, "status 5" in failure.reason) == ("crashed", True)


def test_a_hanging_process_is_ended_with_its_children(stub: Stub, tmp_path: Path) -> None:
    stub(f"read job; sleep 60 & echo $! > {tmp_path}/child; wait")
    failure = run_isolated(COMPARISON, limit_s=0.5).failure
    assert failure is not None
    assert (failure.of, failure.kind, failure.reason) == ("latency", "timed_out", "no answer after 0.5 s")
    assert failure.fix is not None
    assert "timeout_s" not in failure.fix
    assert "timeout_s" in (run_isolated(JOB, limit_s=0.1).failure or failure).model_dump_json()
    child = int((tmp_path / "child").read_text())
    for _ in range(100):
        if not psutil.pid_exists(child) or psutil.Process(child).status() == psutil.STATUS_ZOMBIE:
            break
        time.sleep(0.02)
    else:
        raise AssertionError("the child of a process that hung is still there")


def test_an_obstacle_ends_the_run(stub: Stub, tmp_path: Path) -> None:
    obstacle = Obstacle(problem="cannot write w: full", expected="space", fix="make some")
    stub(answering(Answer(obstacle=obstacle), tmp_path))
    with pytest.raises(StoreError) as caught:
        run_isolated(JOB)
    assert (caught.value.problem, caught.value.expected, caught.value.fix) == (
        "cannot write w: full",
        "space",
        "make some",
    )


@pytest.mark.parametrize("script", ["read job; exit 130", "read job; kill -INT $$"])
def test_an_interrupted_process_interrupts_the_run(stub: Stub, script: str) -> None:
    stub(script)
    with pytest.raises(KeyboardInterrupt):
        run_isolated(JOB)


def test_ctrl_c_reaches_the_process_once_and_waits_for_it_to_save(stub: Stub, tmp_path: Path) -> None:
    # As on a terminal: the whole foreground group is signalled, and the worker is not in it.
    stub(
        f"trap 'echo once >> {tmp_path}/signals; sleep 0.2; echo saved > {tmp_path}/saved; exit 130' INT\n"
        f"read job; touch {tmp_path}/ready; while true; do sleep 0.02; done"
    )

    def press() -> None:
        while not (tmp_path / "ready").exists():
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=press)
    thread.start()
    with pytest.raises(KeyboardInterrupt):
        run_isolated(JOB)
    thread.join()
    assert (tmp_path / "saved").exists()
    assert (tmp_path / "signals").read_text() == "once\n"


def test_the_process_is_in_a_group_of_its_own(stub: Stub, tmp_path: Path) -> None:
    stub(f"read job; ps -o pgid= -p $$ > {tmp_path}/group")
    run_isolated(JOB)
    assert int((tmp_path / "group").read_text()) != os.getpgrp()


OWN = """
import os, signal, sys, time
import torch
from torch import nn

def build(how="well"):
    # What is tested happens in the fresh process; the plan is checked in the calling one.
    if "benchbench.runner.worker" in sys.orig_argv:
        if how == "exit":
            os._exit(3)
        if how == "segv":
            os.kill(os.getpid(), signal.SIGSEGV)
        if how == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        if how == "hang":
            time.sleep(600)
        if how == "memory":
            raise MemoryError
        if how == "torch":
            torch.empty(1 << 60, dtype=torch.uint8)
    return nn.Conv2d(3, 3, 3)
"""
WAYS = {
    "well": None,
    "exit": ("crashed", "status 3"),
    "segv": ("crashed", "SIGSEGV"),
    "kill": ("out_of_memory", "SIGKILL"),
    "hang": ("timed_out", "no answer after 20 s"),
    "memory": ("invalid", "MemoryError"),
    "torch": ("invalid", "allocate"),
}


@pytest.mark.slow
def test_what_happens_in_one_cell_stays_in_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import benchbench as bb
    from benchbench.cli import main

    (tmp_path / "own_ways.py").write_text(OWN)
    text = (
        "name: ways\n"
        "architecture: {import: 'own_ways:build', kwargs: {how: well}, input: [1, 3, 8, 8]}\n"
        "timeout_s: 20.0\nmeasure: [parameters]\nvariants:\n"
    )
    text += "".join(f"  {how}: {{architecture: {{kwargs: {{how: {how}}}}}}}\n" for how in WAYS)
    (tmp_path / "ways.yaml").write_text(text)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    assert main(["run", "ways.yaml"]) == 1
    found: dict[str, Any] = {}
    for result in bb.read_run("results/ways").results:
        failure = result.failure
        found[result.cell.variant] = failure
        if failure is None:
            assert result.measurement("parameters").value == 84
    assert list(found) == list(WAYS)
    for how, expected in WAYS.items():
        if expected is None:
            assert found[how] is None
        else:
            assert (found[how].kind, expected[1] in found[how].reason) == (expected[0], True), found[how]
