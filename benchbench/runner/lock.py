"""One latency measurement on a machine at a time, and one process in a run's folder."""

from __future__ import annotations

import json
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
from filelock import FileLock, Timeout

from benchbench.core.errors import LockedError
from benchbench.core.store import cannot_write


def lock_path() -> Path:
    """The file that every process on this machine locks while it measures latency."""
    return Path(tempfile.gettempdir()) / "benchbench-latency.lock"


def holder(path: Path | None = None) -> str | None:
    """Who holds the lock, in words; None when nobody does."""
    path = path or lock_path()
    probe = FileLock(path, mode=0o666)
    try:
        with probe.acquire(blocking=False):
            return None
    except Timeout:
        return _who(path)
    except OSError:
        return None


def _who(path: Path) -> str:
    try:
        said = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
        if not psutil.pid_exists(said["pid"]):
            return "another process"
        return f"process {said['pid']} ({said['what']}, since {said['since']})"
    except (OSError, ValueError, KeyError, TypeError):
        return "another process"


def _introduce(path: Path, what: str) -> None:
    said = {"pid": os.getpid(), "what": what, "since": time.strftime("%H:%M:%S")}
    card = path.with_suffix(".json")
    # The lock holds without it: a file of another user, or a full disk, only leaves the holder unnamed.
    with suppress(OSError):
        # O_CREAT on another user's file is refused in a sticky folder, even where writing is allowed.
        create = 0 if card.exists() else os.O_CREAT
        with os.fdopen(os.open(card, os.O_WRONLY | os.O_TRUNC | os.O_NOFOLLOW | create), "w") as file:
            if create:
                os.fchmod(file.fileno(), 0o666)
            file.write(json.dumps(said))


@contextmanager
def exclusive_latency(
    what: str, *, say: Callable[[str], None], wait_s: float = 1800.0, poll_s: float = 5.0
) -> Iterator[None]:
    """Hold the machine's latency lock, waiting for whoever has it.

    Args:
        what: is shown to those who wait.
        say: is told for whom this waits.
        wait_s: how long.
        poll_s: between looks; seldom, because who waits must not disturb who measures.

    Raises:
        LockedError: it was still held after `wait_s` seconds.
        StoreError: the lock file cannot be made.
    """
    path = lock_path()
    lock = FileLock(path, mode=0o666)
    try:
        try:
            lock.acquire(blocking=False)
        except Timeout:
            say(f"waiting: {_who(path)} measures latency on this machine")
            lock.acquire(timeout=wait_s, poll_interval=poll_s)
    except Timeout:
        raise LockedError(
            f"{_who(path)} has measured latency on this machine for over {wait_s / 60:.0f} minutes",
            fix="wait for it or end it, then run again with --resume",
        ) from None
    except OSError as error:
        raise cannot_write(path, error) from error
    try:
        _introduce(path, what)
        yield
    finally:
        lock.release()


@contextmanager
def exclusive_run(folder: Path) -> Iterator[None]:
    """Hold a run's folder, so that two processes do not work on one run.

    Raises:
        LockedError: another process works on it.
        StoreError: the folder cannot be written.
    """
    lock = FileLock(folder / ".lock")
    try:
        lock.acquire(blocking=False)
    except Timeout:
        raise LockedError(
            f"another process works on {folder}", fix="wait for it, or start a new run"
        ) from None
    except OSError as error:
        raise cannot_write(folder, error) from error
    try:
        yield
    finally:
        lock.release()
