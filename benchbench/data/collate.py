"""Examples as one batch of numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from benchbench.core.examples import Batch


def collate(examples: Sequence[Batch]) -> dict[str, torch.Tensor]:
    """Examples as one batch: pictures (uint8) as float in 0..1, maps (bool) as float, the rest as it is.

    By numpy, in one thread: this runs beside the training, and a second team of torch's threads would take
    turns with the one that computes the step, which costs more than the work itself.
    """
    return {name: _as_numbers(np.stack([each[name].numpy() for each in examples])) for name in examples[0]}


def _as_numbers(stacked: NDArray[Any]) -> torch.Tensor:
    if stacked.dtype == np.uint8:
        stacked = np.divide(stacked, np.float32(255), dtype=np.float32)
    elif stacked.dtype == np.bool_:
        stacked = stacked.astype(np.float32)
    return torch.from_numpy(stacked)
