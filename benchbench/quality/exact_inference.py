"""How a network is called for a figure: without gradients, and in full float32 on a GPU too."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def exact_inference() -> Iterator[None]:
    """No gradients; cuDNN's convolutions deterministic and without TF32, as they were set before after it."""
    with (
        torch.inference_mode(),
        # Left alone, its `enabled` would switch cuDNN off.
        torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True, allow_tf32=False),
    ):
        yield
