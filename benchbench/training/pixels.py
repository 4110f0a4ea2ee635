"""Pictures in the range that a network takes and makes."""

from __future__ import annotations

from typing import Literal

import torch

Values = Literal["signed", "unit"]


def to_network(pictures: torch.Tensor, values: Values) -> torch.Tensor:
    """0..1 -> the network's range: -1..1 for `signed`."""
    return pictures * 2 - 1 if values == "signed" else pictures


def to_pictures(made: torch.Tensor, values: Values) -> torch.Tensor:
    """The network's range -> 0..1, clamped."""
    return ((made + 1) / 2 if values == "signed" else made).clamp(0, 1)
