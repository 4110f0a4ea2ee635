"""Peak memory of a training: resident set on the CPU, allocator's peaks on a GPU."""

from __future__ import annotations

import sys
from pathlib import Path

import torch

_STATUS = Path("/proc/self/status")
_CLEAR = Path("/proc/self/clear_refs")


class PeakMemory:
    """Peaks since it was made.

    Where the kernel does not let a process reset its own high-water mark, the resident peak is
    that of the whole process, and `whole_process` says so.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self.whole_process = not _reset_resident()
        if device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(device)

    def read(self) -> dict[str, int]:
        """Bytes by name: peak_resident, and on a GPU peak_allocated and peak_reserved."""
        peaks = {"peak_resident": _resident_peak_bytes()}
        if self._device.type == "cuda":
            peaks["peak_allocated"] = torch.cuda.max_memory_allocated(self._device)
            peaks["peak_reserved"] = torch.cuda.max_memory_reserved(self._device)
        return {name: value for name, value in peaks.items() if value}


def _reset_resident() -> bool:
    try:
        _CLEAR.write_text("5")
    except OSError:
        return False
    return True


def _resident_peak_bytes() -> int:
    try:
        lines = _STATUS.read_text().splitlines()
    except OSError:
        lines = []
    for line in lines:
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    if sys.platform == "win32":
        return 0
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    # Kilobytes everywhere but on a Mac.
    return peak if sys.platform == "darwin" else peak * 1024
