"""An exception as what a run keeps of it: a failure with its kind and reason."""

from __future__ import annotations

import re
import traceback
from pathlib import Path

import torch

from benchbench.core.errors import (
    BenchbenchError,
    DependencyError,
    DivergedError,
    NotHadError,
    OutputsDifferError,
    StoreError,
    UnsupportedDeploymentError,
    UnsupportedOperatorError,
)
from benchbench.core.measurement import Failure, FailureKind
from benchbench.core.store import DISK_ERRORS, cannot_write


def explain_failure(error: BaseException, *, of: str) -> Failure:
    """An exception as a typed failure with its reason.

    Raises:
        StoreError: the results folder takes nothing more. No cell is to blame, and none can go on.
    """
    if isinstance(error, StoreError):
        raise error
    if isinstance(error, OSError) and error.errno in DISK_ERRORS:
        raise cannot_write(Path(error.filename or "the results"), error) from error
    kind: FailureKind = "crashed"
    fix: str | None = None
    step: int | None = None
    reason = f"{type(error).__name__}: {error}".strip()
    if isinstance(error, DivergedError):
        kind, reason, step, fix = "diverged", error.problem, getattr(error, "step", None), error.fix
    elif is_out_of_memory(error):
        kind, fix = "out_of_memory", "a smaller batch or image size, or a machine with more memory"
    elif isinstance(error, NotHadError) or (isinstance(error, DependencyError) and of == "cell"):
        kind, reason, fix = "skipped", error.problem, error.fix
    elif isinstance(error, (UnsupportedOperatorError, UnsupportedDeploymentError)):
        kind, reason, fix = "unsupported", error.reason, error.fix
    elif isinstance(error, OutputsDifferError):
        kind, reason, fix = "differs", error.problem, error.fix
    elif isinstance(error, BenchbenchError):
        kind, reason, fix = "invalid", error.reason, error.fix
    else:
        last = traceback.extract_tb(error.__traceback__)[-1:]
        reason += "".join(f" (at {frame.filename}:{frame.lineno})" for frame in last)
    return Failure(of=of, kind=kind, reason=reason, fix=fix, step=step)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether memory ran out; torch's CPU allocator raises a bare RuntimeError."""
    if isinstance(error, (torch.OutOfMemoryError, MemoryError)):
        return True
    return isinstance(error, RuntimeError) and bool(
        re.search(r"can't allocate memory|not enough memory|out of memory", str(error))
    )
