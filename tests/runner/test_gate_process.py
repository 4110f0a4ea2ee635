"""With a shell in the worker's place: what becomes of each way a process can answer or end."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from benchbench.runner.gate_process import SideError, WorkerProcess

Stub = Callable[[str], WorkerProcess]


@pytest.fixture
def stub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stub]:
    """A script in Python's place: it is called with `-P PROGRAM COMMANDS ANSWERS`."""
    started: list[WorkerProcess] = []

    def start(script: str) -> WorkerProcess:
        path = tmp_path / "python"
        path.write_text(f"#!/bin/bash\nread -r command <&$3\n{script}\n")
        path.chmod(0o755)
        monkeypatch.setattr(sys, "executable", str(path))
        started.append(WorkerProcess("head", folder=tmp_path, environment={**os.environ, "FOR_IT": "seen"}))
        return started[-1]

    yield start
    for each in started:
        each.end()


def test_a_command_goes_there_and_its_answer_comes_back(stub: Stub) -> None:
    worker = stub(r"""echo "{\"told\": $command, \"in\": \"$PWD\", \"variable\": \"$FOR_IT\"}" >&$4; read""")
    worker.tell("block", calls=3)
    answer = worker.hear(limit_s=30.0)
    assert answer["told"] == {"do": "block", "calls": 3}
    assert answer["variable"] == "seen"
    assert (Path(answer["in"]) / "python").is_file()


def test_answers_that_come_in_pieces_or_together_are_told_apart(stub: Stub) -> None:
    worker = stub("""printf '{"a": ' >&$4; printf '1}\n{"b": 2}\n' >&$4; read""")
    worker.tell("anything")
    assert worker.hear(limit_s=30.0) == {"a": 1}
    assert worker.hear(limit_s=30.0) == {"b": 2}


def test_a_problem_is_told_and_the_process_lives_on(stub: Stub) -> None:
    worker = stub("""echo '{"problem": "no such cell", "fix": "name another"}' >&$4; read""")
    worker.tell("prepare")
    with pytest.raises(SideError) as told:
        worker.hear(limit_s=30.0)
    assert (told.value.side, told.value.reason, told.value.fix, told.value.lost) == (
        "head",
        "no such cell",
        "name another",
        False,
    )


@pytest.mark.parametrize(
    ("script", "told"),
    [("exit 3", "status 3"), ("kill -SEGV $$", "SIGSEGV"), ("kill -KILL $$", "memory ran out")],
)
def test_a_process_that_ends_is_lost_and_says_how(stub: Stub, script: str, told: str) -> None:
    worker = stub(script)
    worker.tell("prepare")
    with pytest.raises(SideError) as problem:
        worker.hear(limit_s=30.0)
    assert problem.value.lost
    assert told in problem.value.reason
    worker.tell("drop")  # to nobody: no error of its own
    with pytest.raises(SideError):
        worker.hear(limit_s=30.0)


def test_one_that_hangs_is_ended_with_all_it_started(stub: Stub) -> None:
    worker = stub(r"""tail -f /dev/null & echo "{\"child\": $!}" >&$4; wait""")
    worker.tell("prepare")
    child = psutil.Process(worker.hear(limit_s=30.0)["child"])
    with pytest.raises(SideError, match=r"no answer after 0\.01 s") as problem:
        worker.hear(limit_s=0.01)
    assert problem.value.lost
    psutil.wait_procs([child], timeout=30)
    assert not child.is_running() or child.status() == psutil.STATUS_ZOMBIE


def test_what_it_prints_is_no_part_of_our_output(stub: Stub, capfd: pytest.CaptureFixture[str]) -> None:
    worker = stub("""echo hello from a constructor; echo '{}' >&$4; read""")
    worker.tell("prepare")
    worker.hear(limit_s=30.0)
    out, err = capfd.readouterr()
    assert (out, "hello from a constructor" in err) == ("", True)


def test_ending_twice_is_no_error_and_leaves_no_pipe_open(stub: Stub) -> None:
    before = len(os.listdir("/proc/self/fd"))
    worker = stub("read")
    worker.end()
    worker.end()
    assert len(os.listdir("/proc/self/fd")) == before
