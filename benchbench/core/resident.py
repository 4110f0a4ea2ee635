"""Memory of this process as Linux counts it, and its high-water mark; None where it does not say.

Every reader takes the root of the file system, so that a test can hand it another process.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

_ROOT = Path("/")


def reset_peak(*, root: Path = _ROOT) -> bool:
    """Set the high-water mark to what is resident now; False where a process may not."""
    path = root / "proc/self/clear_refs"
    try:
        descriptor = os.open(path, os.O_WRONLY)
        try:
            os.write(descriptor, b"5")
        finally:
            os.close(descriptor)
    except OSError:
        return False
    return True


def peak_resident_bytes(*, root: Path = _ROOT) -> int | None:
    """The high-water mark of the resident set, in bytes, since the start or the last `reset_peak`."""
    known = _status(root, "VmHWM:")
    if known is not None or sys.platform == "win32":
        return known
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    # Kilobytes everywhere but on a Mac.
    return (peak if sys.platform == "darwin" else peak * 1024) or None


def resident_bytes(*, root: Path = _ROOT) -> int | None:
    """The resident set now, in bytes."""
    return _status(root, "VmRSS:")


def _status(root: Path, field: str) -> int | None:
    try:
        lines = (root / "proc/self/status").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return None
    for line in lines:
        parts = line.split()
        if len(parts) >= 2 and parts[0] == field and parts[1].isdigit():
            return int(parts[1]) * 1024
    return None
