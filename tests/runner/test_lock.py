from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock

from benchbench.core.errors import LockedError, StoreError
from benchbench.runner.lock import exclusive_latency, exclusive_run, holder, lock_path

HOLD = """
import os, sys, tempfile, time
tempfile.tempdir = sys.argv[1]
from benchbench.runner.lock import exclusive_latency
with exclusive_latency("other: latency", say=print):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def other(tmp_path: Path, private_lock: Path) -> Any:
    """Another process that holds the lock until its input closes."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def test_the_second_waits_says_for_whom_and_goes_on(other: Any) -> None:
    said: list[str] = []

    def say(line: str) -> None:
        said.append(line)
        other.stdin.close()

    with exclusive_latency("mine", say=say, poll_s=0.01):
        assert holder() is not None
    assert len(said) == 1
    assert said[0].startswith(f"waiting: process {other.pid} (other: latency, since ")


def test_waiting_ends_with_a_clear_error(other: Any) -> None:
    with (
        pytest.raises(LockedError, match="has measured latency on this machine for over") as caught,
        exclusive_latency("mine", say=lambda line: None, wait_s=0.05, poll_s=0.01),
    ):
        raise AssertionError("the lock was given twice")
    assert caught.value.exit_code == 1
    assert str(other.pid) in caught.value.problem
    assert "--resume" in (caught.value.fix or "")


def test_a_killed_holder_does_not_block(other: Any) -> None:
    other.send_signal(signal.SIGKILL)
    other.wait()
    said: list[str] = []
    with exclusive_latency("mine", say=said.append, wait_s=0.1, poll_s=0.01):
        pass
    assert said == []
    assert holder() is None


def test_the_holder_is_named_only_while_it_lives(private_lock: Path) -> None:
    assert holder() is None
    card = private_lock.with_suffix(".json")
    with FileLock(private_lock):
        assert holder() == "another process"
        card.write_text(json.dumps({"pid": 2**22 + 1, "what": "gone", "since": "00:00:00"}))
        assert holder() == "another process"
        card.write_text(json.dumps({"pid": os.getpid(), "what": "s: latency", "since": "00:00:00"}))
        assert holder() == f"process {os.getpid()} (s: latency, since 00:00:00)"


def test_other_users_can_take_it(private_lock: Path) -> None:
    before = os.umask(0o077)
    try:
        with exclusive_latency("mine", say=print):
            pass
    finally:
        os.umask(before)
    assert lock_path() == private_lock
    for path in (private_lock, private_lock.with_suffix(".json")):
        assert path.stat().st_mode & 0o777 == 0o666


def test_a_name_that_cannot_be_left_does_not_stop_it(private_lock: Path) -> None:
    # As another user's file would be, or a folder in its place.
    private_lock.with_suffix(".json").mkdir()
    with exclusive_latency("mine", say=print):
        assert holder() == "another process"


def test_it_is_free_again_after_an_error(private_lock: Path) -> None:
    with pytest.raises(ZeroDivisionError), exclusive_latency("mine", say=print):
        raise ZeroDivisionError
    assert holder() is None


def test_a_run_has_one_owner(tmp_path: Path) -> None:
    with exclusive_run(tmp_path):
        started = time.monotonic()
        with pytest.raises(LockedError, match="another process works on"), exclusive_run(tmp_path):
            raise AssertionError("the lock was given twice")
        # It does not wait: two hours of training may be ahead.
        assert time.monotonic() - started < 30
    with exclusive_run(tmp_path):
        pass


def test_a_folder_that_cannot_hold_a_lock_is_a_store_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="cannot write"), exclusive_run(tmp_path / "file"):
        raise AssertionError("a file is no folder")
