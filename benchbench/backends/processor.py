"""Which instructions for narrow floating-point numbers the processor has."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Literal

import torch

# As Linux names them: on x86 each of a kind will do; on Arm it is one.
_INSTRUCTIONS = {
    "bf16": ("avx512_bf16", "amx_bf16", "bf16"),
    "fp16": ("avx512_fp16", "amx_fp16", "asimdhp"),
}
_CPUINFO = Path("/proc/cpuinfo")


@functools.cache
def processor_flags() -> frozenset[str]:
    """The features that Linux lists for the first processor; empty where it lists none, and elsewhere."""
    try:
        lines = _CPUINFO.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return frozenset()
    for line in lines:
        key, _, words = line.partition(":")
        if key.strip() in ("flags", "Features"):
            return frozenset(words.split())
    return frozenset()


def lacks_instructions(precision: Literal["bf16", "fp16"]) -> str | None:
    """What the processor lacks to compute in a precision itself, in words; None where it lacks nothing."""
    flags = processor_flags()
    wanted = _INSTRUCTIONS[precision]
    if flags:
        if flags.isdisjoint(wanted):
            return (
                f"this processor has none of {', '.join(wanted)}; numbers would be converted at every layer"
            )
        return None
    operators = torch.ops.mkldnn
    supported = (
        operators._is_mkldnn_bf16_supported if precision == "bf16" else operators._is_mkldnn_fp16_supported
    )
    return None if supported() else f"oneDNN does not compute in {precision} on this processor"
