"""Peak memory of a training: resident set on the CPU, allocator's peaks on a GPU."""

from __future__ import annotations

import torch

from benchbench.core.resident import peak_resident_bytes, reset_peak


class PeakMemory:
    """Peaks since it was made.

    Where the kernel does not let a process reset its own high-water mark, the resident peak is
    that of the whole process, and `whole_process` says so.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self.whole_process = not reset_peak()
        if device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(device)

    def read(self) -> dict[str, int]:
        """Bytes by name: peak_resident, and on a GPU peak_allocated and peak_reserved."""
        peaks = {"peak_resident": peak_resident_bytes() or 0}
        if self._device.type == "cuda":
            peaks["peak_allocated"] = torch.cuda.max_memory_allocated(self._device)
            peaks["peak_reserved"] = torch.cuda.max_memory_reserved(self._device)
        return {name: value for name, value in peaks.items() if value}
