"""What tells how much memory inference takes: the resident set on the CPU, torch's allocator on a GPU."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import torch

from benchbench.core.resident import peak_resident_bytes, reset_peak, resident_bytes


@dataclass(frozen=True, slots=True)
class Probe:
    """Readings of memory, in bytes; `how` is one of the ways in the protocol. Tests bring their own.

    Attributes:
        reset: sets the peak to what is in use now.
        used: what is in use now, or the peak where that cannot be reset; None where nothing says so.
        peak: the most since the last reset.
        further: other peaks by name of the figure.
    """

    how: Literal["reset", "difference", "allocator"]
    reset: Callable[[], object]
    used: Callable[[], int | None]
    peak: Callable[[], int | None]
    further: Callable[[], Mapping[str, int]] = dict


def probe_for(device: str) -> Probe:
    """The best readings that this process may have."""
    if device == "cuda":
        return Probe(
            how="allocator",
            reset=torch.cuda.reset_peak_memory_stats,
            used=torch.cuda.memory_allocated,
            peak=torch.cuda.max_memory_allocated,
            further=lambda: {
                "memory_allocated": torch.cuda.max_memory_allocated(),
                "memory_reserved": torch.cuda.max_memory_reserved(),
            },
        )
    if reset_peak():
        return Probe(
            how="reset", reset=reset_peak, used=resident_bytes, peak=peak_resident_bytes, further=_whole
        )
    return Probe(
        how="difference",
        reset=lambda: None,
        used=peak_resident_bytes,
        peak=peak_resident_bytes,
        further=_whole,
    )


def _whole() -> Mapping[str, int]:
    peak = peak_resident_bytes()
    return {} if peak is None else {"memory_resident": peak}
