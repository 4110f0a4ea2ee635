"""A fresh process for one job: a crash, a hang or a kill in it becomes a result."""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress

from benchbench.core import errors
from benchbench.core.errors import BenchbenchError
from benchbench.core.host import KEEP_MEMORY
from benchbench.core.measurement import Failure
from benchbench.runner.jobs import Answer, Job, Obstacle

_GRACE_S = 30.0


def run_isolated(
    job: Job, *, environment: Mapping[str, str] = KEEP_MEMORY, limit_s: float | None = None
) -> Answer:
    """Do `job` in a fresh Python process and wait for its answer without polling.

    Args:
        environment: variables that are set before anything is imported there.
        limit_s: after this long the process is ended and the answer is a `timed_out` failure.

    Raises:
        StoreError: the process could not write its results; no other one could.
        KeyboardInterrupt: after the process, interrupted too, has saved what it had and ended.
    """
    read_end, write_end = os.pipe()
    started = time.perf_counter()
    with (
        os.fdopen(read_end, "rb") as answers,
        subprocess.Popen(
            [sys.executable, "-m", "benchbench.runner.worker", str(write_end)],
            stdin=subprocess.PIPE,
            # What a user's module prints must not land in what we print.
            stdout=2,
            # Ctrl-C reaches us alone, and is handed on once: a second one would stop it before it saves.
            process_group=0,
            pass_fds=(write_end,),
            env={**os.environ, **environment},
            text=True,
        ) as process,
    ):
        os.close(write_end)
        assert process.stdin is not None
        try:
            try:
                process.stdin.write(job.model_dump_json(by_alias=True) + "\n")
                process.stdin.flush()
            except BrokenPipeError:
                # It died at once; its exit status, read below, says how. Unsent text must not be sent again.
                with suppress(BrokenPipeError):
                    process.stdin.close()
            payload = _read_all(answers.fileno(), limit_s)
        except KeyboardInterrupt:
            _let_it_save(process)
            raise
        if payload is None:
            _signal(process, signal.SIGKILL)
            process.wait()
            reason = f"no answer after {limit_s:g} s"
            fix = (
                "raise 'timeout_s'" if job.cell is not None else "run again with --resume on a quiet machine"
            )
            return Answer(failure=Failure(of=job.of, kind="timed_out", reason=reason, fix=fix))
        # Its standard input stays open until here: closing it is how the process learns that we died.
        status = process.wait()
    if payload and status == 0:
        answer = Answer.model_validate_json(payload)
        if answer.obstacle is not None:
            raise _as_error(answer.obstacle)
        return answer.model_copy(update={"started_s": time.perf_counter() - started})
    if status in (130, -signal.SIGINT):
        raise KeyboardInterrupt
    return Answer(failure=explain_exit(status, of=job.of))


def _as_error(obstacle: Obstacle) -> BenchbenchError:
    kind = getattr(errors, obstacle.error, errors.StoreError)
    error: BenchbenchError = kind(obstacle.problem, expected=obstacle.expected, fix=obstacle.fix)
    error.variant = obstacle.variant
    return error


def _read_all(descriptor: int, limit_s: float | None) -> bytes | None:
    """Everything until the other end closes, or None when the time is up first."""
    deadline = None if limit_s is None else time.monotonic() + limit_s
    chunks: list[bytes] = []
    with selectors.DefaultSelector() as selector:
        selector.register(descriptor, selectors.EVENT_READ)
        while True:
            left = None if deadline is None else max(deadline - time.monotonic(), 0.0)
            if not selector.select(left):
                return None
            chunk = os.read(descriptor, 1 << 20)
            if not chunk:
                return b"".join(chunks)
            chunks.append(chunk)


def _let_it_save(process: subprocess.Popen[str]) -> None:
    _signal(process, signal.SIGINT)
    try:
        process.wait(_GRACE_S)
    except (subprocess.TimeoutExpired, KeyboardInterrupt):
        _signal(process, signal.SIGKILL)
        process.wait()


def _signal(process: subprocess.Popen[str], number: signal.Signals) -> None:
    # The whole group: a training may have processes of its own.
    with suppress(ProcessLookupError):
        os.killpg(process.pid, number)


def explain_exit(status: int, *, of: str) -> Failure:
    """Why a process that ended with `status` (negative: by that signal) left no answer."""
    if status >= 0:
        return Failure(
            of=of, kind="crashed", reason=f"the process ended with status {status}, without an answer"
        )
    name = signal.Signals(-status).name
    if name == "SIGKILL":
        return Failure(
            of=of,
            kind="out_of_memory",
            reason="the process was killed (SIGKILL), most likely because memory ran out",
            fix="a smaller batch or image size, or a machine with more memory; `dmesg` tells for sure",
        )
    return Failure(of=of, kind="crashed", reason=f"the process was ended by {name}")
