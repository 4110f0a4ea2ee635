"""The parent's side of one process of a set: tells it what to do, and waits without polling."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal, Protocol

from benchbench.core.model import JsonValue
from benchbench.runner.isolate import explain_exit

Side = Literal["base", "head"]
Answered = dict[str, Any]
_PROGRAM = Path(__file__).with_name("gate_worker.py")


class SideError(Exception):
    """One side cannot go on, for a reason in one line; `lost` says that its process is gone with it."""

    def __init__(self, side: Side, reason: str, *, lost: bool, fix: str | None = None) -> None:
        super().__init__(reason)
        self.side = side
        self.reason = reason
        self.lost = lost
        self.fix = fix


class Worker(Protocol):
    """What a set needs of one of its processes; tests bring their own."""

    side: Side

    def tell(self, what: str, **arguments: JsonValue) -> None:
        """Hand it a command; `hear` has the answer."""
        ...

    def hear(self, *, limit_s: float) -> Answered:
        """Its answer, or a SideError."""
        ...

    def end(self) -> None:
        """End it at once."""
        ...


# (side, working directory, all variables) -> a fresh process.
Start = Callable[[Side, Path, Mapping[str, str]], Worker]


class WorkerProcess:
    """A fresh Python process of one side, in that side's tree.

    Args:
        side: whose code it runs.
        folder: its working directory.
        environment: all of its variables.
    """

    def __init__(self, side: Side, *, folder: Path, environment: Mapping[str, str]) -> None:
        self.side = side
        commands_there, self._commands = os.pipe()
        self._answers, answers_there = os.pipe()
        self._heard = b""
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-P", str(_PROGRAM), str(commands_there), str(answers_there)],
                # Never written to: it closes when we die, and ends the process even in the middle of a call.
                stdin=subprocess.PIPE,
                # What a user's module prints must not land in what we print.
                stdout=2,
                # Ctrl-C reaches us alone; we end it.
                process_group=0,
                pass_fds=(commands_there, answers_there),
                cwd=folder,
                env=dict(environment),
            )
        except BaseException:
            os.close(self._commands)
            os.close(self._answers)
            raise
        finally:
            os.close(commands_there)
            os.close(answers_there)

    def tell(self, what: str, **arguments: JsonValue) -> None:
        """Hand it a command; `hear` has the answer."""
        line = json.dumps({"do": what, **arguments}).encode() + b"\n"
        # A process that is gone is told of where its answer is waited for.
        with suppress(BrokenPipeError):
            os.write(self._commands, line)

    def hear(self, *, limit_s: float) -> Answered:
        """Its answer, waited for without polling.

        Raises:
            SideError: it answered that it cannot, ended, or said nothing for `limit_s` seconds.
        """
        line = self._read_line(limit_s)
        if line is None:
            self.end()
            raise SideError(self.side, f"no answer after {limit_s:g} s", lost=True, fix="raise 'timeout_s'")
        if not line:
            failure = explain_exit(self._process.wait(), of="cell")
            raise SideError(self.side, failure.reason, lost=True, fix=failure.fix)
        answer: Answered = json.loads(line)
        if "problem" in answer:
            raise SideError(self.side, answer["problem"], lost=False, fix=answer.get("fix"))
        return answer

    def end(self) -> None:
        """End it at once, with whatever it started; it has nothing to save."""
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        if self._process.stdin is not None and not self._process.stdin.closed:
            self._process.stdin.close()
            os.close(self._commands)
            os.close(self._answers)

    def _read_line(self, limit_s: float) -> bytes | None:
        """Up to the next line's end; b"" where the process is gone, None when the time is up first."""
        deadline = time.monotonic() + limit_s
        while b"\n" not in self._heard:
            left = deadline - time.monotonic()
            poller = select.poll()
            poller.register(self._answers, select.POLLIN)
            if left <= 0 or not poller.poll(left * 1e3):
                return None
            chunk = os.read(self._answers, 1 << 20)
            if not chunk:
                return b""
            self._heard += chunk
        line, _, self._heard = self._heard.partition(b"\n")
        return line + b"\n"


def start_process(side: Side, folder: Path, environment: Mapping[str, str]) -> Worker:
    """A real process."""
    return WorkerProcess(side, folder=folder, environment=environment)
