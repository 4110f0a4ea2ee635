"""Float32 that is float32: nothing that rounds to ten bits or seven, for as long as a block runs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


def _switches() -> tuple[tuple[Any, str, Any], ...]:
    """(where, attribute, its value for full float32)."""
    import torch

    backends: Any = torch.backends
    if not hasattr(backends, "fp32_precision"):
        # Before torch 2.9.
        return ((backends.cudnn, "allow_tf32", False), (backends.cuda.matmul, "allow_tf32", False))
    # Reading the older flags is an error once somebody has set these; these read what the older ones set.
    owners = (backends.cudnn.conv, backends.cuda.matmul, backends.mkldnn.conv, backends.mkldnn.matmul)
    return tuple((owner, "fp32_precision", "ieee") for owner in owners)


def tf32_allowed() -> tuple[bool, bool]:
    """Whether matrix products, and convolutions, on a GPU may round to TF32; read the way it was set."""
    import torch

    backends: Any = torch.backends
    if not hasattr(backends, "fp32_precision"):
        return bool(backends.cuda.matmul.allow_tf32), bool(backends.cudnn.allow_tf32)
    matmul, convolution = backends.cuda.matmul.fp32_precision, backends.cudnn.conv.fp32_precision
    return matmul == "tf32", convolution == "tf32"


@contextmanager
def full_precision() -> Iterator[None]:
    """No TF32, and no bfloat16, in convolutions and products; what was set before is set again afterwards.

    TF32 moves Inception features by a thousandth, and a distance with them. On a CPU it is
    `torch.set_float32_matmul_precision("medium")` that would.
    """
    switches = _switches()
    before = [getattr(owner, name) for owner, name, _ in switches]
    try:
        for owner, name, full in switches:
            setattr(owner, name, full)
        yield
    finally:
        for (owner, name, _), value in zip(switches, before, strict=True):
            setattr(owner, name, value)
