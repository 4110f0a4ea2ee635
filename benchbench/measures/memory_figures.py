"""What each figure of memory is, how it was read, and where it would not be what it is called."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from benchbench.core.cell import Cell
from benchbench.core.contracts import Subject
from benchbench.core.measurement import Failure
from benchbench.core.registry import BACKENDS
from benchbench.measures.deployed import OneDevice, refuse_other_devices

_BY_ALLOCATOR = "peak of torch's CUDA allocator, reset before each call"


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure.

    Attributes:
        of: what it holds.
        how: by way of reading (`memory_probe.Probe`), in words for the protocol.
        dtype: of the network, for the protocol.
        flag: what a reader must know where the peak could not be reset.
    """

    of: str
    how: Mapping[str, str]
    dtype: str = "as deployed"
    flag: str = ""


FIGURES = {
    "memory_growth": Figure(
        of="what inference adds to network and library, inputs included",
        how={
            "reset": "resident peak of each call, reset before it by /proc/self/clear_refs, less what was "
            "resident before the first; what a call before that left (kernels, packed weights) is not in it",
            "difference": "resident peak after all calls less that before the first: too low where building "
            "the network took more, and with all that a first call leaves",
            "allocator": "peak of torch's CUDA allocator, reset before each call, less what was allocated "
            "before the first; what a call before that left is not in it",
        },
        dtype="float32",
        flag="the peak could not be reset: a difference of peaks, which may be too low",
    ),
    "memory_resident": Figure(
        of="the whole process: interpreter, torch, the backend's library, network, inference",
        how={
            "reset": "resident peak of each call, reset before it by /proc/self/clear_refs: what opening the "
            "network took for a while is not in it, what it keeps is",
            "difference": "resident peak of the process since its start, building and opening included",
        },
        flag="the peak could not be reset: what building and opening took is in it",
    ),
    "memory_allocated": Figure(of="tensors on the GPU, network included", how={"allocator": _BY_ALLOCATOR}),
    "memory_reserved": Figure(
        of="what torch holds of the GPU, its cache included", how={"allocator": _BY_ALLOCATOR}
    ),
}


def refuse_untold(cell: Cell, options: OneDevice) -> Failure | None:
    """Why memory of a deployed cell cannot be told on this device at all; None where it can."""
    refusal = refuse_other_devices(cell, options)
    if refusal is not None or cell.deploy.is_reference or options.device[0] != "cuda":
        return refusal
    if not _is_library(cell.deploy.backend):
        return None
    reason = f"'{cell.deploy.backend}' takes GPU memory past torch's allocator, which alone is read"
    fix = "`nvidia-smi` tells what its process holds, CUDA's context included"
    return Failure(of="", kind="skipped", reason=f"{options.setting}: {reason}", fix=fix)


def untold(subject: Subject, device: str) -> dict[str, str]:
    """Figures that a subject does not have, by name, each with the reason."""
    if subject.session is None:
        return {}
    backend = subject.deployment.backend
    if _is_library(backend):
        reason = f"'{backend}' keeps the memory of its calls: what one of them adds is not what they need"
        return {"memory_growth": reason}
    if device == "cuda" and _replays_graphs(subject):
        reason = "a CUDA graph keeps the memory of its calls, which torch counts as reserved alone"
        return dict.fromkeys(("memory_growth", "memory_allocated"), reason)
    return {}


def _is_library(backend: str) -> bool:
    # What needs no package beside torch computes in torch's memory.
    return bool(BACKENDS.load(backend).packages)


def _replays_graphs(subject: Subject) -> bool:
    assert subject.session is not None
    mode = subject.session.facts.get("mode")
    return subject.deployment.backend == "cuda_graph" or mode in ("reduce-overhead", "max-autotune")
